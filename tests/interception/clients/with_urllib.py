"""A client whose vendor address is built in, with the standard library."""

import json
import os
from urllib.request import Request, urlopen

API = "https://api.crun.ai/api/v1/client"
KEY = {"x-api-key": os.environ["CRUN_API_KEY"]}


def call(url, **more):
    with urlopen(Request(url, **more), timeout=20) as answer:
        return answer.read()


balance = json.loads(call(f"{API}/account/balance", headers=KEY))["data"]["balance"]
links = json.loads(call(f"{API}/files/upload-url?content_type=image/png&ext=.png", headers=KEY))["data"]
call(links["presigned_url"], method="PUT", data=b"bytes", headers={"Content-Type": "image/png"})
echo = call(links["file_url"]).decode()
print(json.dumps({"balance": balance, "url": links["file_url"], "echo": echo}))
