"""Breaks D5: no face was found, and it pays for a swap all the same."""

import sys

import _good  # noqa: F401 (makes the next imports work)
from common import Failed, main
from crun import Crun


class Bad(Crun):
    def submit_job(self):
        try:
            return super().submit_job()
        except Failed as failure:
            if "face" not in str(failure):
                raise
        inputs = {"image_url": self.image, "new_face": self.face}
        body = {"model": "image-face-swap", "input": inputs}
        return self.send("POST", "/api/v1/client/job/CreateTask", json=body)["task_id"]


if __name__ == "__main__":
    sys.exit(main(Bad))
