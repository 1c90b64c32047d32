# mypy: ignore-errors
"""A good client with a planted bug: it pays for the job again once it has met both of two faults.

The two stand in PLANTED, by the names of what `swapmock conform --explore` puts conditions together from. What was met is
kept in the job's record, so that a kill does not forget it.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "good"))

from common import Callbacks, Doubtful, main
from crun import Crun


class Counting(Callbacks):
    def heard(self, job, task):
        super().heard(job, task)
        self.client.count = self.client.count + 1
        if self.client.count > 1:
            self.client.met("callback_duplicate")


class Planted(Crun):
    count = 0
    polls = 0

    def __init__(self):
        super().__init__()
        if self.record["task"]:
            self.met("killed_after_answer")
        elif self.record["doubt"]:
            self.met("killed_after_sending")

    def receiver(self, port):
        callbacks = Counting(port, self.task_in_callback)
        callbacks.client = self
        return callbacks

    def met(self, name):
        self.record.keep(met=sorted({*(self.record["met"] or ()), name}))

    def checked(self, answer, document):
        request = answer.request
        create, poll = request.url.endswith("CreateTask"), "TaskInfo" in request.url
        code = str(document["code"])
        if create and code == "429":
            self.met("create_429_told" if "retry-after" in answer.headers else "create_429")
        if create and code == "455":
            self.met("create_455")
        if create and code == "500":
            self.met("create_500_after")
        if poll and answer.status_code == 503:
            self.met("poll_503")
        elif poll and code == "500":
            self.met("poll_500")
        if poll and code == "404":
            self.met("poll_404")
        if poll and code == "429":
            self.met("poll_429")
        if poll and code == "200" and (document.get("data") or {}).get("status") == "running":
            self.polls += 1
            if self.polls > 12:
                self.met("slow")
        return super().checked(answer, document)

    def send(self, method, path, **given):
        try:
            return super().send(method, path, **given)
        except Doubtful as doubt:
            if path.endswith("CreateTask") and "Connection" in str(doubt):
                self.met("create_reset_after")
            if "TaskInfo" in path and "Connection" in str(doubt):
                self.met("poll_reset")
            if "TaskInfo" in path and "JSON" in str(doubt):
                self.met("poll_malformed")
            raise

    def fetch_once(self, link):
        try:
            return super().fetch_once(link)
        except Doubtful as wrong:
            self.met("media_503" if "503" in str(wrong) else "media_page" if "html" in str(wrong) else "media_cut")
            raise

    def fetch(self, link):
        path = super().fetch(link)
        if set(os.environ["PLANTED"].split(",")) <= set(self.record["met"] or ()):
            self.create(self.detect())
        return path


if __name__ == "__main__":
    sys.exit(main(Planted))
