"""Breaks P7: three layers of retries, each with five attempts."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    attempts = 40
    deadline = 3600.0


if __name__ == "__main__":
    sys.exit(main(Bad))
