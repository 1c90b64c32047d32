"""A careful client of crun.ai: detect the faces, swap the first, keep the others, store the result."""

import os
import sys
import time

from common import Client, Doubtful, Failed, Lasting, NotKnown, main


class Crun(Client):
    passing = ("429", "455")
    doubtful = ("500", "501", "502", "503", "504")
    faces_expected = 2

    def headers(self):
        return {"x-api-key": os.environ["CRUN_API_KEY"]}

    def balance(self):
        """Credits of the account; asking costs nothing, so a few tries are fine."""
        for _ in range(4):
            try:
                return float(self.send("GET", "/api/v1/client/account/balance")["balance"])
            except Doubtful:
                self.pause(2.0)
        raise NotKnown("the balance cannot be read")

    # Faces

    def detect(self):
        body = {"image_url": self.image}
        started = self.detected(lambda: self.send("POST", "/api/v1/client/job/detect-face-image", json=body))
        found = self.wait_for(lambda: self.ask_detection(started["detect_task_id"]))["result"]
        self.check_faces(found["faces"])
        return found

    def detected(self, start):
        """Detections are free: a doubtful one is simply started again."""
        for _ in range(3):
            try:
                return start()
            except Doubtful:
                self.pause(3.0)
        raise Failed("no detection could be started")

    def check_faces(self, faces):
        if not faces:
            raise Failed("no face was found")
        if len(faces) > self.faces_expected:
            raise Failed(f"{len(faces)} faces were found, {self.faces_expected} expected")

    def ask_detection(self, task):
        return self.send("GET", "/api/v1/client/job/detect-face-result", params={"detect_task_id": task})

    def chosen(self, found):
        """Every face by its own id: the lowest is replaced, the others keep their detected link."""
        first = min(face["id"] for face in found["faces"])
        return [
            {"face_id": face["id"], "target": self.face if face["id"] == first else face["link"]}
            for face in found["faces"]
        ]

    # The swap

    def submit_job(self):
        for again in (False, True):
            found = self.detect()
            try:
                return self.submit_once(lambda found=found: self.create(found))
            except Lasting as refused:
                if refused.code != "422" or again or not self.is_stale(found):
                    raise
        raise Failed("the detection is refused again and again")

    def is_stale(self, found):
        """A detect_id lives for an hour; whether it is the reason is not told, so one new detection is tried."""
        return bool(found["id"])

    def create(self, found):
        body = {
            "model": "image-face-swap-multi",
            "input": {"detect_id": found["id"], "image_url": self.image, "faces": self.chosen(found)},
        }
        if self.callback_url:
            body["callback_url"] = self.callback_url
        self.record.keep(doubt=True, balance=self.balance())
        try:
            task = self.send("POST", "/api/v1/client/job/CreateTask", json=body)["task_id"]
        except Doubtful:
            raise
        except Exception:
            self.record.keep(doubt=False)
            raise
        self.record.keep(doubt=False, task=task)
        return task

    def look_for_it(self, doubt):
        """The balance tells whether a task was made, and its callback, which carries the job, tells which."""
        if self.balance() == self.record["balance"]:
            self.record.keep(doubt=False)
            return None
        until = time.monotonic() + 60
        while self.callbacks is not None and time.monotonic() < until:
            task = self.callbacks.tasks.get(self.record["job"])
            if task:
                self.record.keep(doubt=False, task=task)
                return task
            self.pause(2.0)
        raise NotKnown(f"credits were taken, the task's id is not known ({doubt})")

    def ask(self, task):
        return self.send("GET", "/api/v1/client/job/TaskInfo", params={"task_id": task})

    def state(self, answer):
        """Detections and tasks have words of their own; a word that is in no list counts as running."""
        words = {"succeeded": "succeeded", "success": "succeeded", "failed": "failed"}
        return words.get(answer.get("status"), "running")

    def reason(self, answer):
        return (answer.get("result") or {}).get("message") or answer.get("reason") or answer.get("error") or "no reason"

    def links(self, answer):
        return (answer.get("result") or {}).get("media_urls") or []

    def task_in_callback(self, document):
        return (document.get("data") or document).get("task_id")


if __name__ == "__main__":
    sys.exit(main(Crun))
