"""Breaks L4: one failing poll ends the job."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    tolerated = 0


if __name__ == "__main__":
    sys.exit(main(Bad))
