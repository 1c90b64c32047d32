"""Breaks E6: it compares the code with a number, where the documents show a text."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Failed, main
from imgopen import ImgOpen


class Bad(ImgOpen):
    def checked(self, answer, document):
        if document["code"] != 200:
            raise Failed(f"refused: {document}")
        return super().checked(answer, document)


if __name__ == "__main__":
    sys.exit(main(Bad))
