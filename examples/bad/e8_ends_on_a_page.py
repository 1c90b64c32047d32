"""Breaks E8: an answer to a poll that is no JSON ends the job."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Doubtful, Failed, main
from crun import Crun


class Bad(Crun):
    def ask(self, task):
        try:
            return super().ask(task)
        except Doubtful as doubt:
            if "JSON" in str(doubt):
                raise Failed("the answer is no JSON") from None
            raise


if __name__ == "__main__":
    sys.exit(main(Bad))
