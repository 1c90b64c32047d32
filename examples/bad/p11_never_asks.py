"""Breaks P11: it submits without a look at price or balance."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import NotKnown, main
from crun import Crun


class Bad(Crun):
    def balance(self):
        return 0.0

    def look_for_it(self, doubt):
        raise NotKnown(f"no answer: {doubt}")


if __name__ == "__main__":
    sys.exit(main(Bad))
