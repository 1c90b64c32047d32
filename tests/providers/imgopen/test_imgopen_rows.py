"""The contract's tables agree with one another and with the OpenAPI document."""

import re

import pytest

from swapmock.contracts import folder, load
from swapmock.mock_server.providers import imgopen
from swapmock.mock_server.providers.imgopen.tools import tool_codes, tools

CONTRACT = load("imgopen")
RULES = CONTRACT.behaviour
TOOLS = tools(CONTRACT)
LEVELS = {"documented", "observed", "inferred", "invented"}


@pytest.mark.parametrize("tool", TOOLS.values(), ids=lambda tool: tool.operation)
def test_a_row(tool):
    operation = CONTRACT.operations[tool.operation]
    assert operation.path == f"{RULES.prefix}/{'tool/' if tool.kind in ('detection', 'tool') else ''}{tool.code}"
    assert tool.numbers in RULES.status_words
    assert tool.timeline in RULES.timelines
    assert tool.mode in ("sync", "async") or set(RULES.variants[tool.mode].choices) == {"sync", "async"}
    assert set(tool.evidence) == {"request", "answer", "mode"}
    assert set(tool.evidence.values()) <= LEVELS
    assert operation.answer_evidence["level"] == tool.evidence["answer"]
    properties = operation.body_schema["properties"]
    assert set(tool.faces) <= set(properties)
    assert tool.callback <= ("callbackUrl" in properties)
    assert bool(tool.tool_task) == ("toolTask" in tool.shown)


def test_every_tool_code_has_one_tool():
    assert sorted(tool_codes(CONTRACT)) == sorted(t.code for t in TOOLS.values() if t.kind in ("detection", "tool"))
    assert {"face/detection", "face/fusion", "v2/roop", "hair/change", "identifyStyle"} <= set(tool_codes(CONTRACT))


def test_every_operation_but_downloads_has_a_handler():
    """General code serves the files behind links."""
    own = {name for name, operation in CONTRACT.operations.items() if not operation.is_download}
    assert imgopen.provider(CONTRACT).handlers.keys() == own


def test_every_task_can_be_called_back_but_training():
    without = {name for name, operation in CONTRACT.operations.items() if not operation.callback_requests}
    assert without & set(TOOLS) == {"submit_training"}


@pytest.mark.parametrize(
    ("schedule", "times"),
    [
        ("A", [3, 8, 23, 53, 113, 713, 4313, 7913, 11513, 15113]),
        ("B", [3, 8, 23, 53, 113, 713, 4313]),
        ("C", [3, 8, 23, 53, 113, 713, 4313, 4316, 4321, 4336]),
        ("D", [3, 8, 23, 53, 113, 713, 4313, 7913, 11513]),
    ],
)
def test_the_readings_of_the_retry_schedule(schedule, times):
    """When each retry is due, in seconds after the first attempt, by the row alone."""
    assert RULES.callbacks is not None
    row = RULES.callbacks.schedules[schedule]
    due, at = [], 0.0
    for retry in range(row.retries):
        if retry >= len(row.intervals) and row.then == "stop":
            break
        step = retry % len(row.intervals) if row.then == "restart" else min(retry, len(row.intervals) - 1)
        at += row.intervals[step]
        due.append(at)
    assert due == times


def test_standing_credentials_have_the_form_of_the_samples():
    for row in RULES.credentials.values():
        assert re.fullmatch(r"openapi-[a-z0-9]{16}", row["key"])
        assert re.fullmatch(r"[a-z0-9]{32}", row["secret"])


def test_scenarios_are_those_of_the_other_provider():
    assert set(load("crun").behaviour.scenarios) <= set(RULES.scenarios)


NOTES = (folder("imgopen") / "NOTES.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", RULES.variants)
def test_the_notes_tell_of_every_variant(name):
    row = next(line for line in NOTES.splitlines() if f"`{name}`: " in line)
    told = row.split(f"`{name}`: ")[1]
    assert all(re.search(rf"\b{choice}\b", told) for choice in RULES.variants[name].choices)


@pytest.mark.parametrize("operation", CONTRACT.operations)
def test_the_notes_tell_of_every_operation(operation):
    assert re.search(rf"\b{operation}\b", NOTES)


@pytest.mark.parametrize(
    "page",
    ["face restoration", "super resolution", "background remove", "object removal", "image enlarge", "image watermark",
     "QueryLoralList", "QueryVaeList", "queryEmbeddingList"],
)  # fmt: skip
def test_pages_that_could_not_be_read_are_named_and_have_no_operation(page):
    assert page in NOTES.split("## Unknown pages")[1].split("##")[0]
    summaries = " ".join(operation.spec["summary"].lower() for operation in CONTRACT.operations.values())
    assert page.lower() not in summaries
