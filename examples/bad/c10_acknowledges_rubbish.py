"""Breaks C10: it acknowledges before it has read what came."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Callbacks, main
from crun import Crun


class Hasty(Callbacks):
    def reply(self, handler, status, document):
        super().reply(handler, 200, self.answer)


class Bad(Crun):
    def receiver(self, port):
        return Hasty(port, self.task_in_callback)


if __name__ == "__main__":
    sys.exit(main(Bad))
