"""Breaks L3: it polls five times a second."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    interval = 0.2


if __name__ == "__main__":
    sys.exit(main(Bad))
