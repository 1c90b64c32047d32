"""Breaks K2: it follows redirects, with its key."""

import sys

import _good  # noqa: F401 (makes the next imports work)
import requests
from common import TIMEOUT, Doubtful, main
from crun import Crun


class Bad(Crun):
    def send(self, method, path, **given):
        try:
            answer = requests.request(method, self.url + path, headers=self.headers(), timeout=TIMEOUT, **given)
            return self.checked(answer, answer.json())
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            raise Doubtful(type(error).__name__) from None


if __name__ == "__main__":
    sys.exit(main(Bad))
