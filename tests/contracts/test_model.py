"""Finding operations, and what they demand."""

import json
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import pytest
import yaml

from swapmock.contracts import folder, load
from swapmock.contracts.model import Contract, ContractError
from swapmock.contracts.text import written

CONTRACT = load("crun")
JOB = "/api/v1/client/job"


@pytest.mark.parametrize(
    ("method", "path", "operation", "params"),
    [
        ("POST", f"{JOB}/CreateTask", "create_task", {}),
        ("GET", f"{JOB}/Models", "list_models", {}),
        ("GET", f"{JOB}/Models/google/nano-banana", "get_model", {"model": "google/nano-banana"}),
        ("GET", f"{JOB}/Models/z-image", "get_model", {"model": "z-image"}),
        ("PUT", "/r2/a.png", "put_upload", {"file_name": "a.png"}),
    ],
)
def test_an_operation_is_found(method, path, operation, params):
    found = CONTRACT.find(method, path)
    assert found is not None
    assert (found[0].id, found[1]) == (operation, params)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{JOB}/CreateTask"),
        ("POST", f"{JOB}/CreateTask/"),
        ("POST", f"{JOB}/createtask"),
        ("POST", f"{JOB}/CreateTask\n"),
        ("GET", f"{JOB}/Models/"),
        ("PUT", "/r2/a/b.png"),
        ("PUT", "/r2/"),
        ("get", f"{JOB}/Models"),
    ],
)
def test_no_operation_is_found(method, path):
    assert CONTRACT.find(method, path) is None


def test_a_path_is_known_whatever_the_method():
    assert CONTRACT.knows_path(f"{JOB}/CreateTask")
    assert CONTRACT.knows_path("/r2/a.png")
    assert not CONTRACT.knows_path("/r2")


def test_only_the_upload_needs_no_key():
    assert [operation.id for operation in CONTRACT.operations.values() if operation.is_public] == [
        "download_media", "download_upload", "download_preview", "put_upload",
    ]  # fmt: skip


def test_aliases_are_renamed_in_place():
    detect = CONTRACT.operations["detect_face_video"]
    assert detect.normalize({"a": 1, "gif_url": "x"}) == {"a": 1, "video_url": "x"}
    assert detect.normalize({"media_url": "x", "video_url": "y"}) == {"media_url": "x", "video_url": "y"}
    assert detect.normalize([1]) == [1]


def test_parameters_become_numbers_where_the_contract_has_them():
    operation = CONTRACT.operations["list_kling_templates"]
    for text, value in (
        ("2", 2),
        ("002", 2),
        ("-1", -1),
        ("1.0", "1.0"),
        ("1e1", "1e1"),
        ("", ""),
        (" 1", " 1"),
        ("²", "²"),
    ):
        values = {"path": {}, "query": {"page": text, "other": "5"}}
        operation.check_parameters(values)
        assert values["query"] == {"page": value, "other": "5"}


def test_a_model_decides_what_its_input_must_hold():
    create = CONTRACT.operations["create_task"]
    rules = {
        "z-image": ("input", "prompt"),
        "image-face-swap": ("input", "image_url"),
    }
    for model, place in rules.items():
        found = create.check_body({"model": model, "input": {}})
        assert found[0].place == ("body", *place)
        assert found[0].rule == "required"
    unknown = create.check_body({"model": "nothing", "input": {}})
    assert [(violation.place, violation.rule, violation.got) for violation in unknown] == [
        (("body", "model"), "discriminator", "nothing")
    ]
    assert [violation.rule for violation in create.check_body("x")] == ["type"]


def test_an_answer_is_held_to_its_status():
    balance = CONTRACT.operations["get_account_balance"]
    fine = {"code": 200, "message": "success", "data": {"balance": 5}}
    assert balance.check_answer(200, fine) == ()
    assert balance.check_answer(418, fine)[0].rule == "status"
    assert balance.check_answer(401, fine) != ()
    assert balance.check_answer(200, {**fine, "data": {}})[0].place == ("response", "data", "balance")
    upload = CONTRACT.operations["put_upload"]
    assert upload.check_answer(200, None) == ()
    assert upload.check_answer(200, {})[0].rule == "content"


def document(paths):
    return Contract("x", {"paths": paths}, CONTRACT.behaviour, {})


def test_a_document_that_is_wrong_says_where():
    with pytest.raises(ContractError, match="GET /a has no operationId"):
        _ = document({"/a": {"get": {}}}).operations
    twice = {"get": {"operationId": "a"}, "put": {"operationId": "a"}}
    with pytest.raises(ContractError, match="operationId a stands twice"):
        _ = document({"/a": twice}).operations
    for reference, text in (("other.yaml#/a", "leaves the document"), ("#/nothing/here", "points at nothing")):
        with pytest.raises(ContractError, match=text):
            CONTRACT.resolve({"$ref": reference})
    with pytest.raises(ContractError, match="takes no JSON body"):
        _ = CONTRACT.operations["get_task_info"].body_schema


def test_there_is_no_contract_of_another_name():
    with pytest.raises(FileNotFoundError, match="no contract named 'nothing'"):
        folder("nothing")


def test_a_contract_is_read_once():
    assert load("crun") is load("crun")
    assert replace(CONTRACT, tables={}).operations.keys() == CONTRACT.operations.keys()


def test_an_operation_answers_at_the_other_paths_of_its_path_item():
    get = {"operationId": "index", "responses": {"200": {}}}
    contract = document({"/a": {"x-other-paths": ["/a/"], "get": get}})
    assert [contract.find("GET", path)[0].id for path in ("/a", "/a/")] == ["index", "index"]
    assert contract.find("POST", "/a/") is None
    assert contract.knows_path("/a/")
    assert not contract.knows_path("/b/")


def test_an_answer_is_held_to_its_status_then_its_class_then_the_default():
    responses: dict[str, Any] = {"200": {}, "4XX": {}, "default": {}}
    operation = document({"/a": {"get": {"operationId": "a", "responses": responses}}}).operations["a"]
    assert [operation.answer_key(status) for status in (200, 404, 500, "4XX")] == ["200", "4XX", "default", "4XX"]
    del responses["default"]
    narrow = document({"/a": {"get": {"operationId": "a", "responses": responses}}}).operations["a"]
    assert narrow.answer_key(500) is None
    assert narrow.check_answer(500, None)[0].rule == "status"


def test_what_is_handed_out_has_registered_statuses_alone():
    """Some tools refuse a document because of one HTTP status of the vendor's own, such as 455; its class stands there."""
    given = json.loads(written(CONTRACT, "json"))
    assert given == yaml.safe_load(written(CONTRACT, "yaml"))
    for path, item in given["paths"].items():
        for method, operation in item.items():
            if "responses" not in operation:
                continue
            statuses = [status for status in operation["responses"] if status.isdigit()]
            assert {HTTPStatus(int(status)) for status in statuses}
            whole = CONTRACT.document["paths"][path][method]["responses"]
            assert ("4XX" in operation["responses"]) == (("455" in whole) or ("4XX" in whole))
