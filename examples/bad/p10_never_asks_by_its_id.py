"""Breaks P10: in doubt it gives up, although its own id would tell."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import NotKnown, main
from imgopen import ImgOpen


class Bad(ImgOpen):
    def look_for_it(self, doubt):
        raise NotKnown(f"no answer: {doubt}")


if __name__ == "__main__":
    sys.exit(main(Bad))
