"""Breaks D1: the swap names another URL than its detection."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    def create(self, found):
        kept, self.image = self.image, "https://faces.invalid/2.jpg"
        try:
            return super().create(found)
        finally:
            self.image = kept


if __name__ == "__main__":
    sys.exit(main(Bad))
