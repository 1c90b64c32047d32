"""Several emulators with one Redis: whichever a request reaches, its sandbox answers. And what clients see while Redis is away."""

import json
from threading import Event
from time import perf_counter
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from swapmock import Emulator
from swapmock.mock_server.control import AdminError
from swapmock.mock_server.settings import SettingError
from tests.receivers import Receiver
from tests.stores.redis_server import RedisProcess

pytestmark = pytest.mark.needs("redis-server")

JOB = "/api/v1/client/job"
INPUT = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}
SEARCH = "/AIGCImgOpenServ/saas/tool/face/detection"


@pytest.fixture
def url(redis_server) -> str:
    redis_server.empty()
    return str(redis_server.url)


@pytest.fixture
def pair(url):
    with Emulator(store=url) as one, Emulator(store=url) as two:
        yield one, two


def ask(emu: Emulator, method: str, path: str, headers, body=None):
    """Status and document of an answer."""
    data = None if body is None else json.dumps(body).encode()
    asked = Request(emu.url + path, data, {**headers, "content-type": "application/json"}, method=method)
    try:
        with urlopen(asked, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())


def create(emu: Emulator, headers, **more):
    status, document = ask(
        emu, "POST", f"{JOB}/CreateTask", headers, {"model": "image-face-swap", "input": INPUT, **more}
    )
    assert (status, document["code"]) == (200, 200), document
    return document["data"]["task_id"]


def until(work):
    """The result of `work` once it does not fail."""
    for _ in range(100):
        try:
            return work()
        except (AdminError, AssertionError):
            Event().wait(0.1)
    return work()


def test_two_emulators_are_one(pair):
    one, two = pair
    box = one.sandbox(id="team", clock="frozen", seed=3)
    headers = box.headers("crun")
    with Receiver() as receiver:
        tasks = [create(emu, headers, callback_url=receiver.url()) for emu in (one, two, one, two)]
        assert len(set(tasks)) == 4
        two.get("team").advance(until="idle")
        assert sorted(got.json["task_id"] for got in receiver.got) == sorted(tasks)
    for emu in pair:
        polled = [ask(emu, "GET", f"{JOB}/TaskInfo?task_id={task}", headers)[1]["data"] for task in tasks]
        assert {row["status"] for row in polled} == {"success"}
        assert emu.get("team").ledger(proof=True)["proof"]["holds"]
        link = polled[0]["result"]["media_urls"][0]
        for other in pair:
            with urlopen(f"{other.url}/{link.partition('://')[2].partition('/')[2]}", timeout=10) as media:
                assert media.status == 200
        assert {each.id for each in emu.sandboxes()} >= {"default", "team"}
        assert "swapmock_sandboxes" in emu.metrics()


def test_uploads_go_through_either(pair):
    one, two = pair
    headers = one.sandbox(id="team").headers("crun")
    told = ask(two, "GET", "/api/v1/client/files/upload-url?content_type=image/png&ext=.png", headers)[1]
    if told["code"] != 200:
        told = ask(two, "GET", "/api/v1/client/files/upload-url?file_ext=png&content_type=image/png", headers)[1]
    data = told["data"]
    place = data["presigned_url"].partition("://")[2].partition("/")[2]
    with urlopen(
        Request(f"{one.url}/{place}", b"bytes", {"content-type": "image/png"}, method="PUT"), timeout=10
    ) as put:
        assert put.status == 200
    for emu in pair:
        with urlopen(f"{emu.url}/{data['file_url'].partition('://')[2].partition('/')[2]}", timeout=10) as got:
            assert got.read() == b"bytes"


def test_one_ends_and_the_other_goes_on(url):
    with Emulator(store=url) as two:
        with Emulator(store=url) as one:
            headers = one.sandbox(id="team", clock="frozen").headers("crun")
            tasks = [create(one, headers) for _ in range(3)]
        tasks.append(create(two, headers))
        assert {task["id"] for task in two.get("team").tasks()} == set(tasks)


def test_a_redis_that_lost_everything_gets_the_standing_sandboxes_again(url, redis_server: RedisProcess, caplog):
    """A Redis that stores nothing on the disk, and restarts: no answer is a stack trace, and the documented keys work."""
    with Emulator(store=url) as one, Emulator(store=url) as two:
        lost = one.sandbox(id="team", clock="frozen")
        create(one, lost.headers("crun"))
        redis_server.empty()
        own = {"x-api-key": "ak_swapmock000000000000000000000000"}
        for emu in (one, two):
            until(lambda emu=emu: create(emu, own))
        for emu in (one, two):
            status, document = ask(emu, "GET", f"{JOB}/TaskInfo?task_id=nobody", lost.headers("crun"))
            assert (status, document["code"]) == (401, 401), document
            assert [each.id for each in emu.sandboxes()] == ["default", "other"]
        assert one.sandbox(id="team").id == "team"
    assert "all sandboxes are lost" in caplog.text


def test_while_redis_is_away(url, redis_server: RedisProcess):
    with Emulator(store=url) as emu:
        box = emu.sandbox(id="team", clock="frozen", balance=100)
        crun, imgopen = box.headers("crun"), box.headers("imgopen")
        task = create(emu, crun)
        redis_server.pause()
        first = timed(lambda: ask(emu, "POST", f"{JOB}/CreateTask", crun, {"model": "image-face-swap", "input": INPUT}))
        assert first[0] < 1.0
        assert first[1][1]["code"] in (500, 455)
        redis_server.go_on()
        until(lambda: box.balance())
        redis_server.kill()
        Event().wait(0.5)
        for method, path, headers, body in (
            ("POST", f"{JOB}/CreateTask", crun, {"model": "image-face-swap", "input": INPUT}),
            ("GET", f"{JOB}/TaskInfo?task_id={task}", crun, None),
            ("POST", SEARCH, imgopen, {}),
        ):
            seconds, (_, document) = timed(lambda asked=(method, path, headers, body): ask(emu, *asked))
            assert seconds < 1.0
            assert str(document["code"]) in ("455", "503"), document
        with pytest.raises(AdminError) as away:
            box.balance()
        assert away.value.status == 503
        redis_server.start()
        left = until(lambda: box.ledger(proof=True))
        tasks = box.tasks()
        reserved = [entry for entry in left["entries"] if entry["move"] == "reserve"]
        assert left["proof"]["holds"]
        assert {entry["task"] for entry in reserved} == {row["id"] for row in tasks} >= {task}


def timed(work):
    began = perf_counter()
    result = work()
    return perf_counter() - began, result


def test_what_cannot_share_is_refused(url):
    from swapmock.wsgi import make_app

    with pytest.raises(SettingError, match="shared store"):
        make_app(store=url)
    with pytest.raises(SettingError, match=r"127\.0\.0\.1:1"):
        Emulator(store="redis://127.0.0.1:1")
