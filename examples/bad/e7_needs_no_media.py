"""Breaks E7: a success without any link is a success."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    def links(self, answer):
        return super().links(answer) or ["nothing"]

    def fetch(self, link):
        return link if link == "nothing" else super().fetch(link)


if __name__ == "__main__":
    sys.exit(main(Bad))
