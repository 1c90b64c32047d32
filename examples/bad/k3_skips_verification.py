"""Breaks K3: it accepts every certificate."""

import sys

import _good  # noqa: F401 (makes the next imports work)
import requests
from common import TIMEOUT, Doubtful, main
from crun import Crun


class Bad(Crun):
    def send(self, method, path, **given):
        try:
            answer = requests.request(
                method,
                self.url + path,
                headers=self.headers(),
                timeout=TIMEOUT,
                verify=False,
                allow_redirects=False,
                **given,
            )
            document = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise Doubtful(type(error).__name__) from None
        if "code" not in document:
            raise Doubtful("no code")
        return self.checked(answer, document)


if __name__ == "__main__":
    sys.exit(main(Bad))
