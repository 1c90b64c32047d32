"""Breaks E2: a task that has ended counts as done, however it ended."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Failed, main
from crun import Crun


class Bad(Crun):
    def wait_for(self, ask):
        try:
            return super().wait_for(ask)
        except Failed:
            if not self.record["task"]:
                raise
            return {"result": {"media_urls": ["nothing"]}}

    def fetch(self, link):
        return link if link == "nothing" else super().fetch(link)


if __name__ == "__main__":
    sys.exit(main(Bad))
