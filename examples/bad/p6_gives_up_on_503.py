"""Breaks P6: one HTTP 503 to a poll ends the job."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Failed, main
from crun import Crun


class Bad(Crun):
    def checked(self, answer, document):
        if answer.status_code in (408, 503) and answer.request.method == "GET":
            raise Failed(f"HTTP {answer.status_code}")
        return super().checked(answer, document)


if __name__ == "__main__":
    sys.exit(main(Bad))
