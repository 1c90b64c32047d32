"""A model is one row, and a tool is one row and its path: added to a copy, each is listed, creatable, priced and checked."""

import shutil
from typing import Any

import pytest
import yaml

import swapmock.contracts as contracts
from swapmock.contracts.lint import lint
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.messages import Request

MODEL = """
- {name: acme/painter, provider: acme, version: painter, type: image, modality: image, operations: [text-to-image],
   fields: [prompt, aspect_ratio], required: [prompt], reference: false, price: 7, media: image}
"""

TOOL = """
- {operation: sharpen, code: sharpen, title: Sharpen, kind: tool, makes: pictures, family: R, id_name: taskId,
   caller_id: businessTaskId, shown: [taskId, businessTaskId, status, outputImageUrl],
   numbers: two, mode: async, callback: true, folder: tool/sharpen,
   price: 3, timeline: picture, evidence: {request: invented, answer: invented, mode: invented}, source: ours}
"""

PATH = """
  /AIGCImgOpenServ/saas/tool/sharpen:
    post:
      operationId: sharpen
      summary: Sharpen a picture
      x-evidence: {level: invented, source: ours}
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/HairRequest'}}}
      responses:
        '200':
          description: accepted or done
          content:
            application/json:
              schema: {anyOf: [{$ref: '#/components/schemas/PictureAnswer'}, {$ref: '#/components/schemas/ReceiptAnswer'}, {$ref: '#/components/schemas/Refusal'}]}
        default: {$ref: '#/components/responses/Refused'}
      callbacks: {taskFinished: {'{$request.body#/callbackUrl}': {$ref: '#/components/pathItems/PictureFinished'}}}
"""

PREFIX = "/AIGCImgOpenServ/saas"


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the contracts in which the two rows and the path stand."""
    folder = tmp_path / "contracts"
    shutil.copytree(contracts.HERE, folder, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    with (folder / "crun" / "models.yaml").open("a", encoding="utf-8") as file:
        file.write(MODEL)
    with (folder / "imgopen" / "tools.yaml").open("a", encoding="utf-8") as file:
        file.write(TOOL)
    document = folder / "imgopen" / "openapi.yaml"
    schema = hair_schema(document)
    document.write_text(
        document.read_text("utf-8").replace("\ncomponents:", f"{PATH.replace('HairRequest', schema)}\ncomponents:", 1),
        "utf-8",
    )
    monkeypatch.setattr(contracts, "HERE", folder)
    contracts.load.cache_clear()
    yield folder
    contracts.load.cache_clear()


def hair_schema(document):
    paths = yaml.safe_load(document.read_text("utf-8"))["paths"]
    body = paths[f"{PREFIX}/tool/hair/change"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return body["$ref"].rpartition("/")[2]


@pytest.fixture
def ask(copied, time):
    drifted: list[Any] = []
    system = build(Settings(prices={"crun": {"acme/painter": 9}, "imgopen": {"sharpen": 4}}), time, drifted.append)
    keys = {name: contracts.load(name).behaviour.credentials["default"] for name in ("crun", "imgopen")}
    headers = {"content-type": "application/json"}
    for name, row in keys.items():
        form = contracts.load(name).behaviour.credential_form
        assert form is not None
        headers |= {header.lower(): value for header, value in form.shown(row["key"], row.get("secret", "")).items()}

    def send(method, path, body=None, query=""):
        content = b"" if body is None else system.engine.json.dumps(body)
        request = Request(
            method=method, path=path, query=query, headers=headers, body=content, base_url="http://localhost"
        )
        target = system.pipeline.match(method, path)
        assert target is not None
        return system.engine.json.loads(system.pipeline.answer(target, request).body)

    yield send
    assert drifted == []


def test_the_copy_is_in_order(copied):
    assert list(lint(contracts.load("crun"))) == []
    assert list(lint(contracts.load("imgopen"))) == []


def test_a_model_is_one_row(ask):
    api = "/api/v1/client"
    assert "acme/painter" in {row["model"] for row in ask("GET", f"{api}/job/Models")["data"]["models"]}
    body = {"model": "acme/painter", "input": {"prompt": "a hat"}}
    assert ask("POST", f"{api}/job/estimate-credits", body)["data"]["credits"] == 9
    task = ask("POST", f"{api}/job/CreateTask", body)["data"]["task_id"]
    assert ask("GET", f"{api}/job/TaskInfo", query=f"task_id={task}")["code"] == 200
    assert ask("POST", f"{api}/job/CreateTask", {"model": "acme/painter", "input": {"prompt": 5}})["code"] == 422
    contract = contracts.load("crun")
    assert contract.operations["create_task"].may_cost
    assert contract.list_price("create_task", body) == 7
    schema = contract.document["components"]["schemas"]
    assert "acme/painter" in schema["GenericTask"]["properties"]["model"]["enum"]
    assert "acme/painter" in schema["CreateTaskRequest"]["discriminator"]["mapping"]


def test_a_tool_is_one_row_and_its_path(ask):
    body = {"imageUrl": "https://example.com/a.png", "businessTaskId": "one"}
    task = ask("POST", f"{PREFIX}/tool/sharpen", body)["data"]["taskId"]
    poll = ask("POST", f"{PREFIX}/tool/sharpen/queryTask", {"businessTaskId": task})
    assert poll["code"] == "200"
    operation = contracts.load("imgopen").operations["sharpen"]
    assert operation.may_cost
    assert contracts.load("imgopen").list_price("sharpen", body) == 3
    assert operation.callback_requests


def test_every_model_and_tool_has_a_price_and_none_is_named_twice():
    for name in ("crun", "imgopen"):
        contract = contracts.load(name)
        assert set(contract.models) <= contract.priced
        assert contract.behaviour.catalogue is not None
        rows = list(contract.behaviour.catalogue.rows(contract.tables))
        assert len(rows) == len(contract.models)
