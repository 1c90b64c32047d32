"""Answers that are given again: whatever happens between two polls, they say what the handler would say."""

import itertools
import json
import re
from functools import partial
from urllib.parse import urlencode

import pytest

from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.web import cache
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.cache import ResponseCache
from swapmock.mock_server.web.messages import Answer, Request
from tests.conftest import START

URL = "https://example.com/a.png"
SWAP = {"model": "image-face-swap", "input": {"image_url": URL, "new_face": "https://example.com/b.png"}}
#: How to submit a job, and how to ask for it.
JOBS = {
    "detection": ("detect-face-image", {"image_url": URL}, "detect-face-result", "detect_task_id"),
    "swap": ("CreateTask", SWAP, "TaskInfo", "task_id"),
}


class Life:
    """An emulator on manual time with one sandbox, and everything that it answered."""

    def __init__(self):
        self.time = ManualTime(START)
        self.system = build(
            time=self.time,
            on_drift=lambda exchange: pytest.fail(repr(exchange.drift)),
            draw_key_seed=partial(next, map(str, itertools.count())),
        )
        self.heard = []
        self.sandbox = self.admin("POST", "/sandboxes", {"id": "one", "seed": 7})

    def send(self, method, path, query="", headers=None, body=b"", base_url="http://mock.test", cut=""):
        pipeline = self.system.pipeline
        target = pipeline.match(method, path)
        assert target is not None
        request = Request(method, path, query, headers or {}, body, base_url, cut)
        answer = pipeline.answer(target, request)
        self.heard.append(answer)
        return answer

    def admin(self, method, path, body=None):
        headers = {} if body is None else {"content-type": "application/json"}
        answer = self.send(method, f"/__admin{path}", "", headers, b"" if body is None else json.dumps(body).encode())
        return json.loads(answer.body) if answer.body.startswith(b"{") else None

    def submit(self, job, sandbox=None):
        operation, body, self.question, self.name = JOBS[job]
        answer = self.crun("POST", operation, body=body, sandbox=sandbox)
        self.task = json.loads(answer.body)["data"][self.name]

    def crun(self, method, operation, body=None, sandbox=None, **more):
        credentials = (sandbox or self.sandbox)["credentials"]["crun"]["headers"]
        headers = {name.lower(): value for name, value in credentials.items()} | {"content-type": "application/json"}
        content = b"" if body is None else json.dumps(body).encode()
        return self.send(method, f"/api/v1/client/job/{operation}", headers=headers, body=content, **more)

    def poll(self, **more):
        answer = self.crun("GET", self.question, query=urlencode({self.name: self.task}), **more)
        tokens = re.findall(r"/media/(\w+)/", answer.body.decode())
        self.heard.append([self.system.engine.store.owner(token) for token in tokens])
        return answer

    def restore(self):
        snapshot = self.admin("GET", "/sandboxes/one/snapshot")
        self.time.advance(50)
        self.poll()
        self.admin("POST", "/sandboxes/one/restore", snapshot)

    def fork(self):
        """Another sandbox publishes the same links."""
        snapshot = self.admin("GET", "/sandboxes/one/snapshot")
        other = self.admin("POST", "/sandboxes", {"id": "two", "seed": 7})
        self.admin("POST", "/sandboxes/two/restore", snapshot)
        self.poll(sandbox=other)


def changed(**options):
    return lambda life: life.admin("PATCH", "/sandboxes/one", options)


def faulty(**rule):
    return lambda life: life.admin("POST", "/sandboxes/one/faults", rule)


BETWEEN = {
    "nothing": lambda life: None,
    "time": lambda life: life.time.advance(1.5),
    "the end": lambda life: life.time.advance(30),
    "a restored snapshot": Life.restore,
    "links that another sandbox opened": Life.fork,
    "a reset": lambda life: life.admin("POST", "/sandboxes/one/reset"),
    "a deleted sandbox": lambda life: life.admin("DELETE", "/sandboxes/one"),
    "a clock that polls move": lambda life: life.admin("PUT", "/sandboxes/one/clock", {"mode": "on_poll"}),
    "a variant": changed(variants={"crun": {"credits_number": "integer", "detection_inner_status": "succeeded"}}),
    "an evidence header": changed(evidence_header=True),
    "a rate limit": changed(rate_limit={"calls": 2, "seconds": 60}),
    "a refusal": faulty(effect={"code": 429}, times=1),
    "a lost answer": faulty(effect={"code": 500}, moment="after", times=1),
    "a changed answer": faulty(effect={"body": "truncated", "extra_fields": True}, moment="wire", times=1),
    "another base URL": lambda life: life.poll(base_url="https://other.test"),
    "a body that was cut": lambda life: life.poll(cut="too long"),
}


@pytest.mark.parametrize("waited", [0, 1, 60])
@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("between", BETWEEN.values(), ids=BETWEEN)
def test_what_is_recalled_is_what_the_handler_would_say(monkeypatch, between, job, waited):
    def lived():
        life = Life()
        life.submit(job)
        life.time.advance(waited)
        for act in (Life.poll, Life.poll, between, Life.poll, Life.poll):
            act(life)
        life.admin("GET", "/sandboxes/one/journal")
        life.admin("GET", "/sandboxes/one/snapshot")
        life.admin("GET", "/metrics")
        return life.heard

    recalled = lived()
    monkeypatch.setattr(ResponseCache, "find", lambda *_: None)
    assert steady(recalled) == steady(lived())


def steady(heard):
    """`heard` without the lines of the metrics that real time decides."""
    return [
        one._replace(body=re.sub(rb"swapmock_(?:loop_lag|sandbox_held)\S* [0-9.e-]+\n", b"", one.body))
        if isinstance(one, Answer)
        else one
        for one in heard
    ]


@pytest.fixture
def life():
    life = Life()
    life.submit("swap")
    life.time.advance(60)
    return life


def kept(life):
    crun, *_ = life.system.pipeline.apis
    return crun.cache._kept


def test_a_poll_asks_the_handler_once(life, monkeypatch):
    life.poll()
    monkeypatch.setattr(Engine, "polled", lambda *_: pytest.fail("asked again"))
    assert len({life.poll().body for _ in range(5)}) == 1


def test_few_are_kept(life, monkeypatch):
    monkeypatch.setattr(cache, "MOST_KEPT", 3)
    for number in range(10):
        life.poll(base_url=f"http://{number}.test")
        assert 1 <= len(kept(life)) <= 3


def test_few_bytes_are_kept(life, monkeypatch):
    length = len(life.poll().body)
    monkeypatch.setattr(cache, "MOST_BYTES", 3 * (length + len(json.dumps(SWAP)) + 150))
    for number in range(10):
        life.poll(base_url=f"http://{number}.test")
        assert 1 <= len(kept(life)) <= 3


@pytest.mark.parametrize("operation", ["Models", "Models/image-face-swap"])
def test_the_catalogue_is_told_again(life, monkeypatch, operation):
    told = life.crun("GET", operation)
    assert told.status == 200
    monkeypatch.setattr("swapmock.mock_server.providers.crun.catalogue._entry", lambda _: pytest.fail("made again"))
    assert life.crun("GET", operation).body == told.body
    other = life.admin("POST", "/sandboxes", {"id": "two"})
    life.admin("POST", "/sandboxes/one/faults", {"effect": {"code": 500}, "times": 1})
    assert json.loads(life.crun("GET", operation).body)["code"] == 500
    life.admin("DELETE", "/sandboxes/one/faults")
    assert life.crun("GET", operation).body == told.body
    with pytest.raises(pytest.fail.Exception):
        life.crun("GET", operation, sandbox=other)


def test_long_ones_are_not_kept(life, monkeypatch):
    monkeypatch.setattr(cache, "LONGEST_KEPT", 100)
    life.poll()
    assert not kept(life)
