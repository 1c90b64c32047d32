"""Breaks D4: a refused detect_id is sent again as it is."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Lasting, main
from crun import Crun


class Bad(Crun):
    def submit_job(self):
        found = self.detect()
        try:
            return self.submit_once(lambda: self.create(found))
        except Lasting:
            self.pause(3.0)
            return self.submit_once(lambda: self.create(found))


if __name__ == "__main__":
    sys.exit(main(Bad))
