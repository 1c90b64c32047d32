"""A client whose vendor address is built in, with httpx."""

import json
import os

import httpx

API = "https://api.crun.ai/api/v1/client"

with httpx.Client(headers={"x-api-key": os.environ["CRUN_API_KEY"]}, timeout=20) as client:
    balance = client.get(f"{API}/account/balance").json()["data"]["balance"]
    links = client.get(f"{API}/files/upload-url", params={"content_type": "image/png", "ext": ".png"}).json()["data"]
httpx.put(links["presigned_url"], content=b"bytes", headers={"Content-Type": "image/png"}).raise_for_status()
print(json.dumps({"balance": balance, "url": links["file_url"], "echo": httpx.get(links["file_url"]).text}))
