"""Breaks D3: faces that stay are left out of the swap."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    def chosen(self, found):
        return super().chosen(found)[:1]


if __name__ == "__main__":
    sys.exit(main(Bad))
