"""Breaks P1: a submission without an answer is sent again."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    def look_for_it(self, doubt):
        return None


if __name__ == "__main__":
    sys.exit(main(Bad))
