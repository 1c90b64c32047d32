"""Breaks R2: it saves what comes, without a look at status or type."""

import sys
from pathlib import Path

import _good  # noqa: F401 (makes the next imports work)
import requests
from common import TIMEOUT, Doubtful, main
from crun import Crun


class Bad(Crun):
    def fetch_once(self, link):
        try:
            answer = requests.get(link, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise Doubtful(type(error).__name__) from None
        return self.store(answer.content, Path(link).suffix)


if __name__ == "__main__":
    sys.exit(main(Bad))
