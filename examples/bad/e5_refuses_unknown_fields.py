"""Breaks E5: it refuses an answer with a member that it does not know."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Failed, main
from crun import Crun


class Bad(Crun):
    def checked(self, answer, document):
        unknown = set(document) - {"code", "message", "data", "errors"}
        if unknown:
            raise Failed(f"unexpected members: {unknown}")
        return super().checked(answer, document)


if __name__ == "__main__":
    sys.exit(main(Bad))
