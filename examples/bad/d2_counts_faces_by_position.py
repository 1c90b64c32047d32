"""Breaks D2: it numbers the faces itself, in the order of the list."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    def chosen(self, found):
        links = [face["link"] for face in found["faces"]]
        return [{"face_id": place, "target": link if place else self.face} for place, link in enumerate(links)]


if __name__ == "__main__":
    sys.exit(main(Bad))
