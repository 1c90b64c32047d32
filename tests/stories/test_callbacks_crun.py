"""crun.ai calls back: what is told, when, in which body, and what becomes of it."""

import json
from base64 import b64decode

import pytest
import requests

from swapmock.contracts import load
from tests.receivers import RawReceiver, Receiver, read_request, refuse_first

IMAGE = "https://example.com/a.png"


def test_the_end_of_a_task_is_told_as_taskinfo_tells_it(account, receiver):
    task = account.swap(receiver.url("/hook?secret=a%26b&n=1"))
    fired = account.advance(until="idle")
    assert [(row["what"], row["after"]) for row in fired] == [
        ("transition", "running"),
        ("transition", "succeeded"),
        ("delivery", "acknowledged"),
    ]
    (got,) = receiver.got
    assert (got.method, got.path) == ("POST", "/hook?secret=a%26b&n=1")
    assert got.headers["content-type"] == "application/json"
    assert not [name for name in got.headers if "sign" in name.lower() or "swapmock" in name.lower()]
    assert got.json == account.crun.info(task)
    assert load("crun").operations["create_task"].check_callback(got.json) == ()
    link = got.json["result"]["media_urls"][0]
    assert link.startswith(account.base_url)
    assert requests.get(link, timeout=10).headers["Content-Type"] == "image/png"


def test_a_failure_is_told_too(account, receiver):
    account.swap(receiver.url(), "https://errors.invalid/fails")
    account.advance(until="idle")
    (body,) = receiver.bodies()
    assert (body["status"], body["result"]["code"], body["credits"]) == ("failed", 501, 0)


@pytest.mark.parametrize("more", [{}, {"callback_url": ""}])
def test_without_a_url_nothing_is_sent(account, more):
    account.crun.create("image-face-swap", {"image_url": IMAGE, "new_face": IMAGE}, **more)
    account.advance(until="idle")
    assert account.deliveries() == []


def test_detections_do_not_call_back(account, receiver):
    account.crun.data("POST", "job/detect-face-image", json={"image_url": IMAGE, "callback_url": receiver.url()})
    account.advance(until="idle")
    assert account.deliveries() == []


def test_wrapped(make_account, receiver):
    account = make_account(variants={"crun": {"callback_body": "wrapped"}})
    task = account.swap(receiver.url())
    account.advance(until="idle")
    assert receiver.bodies() == [{"code": 200, "message": "success", "data": account.crun.info(task)}]


def test_every_change(make_account, receiver):
    account = make_account(variants={"crun": {"callback_events": "all"}})
    account.swap(receiver.url())
    account.advance(until="idle")
    assert [body["status"] for body in receiver.bodies()] == ["running", "success"]
    assert receiver.bodies()[0]["result"] is None


def test_every_change_in_order_even_when_all_come_at_once(make_account, receiver):
    account = make_account(variants={"crun": {"callback_events": "all"}})
    account.swap(receiver.url(), "https://errors.invalid/instant")
    account.advance(until="idle")
    assert [body["status"] for body in receiver.bodies()] == ["running", "success"]


@pytest.mark.parametrize(("schedule", "offsets"), [("usual", [0, 10, 70, 370]), ("short", [0, 1, 3, 7]), ("none", [0])])
def test_the_retry_schedules(make_account, receiver, schedule, offsets):
    receiver.plan = lambda got: 503
    account = make_account(variants={"crun": {"callback_ladder": schedule}})
    account.swap(receiver.url())
    fired = account.advance(until="idle")
    row = account.delivery()
    assert row["state"] == "dead"
    assert [attempt["due"] - row["created_at"] for attempt in row["attempts"]] == offsets
    assert [item["at"] - row["created_at"] for item in fired if item["what"] == "delivery"] == offsets
    assert len({got.body for got in receiver.got}) == 1


def test_an_attempt_says_all_there_is_to_say(account, receiver):
    receiver.plan = lambda got: (500, b"<html>no</html>") if got.number == 1 else 200
    account.swap(receiver.url())
    account.advance(until="idle")
    first, second = account.delivery()["attempts"]
    start = account.delivery()["created_at"]
    known = {name: first[name] for name in ("attempt", "due", "sent", "latency", "status", "failure", "next_due")}
    assert known == {
        "attempt": 1,
        "due": start,
        "sent": start,
        "latency": 0.0,
        "status": 500,
        "failure": "answered HTTP 500",
        "next_due": start + 10,
    }
    assert first["answer"] == "<html>no</html>"
    assert (second["due"], second["failure"], second["next_due"]) == (start + 10, "", None)


def test_an_attempt_shows_both_messages_as_they_were(account):
    raw = (
        b"HTTP/1.1 200 All right\r\nX-Trace: a\r\nX-Trace: b\r\nSet-Cookie: id=secret-7\r\nContent-Length: 2\r\n\r\nok"
    )

    def serve(connection):
        read_request(connection)
        connection.sendall(raw)

    with RawReceiver(serve) as receiver:
        host = f"127.0.0.1:{receiver.port}"
        account.swap(f"http://user:pass@{host}/hook?token=t1&n=1")
        account.advance(until="idle")
    (attempt,) = account.delivery()["attempts"]
    assert attempt["request_line"] == "POST /hook?token=…&n=1 HTTP/1.1"
    assert attempt["request_headers"]["content-type"] == "application/json"
    assert (attempt["request_headers"]["authorization"], attempt["request_headers"]["host"]) == (
        "Basic…Nz",
        host,
    )
    assert attempt["answer_line"] == "HTTP/1.1 200 All right"
    assert attempt["answer_headers"] == {"x-trace": "a, b", "set-cookie": "…", "content-length": "2"}
    (row,) = account.admin("GET", "journal", params={"type": "delivery"})["records"]
    assert (row["answer_headers"], row["request_line"]) == (attempt["answer_headers"], attempt["request_line"])
    why = account.admin("GET", f"why/{account.delivery()['id']}")
    assert why["deliveries"][0]["attempts"] == [attempt]
    saved = account.admin("GET", "snapshot")
    assert "secret-7" not in json.dumps(saved)
    for text in encoded_heads(saved):
        assert b"secret-7" not in text
        assert b"dXNlcjpwYXNz" not in text
    before = account.deliveries()
    account.admin("POST", "restore", json=saved)
    assert account.deliveries() == before


def encoded_heads(saved):
    """The heads in a snapshot, decoded."""
    attempts = [one for row in saved["state"]["deliveries"] for one in row["attempts"]]
    attempts += [row for row in saved["state"]["journal"] if "answer_head" in row]
    found = [b64decode(row[name]) for row in attempts for name in ("request_head", "answer_head")]
    assert len(found) == 4
    return found


def test_a_snapshot_of_an_older_version_has_no_heads(account, receiver):
    account.swap(receiver.url())
    account.advance(until="idle")
    saved = account.admin("GET", "snapshot")
    saved["version"] = "0.1.0"
    attempts = [one for row in saved["state"]["deliveries"] for one in row["attempts"]]
    for record in (*saved["state"]["journal"], *attempts):
        record.pop("request_head", None)
        record.pop("answer_head", None)
    account.admin("POST", "restore", json=saved)
    (attempt,) = account.delivery()["attempts"]
    assert (attempt["status"], attempt["request_line"], attempt["answer_headers"]) == (200, "", {})


def test_attempts_stand_in_the_journal_with_their_cause(account, receiver):
    receiver.plan = refuse_first(1)
    task = account.swap(receiver.url())
    account.advance(until="idle")
    rows = account.admin("GET", "journal", params={"type": "delivery"})["records"]
    assert [(row["task"], row["attempt"], row["failure"]) for row in rows] == [
        (task, 1, "answered HTTP 500"),
        (task, 2, ""),
    ]
    created = account.admin("GET", "journal", params={"type": "exchange", "operation": "create_task"})["records"]
    assert {row["cause"] for row in rows} == {created[0]["id"]}


def test_dead_letters_are_listed_and_sent_again(account, receiver):
    receiver.plan = lambda got: 500
    dead, fine = account.swap(receiver.url("/dead")), None
    account.advance(until="idle")
    receiver.plan = lambda got: 200
    fine = account.swap(receiver.url("/fine"))
    account.advance(until="idle")
    (letter,) = account.deliveries(status="dead")
    assert (letter["task"], len(letter["attempts"])) == (dead, 4)
    again = account.admin("POST", f"deliveries/{letter['id']}/redeliver")
    assert (again["state"], len(again["attempts"]), again["attempts"][-1]["status"]) == ("acknowledged", 5, 200)
    assert account.deliveries(status="dead") == []
    assert {row["task"] for row in account.deliveries(status="acknowledged")} == {dead, fine}
    assert receiver.got[-1].body == receiver.got[0].body


def test_redelivery_does_not_use_up_the_ladder(account, receiver):
    receiver.plan = lambda got: 500
    account.swap(receiver.url())
    account.advance(by="6s")
    row = account.delivery()
    again = account.admin("POST", f"deliveries/{row['id']}/redeliver")
    assert (again["state"], again["next_due"]) == ("pending", row["created_at"] + 10)
    account.advance(until="idle")
    assert [attempt["due"] - row["created_at"] for attempt in account.delivery()["attempts"]] == [0, 0, 10, 70, 370]


def test_what_has_been_acknowledged_can_be_sent_again(account, receiver):
    account.swap(receiver.url())
    account.advance(until="idle")
    again = account.admin("POST", f"deliveries/{account.delivery()['id']}/redeliver")
    assert (again["state"], len(again["attempts"]), len(receiver.got)) == ("acknowledged", 2, 2)


def test_an_unknown_delivery_is_not_found(account):
    url = f"{account.base_url}/__admin/sandboxes/{account.id}/deliveries/d99/redeliver"
    assert requests.post(url, timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://192.0.2.1:8080/cb", "192.0.2.1 is not loopback"),
        ("https://your-domain.com/api/callback", "your-domain.com is not loopback"),
    ],
)
def test_other_hosts_are_blocked_with_a_reason(account, url, reason):
    account.swap(url)
    fired = account.advance(until="idle")
    row = account.delivery()
    assert (row["state"], row["next_due"], len(row["attempts"])) == ("blocked", None, 1)
    host = reason.split()[0]
    assert row["attempts"][0]["failure"] == f"blocked: {reason}; --callback-allow {host} would allow it"
    assert (fired[-1]["after"], fired[-1]["failure"]) == ("blocked", row["attempts"][0]["failure"])


def test_a_redirect_leads_nowhere(account, receiver):
    with Receiver() as elsewhere:
        receiver.plan = lambda got: (307, elsewhere.url("/stolen").encode())
        account.swap(receiver.url())
        account.advance(until="idle")
    assert elsewhere.got == []
    assert account.delivery()["attempts"][0]["failure"] == "answered HTTP 307, and redirects are not followed"


@pytest.mark.parametrize("settings", [{"callback_allow": "hooks.example,192.0.2.7"}], indirect=True)
def test_more_hosts_may_be_allowed_but_only_those(account, settings):
    """Blocked or not is what counts here: behind the allowed address nobody answers."""
    assert settings.callback_allow == ("hooks.example", "192.0.2.7")
    account.swap("http://127.1.2.3:9/")
    account.swap("http://192.0.2.8/")
    account.advance(by="6s")
    assert [row["state"] for row in account.deliveries()] == ["pending", "blocked"]


@pytest.mark.parametrize("settings", [{"callback_timeout": 0.2}], indirect=True)
def test_a_receiver_that_never_answers(account):
    def serve(connection):
        read_request(connection)
        connection.recv(1)

    with RawReceiver(serve) as silent:
        account.swap(silent.url())
        account.advance(by="6s")
    assert account.delivery()["attempts"][0]["failure"] == "no answer within 0.2 s"


def test_a_receiver_may_ask_the_emulator_while_it_is_told(account, receiver):
    """The sandbox is not held while a callback is under way, and shows the moment of it."""
    seen = []

    def plan(got):
        seen.append(account.crun.info(got.json["task_id"]))
        return 200

    receiver.plan = plan
    account.swap(receiver.url())
    account.advance(by="1h")
    assert seen == receiver.bodies()


def test_reset_forgets_deliveries(account, receiver):
    receiver.plan = lambda got: 500
    account.swap(receiver.url())
    account.advance(by="10s")
    account.admin("POST", "reset")
    assert account.deliveries() == []
    assert account.advance(until="idle") == []
    assert len(receiver.got) == 1


def test_two_sandboxes_do_not_see_each_others_deliveries(make_account, receiver):
    one, other = make_account(), make_account()
    one.swap(receiver.url("/one"))
    other.swap(receiver.url("/other"))
    one.advance(until="idle")
    assert [got.path for got in receiver.got] == ["/one"]
    assert len(other.deliveries()) == 0
    other.advance(until="idle")
    assert [got.path for got in receiver.got] == ["/one", "/other"]


def test_the_same_moves_give_the_same_deliveries(make_account, receiver):
    receiver.plan = lambda got: 500
    rows = []
    for _ in range(2):
        account = make_account(seed=7, variants={"crun": {"callback_events": "all"}})
        for index in range(3):
            account.swap(receiver.url(f"/{index}"))
        fired = account.advance(until="idle")
        rows.append((fired, account.deliveries()))
    assert rows[0] == rows[1]


def test_a_snapshot_taken_in_mid_ladder_goes_on_where_it_was(account, receiver):
    receiver.plan = lambda got: 500
    account.swap(receiver.url())
    account.advance(by="6s")
    saved = account.admin("GET", "snapshot")
    before = account.deliveries()
    account.advance(until="idle")
    assert account.delivery()["state"] == "dead"
    account.admin("POST", "restore", json=saved)
    assert account.deliveries() == before
    receiver.plan = lambda got: 200
    account.advance(until="idle")
    row = account.delivery()
    assert (row["state"], [attempt["due"] - row["created_at"] for attempt in row["attempts"]]) == (
        "acknowledged",
        [0, 10],
    )
    assert len(receiver.got) == 5


def test_outcomes_can_be_queued(account, receiver):
    account.admin("POST", "scenarios", json={"scenario": "callback_duplicate"})
    account.swap(receiver.url("/queued"))
    account.swap(receiver.url("/plain"))
    account.advance(until="idle")
    assert sorted(got.path for got in receiver.got) == ["/plain", "/queued", "/queued"]
