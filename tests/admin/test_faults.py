"""Faults as rules, as a header and as magic values: which calls they match, when they are applied, and how."""

import email.utils
import socket
from pathlib import Path
from time import process_time
from urllib.parse import urlsplit

import pytest
import requests

from swapmock.contracts import load
from swapmock.mock_server.web.replacements import GATEWAY_ERRORS
from tests.control import CRUN, PICTURE, SWAP

CODES = [(name, row.code, row.http) for name in ("crun", "imgopen") for row in load(name).behaviour.body_codes.values()]
DETECT = {"crun": "job/detect-face-image", "imgopen": "tool/face/detection"}


def detect(box, provider, url=PICTURE, **more):
    """One call that both vendors have."""
    if provider == "crun":
        return box.crun("POST", DETECT["crun"], {"image_url": url}, **more)
    return box.imgopen(DETECT["imgopen"], {"imageUrl": url, "businessTaskId": "1"}, **more)


@pytest.mark.parametrize(("provider", "code", "http"), CODES, ids=lambda value: str(value))
def test_every_body_code_in_three_ways(admin, provider, code, http):
    box = admin.sandbox(clock="frozen", prefer_header=True, variants={provider: {"http_status": "code"}})
    by_magic = detect(box, provider, f"https://errors.invalid/{code}")
    by_header = detect(box, provider, headers={"Prefer": f"code={code}"})
    box.ok("POST", "/faults", {"match": {"provider": provider}, "effect": {"code": code}})
    by_rule = detect(box, provider)
    for answer in (by_magic, by_header, by_rule):
        assert answer.json()["code"] == code
        assert answer.status_code == http
    if str(code) != "200":
        messages = {
            answer.json().get("message", answer.json().get("msg")).partition(":")[0]
            for answer in (by_magic, by_header, by_rule)
        }
        assert len(messages) == 1
        assert by_rule.json().get("data") == by_magic.json().get("data")
    faults = [row["fault"] for row in box.ok("GET", "/requests")["requests"]]
    assert faults[1:] == ["prefer", "fault-1"]


@pytest.mark.parametrize(("provider", "code"), [("crun", 429), ("imgopen", "1001")])
def test_a_code_may_come_as_text_or_number_and_with_other_words(box, provider, code):
    for given in (str(code), int(code)):
        box.ok("POST", "/faults", {"effect": {"code": given, "message": "other words"}, "times": 1})
        answer = detect(box, provider).json()
        assert answer["code"] == code
        assert "other words" in (answer.get("message"), answer.get("msg"))


def test_the_header_is_ignored_unless_asked_for(admin):
    closed, opened = admin.sandbox(), admin.sandbox(prefer_header=True)
    headers = {"Prefer": 'code=429, retry-after=7; message="slow, down"'}
    assert detect(closed, "crun", headers=headers).json()["code"] == 200
    answer = detect(opened, "crun", headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["message"] == "slow, down"
    assert detect(opened, "crun", headers={"Prefer": "respond-async, wait=5"}).json()["code"] == 200
    assert detect(opened, "crun", headers={"Prefer": "status=banana"}).json()["code"] == 422
    assert detect(opened, "crun", headers={"Prefer": f"code={'9' * 30}"}).json()["code"] == "9" * 30
    assert detect(opened, "crun").json()["code"] == 200


@pytest.mark.parametrize("way", ["rule", "header"])
@pytest.mark.parametrize(
    ("effect", "check"),
    [
        ({"status": 503}, lambda a: a.status_code == 503 and a.json()["code"] == 500),
        ({"status": 429}, lambda a: a.status_code == 429 and a.json()["code"] == 429),
        ({"status": 202}, lambda a: a.status_code == 202 and a.json()["code"] == 200),
        ({"code": 200, "status": 502}, lambda a: a.status_code == 502 and a.json()["code"] == 200),
        ({"maintenance": True}, lambda a: a.json()["code"] == 455),
        ({"body": "empty"}, lambda a: a.content == b""),
        ({"body": "malformed"}, lambda a: a.content.startswith(b"<") and not _is_json(a)),
        ({"body": "cut"}, lambda a: len(a.content) > 5 and not _is_json(a)),
        ({"gateway": 522}, lambda a: a.status_code == 522 and "text/html" in a.headers["content-type"] and "cf-ray" in a.headers),
        ({"code_type": "string"}, lambda a: a.json()["code"] == "200"),
        ({"code_type": "null"}, lambda a: a.json()["code"] is None),
        ({"code_type": "object"}, lambda a: a.json()["code"] == {"code": 200}),
        ({"code_type": "list"}, lambda a: a.json()["code"] == [200]),
        ({"code_type": "boolean"}, lambda a: a.json()["code"] is True),
        ({"extra_fields": True}, lambda a: a.json()["unexpected"] is a.json()["data"]["unexpected"] is True),
        ({"delay": 0.15}, lambda a: a.elapsed.total_seconds() >= 0.15),
    ],
    ids=lambda value: "" if callable(value) else str(value),
)  # fmt: skip
def test_effects(admin, way, effect, check):
    box = admin.sandbox(prefer_header=True)
    if way == "rule":
        box.ok("POST", "/faults", {"effect": effect})
        answer = detect(box, "crun")
    else:
        words = ", ".join(f"{name}={str(value).lower()}" for name, value in effect.items())
        answer = detect(box, "crun", headers={"Prefer": words})
    assert check(answer), (answer.status_code, answer.content)


def _is_json(answer):
    try:
        answer.json()
    except ValueError:
        return False
    return True


def test_delays_of_a_range_are_drawn_by_the_seed(admin):
    def drawn():
        box = admin.sandbox(seed=3)
        box.ok("POST", "/faults", {"effect": {"delay": [0, 0.02]}})
        for _ in range(5):
            detect(box, "crun")
        return [row["delay"] for row in box.ok("GET", "/requests")["requests"]]

    first = drawn()
    assert first == drawn()
    assert len(set(first)) == 5
    assert all(0 <= delay <= 0.02 for delay in first)


def test_moment_before_leaves_nothing_behind(box):
    for effect in ({"code": 500}, {"status": 503}, {"body": "empty"}, {"connection": "hang_up"}):
        box.ok("POST", "/faults", {"effect": effect, "moment": "before", "times": 1})
        try:
            box.swap()
        except requests.ConnectionError:
            assert effect == {"connection": "hang_up"}
    assert box.ok("GET", "/tasks")["total"] == 0
    assert box.available() == 1000


def test_moment_after_the_task_is_made_and_the_answer_lost(box):
    box.ok("POST", "/faults", {"effect": {"code": 500}, "moment": "after", "times": 1})
    assert box.swap().json()["code"] == 500
    assert box.ok("GET", "/tasks")["total"] == 1
    assert box.available() == 997
    assert box.ok("GET", "/requests")["requests"][0]["task"]


def test_moment_wire_the_task_is_made(box):
    for effect in ({"body": "malformed"}, {"connection": "reset"}, {"connection": "hang_up"}):
        box.ok("POST", "/faults", {"effect": effect, "times": 1})
        try:
            box.swap()
        except requests.ConnectionError:
            assert "connection" in effect
    assert box.ok("GET", "/tasks")["total"] == 3


def raw_call(box, headers=()):
    """What a bare socket reads as the answer to a detection, and the error that ended it."""
    url = urlsplit(box.base_url)
    body = b'{"image_url": "https://example.com/a.png"}'
    head = [f"POST {CRUN}job/detect-face-image HTTP/1.1", f"Host: {url.netloc}", "Content-Type: application/json"]
    head += [
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (*box.headers().items(), *headers)),
    ]
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
        read, pieces = b"", 0
        try:
            while piece := connection.recv(65536):
                read, pieces = read + piece, pieces + 1
                if read.endswith(b"}") and b"content-length" in read.lower():
                    break
        except ConnectionResetError as error:
            return read, error, pieces
    return read, None, pieces


def test_a_true_reset(box):
    box.ok("POST", "/faults", {"effect": {"connection": "reset"}})
    read, error, _ = raw_call(box)
    assert read == b""
    assert isinstance(error, ConnectionResetError)
    assert box.ok("GET", "/requests")["requests"][0]["status"] == 0


def test_a_hang_up_before_the_headers(box):
    box.ok("POST", "/faults", {"effect": {"connection": "hang-up"}})
    assert raw_call(box)[:2] == (b"", None)


def test_a_dribble(admin):
    box = admin.sandbox(prefer_header=True)
    read, error, pieces = raw_call(box, [("Prefer", "connection=dribble, delay=0.2")])
    assert error is None
    assert read.endswith(b"}")
    assert pieces > 5


MATCHES = [
    ({"provider": "crun"}, True),
    ({"provider": "imgopen"}, False),
    ({"operation": "create_task"}, True),
    ({"operation": "get_task_info"}, False),
    ({"model": "image-face-swap"}, True),
    ({"model": "z-image"}, False),
    ({"body": {"$.input.image_url": PICTURE}}, True),
    ({"body": {"$.input.image_url": "https://example.com/b.png"}}, False),
    ({"body": {"/input/new_face": SWAP["new_face"]}}, True),
    ({"body": {"model": "image-face-swap"}}, True),
    ({"body": {"$..new_face": {"exists": True}}}, True),
    ({"body": {"$.callback_url": {"exists": False}}}, True),
    ({"body": {"$.callback_url": {"exists": True}}}, False),
    ({"body": {"/input/image_url": {"contains": "example"}}}, True),
    ({"body": {"/input/image_url": {"matches": r"^https://.*\.png$"}}}, True),
    ({"body": {"/input/image_url": {"matches": r"\.gif$"}}}, False),
    ({"body": {"$.input": SWAP}}, True),
    ({"body": {"$.input[?(@.x > 1)]": 1}}, False),
    ({"headers": {"X-Trace": "abc"}}, True),
    ({"headers": {"x-trace": {"matches": "^a"}}}, True),
    ({"headers": {"$['x-trace']": "abc"}}, True),
    ({"headers": {"/x-count": 5}}, True),
    ({"headers": {"x-trace": "other"}}, False),
    ({"headers": {"x-missing": {"exists": False}}}, True),
    ({"params": {"page": 2}}, True),
    ({"params": {"page": "2"}}, True),
    ({"params": {"page": 3}}, False),
    ({"provider": "crun", "operation": "create_task", "headers": {"x-trace": "abc"}}, True),
    ({"provider": "crun", "operation": "create_task", "headers": {"x-trace": "no"}}, False),
]  # fmt: skip


@pytest.mark.parametrize(("match", "is_applied"), MATCHES, ids=str)
def test_what_a_rule_matches(box, match, is_applied):
    box.ok("POST", "/faults", {"match": match, "effect": {"code": 500}})
    body = {"model": "image-face-swap", "input": SWAP}
    headers = {"X-Trace": "abc", "X-Count": "5"}
    answer = box.crun("POST", "job/CreateTask", body, headers=headers, params={"page": "2"})
    assert (answer.json()["code"] == 500) is is_applied


def test_a_rule_matches_a_tool_by_its_code(box):
    box.ok("POST", "/faults", {"match": {"model": "face/detection"}, "effect": {"code": "503"}})
    assert detect(box, "imgopen").json()["code"] == "503"
    body = {"sourceUrl": [PICTURE], "targetUrl": PICTURE, "businessTaskId": "1"}
    assert box.imgopen("tool/face/fusion", body).json()["code"] == "200"


def codes(box, count):
    return [detect(box, "crun").json()["code"] for _ in range(count)]


def test_nth_and_times(box):
    box.ok("POST", "/faults", {"match": {"nth": 3}, "effect": {"code": 455}})
    assert codes(box, 5) == [200, 200, 455, 200, 200]
    box.ok("DELETE", "/faults")
    box.ok("POST", "/faults", {"id": "twice", "times": 2, "effect": {"code": 500}})
    assert codes(box, 4) == [500, 500, 200, 200]
    rule = box.ok("GET", "/faults/twice")
    assert (rule["matched"], rule["struck"]) == (4, 2)


def test_chance_is_seeded(admin):
    def run(seed):
        box = admin.sandbox(seed=seed)
        box.ok("POST", "/faults", {"match": {"probability": 0.5}, "effect": {"code": 500}})
        return codes(box, 40)

    assert run(1) == run(1) != run(2)
    assert 8 < run(1).count(500) < 32
    box = admin.sandbox()
    box.ok("POST", "/faults", {"match": {"probability": 0}, "effect": {"code": 500}})
    assert 500 not in codes(box, 5)


def test_the_first_rule_whose_turn_it_is_applies(box):
    box.ok("POST", "/faults", {"id": "a", "times": 1, "effect": {"code": 500}})
    box.ok("POST", "/faults", {"id": "b", "times": 1, "effect": {"code": 455}})
    assert codes(box, 3) == [500, 455, 200]
    assert [rule["id"] for rule in box.ok("GET", "/faults")["faults"]] == ["a", "b"]
    assert box.ok("DELETE", "/faults/a") == {"deleted": "a"}
    box.refused(404, "DELETE", "/faults/a")
    box.refused(404, "GET", "/faults/a")
    assert box.ok("DELETE", "/faults") == {"cleared": {"faults": 1}}


@pytest.mark.parametrize("form", ["none", "seconds", "date"])
@pytest.mark.parametrize("where", ["sandbox", "fault"])
def test_rate_windows(admin, form, where, time):
    limit = {"calls": 2, "seconds": 10, "retry_after": form}
    box = admin.sandbox(clock="frozen", **({"rate_limit": limit} if where == "sandbox" else {}))
    if where == "fault":
        box.ok("POST", "/faults", {"effect": {"rate_limit": limit}})
    assert codes(box, 1) == [200]
    box.advance(by=4)
    assert codes(box, 1) == [200]
    refused = detect(box, "crun")
    assert (refused.status_code, refused.json()["code"]) == (429, 429)
    told = refused.headers.get("retry-after")
    if form == "none":
        assert told is None
    elif form == "seconds":
        assert told == "6"
    else:
        assert email.utils.parsedate_to_datetime(told).timestamp() == time.now() + 6
    box.advance(by=5.999)
    assert codes(box, 1) == [429]
    box.advance(by=0.001)
    assert codes(box, 2) == [200, 429]


@pytest.mark.parametrize("limit", [{"calls": 0, "seconds": 1}, {"calls": 1, "seconds": 0.001}])
def test_odd_rate_limits(admin, limit):
    box = admin.sandbox(clock="frozen", rate_limit={**limit, "retry_after": "seconds"})
    assert codes(box, 3)[1:] == [429, 429]
    assert box.ok("GET")["rate_limit"]["calls"] == limit["calls"]


def test_retry_after_alone_goes_onto_the_ordinary_answer(box, time):
    box.ok("POST", "/faults", {"effect": {"retry_after": {"seconds": 3, "form": "date"}}})
    answer = detect(box, "crun")
    assert answer.json()["code"] == 200
    assert email.utils.parsedate_to_datetime(answer.headers["retry-after"]).timestamp() == time.now() + 3


BAD = [
    ({}, ["/effect"]),
    ({"effect": {}}, ["/effect"]),
    ({"effect": {"message": "x"}}, ["/effect"]),
    ({"effect": {"maintenance": False}}, ["/effect"]),
    ({"effect": {"code": 999}}, ["/effect/code"]),
    ({"effect": {"code": None}}, ["/effect/code"]),
    ({"effect": {"refuse": "kindly"}}, ["/effect/refuse"]),
    ({"effect": {"status": 103}}, ["/effect/status"]),
    ({"effect": {"status": 600}}, ["/effect/status"]),
    ({"effect": {"delay": -1}}, ["/effect/delay"]),
    ({"effect": {"delay": [2, 1]}}, ["/effect/delay"]),
    ({"effect": {"delay": 1e9}}, ["/effect/delay"]),
    ({"effect": {"delay": "99999s"}}, ["/effect/delay"]),
    ({"effect": {"body": "purple"}}, ["/effect/body"]),
    ({"effect": {"connection": "melt"}}, ["/effect/connection"]),
    ({"effect": {"code_type": "cheese"}}, ["/effect/code_type"]),
    ({"effect": {"rate_limit": {"seconds": 1}}}, ["/effect/rate_limit/calls"]),
    ({"effect": {"code": 500}, "moment": "later"}, ["/moment"]),
    ({"effect": {"code": 500}, "times": 0}, ["/times"]),
    ({"effect": {"code": 500}, "id": "a b"}, ["/id"]),
    ({"effect": {"code": 500}, "match": {"provider": "acme"}}, ["/match/provider"]),
    ({"effect": {"code": 500}, "match": {"operation": "make_task"}}, ["/match/operation"]),
    ({"effect": {"code": 500}, "match": {"nth": 0}}, ["/match/nth"]),
    ({"effect": {"code": 500}, "match": {"probability": 1.5}}, ["/match/probability"]),
    ({"effect": {"code": 500}, "match": {"body": {"$.[": 1}}}, ["/match/body/$.["]),
    ({"effect": {"code": 500}, "match": {"body": {"$..a..b": 1}}}, ["/match/body/$..a..b"]),
    ({"effect": {"code": 500}, "match": {"body": {"$[?search(@.a, 'x')]": 1}}}, ["/match/body/$[?search(@.a, 'x')]"]),
    ({"effect": {"code": 500}, "match": {"body": {"/a": {"matches": "("}}}}, ["/match/body/~1a"]),
    ({"effect": {"code": 500}, "match": {"body": {"/a": {"matches": "(?=a)b"}}}}, ["/match/body/~1a"]),
    ({"effect": {"code": 500}, "match": {"body": {"/a": {"matches": "x" * 501}}}}, ["/match/body/~1a"]),
    ({"effect": {"code": 500}, "match": {"body": {"/a": {"matches": "(a{1,50}){1,50}b"}}}}, ["/match/body/~1a"]),
    ({"effect": {"code": 500}, "match": {"body": {"$.x[?@.q in $.x]": 1}}}, ["/match/body/$.x[?@.q in $.x]"]),
    ({"effect": {"code": 500}, "match": {"moon": "full"}}, ["/match/moon"]),
]


@pytest.mark.parametrize(("rule", "pointers"), BAD, ids=lambda value: str(value)[:60])
def test_bad_rules(box, rule, pointers):
    assert box.pointers("POST", "/faults", rule) == pointers
    assert box.ok("GET", "/faults") == {"faults": []}


def test_unknown_names_come_with_the_list_or_the_nearest(box):
    problem = box.refused(400, "POST", "/faults", {"effect": {"code": 999}})
    assert "455" in problem["errors"][0]["detail"]
    problem = box.refused(400, "POST", "/faults", {"effect": {"code": 500}, "match": {"operation": "createtask"}})
    assert "did you mean 'create_task'" in problem["errors"][0]["detail"]


def test_an_id_twice(box):
    box.ok("POST", "/faults", {"id": "one", "effect": {"code": 500}})
    box.refused(409, "POST", "/faults", {"id": "one", "effect": {"code": 500}})


def test_what_is_listed_can_be_posted_again(admin, box):
    effect = {"code": 429, "retry_after": 5, "delay": [0.1, 0.2], "extra_fields": True, "message": "m"}
    made = box.ok("POST", "/faults", {"effect": effect, "match": {"headers": {"X-A": "b"}, "nth": 2}, "times": 3})
    rule = {name: made[name] for name in ("id", "match", "moment", "times", "effect")}
    again = admin.sandbox().ok("POST", "/faults", rule)
    assert again == made


def test_no_pattern_holds_the_server_up(box):
    box.ok("POST", "/faults", {"match": {"body": {"image_url": {"matches": "(a+)+$"}}}, "effect": {"code": 500}})
    start = process_time()
    answer = box.crun("POST", "job/detect-face-image", {"image_url": "https://example.com/" + "a" * 2000 + "!"})
    assert process_time() - start < 2  # of this process, in which the server runs
    assert answer.json()["code"] == 200


LONG = {
    "a pattern of many states": ({"/x": {"matches": "(a{1,25}){1,25}b"}}, "a" * 900_000),
    "a search": ({"$..[?@.a=='x']": 1}, [{}] * 200_000),
    "a slice": ({"$.x[::-1]": 1}, "a" * 900_000),
    "every value": ({"$..*": "zz"}, [[[]]] * 50_000),
}


@pytest.mark.parametrize("match", LONG)
def test_no_rule_holds_the_server_up(admin, match):
    box = admin.sandbox(clock="frozen")
    condition, given = LONG[match]
    box.ok("POST", "/faults", {"match": {"body": condition}, "effect": {"code": 500}})
    body = {"model": "z-image", "input": {"prompt": "a"}, "x": given}
    start = process_time()
    answer = box.crun("POST", "job/EstimateTask", body)
    assert process_time() - start < 5
    assert answer.json()["code"] == 200


def test_a_plain_path_reaches_into_a_long_body(box):
    box.ok("POST", "/faults", {"match": {"body": {"$.x[90000]": 7}}, "effect": {"code": 500}})
    body = {"model": "z-image", "input": {"prompt": "a"}, "x": [7] * 90_001}
    assert box.crun("POST", "job/EstimateTask", body).json()["code"] == 500


def test_no_fault_applies_to_the_admin_api(admin):
    box = admin.sandbox(rate_limit={"calls": 0, "seconds": 60}, prefer_header=True)
    box.ok("POST", "/faults", {"effect": {"connection": "reset"}})
    for _ in range(20):
        answer = admin.session.get(f"{admin.url}/__admin{box.path}", headers={**box.headers(), "Prefer": "code=500"})
        assert answer.status_code == 200


def test_a_fault_of_one_vendor_leaves_the_other_alone(box):
    box.ok("POST", "/faults", {"match": {"provider": "imgopen"}, "effect": {"code": "503"}})
    assert detect(box, "crun").json()["code"] == 200
    assert detect(box, "imgopen").json() == {"code": "503", "msg": "service under maintenance", "data": None}


SPOILT = {
    "429_seconds": lambda a: (a.status_code, a.headers["retry-after"]) == (429, "5"),
    "429_date": lambda a: a.status_code == 429 and a.headers["retry-after"].endswith("GMT"),
    "maintenance": lambda a: a.json()["code"] == 455,
    "http_503": lambda a: a.status_code == 503,
    **{str(n): lambda a: a.status_code >= 502 and "<html" in a.text for n in GATEWAY_ERRORS},
    **{f"gateway_{n}": lambda a: a.status_code >= 502 and "<html" in a.text for n in GATEWAY_ERRORS},
    "lost": lambda a: a.json()["code"] == 500,
    "malformed": lambda a: not _is_json(a),
    "cut": lambda a: not _is_json(a),
    "empty": lambda a: a.content == b"",
    "code_type": lambda a: a.json()["code"] == "200",
    "extra_fields": lambda a: a.json()["unexpected"] is True,
}


@pytest.mark.parametrize("name", [Path(row.value).name for row in load("crun").behaviour.magic.values() if row.fault])
def test_every_magic_value_that_changes_an_answer(box, name):
    if name in ("reset", "hang_up", "truncated"):
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            box.swap(f"https://errors.invalid/{name}")
        is_made = True
    elif name in ("dribble", "delay"):
        answer = box.swap(f"https://errors.invalid/{name}")
        assert answer.elapsed.total_seconds() > 1.5 or name == "dribble"  # a dribble begins at once
        is_made = answer.json()["code"] == 200
    else:
        assert SPOILT[name](box.swap(f"https://errors.invalid/{name}.png"))
        is_before = ("429_seconds", "429_date", "maintenance", "http_503")
        is_made = name not in is_before and not name.startswith("gateway_") and not name.isdigit()
    assert box.ok("GET", "/tasks")["total"] == is_made
    assert box.ok("GET", "/requests")["requests"][0]["fault"].startswith("magic https://errors.invalid/")


@pytest.mark.parametrize("word", ["malformed", "Cut", "empty=1", "maintenance", "status=503"])
def test_the_header_says_what_a_rule_may_say(admin, word):
    box = admin.sandbox(prefer=True)
    name = word.partition("=")[0].lower()
    check = SPOILT["http_503" if name == "status" else name]
    assert check(detect(box, "crun", headers={"Prefer": word}))
    assert not check(detect(box, "crun", headers={"Prefer": f"{name}=no"} if name in ("malformed", "cut") else {}))


def test_lost_connections_by_a_word_in_the_header(admin):
    box = admin.sandbox(prefer=True)
    for word in ("reset", "hang-up"):
        with pytest.raises(requests.ConnectionError):
            detect(box, "crun", headers={"Prefer": word})


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_of_the_other_vendor_by_magic_value(box, form):
    assert "retry-after" in detect(box, "imgopen", f"https://errors.invalid/429_{form}").headers


def test_a_delay_of_a_range_by_header(admin):
    box = admin.sandbox(prefer=True)
    detect(box, "crun", headers={"Prefer": "delay=0.01-0.05"})
    assert 0.01 <= box.ok("GET", "/requests")["requests"][0]["delay"] < 0.05
    for wrong in ("delay=5-1", "delay=-1", "delay=601", "delay=nan", "delay=x"):
        assert detect(box, "crun", headers={"Prefer": wrong}).json()["code"] == 422


def test_a_rule_is_shown_without_the_secrets_that_it_matches(admin):
    box = admin.sandbox(clock="frozen")
    key = box.document["credentials"]["crun"]["key"]
    rule = {"id": "mine", "match": {"headers": {"x-api-key": key}}, "effect": {"code": 429}}
    shown = [box.ok("POST", "/faults", rule), box.ok("GET", "/faults"), box.ok("GET", "/faults/mine")]
    assert key not in str(shown)
    assert box.crun("GET", "account/balance").json()["code"] == 429
