"""Breaks E3: it knows the word of detections only, and waits for it with tasks, too."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun import Crun


class Bad(Crun):
    def state(self, answer):
        return {"succeeded": "succeeded", "failed": "failed"}.get(answer.get("status"), "running")


if __name__ == "__main__":
    sys.exit(main(Bad))
