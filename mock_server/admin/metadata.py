"""Serves the tables of the contracts: evidence, magic values, variants, scenarios, body codes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from swapmock.contracts.behaviour import CLEARING
from swapmock.contracts.evidence import behaviours
from swapmock.contracts.text import MEDIA_TYPES, written
from swapmock.mock_server.admin.home import HTML, home_document, home_page, prefers_html
from swapmock.mock_server.admin.wire import not_found
from swapmock.mock_server.core.call import Call, Reply
from swapmock.mock_server.core.codec import encode

#: The media type of the answer of `get_metrics`: the text format of Prometheus.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

if TYPE_CHECKING:
    from swapmock.contracts import Contract
    from swapmock.mock_server.engine.engine import Engine


def index(call: Call, engine: Engine) -> Reply:
    """Return what the admin API offers, as JSON; for a person, return the start page."""
    document = home_document(engine, call.base_url, call.own_url, with_keys=True)
    if prefers_html(call.headers):
        return Reply(home_page(document), headers=(("content-type", HTML), ("vary", "accept")))
    operations = engine.admin_contract.operations.values()
    document["vendors"] = document["providers"]
    document["providers"] = {name: contract.behaviour.prefix for name, contract in engine.contracts.items()}
    document["operations"] = {f"{o.method} {o.path}": o.spec["summary"] for o in operations}
    return Reply(document, headers=(("content-type", "application/json"), ("vary", "accept")))


def list_contracts(call: Call, engine: Engine) -> Reply:
    """Return the URLs of every contract, by its name and format."""
    names = ("admin", *engine.contracts)
    links = {n: {form: f"{call.own_url}/__admin/contracts/{n}.{form}" for form in MEDIA_TYPES} for n in names}
    return Reply({"contracts": links})


def get_contract(call: Call, engine: Engine) -> Reply:
    """Return the OpenAPI document of a provider or of the admin API, as JSON or YAML by the extension of the file
    name."""
    name, _, form = call.params["file"].rpartition(".")
    contract = engine.admin_contract if name == "admin" else engine.contracts.get(name)
    if contract is None or form not in MEDIA_TYPES:
        known = ", ".join(f"{known}.{form}" for known in ("admin", *engine.contracts) for form in MEDIA_TYPES)
        raise not_found(f"contract file (known: {known})", call.params["file"])
    return _contract(contract, form)


def get_openapi(call: Call, engine: Engine) -> Reply:
    """Return the OpenAPI document of the admin API as JSON."""
    return _contract(engine.admin_contract, "json")


def get_openapi_yaml(call: Call, engine: Engine) -> Reply:
    """Return the OpenAPI document of the admin API as YAML."""
    return _contract(engine.admin_contract, "yaml")


def _contract(contract: Contract, form: str) -> Reply:
    return Reply(written(contract, form), headers=(("content-type", MEDIA_TYPES[form]),))


def get_metrics(call: Call, engine: Engine) -> Reply:
    """Return the metrics in the text format of Prometheus."""
    tasks: Counter[tuple[str, str, str]] = Counter()
    names = engine.store.ids()
    for name in names:
        try:
            with engine.store.open(name) as box:
                engine.catch_up(box, engine.now(box))
                tasks.update(box.tasks_by_phase())
        except KeyError:
            continue  # another request deleted it
    return Reply(engine.meter.text(tasks, len(names)), headers=(("content-type", CONTENT_TYPE),))


def list_evidence(call: Call, engine: Engine) -> Reply:
    """Return every behaviour of the contracts with its evidence."""
    rows = [row for contract in _chosen(call, engine).values() for row in behaviours(contract)]
    if "level" in call.params:
        rows = [row for row in rows if row["level"] == call.params["level"]]
    return Reply({"behaviours": rows, "counts": dict(Counter(row["level"] for row in rows))})


def list_table(call: Call, engine: Engine) -> Reply:
    """Return the rows of a table of the contracts."""
    return Reply({name: TABLES[call.operation](contract) for name, contract in _chosen(call, engine).items()})


def _chosen(call: Call, engine: Engine) -> dict[str, Contract]:
    wanted = call.params.get("provider")
    if wanted is not None and wanted not in engine.contracts:
        raise not_found("provider", wanted)
    return {name: contract for name, contract in engine.contracts.items() if wanted in (None, name)}


def _magic(contract: Contract) -> list[Any]:
    rows = [_plain(row) for row in contract.behaviour.magic.values()]
    # Some values have their effect only for a number of calls; `clearing` lists these values.
    return [
        row | {"clearing": [row["value"] + ending for ending in CLEARING]} if _can_clear(row) else row for row in rows
    ]


def _can_clear(row: dict[str, Any]) -> bool:
    return "faces" not in row and not row["value"].endswith(tuple(CLEARING))


def _variants(contract: Contract) -> list[Any]:
    rows = [_plain(row) for row in contract.behaviour.variants.values()]
    for row in rows:
        row.pop("waives", None)
    return rows


def _scenarios(contract: Contract) -> dict[str, Any]:
    rules = contract.behaviour
    return {
        "scenarios": [_plain(row) for row in rules.scenarios.values()],
        "series": [_plain(row) for row in rules.series.values()],
    }


def _codes(contract: Contract) -> list[Any]:
    return [_plain(row) for row in contract.behaviour.body_codes.values()]


def _plain(row: Any) -> dict[str, Any]:
    return {name: value for name, value in encode(row).items() if value is not None}


TABLES = {"list_magic": _magic, "list_variants": _variants, "list_scenarios": _scenarios, "list_codes": _codes}
