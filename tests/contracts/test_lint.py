"""The lint finds nothing in our contracts, and each kind of fault in changed copies of them."""

import copy
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import yaml

from swapmock.contracts import lint as lint_module
from swapmock.contracts import lint_document, load
from swapmock.contracts.lint import lint, lint_all
from swapmock.contracts.requirements import handler_findings
from swapmock.mock_server.web.build import PROVIDERS

REPEATED_KEYS = lint_document.repeated_keys
CRUN = load("crun")
BALANCE = "/api/v1/client/account/balance"
CREATE = "/api/v1/client/job/CreateTask"


@pytest.fixture(autouse=True, scope="module")
def read_once():
    """The files are the same for every changed copy: each is read for repeated keys once, for that takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lint_document, "repeated_keys", cache(lambda text: tuple(REPEATED_KEYS(text))))
        yield


@pytest.mark.parametrize("name", PROVIDERS)
def test_our_contracts_are_in_order(name):
    assert list(lint(load(name))) == []
    assert lint_all({name: lambda contract: PROVIDERS[name](contract).handlers.keys()}) == []


def spoil_document(change):
    document = copy.deepcopy(CRUN.document)
    change(document)
    return replace(CRUN, document=document)


def row(table, name, **changes):
    """A copy of the contract with one row of behaviour.yaml changed."""
    rows = getattr(CRUN.behaviour, table)
    old = rows[name]
    new = {**old, **changes} if isinstance(old, dict) else old._replace(**changes)
    changed: Any = {table: {**rows, name: new}}
    return replace(CRUN, behaviour=replace(CRUN.behaviour, **changed))


DOCUMENT_FAULTS = {
    "not OpenAPI 3.1": (lambda d: d.update(paths=[]), "openapi.yaml: "),
    "a member that OpenAPI does not know": (lambda d: d["info"].pop("title"), "openapi.yaml: info"),
    "an operation without answers": (lambda d: d["paths"][BALANCE]["get"].update(responses=5), "openapi.yaml: "),
    "a level that does not exist": (
        lambda d: d["paths"][BALANCE]["get"]["x-evidence"].update(level="certain"),
        "evidence level 'certain' is none of documented, ",
    ),
    "evidence without a source": (
        lambda d: d["components"]["schemas"]["MediaUrl"]["x-evidence"].pop("source"),
        "openapi.yaml/components/schemas/MediaUrl: evidence without a source",
    ),
    "no evidence": (lambda d: d["paths"][BALANCE]["get"].pop("x-evidence"), "get_account_balance has no x-evidence"),
    "a request example that does not fit": (
        lambda d: d["paths"][CREATE]["post"]["requestBody"]["content"]["application/json"]["examples"].update(
            wrong={"value": {"model": "image-face-swap", "input": {"image_url": "https://example.com/a.png"}}}
        ),
        "create_task: request example wrong: /input/new_face breaks required",
    ),
    "an answer example that does not fit": (
        lambda d: d["paths"][BALANCE]["get"]["responses"]["200"]["content"]["application/json"]["examples"].update(
            wrong={"value": {"code": 200, "message": "success", "data": {"balance": "5"}}}
        ),
        "get_account_balance: answer example wrong (200): /data/balance breaks type",
    ),
}


@pytest.mark.parametrize("name", DOCUMENT_FAULTS)
def test_a_fault_in_the_document(name):
    change, text = DOCUMENT_FAULTS[name]
    if name in ("not OpenAPI 3.1", "an operation without answers"):
        # So broken that nothing else can be read from it: the first finding is enough.
        assert text in next(lint(spoil_document(change)))
        return
    assert any(text in finding for finding in lint(spoil_document(change)))


TABLE_FAULTS = [
    (row("refusals", "invalid", code=418), "refusal invalid has the unknown body code 418"),
    (row("magic", "https://errors.invalid/501", refuse="nothing"), "names the unknown refusal nothing"),
    (row("magic", "https://errors.invalid/slow", scenario="nothing"), "names the unknown scenario nothing"),
    (row("variants", "bearer", default="perhaps"), "the default of variant bearer is none of its choices"),
    (row("timelines", "image", evidence="certain"), "image: evidence level 'certain' is none of "),
    (row("timelines", "video", source=""), "video: evidence without a source"),
    (row("lifetimes", "detect_id", evidence=None), "detect_id: evidence level None is none of "),
    (row("limits", "page_size", source=""), "page_size: evidence without a source"),
]


@pytest.mark.parametrize(("contract", "text"), TABLE_FAULTS, ids=[text for _, text in TABLE_FAULTS])
def test_a_fault_in_a_table(contract, text):
    found = [finding for finding in lint(contract) if finding.startswith("behaviour.yaml: ")]
    assert len(found) == 1
    assert text in found[0]


EXCHANGE = """
- title: wrong
  source: x
  level: invented
  request: {method: %s, path: %s, query: %s, body: {model: z-image, input: {prompt: %s}}}
  response: {status: %s, body: {code: 200, message: success, data: {task_id: %s}}}
"""
FINE = ("POST", CREATE, "{}", "a", "200", "abc")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (FINE, None),
        (("GET", *FINE[1:]), f"no operation at GET {CREATE}"),
        (("POST", "/nowhere", *FINE[2:]), "no operation at POST /nowhere"),
        ((*FINE[:3], "5", *FINE[4:]), "body/input/prompt breaks type"),
        ((*FINE[:4], "418", "abc"), "response breaks status"),
        ((*FINE[:5], "5"), "response/data/task_id breaks type"),
    ],
)
def test_a_fault_in_an_example(tmp_path, monkeypatch, values, text):
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "one.yaml").write_text(EXCHANGE % values)
    monkeypatch.setattr(lint_module, "folder", lambda name: tmp_path)
    found = list(lint(CRUN))
    assert found == ([] if text is None else [f"examples: one: wrong: {text}"])


@pytest.mark.parametrize(
    ("method", "path", "query", "text"),
    [
        ("GET", "/api/v1/client/job/TaskInfo", {}, "query/task_id breaks required"),
        ("GET", "/api/v1/client/job/kling-templates", {"page": 0}, "query/page breaks minimum"),
    ],
)
def test_parameters_of_an_example_count(tmp_path, monkeypatch, method, path, query, text):
    (tmp_path / "examples").mkdir()
    right = next(x for _, o, x in lint_module.examples(CRUN) if x["request"]["path"] == path)
    exchange = {**right, "title": "wrong", "request": {"method": method, "path": path, "query": query}}
    (tmp_path / "examples" / "one.yaml").write_text(yaml.safe_dump([exchange]))
    monkeypatch.setattr(lint_module, "folder", lambda name: tmp_path)
    assert list(lint(CRUN)) == [f"examples: one: wrong: {text}"]


def test_operations_and_handlers_are_the_same():
    assert list(handler_findings(CRUN, {*CRUN.operations} - {"create_task"} | {"surplus"})) == [
        "operation create_task has no handler",
        "handler surplus has no operation",
    ]
    assert lint_all({"crun": lambda contract: contract.operations.keys() - {"create_task"}}) == [
        "crun: operation create_task has no handler"
    ]


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({}, "no contract named 'x'"),
        ({"openapi.yaml": "a: [", "behaviour.yaml": "{}"}, "is not YAML: while parsing"),
        ({"openapi.yaml": "openapi: 3.1.0", "behaviour.yaml": "timelines: [{name: a}]"}, "x: Timeline 'a': "),
        ({"openapi.yaml": "paths: {/a: {get: {}}}", "behaviour.yaml": "{}"}, "x: x: GET /a has no operationId"),
    ],
)
def test_what_cannot_be_read_is_a_finding(tmp_path, monkeypatch, files, text):
    for name, content in files.items():
        (tmp_path / "x").mkdir(exist_ok=True)
        (tmp_path / "x" / name).write_text(content)
    monkeypatch.setattr("swapmock.contracts.HERE", tmp_path)
    found = lint_all({"x": lambda contract: ()})
    assert text in found[-1]
    assert "\n" not in "".join(found)
