"""Breaks C9: a callback of a task that it does not know yet is dropped, and it waits for callbacks only."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Callbacks, main
from crun import Crun


class Dropping(Callbacks):
    def heard(self, job, task):
        if self.client.record["task"] == task:
            super().heard(job, task)


class Bad(Crun):
    def receiver(self, port):
        callbacks = Dropping(port, self.task_in_callback)
        callbacks.client = self
        return callbacks

    def ask(self, task):
        while task not in self.callbacks.tasks.values():
            self.pause(2.0)
        return super().ask(task)


if __name__ == "__main__":
    sys.exit(main(Bad))
