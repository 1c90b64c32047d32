"""What a careless or hostile script does to the admin API: it is refused, or it works; the server goes on."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from swapmock.contracts import load
from tests.control import Admin

ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    10**18,
    -(10**18),
    1e308,
    "",
    " ",
    "x" * 10_000,
    "\x00",
    "é\U0001f600",
    "../..",
    "%2e%2e",
    "NaN",
    [],
    [[]],
    {},
    {"": None},
    {"__proto__": 1},
]


@pytest.fixture
def admin(server):
    return Admin(server.url)


def test_odd_values_in_every_place(admin):
    """No value in any field of any body is answered with a server error, and the sandbox stays usable."""
    box = admin.sandbox(clock="frozen", id="odd")
    for operation in load("admin").operations.values():
        if not operation.takes_json or operation.id in ("delete_sandbox", "wait"):
            continue
        path = operation.path.removeprefix("/__admin").replace("{sandbox}", box.id).replace("{delivery}", "d1")
        for value in ODD:
            fields = [
                name for name in operation.body_schema.get("properties", {}) if name != "ttl"
            ]  # it may end at once
            bodies = [value, *({name: value} for name in fields)]
            for body in bodies:
                answer = admin.call(operation.method, path, body)
                assert answer.status_code < 500, (operation.id, body, answer.text)
    limits = ("rate_limit", "download_rate_limit", "upload_rate_limit", "max_in_flight", "parallel_posts")
    box.ok("PATCH", "", {**dict.fromkeys(limits), "scenario": None, "balance": 10, "clock": "frozen"})
    box.ok("DELETE", "/faults")
    box.ok("DELETE", "/scenarios")
    assert box.swapped()
    assert box.ok("GET", "/ledger", proof=1)["proof"]["holds"]


def test_odd_names_in_every_path(admin):
    names = [
        "",
        " ",
        ".",
        "..",
        "%2F",
        "%00",
        "é",
        "x" * 3000,
        "default?x=1",
        "default%20",
        "DEFAULT",
        "-",
        "{sandbox}",
    ]
    for name in names:
        for path in (f"/sandboxes/{name}", f"/sandboxes/{name}/ledger", f"/sandboxes/default/why/{name}"):
            assert admin.session.get(f"{admin.url}/__admin{path}", timeout=10).status_code in (200, 400, 404, 405)
    for query in ("?proof=1&proof=2", "?proof", "?%", "?=", "?&&", "?proof=%ff", "?" + "a=1&" * 1000):
        answer = admin.session.get(f"{admin.url}/__admin/sandboxes/default/ledger{query}", timeout=10)
        assert answer.status_code in (200, 400)


def test_everything_at_once(admin):
    """Many hands on one sandbox: each answer makes sense, and the money is right at the end."""
    box = admin.sandbox(clock="frozen", balance=60)
    asks = [
        ("GET", "", None),
        ("PATCH", "", {"labels": {"a": "b"}}),
        ("GET", "/snapshot", None),
        ("POST", "/clock/advance", {"by": 1}),
        ("POST", "/clock/advance", {"until": "idle"}),
        ("GET", "/ledger", None),
        ("GET", "/journal", None),
        ("POST", "/faults", {"effect": {"code": 455}, "times": 1}),
        ("DELETE", "/faults", None),
        ("POST", "/scenarios", {"scenario": "fails"}),
        ("DELETE", "/journal", None),
        ("POST", "/fork", None),
        ("GET", "/har", None),
        ("GET", "/tasks", None),
    ]
    with ThreadPoolExecutor(16) as pool:
        asked = [
            pool.submit(admin.call, method, box.path + path, body) for _ in range(8) for method, path, body in asks
        ]
        swapped = [pool.submit(box.swap) for _ in range(40)]
    assert {future.result().status_code for future in asked} <= {200, 201}
    assert {future.result().json()["code"] for future in swapped} <= {200, 402, 455}
    box.advance(until="idle")
    ledger = box.ok("GET", "/ledger", proof=1)
    assert ledger["proof"]["holds"]
    assert sum(ledger["balance"].values()) == 60


def test_one_body_of_many_megabytes(admin):
    box = admin.sandbox()
    labels = {f"name{number}": "x" * 1000 for number in range(4000)}
    assert box.pointers("PATCH", "", {"labels": labels}) == ["/labels"]
    assert admin.call("POST", "/sandboxes", {"labels": {"a": "x" * 70_000_000}}).status_code == 413
