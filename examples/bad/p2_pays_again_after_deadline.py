"""Breaks P2: once its deadline has passed, the next run starts from nothing."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import NotKnown, main
from crun import Crun


class Bad(Crun):
    def pause(self, seconds):
        try:
            super().pause(seconds)
        except NotKnown:
            self.record.keep(task=None, doubt=False)
            raise


if __name__ == "__main__":
    sys.exit(main(Bad))
