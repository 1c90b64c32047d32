"""Breaks C7: its endpoint answers callbacks with a redirect."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Callbacks, main
from crun import Crun


class Redirecting(Callbacks):
    def reply(self, handler, status, document):
        handler.send_response(308)
        handler.send_header("location", handler.path.replace("/callback", "/callback/"))
        handler.send_header("content-length", "0")
        handler.end_headers()


class Bad(Crun):
    def receiver(self, port):
        return Redirecting(port, self.task_in_callback)


if __name__ == "__main__":
    sys.exit(main(Bad))
