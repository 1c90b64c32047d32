"""What decides the outcome of a submission, and what a task costs in the end."""

from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.contracts import load
from swapmock.mock_server.core.call import Problem
from swapmock.mock_server.core.faces import count_in
from swapmock.mock_server.core.queue import Queued
from swapmock.mock_server.core.task import Failure
from swapmock.mock_server.engine.long_tasks import LongTasks
from swapmock.mock_server.providers.submission import (
    _in_other_words,
    accept_task,
    faces_in,
    has_media,
    magic,
    scenario_for,
    submit_task,
)

CONTRACT = load("crun")
RULES = CONTRACT.behaviour
FACES = {url: row.faces for url, row in RULES.magic.items() if row.faces is not None}


@pytest.mark.parametrize("url", FACES)
def test_a_magic_picture_has_the_faces_of_its_row(url):
    assert faces_in(url, RULES) == FACES[url]
    assert faces_in(url.upper().replace("HTTPS://", "https://"), RULES) in (FACES[url], count_in(url.upper()))


def test_other_pictures_have_those_of_the_table_or_of_their_url():
    assert {faces_in(url, RULES) == faces for url, faces in RULES.pictures.items()} <= {True}
    assert faces_in("https://example.com/a.jpg", RULES) == count_in("https://example.com/a.jpg")


def test_a_misspelt_magic_value_is_refused():
    with pytest.raises(Problem) as refused:
        magic(RULES, "input.image_url", "https://errors.invalid/failz")
    (sentence,) = refused.value.errors
    assert refused.value.name == "invalid"
    assert sentence.startswith("input.image_url: ")
    assert magic(RULES, "a", "https://example.com/") is None


@pytest.mark.parametrize(
    ("scenario", "queued", "fails"),
    [
        ("fine", Queued("q", "fine", code=7, message="m"), None),
        ("fails", Queued("q", "fails", code=7, message="m"), {"code": 7, "message": "m"}),
        ("fails", Queued("q", "fails", code=7), {"code": 7}),
        ("fails", Queued("q", "fails", message=""), {"message": ""}),
        ("fails", Queued("q", "fails"), {}),
    ],
)
def test_a_queued_outcome_in_other_words(scenario, queued, fails):
    row = RULES.scenarios[scenario]
    changed = _in_other_words(row, queued).fails
    assert changed == (None if row.fails is None else {**row.fails, **(fails or {})})


def call_of(body=None, *, raw=b"", queued=None, scenario=None, **choices) -> Any:
    box = SimpleNamespace(
        first_queued=lambda *wanted: queued if wanted == ("crun", "task", "create_task", "m") else None,
        sandbox=SimpleNamespace(scenario=scenario),
        next_number=lambda _: 1,
    )
    return SimpleNamespace(
        provider="crun", operation="create_task", body=body, raw=raw, box=box, variants={**RULES.defaults, **choices}, may_be_magic=b".invalid" in raw.lower(),
        queued="", now=100.0, exchange="x1", whole=None, machine_time_before=lambda at: None,
    )  # fmt: skip


def engine_with(submitted=None) -> Any:
    return SimpleNamespace(
        contracts={"crun": CONTRACT}, available=lambda box: 1500, submit=lambda call, task: (submitted or []).append(task),
        long_tasks=LongTasks(),
    )  # fmt: skip


def chosen(url, kind="task", *, needs_faces=True, **more):
    call = call_of({"input": {"image_url": url}}, raw=url.encode(), **more)
    return scenario_for(call, engine_with(), kind, "m", needs_faces=needs_faces).name, call.queued


@pytest.mark.parametrize(
    ("url", "more", "name", "queued"),
    [
        ("https://example.com/", {}, "fine", ""),
        ("https://example.com/", {"scenario": "slow"}, "slow", ""),
        ("https://example.com/", {"scenario": "slow", "queued": Queued("q1", "fails")}, "fails", "q1"),
        ("https://example.com/", {"scenario": "slow", "queued": Queued("q1", "no such")}, "slow", ""),
        ("https://errors.invalid/fails", {"scenario": "slow", "queued": Queued("q1", "stuck")}, "fails", ""),
        ("HTTPS://ERRORS.INVALID/fails", {}, "fails", ""),
        ("https://errors.invalid/fails", {"kind": ""}, "fine", ""),
    ],
)
def test_which_outcome_comes_first(url, more, name, queued):
    assert chosen(url, **more) == (name, queued)


@pytest.mark.parametrize(
    ("urls", "calls", "name"),
    [
        (["https://errors.invalid/fails_once"], 1, "fails"),
        (["https://errors.invalid/fails_once"], 2, "fine"),
        (["https://errors.invalid/fails_twice"], 2, "fails"),
        (["https://errors.invalid/fails_once", "https://example.com/", "https://errors.invalid/slow"], 2, "slow"),
        (["https://errors.invalid/429_once", "https://errors.invalid/slow"], 2, "slow"),
        (["https://example.com/", "https://errors.invalid/slow", "https://errors.invalid/fails"], 1, "slow"),
    ],
)
def test_the_first_value_that_still_holds_counts(urls, calls, name):
    call = call_of({"input": {"img_urls": urls}}, raw=" ".join(urls).encode())
    call.box.next_number = lambda _: calls
    assert scenario_for(call, engine_with(), "task", "m").name == name


def test_a_job_needs_faces_unless_said_otherwise():
    url = next(url for url, faces in FACES.items() if faces == 0)
    call = call_of({"input": {"image_url": url}}, raw=url.encode())
    assert scenario_for(call, engine_with(), "task", "m").name == "no_face"


def test_a_body_without_a_magic_value_is_not_looked_at():
    """Whoever made the call has found that it has none."""
    call = call_of({"input": "https://errors.invalid/fails"}, raw=b"https://errors.invalid/fails")
    assert scenario_for(call, engine_with(), "task", "m").name == "fails"
    call.may_be_magic = False
    assert scenario_for(call, engine_with(), "task", "m").name == "fine"


def test_a_magic_refusal_tells_the_balance():
    with pytest.raises(Problem) as refused:
        chosen("https://errors.invalid/403")
    assert (refused.value.name, refused.value.details) == ("key_disabled", {"balance": 1.5})
    assert refused.value.errors == ("input.image_url: refused because of the magic value https://errors.invalid/403",)


@pytest.mark.parametrize(
    ("choice", "needs_faces", "name"),
    [("failed", True, "no_face"), ("failed", False, "fine"), ("empty", True, "fine")],
)
def test_a_picture_without_a_face(choice, needs_faces, name):
    url = next(url for url, faces in FACES.items() if faces == 0)
    assert chosen(url, needs_faces=needs_faces, no_face=choice)[0] == name


@pytest.mark.parametrize(
    ("name", "charge"), [("fine", 700), ("fails", 0), ("fails_charged", 700), ("stuck", 700), ("slow", 700)]
)
def test_what_a_task_costs_in_the_end(name, charge):
    submitted: list[Any] = []
    scenario, timeline = RULES.scenarios[name], RULES.timelines["image"]
    engine = engine_with(submitted)
    engine.submit = lambda call, task: submitted.append(task)
    task = accept_task(
        call_of(raw=b"raw"), engine, task_id="t", kind="task", scenario=scenario, timeline=timeline, price=700, model="m",
        callback_url="http://c", facts={"a": 1},
    )  # fmt: skip
    assert submitted == [task]
    assert (task.id, task.kind, task.provider, task.operation, task.model) == ("t", "task", "crun", "create_task", "m")
    assert (task.reserved, task.charge, task.scenario, task.facts) == (700, charge, name, {"a": 1})
    assert (task.request, task.created_at, task.callback_url, task.cause) == (b"raw", 100.0, "http://c", "x1")
    assert task.starts_at == 100.0 + timeline.queued * scenario.stretch
    assert (task.ends_at is None) is (name == "stuck")
    assert task.failure == (None if scenario.fails is None else Failure(**scenario.fails))


@pytest.mark.parametrize(("name", "media"), [("fine", True), ("no_media", False), ("slow", True)])
def test_whether_a_success_has_files(name, media):
    task: Any = SimpleNamespace(provider="crun", scenario=name)
    assert has_media(engine_with(), task) is media


@pytest.mark.parametrize(("given", "reserved"), [({}, 0), ({"credits": 0.25}, 250), ({"credits": "2"}, 2000)])
def test_a_task_costs_nothing_unless_a_price_is_given(given, reserved):
    engine = engine_with()
    engine.price = lambda provider, model, listed: listed
    task = submit_task(call_of(), engine, task_id="t", kind="task", timeline="image", **given)
    assert (task.reserved, task.kind, task.scenario, task.facts) == (reserved, "task", "fine", {})
