"""The crun contract as data: examples fit, names agree from file to file, everything says how far to trust it."""

import re

import pytest

from swapmock.contracts import folder, load
from swapmock.contracts.behaviour import LEVELS
from swapmock.contracts.lint import check_example, examples
from swapmock.mock_server.providers import crun

CONTRACT = load("crun")
RULES = CONTRACT.behaviour
NOTES = (folder("crun") / "NOTES.md").read_text("utf-8")
MODELS = {row["name"]: row for row in CONTRACT.tables["models"]["models"]}
EXAMPLES = list(examples(CONTRACT))


@pytest.mark.parametrize(("title", "operation", "exchange"), EXAMPLES, ids=[title for title, _, _ in EXAMPLES])
def test_an_example_fits(title, operation, exchange):
    assert operation is not None
    assert check_example(operation, exchange) == ()
    assert exchange["level"] in LEVELS
    assert exchange["source"]


def test_every_operation_has_an_example_of_success():
    shown = {o.id for _, o, exchange in EXAMPLES if o is not None and exchange["response"]["status"] == 200}
    assert shown == {name for name, operation in CONTRACT.operations.items() if not operation.is_download}


def test_handlers_are_the_operations():
    handled = {name for name, operation in CONTRACT.operations.items() if not operation.is_download}
    assert set(crun.HANDLERS) == handled
    assert set(crun.provider(CONTRACT).handlers) == handled


def test_the_paths_are_those_of_the_vendor():
    assert {(operation.method, operation.path) for operation in CONTRACT.operations.values()} == {
        ("POST", "/api/v1/client/job/detect-face-image"),
        ("POST", "/api/v1/client/job/detect-face-video"),
        ("GET", "/api/v1/client/job/detect-face-result"),
        ("POST", "/api/v1/client/job/CreateTask"),
        ("GET", "/api/v1/client/job/TaskInfo"),
        ("POST", "/api/v1/client/job/estimate-credits"),
        ("POST", "/api/v1/client/job/EstimateTask"),
        ("GET", "/api/v1/client/account/balance"),
        ("GET", "/api/v1/client/files/upload-url"),
        ("PUT", "/r2/{file_name}"),
        ("GET", "/media/{token}/{number}.{extension}"),
        ("GET", "/u/{file_name}"),
        ("GET", "/templates/{token}/{name}.{extension}"),
        ("GET", "/api/v1/client/job/Models"),
        ("GET", "/api/v1/client/job/Models/{model}"),
        ("GET", "/api/v1/client/job/kling-templates"),
        ("GET", "/api/v1/client/job/vidu-templates"),
        ("GET", "/api/v1/client/job/bytedance-templates"),
    }


@pytest.mark.parametrize("section", ["schemas", "parameters", "responses", "securitySchemes"])
def test_every_component_says_how_far_to_trust_it(section):
    for name, component in CONTRACT.components[section].items():
        assert component["x-evidence"]["level"] in LEVELS, name
        assert component["x-evidence"]["source"], name


def test_every_model_says_so_too():
    defaults = CONTRACT.tables["models"]["defaults"]
    for name, row in MODELS.items():
        levels = {**defaults["evidence"], **row.get("evidence", {})}
        assert set(levels) == {"catalogue", "provider", "version", "fields", "price"}, name
        assert set(levels.values()) <= set(LEVELS), name
        assert row.get("source", defaults["source"]), name


def test_every_model_of_the_catalogue_can_be_created():
    mapping = CONTRACT.operations["create_task"].body_schema["discriminator"]["mapping"]
    assert set(mapping) == set(MODELS)
    for name, reference in mapping.items():
        model = CONTRACT.at(reference)["properties"]["model"]
        assert name in model.get("enum", [model.get("const")]), name
    assert len(MODELS) >= 148


@pytest.mark.parametrize("name", MODELS)
def test_a_row_of_the_catalogue(name):
    row = MODELS[name]
    assert set(row["required"]) <= set(row["fields"])
    assert row["type"] in ("image", "video", "audio", "tools")
    assert row["modality"] in ("image", "video", "audio")
    assert row["modality"] in RULES.timelines
    assert row["price"] > 0
    assert row["version"] == name.rpartition("/")[2] or name.startswith("bytedance/seedream")
    for special in row.get("prices", ()):
        named = {*special.get("when", {}), *special.get("per", {})}
        named |= {special["listed"]["field"]} if "listed" in special else set()
        assert named
        assert named <= set(row["fields"])


def test_the_key_has_the_form_that_the_vendors_tool_wants():
    for row in RULES.credentials.values():
        assert re.fullmatch(r"ak_[A-Za-z0-9]{32}", row["key"])


def test_every_variant_stands_in_the_notes_with_its_choices():
    for variant in RULES.variants.values():
        listed = ", ".join(str(choice) for choice in variant.choices)
        assert re.search(rf"`{variant.name}`: {re.escape(listed)}", NOTES), f"{variant.name}: {listed}"


def test_every_guessed_operation_stands_in_the_notes():
    for operation in CONTRACT.operations.values():
        if operation.evidence["level"] in ("inferred", "invented"):
            assert f"{operation.id} | **{operation.evidence['level']}**" in NOTES, operation.id


def test_magic_values_lie_where_no_live_service_can_fetch_them():
    for row in RULES.magic.values():
        assert re.match(r"https://[a-z]+\.invalid/", row.value)
        named = [row.refuse, row.scenario, row.faces, row.fault, row.upload]
        assert len([name for name in named if name is not None]) == 1, row.value


def test_a_scenario_that_ends_well_is_no_failure():
    assert RULES.scenarios["fine"].fails is None
    for scenario in RULES.scenarios.values():
        assert scenario.ends or scenario.fails is None
        assert not scenario.charged or scenario.fails is not None
