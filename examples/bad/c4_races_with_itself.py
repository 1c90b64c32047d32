"""Breaks C4: it looks whether a task is fulfilled and writes it down later, with a gap in between."""

import sys
import time

import _good  # noqa: F401 (makes the next imports work)
from common import Callbacks, main
from crun import Crun


class Eager(Callbacks):
    def heard(self, job, task):
        super().heard(job, task)
        self.client.fulfil_by_callback(task)


class Bad(Crun):
    seen = ()

    def receiver(self, port):
        callbacks = Eager(port, self.task_in_callback)
        callbacks.client = self
        return callbacks

    def fulfil_by_callback(self, task):
        is_new = task not in self.seen
        time.sleep(0.5)
        if is_new and self.state(self.ask(task)) == "succeeded":
            self.seen = (*self.seen, task)
            self.tell("SWAPMOCK_EFFECT_URL", {"effect": "fulfil", "task": task, "id": self.record["job"]})

    def fulfil(self, task):
        pass


if __name__ == "__main__":
    sys.exit(main(Bad))
