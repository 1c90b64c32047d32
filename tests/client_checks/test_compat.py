"""Two versions of a contract: each kind of change is found, and breaks whom it breaks."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from click.testing import CliRunner

from swapmock.client_checks.cli import compat
from swapmock.client_checks.compat.change import Change
from swapmock.client_checks.compat.compare import compare
from swapmock.client_checks.compat.ignoring import Accepted, without
from swapmock.client_checks.compat.source import Unreadable, Version, read
from swapmock.client_checks.report.changes import annotations_of, junit_of, sarif_of
from swapmock.contracts import folder

CRUN = str(folder("crun"))
#: What a version consists of.
PARTS = ("document", "behaviour", "tables")
CREATE = "/api/v1/client/job/CreateTask"
INFO = "/api/v1/client/job/TaskInfo"

Edit = Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], Any]


@pytest.fixture(scope="module")
def crun() -> Version:
    return read(CRUN, None)


def changes(crun: Version, edit: Edit) -> list[Change]:
    """What an edit of document, behaviour and tables brings about."""
    edited = copy.deepcopy(crun)
    edit(edited.document, edited.behaviour, edited.tables)  # type: ignore[arg-type]  # a copy of our own may be written to
    return compare(crun, edited)


def schema(document: dict[str, Any], name: str) -> Any:
    return document["components"]["schemas"][name]


def row(rows: list[dict[str, Any]], key: str, value: Any) -> dict[str, Any]:
    return next(one for one in rows if one[key] == value)


EDITS: dict[str, tuple[Edit, str, str, str | None]] = {
    "operation gone": (lambda d, b, t: d["paths"].pop(INFO), "paths", "get_task_info", "writer"),
    "path moved": (lambda d, b, t: d["paths"].update({"/v2/TaskInfo": d["paths"].pop(INFO)}), "paths", "get_task_info", "writer"),
    "operation new": (
        lambda d, b, t: d["paths"].update({"/x": {"get": {"operationId": "x", "responses": {}}}}), "paths", "x", None,
    ),
    "request field required": (
        lambda d, b, t: schema(d, "ImageFaceSwapInput")["required"].append("disable_safety_checker"),
        "fields", "ImageFaceSwapInput/disable_safety_checker", "writer",
    ),
    "request field new": (
        lambda d, b, t: schema(d, "ImageFaceSwapInput")["properties"].update(mood={"type": "string"}),
        "fields", "ImageFaceSwapInput/mood", None,
    ),
    "request field gone": (
        lambda d, b, t: schema(d, "ImageFaceSwapInput")["properties"].pop("new_face"),
        "fields", "ImageFaceSwapInput/new_face", "writer",
    ),
    "request limit tighter": (lambda d, b, t: schema(d, "MediaUrl").update(maxLength=100), "limits", "MediaUrl", "writer"),
    "request limit wider": (lambda d, b, t: schema(d, "MediaUrl").update(maxLength=9000), "limits", "MediaUrl", None),
    "model gone": (
        lambda d, b, t: schema(d, "CreateTaskRequest")["discriminator"]["mapping"].pop("video-enhance"),
        "fields", "create_task request", "writer",
    ),
    "parameter required": (
        lambda d, b, t: d["paths"][INFO]["get"]["parameters"].append({"name": "zone", "in": "query", "required": True, "schema": {}}),
        "fields", "get_task_info query zone", "writer",
    ),
    "answer field gone": (
        lambda d, b, t: schema(d, "TaskInfoData")["properties"].pop("duration_s"), "fields", "TaskInfoData/duration_s", "reader",
    ),
    "answer field new": (
        lambda d, b, t: schema(d, "TaskInfoData")["properties"].update(mood={"type": "string"}), "fields", "TaskInfoData/mood", None,
    ),
    "answer field optional": (
        lambda d, b, t: schema(d, "TaskInfoData")["required"].remove("source"), "fields", "TaskInfoData/source", "reader",
    ),
    "answer type wider": (
        lambda d, b, t: schema(d, "BalanceData")["properties"]["balance"].update(type=["number", "null"]),
        "fields", "BalanceData/balance", "reader",
    ),
    "answer value new": (
        lambda d, b, t: schema(d, "TaskInfoData")["properties"]["status"]["enum"].append("paused"),
        "fields", "TaskInfoData/status", "reader",
    ),
    "answer value gone": (
        lambda d, b, t: schema(d, "TaskInfoData")["properties"]["source"]["enum"].remove("playground"),
        "fields", "TaskInfoData/source", None,
    ),
    "callback field gone": (
        lambda d, b, t: schema(d, "TaskInfoData")["properties"].pop("credits"), "callbacks", "TaskInfoData/credits", "receiver",
    ),
    "callback gone": (
        lambda d, b, t: d["paths"][CREATE]["post"].pop("callbacks"), "callbacks", "create_task taskFinished", "receiver",
    ),
    "code new": (
        lambda d, b, t: b["body_codes"].append({"code": 499, "name": "x", "http": 499, "meaning": "?", "retryable": False, "charged": False}),
        "codes", "499", "reader",
    ),
    "code of another type": (lambda d, b, t: row(b["body_codes"], "code", 402).update(code="402"), "codes", "402", "reader"),
    "code charged now": (lambda d, b, t: row(b["body_codes"], "code", 501).update(charged=True), "codes", "501", "reader"),
    "code retryable now": (lambda d, b, t: row(b["body_codes"], "code", 505).update(retryable=True), "codes", "505", None),
    "state renamed": (lambda d, b, t: b["status_words"]["task"].update(running="working"), "states", "task running", "reader"),
    "edge gone": (
        lambda d, b, t: b["status_words"]["task"].pop("queued"), "states", "task pending -> running", "reader",
    ),
    "ladder shorter": (
        lambda d, b, t: row(b["callbacks"]["ladders"], "name", "usual").update(retries=1), "callbacks", "ladder usual", "receiver",
    ),
    "ladder longer": (
        lambda d, b, t: row(b["callbacks"]["ladders"], "name", "usual").update(retries=5, then="repeat"), "callbacks", "ladder usual", None,
    ),
    "acknowledgement stricter": (
        lambda d, b, t: b["callbacks"]["acknowledged"].update(code=[200]), "callbacks", "acknowledged code", "receiver",
    ),
    "limit lower": (lambda d, b, t: row(b["limits"], "name", "body_bytes").update(value=10), "limits", "body_bytes", "writer"),
    "lifetime shorter": (lambda d, b, t: row(b["lifetimes"], "name", "detect_id").update(seconds=60), "limits", "detect_id", "reader"),
    "lifetime longer": (lambda d, b, t: row(b["lifetimes"], "name", "detect_id").update(seconds=7200), "limits", "detect_id", None),
    "price up": (lambda d, b, t: row(t["models"]["models"], "name", "image-face-swap").update(price=9), "prices", "image-face-swap", "writer"),
    "price down": (lambda d, b, t: row(t["models"]["models"], "name", "image-face-swap").update(price=1), "prices", "image-face-swap", None),
    "default of a variant": (lambda d, b, t: row(b["variants"], "name", "http_status").update(default="always200"), "states", "variant http_status", "reader"),
}  # fmt: skip


OF_THE_STRUCTURE: dict[str, tuple[Edit, str, str, str | None]] = {
    "key header renamed": (lambda d, b, t: d["components"]["securitySchemes"]["ApiKey"].update(name="authorization"), "auth", "get_task_info", "writer"),
    "key no longer wanted": (lambda d, b, t: d["paths"][INFO]["get"].update(security=[]), "auth", "get_task_info", None),
    "form of the key": (lambda d, b, t: b["credential_form"]["key"].update(length=40), "auth", "credential_form key", "writer"),
    "server gone": (lambda d, b, t: d["servers"].pop(0), "servers", "https://api.crun.ai", "writer"),
    "operation deprecated": (lambda d, b, t: d["paths"][INFO]["get"].update(deprecated=True), "deprecation", "get_task_info", None),
    "operationId renamed": (lambda d, b, t: d["paths"][INFO]["get"].update(operationId="task_info"), "names", "task_info", None),
    "default of a parameter": (
        lambda d, b, t: d["components"]["parameters"]["PageSize"]["schema"].update(default=7), "fields", "list_kling_templates query page_size", "writer",
    ),
    "further fields forbidden": (
        lambda d, b, t: schema(d, "ImageFaceSwapInput").update(additionalProperties=not schema(d, "ImageFaceSwapInput").get("additionalProperties", True)),
        "fields", "ImageFaceSwapInput", "writer",
    ),
    "callback by PUT": (
        lambda d, b, t: [item.update(put=item.pop("post")) for name, item in callback_of(d).items()], "callbacks", "create_task taskFinished", "receiver",
    ),
    "callback method in the table": (lambda d, b, t: b["callbacks"].update(method="PUT"), "callbacks", "method", "receiver"),
    "slower": (lambda d, b, t: row(b["timelines"], "name", "video").update(running=99), "timelines", "video", "reader"),
    "faster": (lambda d, b, t: row(b["timelines"], "name", "video").update(running=1), "timelines", "video", None),
    "refusal reworded": (lambda d, b, t: row(b["refusals"], "problem", "task_not_found").update(message="No such task"), "wording", "task_not_found", None),
    "refusal with errors": (lambda d, b, t: row(b["refusals"], "problem", "task_not_found").update(errors=True), "refusals", "task_not_found", "reader"),
    "refusal under another status": (lambda d, b, t: row(b["refusals"], "problem", "task_not_found").update(http=410), "refusals", "task_not_found", "reader"),
    "order of the stages": (lambda d, b, t: b["order"].reverse(), "refusals", "order", "reader"),
    "model listed no more": (lambda d, b, t: row(t["models"]["models"], "name", "google/nano-banana").update(listed=False), "tables", "models google/nano-banana listed", "reader"),
    "described otherwise": (lambda d, b, t: d["paths"][INFO]["get"].update(description="x"), "wording", "/paths/~1api~1v1~1client~1job~1TaskInfo/get", None),
    "a keyword that no rule knows": (lambda d, b, t: schema(d, "MediaUrl").update(contentEncoding="base64"), "unclassed", "openapi /components/schemas/MediaUrl/contentEncoding", None),
    "a table that no rule knows": (lambda d, b, t: b.update(moods=["happy"]), "unclassed", "behaviour /moods", None),
    "answer header gone": (
        lambda d, b, t: d["components"]["responses"]["RateLimited"]["headers"].clear(), "headers", "get_task_info answer 429 retry-after", "reader",
    ),
}  # fmt: skip
EDITS |= OF_THE_STRUCTURE


def callback_of(document: dict[str, Any]) -> Any:
    callback = document["paths"][CREATE]["post"]["callbacks"]["taskFinished"]
    return (
        callback if "$ref" not in callback else document["components"]["callbacks"][callback["$ref"].rsplit("/", 1)[-1]]
    )


HARMLESS: dict[str, Edit] = {
    "parameters in another order": lambda d, b, t: d["paths"][INFO]["get"]["parameters"].reverse(),
    "required in another order": lambda d, b, t: schema(d, "TaskInfoData")["required"].reverse(),
    "rows in another order": lambda d, b, t: b["body_codes"].reverse(),
    "models in another order": lambda d, b, t: t["models"]["models"].reverse(),
    "path parameter renamed": lambda d, b, t: d["paths"].update({path.replace("{model}", "{name}"): d["paths"].pop(path) for path in list(d["paths"]) if "{model}" in path}),
    "scheme renamed": lambda d, b, t: (
        d["components"]["securitySchemes"].update(Key=d["components"]["securitySchemes"].pop("ApiKey")), d.update(security=[{"Key": []}]),
    ),
    "another source": lambda d, b, t: row(b["body_codes"], "code", 402).update(source="elsewhere", evidence="observed"),
}  # fmt: skip


@pytest.mark.parametrize("name", HARMLESS)
def test_what_changes_nothing_on_the_wire_breaks_nobody(crun: Version, name: str) -> None:
    assert [str(one) for one in changes(crun, HARMLESS[name]) if one.severity.value != "note"] == []


def test_changes_are_accepted_by_pattern(crun: Version) -> None:
    found = changes(
        crun,
        lambda d, b, t: (b["callbacks"].update(method="PUT"), row(b["limits"], "name", "body_bytes").update(value=10)),
    )
    left, ignored, unused = without(found, [Accepted("callbacks method", "a"), Accepted("prices *", "b")])
    assert [one.area for one in left] == ["limits"]
    assert [one.area for one in ignored] == ["callbacks"]
    assert [one.where for one in unused] == ["b"]


def test_reports_of_changes(crun: Version, tmp_path: Path) -> None:
    found = changes(
        crun, lambda d, b, t: (b["callbacks"].update(method="PUT"), schema(d, "MediaUrl").update(contentEncoding="x"))
    )
    suite = ET.fromstring(junit_of(found, [one for one in found if one.breaks])).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    sarif = sarif_of(found, crun, "contracts/crun")
    assert [one["level"] for one in sarif["runs"][0]["results"]] == ["error", "warning"]
    lines = annotations_of(found, crun, "contracts/crun")
    assert lines[0].startswith("::error file=contracts/crun/")
    assert lines[1].startswith("::warning file=contracts/crun/openapi.yaml,line=")


def test_a_version_is_compatible_with_itself(crun: Version) -> None:
    assert compare(crun, crun) == []


@pytest.mark.parametrize("name", EDITS)
def test_change_is_found_and_classed(crun: Version, name: str) -> None:
    edit, area, place, breaks = EDITS[name]
    found = [(one.area, one.place, one.breaks) for one in changes(crun, edit)]
    assert (area, place, breaks) in found


@pytest.mark.parametrize("name", [name for name, (_, _, _, breaks) in EDITS.items() if breaks is None])
def test_what_breaks_nobody_is_all_there_is(crun: Version, name: str) -> None:
    assert [str(one) for one in changes(crun, EDITS[name][0]) if one.breaks] == []


def git(where: Path, *arguments: str) -> None:
    names = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    subprocess.run(["git", "-C", str(where), *names, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two versions of a small contract: the second has lost an operation."""
    home = tmp_path / "contracts" / "small"
    home.mkdir(parents=True)
    document = {"openapi": "3.1.0", "paths": {"/a": {"get": {"operationId": "a", "responses": {}}}}}
    git(tmp_path, "init", "-q")
    for paths in (document["paths"], {}):
        (home / "openapi.yaml").write_text(yaml.safe_dump({**document, "paths": paths}), "utf-8")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-q", "-m", "a version")
    return tmp_path


@pytest.mark.needs("git")
def test_amounts_are_told_exactly(crun: Version) -> None:
    found = changes(crun, lambda d, b, t: row(b["limits"], "name", "body_bytes").update(value=524288))
    assert [change.what for change in found] == ["limit 1048576 became 524288"]


def test_a_ladder_that_takes_as_long_is_told_by_its_intervals(crun: Version) -> None:
    edited = {"intervals": [60, 10, 300]}
    found = changes(crun, lambda d, b, t: row(b["callbacks"]["ladders"], "name", "usual").update(edited))
    (change,) = found
    assert "after 10, 60, 300" in change.what
    assert "after 60, 10, 300" in change.what


def test_revisions_are_read(repository: Path) -> None:
    new = str(repository / "contracts" / "small")
    for old in ("HEAD~1:contracts/small", "HEAD~1"):
        (change,) = compare(read(old, "small", repository), read(new, None))
        assert (change.area, change.place, change.breaks) == ("paths", "a", "writer")


@pytest.mark.needs("git")
@pytest.mark.parametrize("version", ["no-such-revision", "HEAD:no/such/folder", "--output=x", "HEAD"])
def test_what_cannot_be_read_is_said(repository: Path, version: str) -> None:
    with pytest.raises(Unreadable) as told:
        read(version, None, repository)
    assert "\n" not in str(told.value)


def test_exit_codes_and_report(crun: Version, tmp_path: Path) -> None:
    edited = tmp_path / "crun"
    edited.mkdir()
    for name, document in (("openapi", crun.document), ("behaviour", crun.behaviour), *crun.tables.items()):
        (edited / f"{name}.yaml").parent.mkdir(exist_ok=True)
        (edited / f"{name}.yaml").write_text(yaml.dump(document, Dumper=yaml.SafeDumper), "utf-8")
    runner, report = CliRunner(), tmp_path / "report.json"
    same = runner.invoke(compat, [CRUN, str(edited)])
    assert (same.exit_code, same.output) == (0, "0 changes, 0 of them break a client\n")
    broken = json.loads(json.dumps(crun.behaviour))
    row(broken["body_codes"], "code", 402)["charged"] = True
    (edited / "behaviour.yaml").write_text(yaml.dump(broken, Dumper=yaml.SafeDumper), "utf-8")
    differs = runner.invoke(compat, [CRUN, str(edited), "--json", str(report)])
    assert differs.exit_code == 1
    assert "breaks the reader" in differs.output
    told = json.loads(report.read_text("utf-8"))
    assert told["changes"] == [
        {"area": "codes", "place": "402", "what": "charged False became True", "breaks": "reader"}
    ]
    assert runner.invoke(compat, [CRUN, str(tmp_path / "nowhere")]).exit_code == 2


UNREADABLE: dict[str, Edit] = {
    "a reference that leads nowhere": lambda d, b, t: schema(d, "ImageFaceSwapInput")["properties"]["new_face"].update(
        {"$ref": "#/components/schemas/Nowhere"}
    ),
    "a component gone that is still referred to": lambda d, b, t: d["components"]["schemas"].pop("MediaUrl"),
    "a reference to another document": lambda d, b, t: schema(d, "BalanceData")["properties"].update(
        balance={"$ref": "other.yaml#/Balance"}
    ),
    "a reference to itself": lambda d, b, t: d["components"]["schemas"].update(
        MediaUrl={"$ref": "#/components/schemas/A"}, A={"$ref": "#/components/schemas/Missing"}
    ),
    "a discriminator to nothing": lambda d, b, t: schema(d, "CreateTaskRequest")["discriminator"]["mapping"].update(
        {"z-image": "#/components/schemas/Nowhere"}
    ),
    "an answer that leads nowhere": lambda d, b, t: d["paths"][INFO]["get"]["responses"].update(
        {"429": {"$ref": "#/components/responses/Nowhere"}}
    ),
    "a parameter that leads nowhere": lambda d, b, t: d["paths"][INFO]["get"]["parameters"].append(
        {"$ref": "#/components/parameters/Nowhere"}
    ),
    "a row without the field that names it": lambda d, b, t: b["limits"].append({"value": 3}),
    "a schedule without intervals": lambda d, b, t: row(b["callbacks"]["ladders"], "name", "usual").pop("intervals"),
    "answers of another form": lambda d, b, t: d["paths"][INFO]["get"].update(responses=7),
}


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("side", ["old", "new"])
def test_what_cannot_be_compared_is_an_error(crun: Version, name: str, side: str) -> None:
    edited = copy.deepcopy(crun)
    UNREADABLE[name](edited.document, edited.behaviour, edited.tables)  # type: ignore[arg-type]  # a copy of our own
    found = compare(edited, crun) if side == "old" else compare(crun, edited)
    assert [one for one in found if one.area == "unreadable" and one.severity.value == "error"]


def test_a_reference_that_both_versions_lack_is_told_all_the_same(crun: Version) -> None:
    edited = copy.deepcopy(crun)
    UNREADABLE["a reference that leads nowhere"](edited.document, edited.behaviour, edited.tables)  # type: ignore[arg-type]  # a copy of our own
    assert {one.area for one in compare(edited, edited)} == {"unreadable"}


OTHER_FILES = {
    "openapi.yaml": b"\xff\xfe", "behaviour.yaml": b"- a list\n", "models.yaml": b"models: [}\n",
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER_FILES)
def test_a_file_that_cannot_be_read_ends_the_comparison(tmp_path: Path, name: str) -> None:
    edited = tmp_path / "crun"
    shutil.copytree(CRUN, edited)
    (edited / name).write_bytes(OTHER_FILES[name])
    told = CliRunner().invoke(compat, [CRUN, str(edited)])
    assert told.exit_code == 2
    assert name in told.output


def test_files_of_other_kinds_are_compared(tmp_path: Path) -> None:
    edited = tmp_path / "crun"
    shutil.copytree(CRUN, edited)
    (edited / "NOTES.md").write_text("other notes", "utf-8")
    (edited / "moods.json").write_text('{"happy": 1}', "utf-8")
    (edited / "logo.png").write_bytes(b"\x89PNG\xff")
    found = {one.place.split(" ")[0]: one.area for one in compare(read(CRUN, None), read(str(edited), None))}
    assert found == {"NOTES.md": "wording", "moods.json": "unclassed", "logo.png": "unclassed"}


def leaves(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of every value below `node` that is no mapping and no list."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else None
    return [path] if items is None else [below for key, value in items for below in leaves(value, (*path, key))]


def put(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of `node` with another value at `path`; what is not on the path is shared."""
    if not path:
        return value
    made = dict(node) if isinstance(node, dict) else list(node)
    made[path[0]] = put(node[path[0]], path[1:], value)
    return made


def other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}x"


def told_of_each_value(version: Version, part: str, paths: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The paths whose change `compare` does not tell."""
    base, silent = getattr(version, part), []
    for path in paths:
        value = base
        for step in path:
            value = value[step]
        if not compare(version, replace(version, **{part: put(base, path, other(value))}, followed=set())):
            silent.append(path)
    return silent


@pytest.mark.parametrize(
    ("name", "part", "count"), [("crun", part, 6) for part in PARTS] + [("imgopen", part, 6) for part in PARTS]
)
def test_no_value_changes_in_silence(name: str, part: str, count: int) -> None:
    version = read(str(folder(name)), None)
    assert told_of_each_value(version, part, Random(3).sample(leaves(getattr(version, part)), count)) == []


@pytest.mark.long
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ["crun", "imgopen"])
def test_none_of_many_values_changes_in_silence(name: str, part: str) -> None:
    version = read(str(folder(name)), None)
    assert told_of_each_value(version, part, Random(5).sample(leaves(getattr(version, part)), 60)) == []


ROWS: dict[str, tuple[Edit, str, str]] = {
    "a magic value does something else": (lambda d, b, t: row(b["magic"], "value", "https://errors.invalid/402").update(odd=1), "emulator", "behaviour magic/https://errors.invalid/402/odd"),
    "a magic value is gone": (lambda d, b, t: b["magic"].remove(row(b["magic"], "value", "https://errors.invalid/402")), "emulator", "behaviour magic/https://errors.invalid/402"),
    "a scenario is new": (lambda d, b, t: b["scenarios"].append({"name": "odd"}), "emulator", "behaviour scenarios/odd"),
    "the name of a code": (lambda d, b, t: row(b["body_codes"], "code", 402).update(name="poor"), "emulator", "behaviour body_codes/402/name"),
    "the currency": (lambda d, b, t: b["money"].update(currency="EUR"), "prices", "behaviour money/currency"),
    "the envelope": (lambda d, b, t: b["envelope"].update(success=0), "codes", "behaviour envelope/success"),
    "a field of callbacks that no rule knows": (lambda d, b, t: b["callbacks"].update(timeout=3), "unclassed", "behaviour /callbacks/timeout"),
    "where files lie": (lambda d, b, t: b.update(uploads="/x/"), "paths", "behaviour uploads"),
    "a template costs more": (lambda d, b, t: row(t["templates"]["kling"], "key", "kling-hug").update(credit=99), "tables", "templates kling-hug credit"),
    "what an operation costs": (lambda d, b, t: d["paths"][INFO]["get"].update({"x-cost": "paid"}), "prices", "get_task_info"),
    "a bound beside a reference": (lambda d, b, t: schema(d, "ZImageInput")["properties"]["prompt"].update(maxLength=7), "limits", "ZImageInput/prompt"),
    "an answer that is not JSON": (lambda d, b, t: schema(d, "StoreError")["properties"]["Code"].update(type="integer"), "fields", "StoreError/Code"),
    "a link": (lambda d, b, t: d["paths"][CREATE]["post"]["responses"]["200"]["links"].clear(), "links", "create_task answer 200 info"),
    "a component that nobody uses": (lambda d, b, t: d["components"]["schemas"].update(Spare={"type": "string"}), "names", "openapi /components/schemas/Spare"),
    "a server of one operation": (lambda d, b, t: d["paths"][INFO]["get"].update(servers=[{"url": "https://x.example"}]), "servers", "get_task_info"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_each_row_is_told_by_name(crun: Version, name: str) -> None:
    edit, area, place = ROWS[name]
    assert (area, place) in [(one.area, one.place) for one in changes(crun, edit)]
