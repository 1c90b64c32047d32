"""Breaks C5: the last callback decides, whatever a poll told."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Callbacks, main
from crun import Crun


class Believing(Callbacks):
    last = ""

    def receive(self, handler, path, body):
        if b'"failed"' in body:
            self.last = "failed"
        super().receive(handler, path, body)


class Bad(Crun):
    def receiver(self, port):
        return Believing(port, self.task_in_callback)

    def claim(self, outcome, reason=None):
        super().claim(self.callbacks.last or outcome, reason)


if __name__ == "__main__":
    sys.exit(main(Bad))
