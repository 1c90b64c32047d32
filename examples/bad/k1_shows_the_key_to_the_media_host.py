"""Breaks K1: downloads carry the API key."""

import sys

import _good  # noqa: F401 (makes the next imports work)
import requests
from common import TIMEOUT, main
from crun import Crun


class Bad(Crun):
    def fetch_once(self, link):
        requests.get(link, headers=self.headers(), timeout=TIMEOUT)
        return super().fetch_once(link)


if __name__ == "__main__":
    sys.exit(main(Bad))
