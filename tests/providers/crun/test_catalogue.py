"""Models and templates: which are listed, how each is shown."""

from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.contracts import load
from swapmock.mock_server.core.call import Problem
from swapmock.mock_server.providers.crun.catalogue import check_template, price
from tests.providers.direct import BASE_URL

CONTRACT = load("crun")
MODELS = {row["name"]: row for row in CONTRACT.tables["models"]["models"]}
LISTED = [row for row in MODELS.values() if row.get("listed", True)]


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("", lambda row: True),
        ("modality=image", lambda row: row["modality"] == "image"),
        ("modality=audio", lambda row: row["modality"] == "audio"),
        ("operation=text-to-image", lambda row: "text-to-image" in row["operations"]),
        ("modality=video&operation=image-to-video",
         lambda row: row["modality"] == "video" and "image-to-video" in row["operations"]),
        ("modality=audio&operation=text-to-image", lambda row: False),
    ],
)  # fmt: skip
def test_which_models_are_listed(account, query, fits):
    _, document = account().crun("GET", "job/Models", query=query)
    wanted = [row["name"] for row in LISTED if fits(row)]
    assert [row["model"] for row in document["data"]["models"]] == wanted
    assert document["data"]["total"] == len(wanted)


def test_every_model_is_shown_by_its_row(account):
    for shown in account().crun("GET", "job/Models")[1]["data"]["models"]:
        row = MODELS[shown["model"]]
        assert shown == {
            "model": row["name"], "model_type": row["type"], "modality": row["modality"], "operations": row["operations"],
            "input_fields": row["fields"], "required_input_fields": row["required"],
            "supports_reference": bool(row.get("reference")),
        }  # fmt: skip


def test_every_model_has_a_schema_of_its_own_fields(account):
    one = account()
    for name, row in MODELS.items():
        status, document = one.crun("GET", f"job/Models/{name}")
        assert status == 200, name
        schema = document["data"]["input_schema"]
        assert list(schema["properties"]) == row["fields"], name
        assert set(schema["required"]) >= set(row["required"]), name
        assert "$ref" not in str(schema)
        assert "'x-" not in str(schema)
    assert one.crun("GET", "job/Models/no-such-model")[0] == 404


@pytest.mark.parametrize(
    ("vendor", "path", "field", "parameter"),
    [
        ("kling", "job/kling/templates", "key", "template_id"),
        ("vidu", "job/vidu/templates", "template", "template"),
        ("bytedance", "job/bytedance/templates", "TemplateId", "template_id"),
    ],
)
def test_templates(account, vendor, path, field, parameter):
    rows = CONTRACT.tables["templates"][vendor]
    one = account()
    path = next(
        path.removeprefix("/api/v1/client/") for path in CONTRACT.document["paths"] if f"{vendor}" in path and "empl" in path
    )  # fmt: skip
    whole = one.crun("GET", path)[1]["data"]
    assert whole["total"] == len(rows)
    assert [row[field] for row in whole["templates"]] == [row[field] for row in rows[:20]]
    for shown, row in zip(whole["templates"], rows, strict=False):
        assert set(shown) == set(row)
        for name, value in row.items():
            if isinstance(value, str) and value.startswith("https://media.invalid/templates/"):
                assert shown[name].startswith(f"{BASE_URL}/")
                assert shown[name].endswith("/" + value.removeprefix("https://media.invalid/templates/"))
            else:
                assert shown[name] == value
    second = one.crun("GET", path, query="page=2&page_size=1")[1]["data"]
    assert [row[field] for row in second["templates"]] == [row[field] for row in rows[1:2]]
    assert second["total"] == len(rows)
    (found,) = one.crun("GET", path, query=f"{parameter}={rows[0][field]}")[1]["data"]["templates"]
    assert found[field] == rows[0][field]
    assert one.crun("GET", path, query=f"{parameter}=none")[1]["data"] == {"total": 0, "templates": []}


@pytest.mark.parametrize(
    ("model", "prices", "expected"),
    [
        ("image-face-swap", {}, (3000, False)),
        ("z-image", {}, None),
        ("bytedance/dreamactor", {}, (None, False)),
        ("kling/template", {}, (None, True)),
        ("kling/template", {("crun", "kling/template"): 5}, (5, False)),
        ("kling/template", {("crun", "z-image"): 5}, (None, True)),
        ("image-face-swap", {("crun", "image-face-swap"): 5}, (5, False)),
    ],
)
def test_a_price_is_estimated_where_nobody_has_listed_it(model, prices, expected):
    engine: Any = SimpleNamespace(
        contracts={"crun": CONTRACT},
        prices=prices,
        price=lambda provider, name, listed: prices.get((provider, name), listed),
    )
    cost, is_estimated = price(engine, model, {})
    assert cost > 0
    if expected is not None:
        assert (expected[0] or cost, expected[1]) == (cost, is_estimated)


@pytest.mark.parametrize("choice", ["accept", "refuse"])
@pytest.mark.parametrize("name", ["kling-hug", "no-such", "x" * 150, None])
def test_a_template_that_no_list_has(choice, name):
    engine: Any = SimpleNamespace(contracts={"crun": CONTRACT})
    call: Any = SimpleNamespace(variants={"unknown_template": choice}, noted=())
    given = {} if name is None else {"template_id": name}
    if name == "kling-hug":
        check_template(call, engine, "kling/template", given)
        assert call.noted == ()
    elif choice == "refuse":
        with pytest.raises(Problem) as refused:
            check_template(call, engine, "kling/template", given)
        (text,) = refused.value.errors
        assert text.endswith(f"template_id: there is no template {str(name)[:100]!r}")
    else:
        check_template(call, engine, "kling/template", given)
        ((place, rule, known, got),) = call.noted
        assert (place, rule, got) == (("body", "input", "template_id"), "listed", name)
        assert known == [row["key"] for row in CONTRACT.tables["templates"]["kling"]]
    check_template(call, engine, "image-face-swap", given)
