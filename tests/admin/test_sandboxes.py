"""Making, changing, resetting and forgetting sandboxes: every option, every bad value."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import requests

from tests.control import CRUN, PICTURE, Admin

ALL_OPTIONS = {
    "id": "mine",
    "seed": 42,
    "balance": 12.5,
    "clock": {"mode": "scaled", "rate": 10, "start": "2026-03-01T12:00:00Z"},
    "variants": {"crun": {"http_status": "always200"}, "imgopen": {"status_numbers": "one"}},
    "scenario": "slow",
    "rate_limit": {"calls": 5, "seconds": 60, "retry_after": "date"},
    "ttl": "2h",
    "evidence_header": True,
    "prefer_header": True,
    "labels": {"test": "a"},
}


def test_without_options_it_is_an_ordinary_account(admin, server):
    made = admin.call("POST", "/sandboxes")
    assert made.status_code == 201
    document = made.json()
    assert document["base_url"] == server.url
    assert document["admin_url"] == f"{server.url}/__admin/sandboxes/{document['id']}"
    assert document["clock"]["mode"] == "real"
    assert document["balance"] == {"available": 1000, "reserved": 0, "spent": 0}
    assert set(document["credentials"]) == {"crun", "imgopen"}
    assert document["credentials"]["imgopen"]["secret"]
    assert document["expires_at"] is document["scenario"] is document["rate_limit"] is None
    for key in (document["credentials"]["crun"]["headers"],):
        answer = requests.get(f"{server.url}{CRUN}account/balance", headers=key, timeout=10)
        assert answer.json()["data"] == {"balance": 1000}


def test_every_option(admin, time):
    document = admin.ok("POST", "/sandboxes", ALL_OPTIONS)
    assert document["id"] == "mine"
    assert document["seed"] == 42
    assert document["balance"]["available"] == 12.5
    assert (document["clock"]["mode"], document["clock"]["rate"]) == ("scaled", 10)
    assert document["clock"]["now_iso"] == "2026-03-01T12:00:00.000Z"
    assert document["variants"]["crun"]["http_status"] == "always200"
    assert document["variants"]["imgopen"]["status_numbers"] == "one"
    assert document["variants"]["crun"]["bearer"] == "refuse"
    assert document["scenario"] == "slow"
    assert document["rate_limit"] == {"calls": 5, "seconds": 60, "retry_after": "date"}
    assert document["expires_at"] == time.now() + 7200
    assert document["evidence_header"] is document["prefer_header"] is True
    assert document["labels"] == {"test": "a"}
    assert admin.ok("GET", "/sandboxes/mine") == document


@pytest.mark.parametrize(
    ("clock", "mode", "rate"),
    [
        ("real", "real", 1),
        ("frozen", "frozen", 0),
        ("on_poll", "on_poll", 0),
        ("scaled(2.5)", "scaled", 2.5),
        ({"mode": "scaled", "rate": 3}, "scaled", 3),
    ],
)
def test_clocks(admin, clock, mode, rate):
    made = admin.ok("POST", "/sandboxes", {"clock": clock})["clock"]
    assert (made["mode"], made["rate"]) == (mode, rate)


@pytest.mark.parametrize(
    ("options", "pointers"),
    [
        ({"seed": 1.5}, ["/seed"]),
        ({"seed": "1"}, ["/seed"]),
        ({"seed": 1 << 70}, ["/seed"]),
        ({"balance": -1}, ["/balance"]),
        ({"balance": 1e15}, ["/balance"]),
        ({"balance": "many"}, ["/balance"]),
        ({"clock": "warped"}, ["/clock"]),
        ({"clock": "scaled"}, ["/clock"]),
        ({"clock": "scaled(0)"}, ["/clock"]),
        ({"clock": "scaled(" + "9" * 400 + ")"}, ["/clock"]),
        ({"clock": {"mode": "scaled", "rate": -1}}, ["/clock/rate"]),
        ({"clock": {"mode": "frozen", "start": "tomorrow"}}, ["/clock/start"]),
        ({"clock": {"mode": "frozen", "start": -5}}, ["/clock/start"]),
        ({"clock": {"mode": "frozen", "start": 1e300}}, ["/clock/start"]),
        ({"clock": {"mode": "frozen", "start": "0001-01-01T00:00:00+23:59"}}, ["/clock/start"]),
        ({"variants": {"crun": {"colour": "red"}}}, ["/variants/crun/colour"]),
        ({"variants": {"crun": {"bearer": "perhaps"}}}, ["/variants/crun/bearer"]),
        ({"variants": {"acme": {}}}, ["/variants/acme"]),
        ({"variants": {"crun": "x"}}, ["/variants/crun"]),
        ({"scenario": "perfect"}, ["/scenario"]),
        ({"rate_limit": {"calls": -1, "seconds": 1}}, ["/rate_limit/calls"]),
        ({"rate_limit": {"calls": 1, "seconds": 0}}, ["/rate_limit/seconds"]),
        ({"rate_limit": {"calls": 1, "seconds": 1, "retry_after": "soon"}}, ["/rate_limit/retry_after"]),
        ({"rate_limit": {"seconds": 1}}, ["/rate_limit/calls"]),
        ({"rate_limit": {"calls": 1, "seconds": "0s"}}, ["/rate_limit/seconds"]),
        ({"variants": {"http_status": "code"}}, ["/variants/http_status"]),
        ({"ttl": "long"}, ["/ttl"]),
        ({"ttl": -1}, ["/ttl"]),
        ({"ttl": "9" * 400}, ["/ttl"]),
        ({"evidence_header": "yes"}, ["/evidence_header"]),
        ({"labels": {"a": 1}}, ["/labels/a"]),
        ({"id": "a/b"}, ["/id"]),
        ({"id": ".."}, ["/id"]),
        ({"id": "x" * 65}, ["/id"]),
        ({"sead": 1}, ["/sead"]),
        ({"seed": 1.5, "balance": -1}, ["/balance", "/seed"]),
        ([], [""]),
        ("x", [""]),
    ],
)
def test_bad_options_are_named_and_nothing_is_made(admin, options, pointers):
    before = len(admin.ok("GET", "/sandboxes")["sandboxes"])
    assert admin.pointers("POST", "/sandboxes", options) == pointers
    assert len(admin.ok("GET", "/sandboxes")["sandboxes"]) == before


def test_a_misspelt_option_names_the_nearest(admin):
    problem = admin.refused(400, "POST", "/sandboxes", {"sead": 1})
    assert "did you mean 'seed'" in problem["errors"][0]["detail"]


@pytest.mark.parametrize(
    "raw",
    [b"{", b'{"seed": NaN}', b'{"balance": 1e400}', b'{"balance": Infinity}', b"[" * 100_000, b"\xff", b'"\\ud800"'],
)
def test_what_is_no_json_is_refused_with_a_pointer(admin, raw):
    answer = admin.session.post(
        f"{admin.url}/__admin/sandboxes", data=raw, headers={"content-type": "application/json"}, timeout=10
    )
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [""]


def test_a_body_of_another_type_is_refused(admin):
    answer = admin.session.post(f"{admin.url}/__admin/sandboxes", data={"seed": 1}, timeout=10)
    assert answer.status_code == 400
    assert "application/json" in answer.json()["detail"]


def test_an_id_that_is_taken(admin):
    admin.sandbox(id="one")
    assert "one" in admin.refused(409, "POST", "/sandboxes", {"id": "one"})["detail"]
    admin.refused(409, "POST", "/sandboxes", {"id": "default"})


def test_chosen_ids_do_not_clash_with_given_ones(admin, time):
    first = admin.sandbox()
    first.ok("DELETE")
    admin.ok("POST", "/reset")
    assert admin.sandbox().headers() != first.headers(), "a key that was given out must not come back as another's"


def test_sandboxes_have_seeds_of_their_own_unless_told(admin):
    assert admin.sandbox().document["seed"] != admin.sandbox().document["seed"]
    assert admin.sandbox(seed=5).document["seed"] == admin.sandbox(seed=5).document["seed"] == 5


def test_list(admin):
    made = {admin.sandbox().id for _ in range(5)}
    listed = admin.ok("GET", "/sandboxes")["sandboxes"]
    assert {row["id"] for row in listed} == made | {"default", "other"}


def test_patch_is_all_or_nothing(admin, box):
    before = box.ok("GET")
    wrong = [
        {"balance": 5, "scenario": "perfect"},
        {"balance": 5, "variants": {"crun": {"colour": 1}}},
        {"balance": 5, "clock": "warped"},
        {"balance": 5, "clock": {"mode": "frozen", "start": 0}},
        {"balance": 5, "ttl": "9" * 30},
        {"balance": 5, "id": "other-name"},
        {"balance": 5, "seed": 1},
        {},
    ]
    for change in wrong:
        box.refused(400, "PATCH", "", change)
    assert box.ok("GET") == before
    after = box.ok("PATCH", "", {"balance": 5, "scenario": "fails", "labels": {"a": "b"}, "rate_limit": None})
    assert (after["balance"]["available"], after["scenario"], after["labels"]) == (5, "fails", {"a": "b"})
    assert box.ok("GET", "/ledger", proof=1)["proof"]["holds"]


def test_variants_with_a_map_survive_a_snapshot(admin, box):
    box.ok("PATCH", "", {"variants": {"crun": {"http_status": {"402": 200}}}})
    copy = box.ok("POST", "/fork")
    box.ok("POST", "/restore", box.ok("GET", "/snapshot"))
    for document in (box.document, copy):
        answer = requests.post(
            document["base_url"] + CRUN + "job/detect-face-image",
            json={"image_url": "https://errors.invalid/402"},
            headers=document["credentials"]["crun"]["headers"],
            timeout=10,
        )
        assert (answer.status_code, answer.json()["code"]) == (200, 402)


def test_delete(admin, box):
    assert box.ok("DELETE") == {"deleted": box.id}
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/ledger"), ("POST", "/reset")):
        box.refused(404, method, path)
    assert box.crun("GET", "account/balance").json()["code"] == 401
    assert "default" in admin.refused(409, "DELETE", "/sandboxes/default")["detail"]


def test_what_ends_by_itself_answers_401_right_after(admin, time):
    box = admin.sandbox(ttl=60)
    time.advance(59.9)
    assert box.crun("GET", "account/balance").json()["code"] == 200
    time.advance(0.1)
    assert box.crun("GET", "account/balance").status_code == 401
    box.refused(404, "GET")
    assert box.id not in [row["id"] for row in admin.ok("GET", "/sandboxes")["sandboxes"]]


def test_a_life_can_be_made_longer_shorter_and_endless(admin, time):
    longer, shorter, endless = (admin.sandbox(ttl=60) for _ in range(3))
    longer.ok("PATCH", "", {"ttl": "2m"})
    shorter.ok("PATCH", "", {"ttl": 10})
    endless.ok("PATCH", "", {"ttl": None})
    time.advance(61)
    longer.ok("GET")
    shorter.refused(404, "GET")
    time.advance(1e6)
    longer.refused(404, "GET")
    endless.ok("GET")


def test_the_default_sandbox_cannot_be_made_to_end(admin, time):
    assert admin.pointers("PATCH", "/sandboxes/default", {"ttl": 1}) == ["/ttl"]
    time.advance(10)
    admin.ok("GET", "/sandboxes/default")


def test_reset_says_what_it_cleared(box):
    box.swapped()
    box.ok("POST", "/faults", {"effect": {"code": 500}})
    box.ok("POST", "/scenarios", {"scenario": "fails", "times": 2})
    box.advance(by="1h")
    start = box.document["clock"]["now"]
    cleared = box.ok("POST", "/reset")["cleared"]
    assert (cleared["tasks"], cleared["exchanges"], cleared["faults"], cleared["queue"]) == (1, 1, 1, 2)
    assert cleared["ledger"] == 3  # grant, reserve, settle
    after = box.ok("GET")
    assert after["counts"] == {**dict.fromkeys(after["counts"], 0), "ledger": 1}
    assert after["balance"] == {"available": 1000, "reserved": 0, "spent": 0}
    assert after["clock"]["now"] == start
    assert box.ok("POST", "/reset")["cleared"]["tasks"] == 0


def test_after_a_reset_the_same_things_happen_again(box):
    def run():
        task = box.swapped()
        fired = box.advance(until="idle")
        link = box.info(task)["result"]["media_urls"][0]
        return task, fired, link, requests.get(link, timeout=10).content

    first = run()
    box.ok("POST", "/reset")
    assert requests.get(first[2], timeout=10).status_code == 404
    assert run() == first


def test_the_short_ways_to_the_default_sandbox(admin, crun):
    crun.detect(PICTURE)
    rows = admin.ok("GET", "/requests")["requests"]
    assert [row["operation"] for row in rows] == ["detect_face_image"]
    assert admin.ok("POST", "/reset")["cleared"]["tasks"] == 1
    assert admin.ok("GET", "/requests") == {"requests": [], "total": 0, "dropped": 0, "next": None}


def test_unknown_sandbox_and_unknown_path(admin):
    assert "nobody" in admin.refused(404, "GET", "/sandboxes/nobody/ledger")["detail"]
    admin.refused(404, "GET", "/nothing")
    admin.refused(405, "DELETE", "/sandboxes")
    assert admin.pointers("GET", "/sandboxes", limit=5) == ["/query/limit"]


def test_two_hundred_used_at_once_never_see_each_other(server):
    def live(number):
        box = Admin(server.url).sandbox(clock="frozen", balance=10 + number)
        box.ok("POST", "/faults", {"effect": {"code": 455}, "match": {"nth": 2}, "id": f"f{number}"})
        answers = [box.swap().json() for _ in range(3)]
        journal = box.ok("GET", "/journal", type="exchange")
        return box, answers, journal, box.ok("GET")

    with ThreadPoolExecutor(24) as pool:
        lives = list(pool.map(live, range(200)))
    tasks = [answer["data"]["task_id"] for _, answers, _, _ in lives for answer in answers if answer["code"] == 200]
    assert len(tasks) == len(set(tasks)) == 400
    for number, (_, answers, journal, document) in enumerate(lives):
        assert [answer["code"] for answer in answers] == [200, 455, 200]
        assert journal["total"] == 3
        assert [row["fault"] for row in journal["records"]] == [None, f"f{number}", None]
        assert document["balance"] == {"available": 10 + number - 6, "reserved": 6, "spent": 0}
        stranger = lives[number - 1][0]
        assert stranger.info(answers[0]["data"]["task_id"]) is None


def test_one_bad_sandbox_does_not_spoil_the_list(admin, server, system, caplog):
    admin.ok("POST", "/sandboxes", {"id": "good"})
    admin.ok("POST", "/sandboxes", {"id": "bad"})
    with system.engine.store.open("bad") as box:
        box.sandbox = replace(box.sandbox, variants={"crun": {"http_status": object()}})
    listed = [row["id"] for row in admin.ok("GET", "/sandboxes")["sandboxes"]]
    assert ("good" in listed, "bad" in listed) == (True, False)
    assert "sandbox bad cannot be described" in caplog.text


def test_a_fast_clock_stops_at_the_end_of_time(admin, system, time):
    clock = {"mode": "scaled", "rate": 1_000_000, "start": "9998-12-20T00:00:00Z"}
    admin.ok("POST", "/sandboxes", {"id": "fast", "clock": clock})
    time.advance(34.0)
    (row,) = [row for row in admin.ok("GET", "/sandboxes")["sandboxes"] if row["id"] == "fast"]
    assert row["clock"]["now_iso"] == "9999-01-01T00:00:00.000Z"


@pytest.mark.parametrize("name", ["rate_limit", "download_rate_limit", "upload_rate_limit"])
def test_a_long_window_of_a_rate_limit_is_shown_as_the_contract_has_it(admin, name):
    """Windows with a unit may be longer than a million seconds. What an answer shows can be sent back."""
    shown = admin.sandbox(**{name: {"calls": 3, "seconds": "999999.5h"}}).document[name]
    assert shown["seconds"] == 999999.5 * 3600
    assert admin.sandbox(**{name: shown}).document[name] == shown
