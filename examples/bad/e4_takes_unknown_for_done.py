"""Breaks E4: whatever is neither running nor failed counts as done."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    def state(self, answer):
        known = ("starting", "processing", "pending", "running", "failed", "succeeded", "success")
        self.odd = answer.get("status") not in known
        return "succeeded" if self.odd else super().state(answer)

    def links(self, answer):
        return ["nothing"] if self.odd else super().links(answer)

    def fetch(self, link):
        return link if link == "nothing" else super().fetch(link)


if __name__ == "__main__":
    sys.exit(main(Bad))
