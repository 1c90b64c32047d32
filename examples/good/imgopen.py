"""A careful client of Img Open: detect the faces, swap one, store the result."""

import os
import sys

from common import Client, Doubtful, Failed, Lasting, NotKnown, main


class ImgOpen(Client):
    passing = ("429", "503")
    doubtful = ("500", "501", "502", "504")
    faces_expected = 2
    prefix = "/AIGCImgOpenServ/saas"

    def headers(self):
        return {
            "X-Request-req-accessKeyId": os.environ["IMGOPEN_ACCESS_KEY_ID"],
            "X-Request-req-accessKeySecret": os.environ["IMGOPEN_ACCESS_KEY_SECRET"],
        }

    def business_id(self, step):
        """One id for each step of the job, the same in every run."""
        return f"{self.record['job']}-{step}"

    def detect(self):
        """The faces; a detection may answer at once or later, and one in doubt is asked for by its id."""
        if self.record["faces"]:
            return self.record["faces"]
        body = {"businessTaskId": self.business_id("faces"), "imageUrl": self.image}
        try:
            found = self.send("POST", f"{self.prefix}/tool/face/detection", json=body)
        except Doubtful:
            self.pause(3.0)
            found = {}
        if not found.get("faceUrls"):
            found = self.wait_for(lambda: self.query("face/detection", self.business_id("faces")))
        faces = found.get("faceUrls") or []
        self.check_faces(faces)
        self.record.keep(faces=faces)
        return faces

    def check_faces(self, faces):
        if not faces:
            raise Failed("no face was found")
        if len(faces) > self.faces_expected:
            raise Failed(f"{len(faces)} faces were found, {self.faces_expected} expected")

    def submit_job(self):
        self.detect()
        return self.submit_once(self.create)

    def create(self):
        body = {
            "businessTaskId": self.business_id("swap"),
            "sourceUrl": [self.face],
            "targetUrl": self.image,
            "faceIdx": 1,
        }
        if self.callback_url:
            body["callbackUrl"] = self.callback_url
        self.record.keep(doubt=True)
        try:
            self.send("POST", f"{self.prefix}/tool/face/fusion", json=body)
        except Doubtful:
            raise
        except Exception:
            self.record.keep(doubt=False)
            raise
        self.record.keep(doubt=False)
        return self.business_id("swap")

    def look_for_it(self, doubt):
        """Our own id tells whether the submission arrived."""
        self.pause(2.0)
        for _ in range(4):
            try:
                self.ask(self.business_id("swap"))
            except Lasting:
                self.record.keep(doubt=False)
                return None
            except Doubtful:
                self.pause(2.0)
            else:
                self.record.keep(doubt=False)
                return self.business_id("swap")
        raise NotKnown(f"nobody answers whether the swap was taken ({doubt})")

    def ask(self, task):
        return self.query("face/fusion", task)

    def query(self, tool, business_id):
        path = f"{self.prefix}/tool/{tool}/queryTask"
        return self.send("POST", path, json={"businessTaskId": business_id})

    def state(self, answer):
        """2 is success for both tools, 4 failure; whatever else there is counts as running."""
        return {"2": "succeeded", "4": "failed"}.get(str(answer.get("status")), "running")

    def reason(self, answer):
        return answer.get("errorMessage") or answer.get("desc") or "no reason"

    def links(self, answer):
        link = answer.get("outputImageUrl")
        return [link] if link else []

    def task_in_callback(self, document):
        return (document.get("data") or document).get("businessTaskId")


if __name__ == "__main__":
    sys.exit(main(ImgOpen))
