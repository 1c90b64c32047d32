"""Breaks R3b: one try, and then the task's id is thrown away."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Doubtful, NotKnown, main
from crun import Crun


class Bad(Crun):
    def fetch(self, link):
        try:
            return self.fetch_once(link)
        except Doubtful as wrong:
            self.record.keep(task=None, done="lost", balance=None)
            raise NotKnown(f"the result is lost: {wrong}") from None

    def run(self):
        path = super().run()
        if path == "lost":
            raise NotKnown("the result is lost")
        return path


if __name__ == "__main__":
    sys.exit(main(Bad))
