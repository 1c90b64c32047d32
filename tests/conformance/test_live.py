"""A live target: limits hold, prices are asked first, nothing is sent twice, no magic value and no key leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from swapmock.client_checks.cli import check
from swapmock.client_checks.clock import ManualClock
from swapmock.client_checks.conformance.command import check_target
from swapmock.client_checks.conformance.envelope import Envelope
from swapmock.client_checks.conformance.run import RunResult
from swapmock.client_checks.conformance.target import CannotRun
from swapmock.contracts import load
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from tests.broken_servers import Ask, FaultLayer, Handler, HangUp, Reply
from tests.broken_servers import Defect as Layer
from tests.conftest import KEY

ENVIRONMENT = {"CRUN_API_KEY": KEY}
CREATE = "/api/v1/client/job/CreateTask"


class StandIn:
    """A live service as far as anybody can see: an emulator without its admin API, that notes every call."""

    def __init__(self, answer: Callable[..., Reply] | None = None, **settings: Any) -> None:
        self.system = build(Settings(speed=300, **settings), on_drift=lambda exchange: None)
        self.asked: list[Ask] = []
        self.url = ""

        def note(ask: Ask) -> Ask:
            self.asked.append(ask)
            return ask

        layer = Layer("stand-in", "notes every call", frozenset(), answer=answer, pass_on=note)
        self._app = FaultLayer(self.system.app, layer)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"].startswith("/__admin"):
            environ["PATH_INFO"] = "/no-such-page"
        return self._app(environ, start_response)

    @property
    def spent(self) -> float:
        with self.system.engine.store.open("default") as box:
            return 1000.0 - self.system.engine.available(box) / 1000

    def paths(self) -> list[str]:
        return [ask.path for ask in self.asked]


@contextmanager
def standing_in(answer: Callable[..., Reply] | None = None, **settings: Any) -> Iterator[StandIn]:
    service = StandIn(answer, **settings)
    server = make_server("127.0.0.1", 0, service, threaded=True, request_handler=Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    service.system.engine.dispatcher.start(service.system.engine)
    service.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        service.system.engine.dispatcher.stop()
        server.shutdown()
        server.server_close()
        thread.join(5)


def checked(service: StandIn, clock: ManualClock | None = None, **given: Any) -> RunResult:
    limits = {"max_credits": 1000.0, "max_calls": 10_000, "parts": ("flows",)}
    wanted = {"provider": "crun", **limits, **given}
    (result,) = check_target(service.url, wanted, ENVIRONMENT, clock=clock or ManualClock())
    return result


@pytest.fixture(scope="module")
def whole() -> tuple[StandIn, RunResult]:
    """A run of all flows against a service that obeys the contract."""
    with standing_in() as service:
        return service, checked(service, rate=4.0)


def test_a_whole_run_is_clean(whole: tuple[StandIn, RunResult]) -> None:
    _, result = whole
    assert result.exit_code == 0, [(f.id, f.operation, f.got) for f in result.findings]
    assert "flow image multi" in result.completed
    assert "flow gif" in result.completed
    assert "flow callback" in result.completed


@pytest.mark.parametrize("limits", [{"max_credits": None}, {"max_calls": None}])
def test_limits_are_required(limits: dict[str, Any]) -> None:
    with standing_in() as service, pytest.raises(CannotRun, match="--max-credits and --max-calls"):
        checked(service, **limits, live=True)


@pytest.mark.parametrize("calls", [0, 1, *(pytest.param(n, marks=pytest.mark.long) for n in (2, 7, 13, 55)), 30, 80])
def test_calls_never_cross_their_limit(calls: int) -> None:
    with standing_in() as service:
        result = checked(service, max_calls=calls, parts=("flows", "coverage"), max_examples=2)
    assert len(service.asked) == result.calls <= calls
    assert any("--max-calls" in why for why in result.left_out.values())
    assert result.exit_code != 0 or calls > 0


@pytest.mark.parametrize(
    "credits", [0.0, 2.9, 7.0, *(pytest.param(n, marks=pytest.mark.long) for n in (3.0, 26.0, 50.0))]
)
def test_credits_never_cross_their_limit(credits: float) -> None:
    with standing_in() as service:
        result = checked(service, max_credits=credits)
        assert service.spent <= credits
    assert result.spent <= credits
    assert any("--max-credits" in why for why in result.left_out.values())


def test_credits_that_nobody_announced_count() -> None:
    """An estimate that says too little is found out by the balance."""

    def cheap(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        return reply.with_data(credits=0) if ask.operation == "estimate_credits" and reply.is_success else reply

    with standing_in(cheap) as service:
        result = checked(service, max_credits=10.0)
        assert service.spent == result.spent
        # What the first ones took is what the next is reckoned at: 3 and 4 are spent, another 4 would cross.
        assert service.spent == 7.0
        bought = [exchange for exchange in result.exchanges if exchange.url.endswith(CREATE)]
        assert sum(not Envelope(load("crun")).refuses(exchange.json) for exchange in bought) == 2


def test_what_detections_cost_is_learned() -> None:
    """A service that charges for what no price is known of is found out the first time."""
    taken = [0.0]

    def dear(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        if ask.operation == "detect_face_image" and reply.is_success:
            taken[0] += 4.0
        if ask.operation == "get_account_balance" and reply.is_success:
            return reply.with_data(balance=reply.json["data"]["balance"] - taken[0])
        return reply

    with standing_in(dear) as service:
        result = checked(service, max_credits=14.0)
        assert service.spent + taken[0] == result.spent <= 14.0


def test_the_price_is_asked_before_each_paid_call(whole: tuple[StandIn, RunResult]) -> None:
    service, _ = whole
    paths = service.paths()
    assert CREATE in paths
    for index, path in enumerate(paths):
        if path == CREATE:
            assert paths[index - 1].endswith("/estimate-credits")
            assert service.asked[index - 1].json == service.asked[index].json


def test_without_a_price_nothing_is_bought() -> None:
    def silent(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        return reply.with_json({"code": 500, "message": "no", "data": None}, 500) if "stimate" in ask.path else reply

    with standing_in(silent) as service:
        result = checked(service)
        assert CREATE not in service.paths()
        assert service.spent == 0
    assert "no price to be had" in result.left_out["flow image single"]


@pytest.mark.parametrize("how", ["500", "hang up", "page"])
def test_a_paid_call_is_never_sent_twice(how: str) -> None:
    def unclear(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        if ask.path != CREATE or not reply.is_success:
            return reply
        if how == "hang up":
            raise HangUp
        if how == "page":
            return Reply(200, {"Content-Type": "text/html"}, b"<p>hm</p>")
        return reply.with_json({"code": 500, "message": "Server error", "data": None}, 500)

    with standing_in(unclear) as service:
        result = checked(service)
        bodies = [ask.body for ask in service.asked if ask.path == CREATE]
        assert result.spent >= service.spent > 0
    assert len(bodies) == len(set(bodies))
    assert "paid.ambiguous" in {finding.id for finding in result.findings}


def test_retry_after_is_obeyed() -> None:
    def once(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        if ask.operation != "list_models" or memory.setdefault("asked", 0):
            return reply
        memory["asked"] = 1
        body = {"code": 429, "message": "Too many requests", "data": None}
        limited = reply.with_json(body, 429)
        return Reply(429, {**limited.headers, "Retry-After": "17"}, limited.body)

    clock = ManualClock()
    with standing_in(once) as service:
        result = checked(service, clock, flows=("models",))
    limited = next(index for index, exchange in enumerate(result.exchanges) if exchange.status == 429)
    assert result.exchanges[limited + 1].at - result.exchanges[limited].at >= 17
    assert result.exchanges[limited + 1].url == result.exchanges[limited].url
    assert result.exit_code == 0


def test_a_wait_beyond_reason_ends_the_run() -> None:
    def for_ever(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        if not ask.operation:
            return reply
        limited = reply.with_json({"code": 429, "message": "Too many requests", "data": None}, 429)
        return Reply(429, {**limited.headers, "Retry-After": "86400"}, limited.body)

    with standing_in(for_ever) as service:
        result = checked(service)
        assert len(service.asked) == 1
    assert any("asked to wait" in why for why in result.left_out.values())


def test_calls_are_paced(whole: tuple[StandIn, RunResult]) -> None:
    _, result = whole
    times = [exchange.at for exchange in result.exchanges]
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.25 - 1e-6


def test_read_only_sends_nothing_that_may_cost() -> None:
    with standing_in() as service:
        result = checked(service, read_only=True, parts=("flows", "examples"), max_examples=1)
        assert service.spent == 0
    assert CREATE not in service.paths()
    assert not [path for path in service.paths() if path.endswith(("detect-face-image", "detect-face-video"))]
    assert result.left_out["flow image single"] == "--read-only: it may cost"


def test_no_magic_value_is_sent(whole: tuple[StandIn, RunResult]) -> None:
    with standing_in() as service:
        checked(service, parts=("fuzzing",), max_examples=3, operations=("estimate_credits", "create_task"))
        fuzzed = len(service.asked)
        result = checked(service, flows=("image single",), media={"single_image": "https://faces.invalid/1.png"})
    assert fuzzed > 0
    assert not [ask for ask in [*whole[0].asked, *service.asked] if b".invalid" in ask.body]
    assert result.left_out["flow image single"] == "magic values are only for emulators"


def command(service: StandIn, *more: str, given: str = "") -> Result:
    arguments = [service.url, "--provider", "crun", "--rate", "1000", "--poll-interval", "0.001", *more]
    return CliRunner().invoke(check, arguments, input=given, env=ENVIRONMENT)


def test_the_plan_comes_first_and_needs_a_yes() -> None:
    with standing_in() as service:
        result = command(service, "--max-credits", "10", "--max-calls", "50", given="n\n")
        assert service.asked == []
    assert result.exit_code == 2
    assert "estimated cost 120.5 credits" in result.output
    assert "flow image single" in result.output
    assert "at most 50 calls and 10 credits" in result.output


def test_a_key_is_in_no_output(tmp_path: Path) -> None:
    def chatty(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        if ask.operation != "list_models":
            return reply
        return reply.with_json({"code": 500, "message": f"bad key {ask.headers.get('x-api-key')}", "data": None}, 500)

    files = {name: tmp_path / name for name in ("json", "junit", "html", "har")}
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    with standing_in(chatty) as service:
        result = command(
            service, "--max-credits", "0", "--max-calls", "60", "--yes", "--parts", "flows,coverage", *options
        )
    assert result.exit_code == 1
    assert "bad key $CRUN_API_KEY" in result.output
    for text in (result.output, *(path.read_text("utf-8") for path in files.values())):
        assert KEY not in text
        assert "CRUN_API_KEY" in text


def test_a_wrong_key_judges_nobody() -> None:
    with standing_in() as service:
        limits = {"max_credits": 10.0, "max_calls": 100, "provider": "crun"}
        with pytest.raises(CannotRun, match=r"the credentials in CRUN_API_KEY are refused: HTTP 401"):
            check_target(service.url, limits, {"CRUN_API_KEY": "ak_" + "0" * 32}, clock=ManualClock())
    assert service.spent == 0


def test_a_refusal_that_is_charged_is_found() -> None:
    def charged(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        document = reply.json
        if ask.operation == "create_task" and isinstance(document, dict) and not reply.is_success:
            memory["taken"] = memory.get("taken", 0) + 3
        if ask.operation != "get_account_balance" or not reply.is_success:
            return reply
        return reply.with_data(balance=document["data"]["balance"] - memory.get("taken", 0))

    with standing_in(charged) as service:
        result = checked(service)
    assert {finding.id for finding in result.failing} == {"credits.settled"}


def test_nobody_listening_is_said_without_limits_too() -> None:
    with pytest.raises(CannotRun, match="no server at"):
        check_target("http://127.0.0.1:1", {"provider": "crun"}, ENVIRONMENT)


def test_a_missing_key_is_one_line() -> None:
    with standing_in() as service:
        result = CliRunner().invoke(
            check,
            [service.url, "--provider", "crun", "--max-credits", "1", "--max-calls", "1"],
            env={"CRUN_API_KEY": ""},
        )
        assert service.asked == []
    assert result.exit_code == 2
    assert "set CRUN_API_KEY" in result.output
