"""Breaks C1: it acknowledges callbacks in words of its own."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from imgopen import ImgOpen


class Bad(ImgOpen):
    def receiver(self, port):
        callbacks = super().receiver(port)
        callbacks.answer = {"ok": True}
        return callbacks


if __name__ == "__main__":
    sys.exit(main(Bad))
