"""Breaks R3: a result that cannot be fetched is made anew."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import NotKnown, main
from crun import Crun


class Bad(Crun):
    again = False

    def fetch(self, link):
        try:
            return super().fetch(link)
        except NotKnown:
            if self.again:
                raise
        self.again = True
        task = self.submit_job()
        return super().fetch(self.links(self.wait_for(lambda: self.ask(task)))[0])


if __name__ == "__main__":
    sys.exit(main(Bad))
