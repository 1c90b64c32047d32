"""Breaks P3b: a batch of three jobs, each tried although the first was refused for lack of credits."""

import os
import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Failed, NotKnown
from crun import Crun


class Job(Crun):
    def __init__(self, number):
        os.environ.pop("SWAPMOCK_CALLBACK_PORT", None)
        os.environ.pop("SWAPMOCK_CALLBACK_URL", None)
        folder = os.path.join(os.environ["WORK"], str(number))
        os.makedirs(folder, exist_ok=True)
        os.environ["SWAPMOCK_WORK_DIR"] = folder
        super().__init__()
        self.face = f"https://faces.invalid/{number}.png"


def main():
    failed = 0
    for number in (1, 2, 3):
        job = Job(number)
        try:
            job.run()
        except (Failed, NotKnown) as failure:
            print(failure, file=sys.stderr)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
