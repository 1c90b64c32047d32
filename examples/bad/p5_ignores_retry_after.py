"""Breaks P5: it waits a second, whatever it is told."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    def retry_after(self, answer):
        return 1.0


if __name__ == "__main__":
    sys.exit(main(Bad))
