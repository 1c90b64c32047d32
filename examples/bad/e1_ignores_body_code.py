"""Breaks E1: with HTTP 200 it never looks at the code in the body."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Loose(dict):
    def __missing__(self, name):
        return None


class Bad(Crun):
    def checked(self, answer, document):
        if answer.status_code == 200:
            return Loose(document.get("data") or {})
        return super().checked(answer, document)


if __name__ == "__main__":
    sys.exit(main(Bad))
