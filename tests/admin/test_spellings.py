"""What else may be written than the contract's own words, and what is said where nothing else may."""

import pytest


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"clock": "on-poll"}, {"mode": "on_poll"}),
        ({"clock_mode": "frozen"}, {"mode": "frozen"}),
        ({"clock": {"mode": "scaled(20)"}}, {"mode": "scaled", "rate": 20.0}),
        ({"clock": {"mode": "scaled", "factor": 20}}, {"mode": "scaled", "rate": 20.0}),
    ],
)
def test_clocks(admin, given, shown):
    assert admin.sandbox(**given).document["clock"].items() >= shown.items()


def test_a_clock_is_switched_by_the_same_words(box):
    assert box.ok("PATCH", "/clock", {"clock": "scaled(3)"})["rate"] == 3.0
    assert box.ok("PATCH", "/clock", {"mode": "scaled", "x": 4})["rate"] == 4.0
    assert box.pointers("PATCH", "/clock", {"mode": "scaled(0)"}) == [""]
    assert box.ok("GET", "/clock")["rate"] == 4.0


@pytest.mark.parametrize(
    ("given", "calls", "seconds", "form"),
    [
        (3, 3, 60.0, "none"),
        ({"limit": 3, "window": "10s"}, 3, 10.0, "none"),
        ({"requests": 3, "per": "1m", "retry_after": "http-date"}, 3, 60.0, "date"),
        ({"calls": 3, "seconds": 2, "retry_after": True}, 3, 2.0, "seconds"),
    ],
)
def test_rate_limits(admin, given, calls, seconds, form):
    limit = admin.sandbox(rate_limit=given).document["rate_limit"]
    assert limit == {"calls": calls, "seconds": seconds, "retry_after": form}


def test_variants_with_the_provider_before_a_dot(admin):
    box = admin.sandbox(variants={"crun.http_status": "always200"})
    assert box.document["variants"]["crun"]["http_status"] == "always200"


@pytest.mark.parametrize(
    ("given", "effect"),
    [
        ("reset", {"connection": "reset"}),
        ({"hang_up": True}, {"connection": "hang_up"}),
        ({"connection": "hangup"}, {"connection": "hang_up"}),
        ("truncated", {"body": "truncated"}),
        ("maintenance", {"refuse": "maintenance"}),
        ({"http_status": 503}, {"status": 503}),
        ({"delay": {"fixed": "10ms"}}, {"delay": 0.01}),
        ({"delay": {"range": [1, "2s"]}}, {"delay": [1.0, 2.0]}),
        ({"delay": {"from": 1, "to": 2}}, {"delay": [1.0, 2.0]}),
        ({"code": 429, "retry_after": "5s"}, {"code": 429, "retry_after": {"seconds": 5.0, "form": "seconds"}}),
        ({"rate_window": 2}, {"rate_limit": {"calls": 2, "seconds": 60.0, "retry_after": "none"}}),
        ({"wrong_type": "int"}, {"code_type": "number"}),
    ],
)
def test_effects(box, given, effect):
    assert box.ok("POST", "/faults", {"effect": given})["effect"] == effect


def test_equals_is_a_condition_like_the_others(box):
    box.ok("POST", "/faults", {"match": {"body": {"$.model": {"equals": "image-face-swap"}}}, "effect": {"code": 429}})
    assert box.swap().json()["code"] == 429
    assert box.swap(model="video-face-swap").json()["code"] != 429


def test_a_list_of_outcomes_is_queued_in_its_order(box):
    queue = box.ok("POST", "/scenarios", {"outcomes": ["fails", "flaky then fine"], "operation": "create_task"})[
        "queue"
    ]
    assert [item["scenario"] for item in queue][:1] == ["fails"]
    assert len(queue) > 2
    assert {item["operation"] for item in queue} == {"create_task"}


@pytest.mark.parametrize(
    ("kind", "field", "meant"),
    [
        ("create_task", "operation", "create_task"),
        ("image-face-swap", "model", "image-face-swap"),
        ("face/fusion", "model", "face/fusion"),
    ],
)
def test_a_kind_may_be_an_operation_or_a_model(box, kind, field, meant):
    (item,) = box.ok("POST", "/scenarios", {"scenario": "fails", "kind": kind})["queue"]
    assert (item[field], item["kind"]) == (meant, None)


def test_a_swap_is_a_kind_of_each_vendor(box):
    for provider, kind in (("crun", "task"), ("imgopen", "tool")):
        queue = box.ok("POST", "/scenarios", {"scenario": "fails", "kind": "swap", "provider": provider})["queue"]
        assert queue[-1]["kind"] == kind
    problem = box.refused(400, "POST", "/scenarios", {"scenario": "fails", "kind": "swap"})
    assert "give the `provider`" in problem["detail"]


@pytest.mark.parametrize(
    ("order", "pointer"),
    [
        ({"scenario": ["fails", "nope"]}, "/scenario"),
        ({"scenario": "fails", "model": "image-face-swop"}, "/model"),
        ({"scenario": "fails", "kind": "detect"}, "/kind"),
    ],
)
def test_an_order_that_fits_nothing_is_refused_whole(box, order, pointer):
    assert box.pointers("POST", "/scenarios", order) == [pointer]
    assert box.ok("GET", "/scenarios")["queue"] == []


def test_what_stands_in_a_wrapper(box):
    saved = box.ok("POST", "/snapshot")
    assert box.ok("POST", "/restore", {"snapshot": saved})["id"] == box.id
    assert box.ok("POST", "/faults", {"rule": {"effect": "reset"}})["effect"] == {"connection": "reset"}
    assert box.ok("PATCH", "/clock", {"clock": {"mode": "scaled", "rate": 2}})["rate"] == 2.0
    order = {"scenario": {"name": "fails", "code": 500, "text": "boom"}}
    assert box.ok("POST", "/scenarios", order)["queue"][0]["message"] == "boom"


def test_waits(box):
    task = box.swapped()
    box.advance(until="idle")
    for condition in (
        {"requests": 1},
        {"operation": "create_task", "n": 1},
        {"requests": {"operation": "create_task", "at_least": 1}},
        {"task": task, "status": "success"},
        {"task": {"task": task, "state": "success"}},
    ):
        assert box.ok("POST", "/wait", {**condition, "timeout": "5s"})["met"], condition
    for condition, pointer in (
        ({"task": task}, "/task/status"),
        ({"task": task, "status": "success", "count": 2}, "/count"),
        ({"task": task, "requests": 1}, ""),
        ({"timeout": "5s"}, ""),
        ({"task": task, "status": "success", "timeout": "301s"}, "/timeout"),
    ):
        assert box.pointers("POST", "/wait", condition) == [pointer], condition


def test_filters(box):
    box.crun("GET", "account/balance")
    assert box.ok("GET", "/journal", body_code="200")["total"] == 1
    assert box.ok("GET", "/journal", body_code="429")["total"] == 0


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/faults", {"effect": {"code": 429}, "nth": 1}, "it belongs in 'match'"),
        ("/faults", {"match": {}, "code": 429}, "it belongs in 'effect'"),
        ("/faults", {"effect": {"colour": 1}}, "known: code, refuse, message, status, delay"),
        ("/clock/advance", {"by": "65 seconds"}, "500ms, 65s, 2m, 1h, 14d"),
        ("/clock/advance", {"by": "1s", "until": "idle"}, "at most 1 of by, to, until"),
    ],
)
def test_what_to_write_instead(box, path, body, said):
    assert said in box.refused(400, "POST", path, body)["detail"]
