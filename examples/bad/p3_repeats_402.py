"""Breaks P3: it tries again after 402, as if credits would come."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    passing = ("429", "455", "402")


if __name__ == "__main__":
    sys.exit(main(Bad))
