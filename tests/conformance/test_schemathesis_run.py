"""A `schemathesis run` of somebody else's: with the shipped hooks and settings, with the settings alone, and with neither.

`python -m tests.conformance.test_schemathesis_run` writes the table of docs/checks.md anew.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import swapmock.hooks
from swapmock import Emulator
from swapmock.contracts import load
from tests.broken_servers import Ask, Defect, Reply, catalogue, running
from tests.conformance.over_wsgi import credentials

PAGE = Path(__file__).resolve().parents[2] / "docs" / "checks.md"
TABLE = re.compile(r"(?<=<!-- bare run: begin -->\n).*(?=<!-- bare run: end -->)", re.DOTALL)
PROVIDERS = ("crun", "imgopen")

#: Schemathesis' failures that a run without hooks and settings has -> the column of the table.
KINDS = {
    "AcceptedNegativeData": "invalid data accepted",
    "RejectedPositiveData": "valid data rejected",
    "MissingHeaderNotRejected": "missing header accepted",
    "UnsupportedMethodResponse": "wrong method",
    "IgnoredAuth": "no authentication",
    "AllowHeaderMismatch": "more in Allow",
}


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its exit code, what it printed, and the operations of each kind of failure."""

    code: int
    text: str
    failures: Mapping[str, tuple[str, ...]]
    phases: Mapping[str, str]


def run(url: str, provider: str, *options: str, hooks: bool = False, settings: bool = False) -> Outcome:
    """`schemathesis run` on the contract that the server at `url` hands out."""
    given = {name: value for name, value in os.environ.items() if not name.startswith(("SWAPMOCK_", "SCHEMATHESIS_"))}
    if hooks:
        given["SCHEMATHESIS_HOOKS"] = "swapmock.hooks"
    chosen = ["--config-file", str(swapmock.hooks.config_path())] if settings else []
    headers = [word for name, value in credentials(provider).items() for word in ("-H", f"{name}: {value}")]
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        place = f"{url}/__admin/contracts/{provider}.json"
        wanted = ["--seed", "1", "--no-color", "--continue-on-failure", "--report", "json"]
        command = [sys.executable, "-m", "schemathesis.cli", *chosen, "run", place, "--url", url, *headers, *wanted]
        done = subprocess.run(
            [*command, "--report-json-path", str(report), *options],
            cwd=folder, env=given, capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
        assert report.is_file(), done.stdout + done.stderr
        told = json.loads(report.read_text("utf-8"))
    failures = {row["type"]: tuple(row["operations"]) for row in told["failures"]}
    return Outcome(
        done.returncode,
        done.stdout + done.stderr,
        failures,
        {name: row["status"] for name, row in told["phases"].items()},
    )


def assert_clean(outcome: Outcome) -> None:
    assert (outcome.code, outcome.failures) == (0, {}), outcome.text[-3000:]
    assert outcome.phases.get("stateful") == "success"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(balance=1e9) as one:
        yield one


@pytest.mark.parametrize("provider", ["crun", pytest.param("imgopen", marks=pytest.mark.long)])
def test_clean_with_hooks_and_settings(emulator: Emulator, provider: str) -> None:
    phases = "examples,fuzzing,stateful"
    assert_clean(run(emulator.url, provider, "-n", "2", "--phases", phases, hooks=True, settings=True))


@pytest.mark.parametrize(
    "ways",
    [{"hooks": True}, {"settings": True}, pytest.param({"hooks": True, "settings": True}, marks=pytest.mark.long)],
)
def test_an_upload_link_used_with_other_methods_is_no_failure(emulator: Emulator, ways: dict[str, bool]) -> None:
    chosen = ("--include-operation-id", "put_upload", "-n", "2", "--phases", "coverage")
    outcome = run(emulator.url, "crun", *chosen, **ways)
    assert (outcome.code, outcome.failures) == (0, {}), outcome.text[-3000:]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("settings", [True, False])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_clean_with_hooks_in_every_phase(emulator: Emulator, provider: str, settings: bool) -> None:
    assert_clean(run(emulator.url, provider, "-n", "20", hooks=True, settings=settings))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_clean_with_the_settings_alone(emulator: Emulator, provider: str) -> None:
    assert_clean(run(emulator.url, provider, "-n", "10", settings=True))


def choices_in_turn(provider: str) -> list[dict[str, Any]]:
    """Sets of choices of which each choice of each variant is in at least one."""
    variants = load(provider).behaviour.variants
    most = max(len(variant.choices) for variant in variants.values())
    return [{name: v.choices[turn % len(v.choices)] for name, v in variants.items()} for turn in range(most)]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("provider", "turn"), [(name, turn) for name in PROVIDERS for turn in range(len(choices_in_turn(name)))]
)
def test_clean_under_every_choice_of_every_variant(provider: str, turn: int) -> None:
    """The hooks ask the emulator which variants it has."""
    with Emulator(balance=1e9, variants={provider: choices_in_turn(provider)[turn]}) as one:
        assert_clean(run(one.url, provider, "-n", "5", hooks=True, settings=True))


def test_settings_never_take_http_200_for_a_refusal() -> None:
    import tomllib

    text = swapmock.hooks.config_path().read_text("utf-8")
    for project in tomllib.loads(text)["project"]:
        for part in (project, *project["operations"]):
            for name, check in part.get("checks", {}).items():
                assert set(check) <= {"enabled", "expected-statuses"}
                if name == "negative_data_rejection":
                    assert check == {"enabled": False}
        known = load({"crun.ai client API": "crun", "Img Open API": "imgopen"}[project["title"]]).operations
        named = {one for part in project["operations"] for one in part["include-operation-id"]}
        assert named <= known.keys()
        if project["title"] == "Img Open API":  # the store of its files answers with HTTP statuses
            assert named == {name for name, operation in known.items() if not operation.files}


def taken_for_granted(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    """Img Open's model list whatever was asked."""
    if ask.path.endswith("/queryModelList") and reply.status == 200:
        if reply.json.get("code") == "200":
            memory["page"] = reply.json
        return reply.with_json(memory.get("page", reply.json))
    return reply


@pytest.mark.parametrize(
    ("provider", "operation", "broken"),
    [
        ("crun", "list_models", "invalid_accepted"),
        ("imgopen", "query_model_list", "taken_for_granted"),
    ],
)
def test_hooks_still_find_invalid_data_that_is_accepted(provider: str, operation: str, broken: str) -> None:
    known = {**catalogue(), "taken_for_granted": Defect("taken_for_granted", "", frozenset(), taken_for_granted)}
    with running(replace(known[broken], variants={})) as url:
        chosen = ("--include-operation-id", operation, "-n", "15", "--phases", "coverage,fuzzing")
        found = run(url, provider, *chosen, hooks=True, settings=True)
        assert "AcceptedNegativeData" in found.failures, found.text[-3000:]
        if provider == "imgopen":  # and without the hooks that look into the envelope, nothing is seen
            assert run(url, provider, *chosen, settings=True).failures == {}


def test_the_documents_own_example_ids_are_accepted() -> None:
    """What an example answer has at the place of a link is valid where the link leads."""
    tried = 0
    for provider in PROVIDERS:
        contract = load(provider)
        for operation in contract.operations.values():
            for status, answer in operation.spec["responses"].items():
                answer = contract.resolve(answer)
                examples = answer.get("content", {}).get("application/json", {}).get("examples", {})
                for link in answer.get("links", {}).values():
                    target = contract.operations[link["operationId"]]
                    for name, example in examples.items():
                        if example["value"]["code"] not in (200, "200"):
                            continue
                        asked = filled(link, example["value"])
                        if asked is None:
                            continue
                        query, body = asked
                        where = (operation.id, status, name)
                        values = {"query": query, "path": {"toolCode": "roop"}}
                        assert target.check_parameters(values) == (), where
                        assert body is None or target.check_body(target.normalize(body)) == (), where
                        tried += 1
    assert tried >= 3


def filled(link: Mapping[str, Any], example: Any) -> tuple[dict[str, Any], Any] | None:
    """Query and body of a link's request, from an example answer; None if the example lacks what the link reads."""

    def value(expression: Any) -> Any:
        found: Any = example
        for step in expression.partition("#/")[2].split("/"):
            found = found.get(step) if isinstance(found, dict) else None
        return found

    read = str(link).count("$response.body#")
    query = {n: value(e) for n, e in link.get("parameters", {}).items() if str(e).startswith("$response.body#")}
    if "requestBody" in link:  # the body of the request, which an example answer does not have
        return None
    body: dict[str, Any] = {}
    return None if None in (*query.values(), *body.values()) or not read else (query, body or None)


def failures_by_operation(url: str, provider: str) -> dict[str, set[str]]:
    """operationId -> the kinds of failure of a run with neither hooks nor settings."""
    contract = load(provider)
    by_path = {operation.path: name for name, operation in contract.operations.items()}
    found: dict[str, set[str]] = {}
    for kind, labels in run(url, provider, "-n", "10").failures.items():
        for label in labels:
            name = by_path.get(label.partition(" ")[2])
            if name is not None:  # stateful tests have no operation of their own
                found.setdefault(name, set()).add(kind)
    return found


def table(url: str) -> str:
    lines = [f"| operation | {' | '.join(KINDS.values())} |", "|---" * (len(KINDS) + 1) + "|"]
    for provider in PROVIDERS:
        found = failures_by_operation(url, provider)
        assert {kind for kinds in found.values() for kind in kinds} <= KINDS.keys()
        for name in load(provider).operations:
            marks = ("x" if kind in found.get(name, ()) else "" for kind in KINDS)
            lines.append(f"| {provider} `{name}` | {' | '.join(marks)} |")
        total = sum(len(kinds) for kinds in found.values())
        lines.append(f"| **{provider}: {total} in all** |{' |' * len(KINDS)}")
    return "\n".join(line.replace("|  |", "| |").replace("|  |", "| |") for line in lines) + "\n"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_with_neither_no_failure_is_of_another_kind(emulator: Emulator) -> None:
    written = TABLE.search(PAGE.read_text("utf-8"))
    assert written is not None
    assert written[0] == table(emulator.url), "python -m tests.conformance.test_schemathesis_run renews it"


if __name__ == "__main__":
    with Emulator(balance=1e9) as running_one:
        renewed = table(running_one.url)
    PAGE.write_text(TABLE.sub(lambda _: renewed, PAGE.read_text("utf-8")), "utf-8")
