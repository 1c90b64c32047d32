"""Breaks V1: it looks for a piece of text in the answer."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Doubtful, main
from crun import Crun


class Bad(Crun):
    def checked(self, answer, document):
        if document["code"] == 200 and '"code":200' not in answer.text:
            raise Doubtful("no success in the text")
        return super().checked(answer, document)


if __name__ == "__main__":
    sys.exit(main(Bad))
