"""Breaks L1: it asks once more after the end."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    def wait_for(self, ask):
        answer = super().wait_for(ask)
        self.pause(self.interval)
        ask()
        return answer


if __name__ == "__main__":
    sys.exit(main(Bad))
