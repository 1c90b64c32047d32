"""Breaks P8: its own deadline is told as a failure of the job."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Failed, NotKnown, main
from crun import Crun


class Bad(Crun):
    def pause(self, seconds):
        try:
            super().pause(seconds)
        except NotKnown:
            raise Failed("timed out") from None


if __name__ == "__main__":
    sys.exit(main(Bad))
