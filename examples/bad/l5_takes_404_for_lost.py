"""Breaks L5: a task that is not found yet counts as lost."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Failed, Lasting, main
from crun import Crun


class Bad(Crun):
    def ask(self, task):
        try:
            return super().ask(task)
        except Lasting as refused:
            if refused.code == "404":
                raise Failed("the task is lost") from None
            raise


if __name__ == "__main__":
    sys.exit(main(Bad))
