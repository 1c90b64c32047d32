"""Two servers, or a server and a recording: alike where they are, and each difference named with its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from swapmock import Emulator
from swapmock.client_checks.cli import parity as parity_command
from swapmock.client_checks.cli import record as record_command
from swapmock.client_checks.clock import ManualClock
from swapmock.client_checks.conformance.target import CannotRun
from swapmock.client_checks.parity import command
from swapmock.client_checks.parity.alike import Relations, form_of, numbers_differ, texts_differ
from swapmock.client_checks.parity.command import compare, parity, take
from swapmock.client_checks.parity.compare import Difference
from swapmock.client_checks.parity.recording import Recording
from swapmock.contracts import folder
from tests.broken_servers import Ask, Defect, Reply, catalogue, running
from tests.broken_servers.shown import SHOWN
from tests.conformance.test_live import ENVIRONMENT, standing_in
from tests.conftest import KEY


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the emulator answers, as a file."""
    path = tmp_path_factory.mktemp("recordings") / "crun.json"
    take("emulator", {"provider": "crun"}, {}).write(path)
    return path


@contextmanager
def broken(name: str) -> Iterator[str]:
    with running(catalogue()[name]) as url:
        yield url


def differences(left: str, right: str, **given: Any) -> list[Difference]:
    found, compared, _ = parity(left, right, {"provider": "crun", **given}, {})
    assert compared
    return found


@pytest.mark.parametrize("provider", ["crun", "imgopen"])
def test_the_emulator_is_like_itself(provider: str) -> None:
    found, compared, left_out = parity("emulator", "emulator", {"provider": provider}, {})
    assert (found, left_out) == ([], {})
    assert len(compared) > 10


@pytest.mark.parametrize(
    "flows", [("account", "callback", "image single"), pytest.param((), marks=pytest.mark.long)], ids=["some", "all"]
)
def test_a_recording_is_like_what_it_recorded(recorded: Path, flows: tuple[str, ...]) -> None:
    assert differences("emulator", str(recorded), flows=flows) == []


@pytest.mark.parametrize(
    ("name", "kind", "operation", "place"),
    [
        ("wrong_type", "shape", "get_account_balance", "/data/balance"),
        ("field_missing", "shape", "get_task_info", "/data/provider"),
        ("early_result", "shape", "get_task_info", "/data/result"),
        ("word_unknown", "path", "get_task_info", "task working"),
        ("wrong_medium", "value", "download", "Content-Type"),
        ("dead_link", "status", "download", ""),
        ("time_reversed", "", "", ""),
    ],
)
def test_differences_are_named(recorded: Path, name: str, kind: str, operation: str, place: str) -> None:
    with broken(name) as url:
        flows = [*SHOWN[name], "image single"]
        found, compared, left_out = parity(str(recorded), url, {"flows": flows}, {})
    if kind:
        assert (kind, operation, place) in {(one.kind, one.operation, one.place) for one in found}
    else:
        # What is wrong on the way, or only in itself, is for `check` to find.
        assert found == [] or left_out
    assert compared


def changed_by(change: Any) -> Defect:
    return replace(catalogue()["wrong_type"], answer=change)


def test_files_elsewhere_are_no_difference(recorded: Path) -> None:
    """A vendor's files lie where the contract knows nothing of: their calls are compared all the same."""

    def moved(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        is_json = isinstance(reply.json, dict)
        return replace(reply, body=reply.body.replace(b"/media/", b"/elsewhere/")) if is_json else reply

    def found_again(ask: Ask) -> Ask:
        return replace(ask, path=ask.path.replace("/elsewhere/", "/media/"))

    with running(replace(changed_by(moved), pass_on=found_again)) as url:
        assert differences(str(recorded), url, flows=("image single", "image multi")) == []


def test_the_line_of_the_contract_is_named(recorded: Path) -> None:
    def slow_and_rude(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        if ask.operation == "get_task_info" and reply.is_success and reply.json["data"]["status"] == "success":
            memory[ask.query] = memory.get(ask.query, 0) + 1
            if memory[ask.query] < 90:
                return reply.with_data(status="running", result=None, complete_at=None, duration_s=None)
        if ask.operation == "list_kling_templates" and reply.is_success:
            return reply.with_json({**reply.json, "message": "ok"})
        return reply

    with running(changed_by(slow_and_rude)) as url:
        found = differences(str(recorded), url, flows=("image single", "kling templates"))
    by_kind = {one.kind: one for one in found}
    lines = (folder("crun") / "behaviour.yaml").read_text("utf-8").splitlines()
    assert set(by_kind) == {"timing", "value"}
    file, line = by_kind["timing"].line.split(":")
    assert file == "contracts/crun/behaviour.yaml"
    assert "timelines:" in "".join(lines[int(line) - 3 : int(line)])
    assert by_kind["value"].left == "'success'"


def test_a_status_names_the_row_of_its_code(recorded: Path) -> None:
    answers = Recording.read(recorded)
    flow = "price"
    changed = [
        replace(one, status=505, body={"code": 505, "message": "no", "data": None}) for one in answers.flows[flow]
    ]
    other = replace(answers, flows={**answers.flows, flow: changed})
    path = recorded.with_name("other.json")
    other.write(path)
    found = [one for one in differences(str(recorded), str(path)) if one.kind == "status"]
    (one,) = found
    file, line = one.line.split(":")
    row = (folder("crun") / "behaviour.yaml").read_text("utf-8").splitlines()[int(line) - 1]
    assert file == "contracts/crun/behaviour.yaml"
    assert "code: 505" in row


def test_a_live_run_is_recorded_without_its_key(tmp_path: Path) -> None:
    limits = {"provider": "crun", "max_credits": 10.0, "max_calls": 130, "live": True}
    with standing_in() as service:
        recording = take(service.url, limits, ENVIRONMENT, clock=ManualClock())
        assert service.spent <= 10.0
        assert len(service.asked) <= 130
    path = tmp_path / "live.json"
    recording.write(path)
    assert KEY not in path.read_text("utf-8")
    assert recording.left_out["video single"].startswith("--max-credits")
    found, compared, left_out = parity("emulator", str(path), {}, {})
    assert "image single" in compared
    assert "video single" in left_out
    assert [str(one) for one in found if one.kind != "timing"] == []


def test_without_a_yes_nothing_is_sent() -> None:
    limits = {"provider": "crun", "max_credits": 10.0, "max_calls": 90, "live": True}
    with standing_in() as service:
        with pytest.raises(CannotRun, match="not confirmed"):
            take(service.url, limits, ENVIRONMENT, confirm=lambda _: False)
        assert service.asked == []


def test_commands(recorded: Path, tmp_path: Path) -> None:
    runner, out, report = CliRunner(), tmp_path / "r.json", tmp_path / "d.json"
    one = ["--flow", "account"]
    taken = runner.invoke(record_command, ["emulator", "--provider", "crun", "--out", str(out), *one])
    assert (taken.exit_code, taken.output) == (0, f"1 flows written to {out}\n")
    alike = runner.invoke(parity_command, ["--left", "emulator", "--replay", str(out), *one])
    assert (alike.exit_code, alike.output) == (0, "1 flows compared, 0 differences\n")
    with broken("wrong_type") as url:
        unlike = runner.invoke(parity_command, ["--left", url, "--replay", str(out), *one, "--json", str(report)])
    assert unlike.exit_code == 1
    assert "shape   flow account, get_account_balance /data/balance: left string, right number" in unlike.output
    assert json.loads(report.read_text("utf-8"))["differences"][0]["kind"] == "shape"


def test_reports(recorded: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / "reports" / name for name in ("json", "junit", "sarif", "ctrf", "html")}
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    with broken("wrong_type") as url:
        given = ["--left", url, "--replay", str(recorded), "--flow", "account", *options]
        result = CliRunner().invoke(parity_command, given)
    assert result.exit_code == 1
    told = json.loads(files["json"].read_text("utf-8"))
    assert (told["exit_code"], told["compared"], told["left"]) == (1, ["account"], url)
    for name, path in files.items():
        assert "/data/balance" in path.read_text("utf-8"), name


def test_a_report_that_cannot_be_written_is_told_before_the_first_call(recorded: Path) -> None:
    given = ["--left", "http://127.0.0.1:9", "--replay", str(recorded), "--junit", "/proc/none/report.xml"]
    result = CliRunner().invoke(parity_command, given)
    assert result.exit_code == 2
    assert "cannot write /proc/none/report.xml" in result.output


def test_what_interrupts_a_live_side_is_told_with_what_was_spent() -> None:
    clock = InterruptedClock(after=30)
    limits = {"provider": "crun", "max_credits": 30.0, "max_calls": 200, "live": True}
    with standing_in() as service:
        found = compare(service.url, "emulator", limits, ENVIRONMENT, clock=clock)
        spent = service.spent
    assert found.exit_code == 2
    assert found.flows == []
    assert "interrupted" in found.left_out.values()
    assert found.spent["left"][1] >= spent


class InterruptedClock(ManualClock):
    """A clock that somebody presses Ctrl-C at after some pauses."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._left = after

    def pause(self, seconds: float) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        super().pause(seconds)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--left", "emulator"], "one of --right and --replay"),
        (["--left", "emulator", "--right", "emulator"], "name one --provider"),
        (["--left", "emulator", "--replay", "/no/such/file"], "cannot read /no/such/file"),
        (["--left", "emulator", "--right", "emulator", "--provider", "crun", "--flow", "x"], "--flow: 'x' is none of"),
        (["--left", "http://127.0.0.1:9", "--right", "emulator", "--provider", "crun"], "no server at"),
    ],
)
def test_what_cannot_run_is_one_line(arguments: list[str], text: str) -> None:
    result = CliRunner().invoke(parity_command, arguments)
    assert result.exit_code == 2
    assert text in result.output


def test_a_file_of_flows(tmp_path: Path) -> None:
    path = tmp_path / "flows.yaml"
    path.write_text("- {name: mine, steps: [{call: get_account_balance}]}\n", "utf-8")
    _, compared, _ = parity("emulator", "emulator", {"provider": "crun", "flows_file": path}, {})
    assert compared == ["mine"]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("https://example.com/a/b.png?x=1", "<url .png>"),
        ("http://127.0.0.1:4020/x", "<url>"),
        ("d6956973-2f17-43d4-8514-af6cc3a2f55d", "<uuid>"),
        ("pre1717727539423845581626", "<id>"),
        ("m1oZzqYp9dN", "<id>"),
        ("2026-05-27 12:14:03", "<time>"),
        ("2026-05-27T12:14:03Z", "<time>"),
        ("success", ""),
        ("image-face-swap", ""),
        ("Missing Params or Type Error", ""),
    ],
)
def test_what_no_two_runs_share_is_known_by_its_form(text: str, form: str) -> None:
    assert form_of(text) == form


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("m1oZzqYp9dN", "k2pXyrWq8eM", True),
        ("m1oZzqYp9dN", "d6956973-2f17-43d4-8514-af6cc3a2f55d", False),
        ("https://a.example/1/x.png", "https://b.example/2/y.png", True),
        ("https://a.example/1/x.png", "https://a.example/1/x.jpg", False),
        ("2026-05-27 12:14:03", "2026-11-27 18:00:00", True),
        ("2026-05-27 12:14:03", "soon", False),
        ("success", "succeeded", False),
        ("Task pre1717727539423845581626 not found", "Task pre1717727539423845589999 not found", True),
        ("Task pre1717727539423845581626 not found", "Task pre1717727539423845589999 is gone", False),
    ],
)
def test_texts_are_compared_by_what_they_mean(left: str, right: str, same: bool) -> None:
    assert (texts_differ(left, right, Relations()) == "") == same


def test_relations_are_kept() -> None:
    relations = Relations()
    assert texts_differ("m1oZzqYp9dN", "k2pXyrWq8eM", relations) == ""
    assert texts_differ("m1oZzqYp9dN", "k2pXyrWq8eM", relations) == ""
    assert "stood for" in texts_differ("m1oZzqYp9dN", "aaaaaaaa111", relations)
    assert "stood for" in texts_differ("bbbbbbbb111", "k2pXyrWq8eM", relations)


@pytest.mark.parametrize(
    ("left", "right", "differ"),
    [(1, 1, False), (1, 1.0, False), (1, 2, True), (1767225600, 1799999999, False), (1767225600, 1767225600000, True), (0, 1767225600, True)],
)  # fmt: skip
def test_numbers(left: float, right: float, differ: bool) -> None:
    assert numbers_differ(left, right) == differ


def changing(operation: str, change: Any) -> Any:
    """A server that changes the `data` of one operation's successes."""

    def answer(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        if ask.operation != operation or not reply.is_success:
            return reply
        return reply.with_data(**change(reply.json["data"]))

    return answer


def other_face(data: dict[str, Any]) -> dict[str, Any]:
    if not data["result"]:
        return {}
    faces = [*data["result"]["faces"][:2], {**data["result"]["faces"][2], "id": 7}]
    return {"result": {**data["result"], "faces": faces}}


def shared_link(data: dict[str, Any]) -> dict[str, Any]:
    if not data["result"]:
        return {}
    faces = [{**face, "link": data["result"]["faces"][0]["link"]} for face in data["result"]["faces"]]
    return {"result": {**data["result"], "faces": faces}}


def instant(data: dict[str, Any]) -> dict[str, Any]:
    return {"duration_s": 0} if data["duration_s"] else {}


def test_a_duration_may_be_another_one_but_not_any(recorded: Path) -> None:
    with running(changed_by(changing("get_task_info", instant))) as url:
        found = differences(str(recorded), url, flows=("image single",))
    assert ("timing", "/data/duration_s") in {(one.kind, one.place) for one in found}


@pytest.mark.parametrize(
    ("change", "kind", "place"),
    [
        (other_face, "value", "/data/result/faces/2/id"),
        (shared_link, "relation", "/data/result/faces/1/link"),
    ],
)
def test_every_item_and_every_relation_is_compared(recorded: Path, change: Any, kind: str, place: str) -> None:
    with running(changed_by(changing("get_detect_face_result", change))) as url:
        found = differences(str(recorded), url, flows=("image multi",))
    assert (kind, place) in {(one.kind, one.place) for one in found}


def test_what_breaks_on_one_side_only_is_a_difference(recorded: Path) -> None:
    def down(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        if ask.operation != "list_vidu_templates":
            return reply
        return reply.with_json({"code": 500, "message": "Server error", "data": None}, 503)

    with running(changed_by(down)) as url:
        found = differences(str(recorded), url, flows=("vidu templates", "kling templates", "account"))
    assert ("flow", "vidu templates") in {(one.kind, one.flow) for one in found}
    assert {one.flow for one in found} == {"vidu templates"}


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        (
            "- {name: a, steps: [{call: get_account_balance}]}\n- name: b\n  steps:\n  - {call: no_such_call}\n",
            4,
            "no operation is named 'no_such_call'",
        ),
        ("- name: a\n  steps:\n  - {poll: nothing, id: x}\n", 3, "no kind of task is named 'nothing'"),
        ("- name: a\n  steps:\n  - {cal: get_account_balance}\n", 3, "cal"),
        ("- name: a\n  steps: []\n", 2, "[]"),
        ("name: a\n", 1, "is not of type 'array'"),
        (
            "- name: a\n  steps:\n  - call: get_task_info\n    query: {task_id: $nobody}\n",
            4,
            "$nobody is unknown",
        ),
        (
            "- name: a\n  steps: [{call: list_models}]\n- name: a\n  steps: [{call: list_models}]\n",
            3,
            "stands above already",
        ),
        ("- [\n", 2, "is not YAML"),
    ],
)
def test_a_mistake_in_a_file_of_flows_is_told_with_its_line(tmp_path: Path, text: str, line: int, why: str) -> None:
    path = tmp_path / "flows.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(CannotRun) as told:
        parity("emulator", "emulator", {"provider": "crun", "flows_file": path}, {})
    assert str(told.value).startswith(f"--flows: {path}:{line}")
    assert why in str(told.value)


def test_refusals_are_compared() -> None:
    """Another policy of HTTP statuses shows in refusals alone."""
    with Emulator(variants={"crun": {"http_status": "always200"}}) as other:
        differences, compared, _ = parity(
            "emulator", other.url, {"provider": "crun", "flows": ("refusal unknown task",)}, {}
        )
    assert compared == ["refusal unknown task"]
    # The published schemas of a 200 have an object in `data` or nothing: the `data: null` of other refusals is left out.
    assert [(one.kind, one.place, one.left, one.right) for one in differences] == [
        ("status", "", "HTTP 404", "HTTP 200"),
        ("shape", "/data", "there", "missing"),
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_a_side_has_credentials_of_its_own(order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = dict([("LEFT_CRUN_API_KEY", "left"), ("CRUN_API_KEY", "both")][::order])
    given: list[str] = []

    def note(side: str, provider: str, flows: Any, options: Any, mine: Any, *_: Any) -> Recording:
        given.append(mine["CRUN_API_KEY"])
        return Recording(provider, side, {}, {})

    monkeypatch.setattr(command, "_recorded", note)
    parity("http://127.0.0.1:1", "http://127.0.0.1:2", {"provider": "crun"}, environment)
    assert given == ["left", "both"]
