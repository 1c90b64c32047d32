"""The relay: what is sent to its URL reaches the port behind it, and is recorded."""

import pytest
import requests

from tests.receivers import Receiver

IMAGE = "https://faces.invalid/1.png"


@pytest.fixture
def sandbox(interception):
    with interception.control.sandbox(clock="frozen") as sandbox:
        yield sandbox


@pytest.fixture
def swap(interception, sandbox):
    """Creates a swap whose callback goes to the relay."""

    def swap(path):
        given = {"image_url": IMAGE, "new_face": IMAGE}
        body = {"model": "image-face-swap", "input": given, "callback_url": interception.callback_url + path}
        made = requests.post(
            "https://api.crun.ai/api/v1/client/job/CreateTask",
            json=body,
            headers=sandbox.headers(),
            proxies={"https": interception.proxy_url},
            verify=interception.environment["REQUESTS_CA_BUNDLE"],
            timeout=20,
        )
        return made.json()["data"]["task_id"]

    return swap


def test_a_callback_reaches_the_port_with_path_and_query(interception, sandbox, swap):
    before = len(interception.callbacks)
    with Receiver(port=interception.callback_port) as receiver:
        task = swap("/hooks/crun?job=7&x=%20")
        sandbox.advance("1m")
    (got,) = receiver.got
    assert (got.method, got.path, got.json["task_id"]) == ("POST", "/hooks/crun?job=7&x=%20", task)
    assert got.json["result"]["media_urls"][0].startswith("https://api.crun.ai/media/")
    assert sandbox.deliveries()[0]["url"] == interception.callback_url + "/hooks/crun?job=7&x=%20"
    (recorded,) = interception.callbacks[before:]
    assert (recorded.target, recorded.status, recorded.body) == (got.path, 200, got.body)


def test_if_nothing_listens_the_attempt_fails_as_refused(interception, sandbox, swap):
    before = len(interception.callbacks)
    swap("/")
    sandbox.advance("30s")
    attempts = sandbox.deliveries()[0]["attempts"]
    assert attempts[0]["failure"] == "the connection was refused"
    assert interception.callbacks[before].status is None
    assert interception.callbacks[before].error == "the connection was refused"


def test_anybody_s_request_is_forwarded_and_answered(interception):
    before = len(interception.callbacks)
    with Receiver(lambda got: (202, b"taken"), port=interception.callback_port) as receiver:
        answer = requests.put(
            interception.callback_url + "/a?b=%2F", data=b"\x00bytes", headers={"X-Own": "1"}, timeout=20
        )
    assert (answer.status_code, answer.content) == (202, b"taken")
    (got,) = receiver.got
    assert (got.method, got.path, got.body, got.headers["X-Own"]) == ("PUT", "/a?b=%2F", b"\x00bytes", "1")
    assert [(one.method, one.status) for one in interception.callbacks[before:]] == [("PUT", 202)]


def test_anybody_s_request_is_reset_if_nothing_listens(interception):
    before = len(interception.callbacks)
    with pytest.raises(requests.ConnectionError):
        requests.post(interception.callback_url, timeout=20)
    assert [one.error for one in interception.callbacks[before:]] == ["the connection was refused"]


def test_a_url_that_only_begins_like_the_relay_s_is_another(interception, sandbox, swap):
    before = len(interception.callbacks)
    swap("0/x")  # another port
    sandbox.advance("30s")
    assert sandbox.deliveries()[0]["attempts"][0]["failure"] is not None
    assert interception.callbacks[before:] == []
