"""Breaks C8: it reads a task only when its callback has come."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    def ask(self, task):
        while task not in self.callbacks.tasks.values():
            self.pause(2.0)
        return super().ask(task)


if __name__ == "__main__":
    sys.exit(main(Bad))
