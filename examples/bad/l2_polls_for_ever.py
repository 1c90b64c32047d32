"""Breaks L2: there is no deadline in its loop."""

import sys
import time

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    def pause(self, seconds):
        time.sleep(seconds)


if __name__ == "__main__":
    sys.exit(main(Bad))
