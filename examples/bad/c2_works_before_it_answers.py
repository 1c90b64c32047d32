"""Breaks C2: it works for eight seconds, and answers then."""

import sys
import time

import _good  # noqa: F401 (makes the next imports work)
from common import Callbacks, main
from crun import Crun


class Slow(Callbacks):
    def receive(self, handler, path, body):
        time.sleep(8.0)
        super().receive(handler, path, body)


class Bad(Crun):
    def receiver(self, port):
        return Slow(port, self.task_in_callback)

    def linger(self):
        time.sleep(15.0)


if __name__ == "__main__":
    sys.exit(main(Bad))
