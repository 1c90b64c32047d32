"""Breaks P4: every refusal is tried again."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Lasting, Passing, main
from crun import Crun


class Bad(Crun):
    def checked(self, answer, document):
        try:
            return super().checked(answer, document)
        except Lasting as refused:
            if refused.code in ("401", "403", "422", "505"):
                raise Passing(str(refused)) from None
            raise


if __name__ == "__main__":
    sys.exit(main(Bad))
