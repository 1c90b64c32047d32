"""Breaks R4: the upload shows the API key to the store."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import main
from crun_upload import Uploading


class Bad(Uploading):
    def upload_headers(self):
        return {"content-type": "image/png", **self.headers()}


if __name__ == "__main__":
    sys.exit(main(Bad))
