"""Breaks C6: it acts on what a callback says, without reading the task."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Callbacks, main
from crun import Crun


class Trusting(Callbacks):
    def heard(self, job, task):
        super().heard(job, task)
        if task not in self.client.seen:
            self.client.seen.append(task)
            self.client.tell("SWAPMOCK_EFFECT_URL", {"effect": "fulfil", "task": task, "id": job})


class Bad(Crun):
    interval = 8.0

    def receiver(self, port):
        self.seen = []
        callbacks = Trusting(port, self.task_in_callback)
        callbacks.client = self
        return callbacks

    def fulfil(self, task):
        pass


if __name__ == "__main__":
    sys.exit(main(Bad))
