"""A client whose vendor address is built in, with requests."""

import json
import os

import requests

API = "https://api.crun.ai/api/v1/client"

session = requests.Session()
session.headers["x-api-key"] = os.environ["CRUN_API_KEY"]
balance = session.get(f"{API}/account/balance", timeout=20).json()["data"]["balance"]
upload = session.get(f"{API}/files/upload-url", params={"content_type": "image/png", "ext": ".png"}, timeout=20)
links = upload.json()["data"]
requests.put(
    links["presigned_url"], data=b"bytes", headers={"Content-Type": "image/png"}, timeout=20
).raise_for_status()
echo = requests.get(links["file_url"], timeout=20).text
print(json.dumps({"balance": balance, "url": links["file_url"], "echo": echo}))
