"""Models and templates: selects and shows rows of the tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from swapmock.contracts.pricing import price_of, unlisted
from swapmock.mock_server.core.call import Cacheable, Call, Problem, Reply
from swapmock.mock_server.core.credits import Millicredits, from_credits
from swapmock.mock_server.core.journal import Breach
from swapmock.mock_server.core.shape import Shape
from swapmock.mock_server.providers import links
from swapmock.mock_server.providers.crun.wire import invalid_input

if TYPE_CHECKING:
    from swapmock.contracts import Contract
    from swapmock.mock_server.engine.engine import Engine


@lru_cache(maxsize=4)
def _rows(contract: Contract) -> Mapping[str, Mapping[str, Any]]:
    return {row["name"]: row for row in contract.tables["models"]["models"]}


def model_row(engine: Engine, name: str) -> Mapping[str, Any]:
    """Return the row of a model."""
    return _rows(engine.contracts["crun"])[name]


def price(engine: Engine, model: str, given: Mapping[str, Any]) -> tuple[Millicredits, bool]:
    """Return the price of a task of `model` with the input `given`, by the price list or the settings, and whether
    it is an estimate because neither has an own price for this input.

    The estimates, the reservation and the charge of a task all come from here."""
    contract = engine.contracts["crun"]
    listed = price_of(model_row(engine, model), given, contract.tables)
    cost = engine.price("crun", model, from_credits(str(listed.credits)))
    return cost, listed.estimated and ("crun", model) not in engine.prices


def check_template(call: Call, engine: Engine, model: str, given: Mapping[str, Any]) -> None:
    """Refuse a template in the input `given` of `model` that no list has, or note it in the journal, as the variant
    `unknown_template` says."""
    found = unlisted(model_row(engine, model), given, engine.contracts["crun"].tables)
    if found is None:
        return
    if call.variants["unknown_template"] == "refuse":
        raise invalid_input(model, found.field, f"there is no template {str(found.value)[:100]!r}")
    call.noted = (Breach(("body", "input", found.field), "listed", list(found.known), found.value),)


def list_models(call: Call, engine: Engine) -> Reply:
    """Return the models that match the request."""
    modality, operation = call.params.get("modality"), call.params.get("operation")
    found = [
        _entry(row)
        for row in _rows(engine.contracts["crun"]).values()
        if row.get("listed", True)
        and (modality is None or row["modality"] == modality)
        and (operation is None or operation in row["operations"])
    ]
    return Reply({"total": len(found), "models": found}, cacheable=Cacheable())


def get_model(call: Call, engine: Engine) -> Reply:
    """Return one model with the schema of its input."""
    contract = engine.contracts["crun"]
    name = call.params["model"]
    row = _rows(contract).get(name)
    if row is None:
        raise Problem("model_not_found")
    return Reply({**_entry(row), "input_schema": input_schema(contract, name)}, cacheable=Cacheable())


def _entry(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model": row["name"],
        "model_type": row["type"],
        "modality": row["modality"],
        "operations": row["operations"],
        "input_fields": row["fields"],
        "required_input_fields": row["required"],
        "supports_reference": bool(row.get("reference")),
    }


@lru_cache(maxsize=256)
def input_schema(contract: Contract, model: str) -> Any:
    """Return the JSON Schema of a model's `input`, without references and without our own annotations.

    If several models share a schema, a model shows only the fields that it has and that it needs."""
    node = contract.operations["create_task"].branch_schema(model)["properties"]["input"]
    found, row = _plain(contract, node), _rows(contract)[model]
    is_shared = node.get("$ref", "").endswith("/GenericInput") or "required" not in found
    properties = {name: found["properties"].get(name, {}) for name in row["fields"]}
    return {**found, "properties": properties, "required": row["required"] if is_shared else found["required"]}


def _plain(contract: Contract, node: Any) -> Any:
    if isinstance(node, Mapping):
        if "$ref" in node:
            node = {**contract.resolve(node), **{key: value for key, value in node.items() if key != "$ref"}}
        return {key: _plain(contract, value) for key, value in node.items() if not str(key).startswith("x-")}
    if isinstance(node, list):
        return [_plain(contract, item) for item in node]
    return node


#: Operation -> (the key of its rows in templates.yaml, the field and query parameter that name one template).
TEMPLATES = {
    "list_kling_templates": ("kling", "key", "template_id"),
    "list_vidu_templates": ("vidu", "template", "template"),
    "list_bytedance_templates": ("bytedance", "TemplateId", "template_id"),
}


def list_templates(call: Call, engine: Engine) -> Reply:
    """Return the templates that match the request."""
    vendor, field, parameter = TEMPLATES[call.operation]
    rows = engine.contracts["crun"].tables["templates"][vendor]
    wanted = call.params.get(parameter)
    found = [row for row in rows if wanted is None or row[field] == wanted]
    page, size = call.params.get("page", 1), call.params.get("page_size", 20)
    start, token = links.preview_start(call, engine)
    shown = [_with_links(row, start) for row in found[(page - 1) * size : page * size]]
    return Reply({"total": len(found), "templates": shown}, cacheable=Cacheable(token=token))


#: The prefix of the links to previews in templates.yaml.
PREVIEWS = "https://media.invalid/templates/"


def _with_links(row: Mapping[str, Any], start: str) -> dict[str, Any]:
    """Return a template whose links to previews lead to this server."""
    return {
        name: start + value.removeprefix(PREVIEWS) if isinstance(value, str) and value.startswith(PREVIEWS) else value
        for name, value in row.items()
    }


def preview(name: str, engine: Engine) -> Shape | None:
    """Return the size and length of a template's cover or video, by the name of its file; None if no template has
    it."""
    for rows in engine.contracts["crun"].tables["templates"].values():
        for row in rows if isinstance(rows, list) else ():
            if f"{PREVIEWS}{name}" in row.values():
                width, height = PREVIEW_SIZES.get(str(row.get("aspect_ratio")), PREVIEW_SIZES["9:16"])
                return Shape(width, height, PREVIEW_SECONDS)
    return None


#: The ratio of a template -> the pixels of its cover and its video; and the seconds of the video.
PREVIEW_SIZES = {"16:9": (1280, 720), "9:16": (720, 1280), "1:1": (960, 960)}
PREVIEW_SECONDS = 5
