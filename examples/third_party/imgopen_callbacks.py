# mypy: ignore-errors
"""A client as its user wrote it: submits, waits for the callback on a small server, and polls now and then."""

import json
import os
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer

import requests

ROOT = os.environ["OPEN_ROOT"] + "/AIGCImgOpenServ/saas/tool/face/fusion"
HEADERS = {
    "X-Request-req-accessKeyId": os.environ["OPEN_ID"],
    "X-Request-req-accessKeySecret": os.environ["OPEN_SECRET"],
}
results = {}


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        data = told.get("data") or told
        results[data["businessTaskId"]] = data
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


def submit():
    for _ in range(3):
        name = uuid.uuid4().hex
        body = {
            "businessTaskId": name,
            "sourceUrl": [os.environ["FACE"]],
            "targetUrl": os.environ["IMAGE"],
            "faceIdx": 1,
            "callbackUrl": os.environ["HOOK"],
        }
        try:
            answer = requests.post(ROOT, json=body, headers=HEADERS, timeout=15).json()
        except (requests.RequestException, ValueError):
            time.sleep(1)
            continue
        if answer["code"] != "200":
            sys.exit(f"refused: {answer}")
        return name
    sys.exit("no answer")


def main():
    server = HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = submit()
    for _ in range(40):
        time.sleep(5)
        if name not in results:
            answer = requests.post(
                f"{ROOT}/queryTask", json={"businessTaskId": name}, headers=HEADERS, timeout=15
            ).json()
            if answer["code"] == "200":
                results[name] = answer["data"]
        state = results.get(name, {}).get("status")
        if str(state) == "2":
            print("done", results[name]["outputImageUrl"])
            return
        if str(state) == "4":
            sys.exit("failed")
        results.pop(name, None)
    sys.exit(f"timeout {name}")


main()
