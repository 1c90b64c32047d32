"""Breaks R1: it keeps the link in place of the bytes."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    def fetch(self, link):
        return link


if __name__ == "__main__":
    sys.exit(main(Bad))
