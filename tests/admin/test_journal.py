"""The journal: what is in it, how it is filtered and paged, what it drops, and that it gives no secret away."""

import json
import logging
from typing import Any

import pytest
import requests

from tests.control import CRUN, IMGOPEN, PICTURE, Admin


@pytest.fixture
def busy(box):
    """A sandbox to which one thing of each kind happened."""
    box.swapped(callback_url="http://127.0.0.1:9/hook")
    box.advance(by=5)
    box.crun("GET", "account/balance")
    box.crun("GET", "account/balanse")
    box.imgopen("tool/face/detection", {"imageUrl": PICTURE, "businessTaskId": "1"})
    box.crun("POST", "job/detect-face-image", {"imageUrl": PICTURE})
    box.advance(by=5)
    return box


def numbers(answer, name="records"):
    return [row["number"] for row in answer[name]]


def test_all_kinds_in_their_order(busy):
    rows = busy.ok("GET", "/journal")["records"]
    assert numbers({"records": rows}) == list(range(1, len(rows) + 1))
    assert {row["type"] for row in rows} == {"exchange", "transition", "delivery"}
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    delivery = next(row for row in rows if row["type"] == "delivery")
    assert delivery["cause"] == "x1"
    assert delivery["failure"]
    exchange = rows[0]
    assert exchange["request"]["body"]["model"] == "image-face-swap"
    assert exchange["response"]["body"]["code"] == 200


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"type": "exchange"}, 5),
        ({"type": "transition"}, None),
        ({"provider": "imgopen"}, 1),
        ({"operation": "create_task"}, 1),
        ({"method": "GET"}, 2),
        ({"status": 404}, 1),
        ({"status": 422, "type": "exchange"}, 1),
        ({"code": 422}, 1),
        ({"code": "200", "provider": "imgopen"}, 1),
        ({"unmatched": 1}, 1),
        ({"unmatched": "true"}, 1),
        ({"problem": "invalid"}, 1),
        ({"fault": "none"}, 0),
        ({"task": "nobody"}, 0),
        ({"operation": "create_task", "code": 422}, 0),
    ],
)
def test_filters(busy, filters, wanted):
    answer = busy.ok("GET", "/journal", **filters)
    assert answer["total"] == len(answer["records"])
    if wanted is not None:
        assert answer["total"] == wanted
    only = busy.ok("GET", "/requests", **{name: value for name, value in filters.items() if name != "type"})
    assert {row["type"] for row in only["requests"]} <= {"exchange"}


def test_by_task_and_by_time(busy):
    task = busy.ok("GET", "/tasks", kind="task")["tasks"][0]["id"]
    rows = busy.ok("GET", "/journal", task=task)["records"]
    assert [row["type"] for row in rows] == ["exchange", "transition", "transition", "delivery"]
    start = busy.document["clock"]["now"]
    early = busy.ok("GET", "/journal", until=start + 5)
    late = busy.ok("GET", "/journal", since="2026-01-01T00:00:05Z")
    assert early["total"] + late["total"] == busy.ok("GET", "/journal")["total"]
    assert all(row["at"] < start + 5 for row in early["records"])
    assert all(row["at"] >= start + 5 for row in late["records"])


def test_pages(busy):
    whole = busy.ok("GET", "/journal")
    seen: list[Any] = []
    after: Any = 0
    while after is not None:
        page = busy.ok("GET", "/journal", limit=2, after=after)
        assert page["total"] == whole["total"]
        assert len(page["records"]) <= 2
        seen += page["records"]
        after = page["next"]
    assert seen == whole["records"]
    assert busy.ok("GET", "/journal", after=10**6)["records"] == []
    tasks: list[Any] = []
    page = busy.ok("GET", "/tasks", limit=1)
    while page["next"] is not None:
        tasks += page["tasks"]
        page = busy.ok("GET", "/tasks", limit=1, after=page["next"])
    tasks += page["tasks"]
    assert tasks == busy.ok("GET", "/tasks")["tasks"]


@pytest.mark.parametrize(
    ("filters", "pointer"),
    [
        ({"limit": 0}, "/query/limit"),
        ({"limit": 1001}, "/query/limit"),
        ({"limit": "ten"}, "/query/limit"),
        ({"after": -1}, "/query/after"),
        ({"status": "bad"}, "/query/status"),
        ({"type": "dream"}, "/query/type"),
        ({"since": "yesterday"}, "/query/since"),
        ({"until": "1" * 400}, "/query/until"),
        ({"unmatched": "maybe"}, "/query/unmatched"),
        ({"colour": "red"}, "/query/colour"),
    ],
)
def test_bad_filters(box, filters, pointer):
    assert box.pointers("GET", "/journal", **filters) == [pointer]


@pytest.mark.parametrize("settings", [{"journal_size": 10}], indirect=True)
def test_it_is_bounded_and_says_what_it_dropped(box):
    for _ in range(25):
        box.crun("GET", "account/balance")
    answer = box.ok("GET", "/journal")
    assert numbers(answer) == list(range(16, 26))
    assert (answer["total"], answer["dropped"]) == (10, 15)
    assert "15 records" in box.refused(404, "GET", "/why/x1")["detail"]
    assert box.ok("GET", "/why/x25")["request"]["number"] == 25
    assert "15 older records" in box.ok("GET", "/har")["log"]["comment"]
    saved = box.ok("GET", "/snapshot")
    box.ok("POST", "/restore", saved)
    assert box.ok("GET", "/journal") == answer


def test_clearing_it_leaves_the_rest(busy):
    tasks = busy.ok("GET", "/tasks")
    count = busy.ok("GET", "/journal")["total"]
    assert busy.ok("DELETE", "/journal") == {"cleared": {"journal": count}}
    assert busy.ok("GET", "/journal")["records"] == []
    assert busy.ok("GET", "/tasks") == tasks
    assert busy.ok("GET", "/ledger", proof=1)["proof"]["holds"]


def test_a_key_of_no_sandbox_is_noted_in_the_default_one(admin, server):
    headers = {"x-api-key": "ak_nobodynobodynobodynobodynobody1"}
    requests.get(f"{server.url}{CRUN}account/balance", headers=headers, timeout=10)
    row = admin.ok("GET", "/requests")["requests"][-1]
    assert (row["problem"], row["status"], row["code"]) == ("key_unknown", 401, 401)
    why = admin.ok("GET", f"/sandboxes/default/why/{row['id']}")
    assert why["credential"] == {
        "shown": {"x-api-key": "ak_no…y1"},
        "expected": ["x-api-key"],
        "belongs_to": None,
        "problem": "key_unknown",
    }


SECRET_QUERY = "hiddenhiddenhidden"


def test_no_secret_is_shown_anywhere(admin, server, caplog):
    caplog.set_level(logging.INFO, "swapmock")
    box = admin.sandbox(
        clock="frozen", variants={"crun": {"bearer": "accept"}, "imgopen": {"flux_credentials": "query"}}
    )
    key, pair = box.headers()["x-api-key"], box.headers("imgopen")
    access, secret = pair.values()
    url = f"{server.url}{CRUN}"
    hook = f"http://user:{SECRET_QUERY}@127.0.0.1:9/{key}?token={SECRET_QUERY}"
    box.swapped(callback_url=hook)
    box.crun("GET", f"account/balance?key={SECRET_QUERY}&x-api-key={key}&api_key={SECRET_QUERY}")
    box.crun("GET", "account/balance", headers={"Authorization": f"Bearer {key}", "Cookie": f"s={SECRET_QUERY}"})
    requests.get(url + "account/balance", headers={"Authorization": f"Bearer {key}"}, timeout=10)
    box.crun("GET", "account/balance", headers={"X-Auth-Token": SECRET_QUERY, "X-Odd": key, "Api-Key": SECRET_QUERY})
    box.crun("GET", f"Models/{key}")
    box.crun("GET", f"nothing/{secret}")
    box.crun("POST", "job/CreateTask", {"model": "image-face-swap", "input": {key: 1, "a": {secret: [1]}}})
    requests.post(
        url + "job/CreateTask", data="x", headers={"x-api-key": key, "Content-Type": f"text/{key}"}, timeout=10
    )
    box.crun("POST", "job/detect-face-image", {"image_url": PICTURE, "api_key": SECRET_QUERY, "note": key})
    box.crun("POST", "job/detect-face-image", {"image_url": f"{PICTURE}?signature={SECRET_QUERY}&x={secret}"})
    box.imgopen("tool/face/detection", {"imageUrl": PICTURE, "businessTaskId": access})
    query = {**pair, "x": "1"}
    requests.post(f"{server.url}{IMGOPEN}ai/text2image/flux", json={"prompt": secret}, params=query, timeout=10)
    requests.post(f"{server.url}{IMGOPEN}nothing", data=f"accessKeySecret={SECRET_QUERY}", headers=pair, timeout=10)
    box.advance(until="idle")
    seen = [box.ok("GET", path) for path in ("/journal", "/requests", "/har", "/tasks", "/deliveries", "/snapshot")]
    seen += [box.ok("GET", "/ledger", proof=1)]
    ids = [row["id"] for row in seen[1]["requests"]]
    ids += [row["id"] for row in seen[3]["tasks"]] + [row["id"] for row in seen[4]["deliveries"]]
    assert len(ids) > 12
    seen += [box.ok("GET", f"/why/{subject}") for subject in ids]
    seen += [box.admin.call("GET", f"{box.path}/why/{subject}", format="mermaid").text for subject in ids]
    assert "/nothing/" in caplog.text
    for document in (*seen[:5], *seen[6:], caplog.text):
        text = json.dumps(document)
        for hidden in (key, access, secret, SECRET_QUERY):
            assert hidden not in text, (hidden, text[max(0, text.find(hidden) - 300) : text.find(hidden) + 100])
    for hidden in (key, access, secret):
        assert hidden not in json.dumps(seen[5]["state"]["journal"][0]["headers"])


def test_the_token_of_the_admin_api_is_in_no_journal(admin, server):
    Admin(server.url, "supersecret").call("GET", "/sandboxes")
    assert admin.ok("GET", "/requests")["total"] == 0
