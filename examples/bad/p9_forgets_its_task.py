"""Breaks P9: it keeps no task's id, so that a restart begins anew."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    def __init__(self):
        super().__init__()
        self.record.facts.pop("task", None)
        self.record.facts.pop("doubt", None)


if __name__ == "__main__":
    sys.exit(main(Bad))
