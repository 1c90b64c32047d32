"""Arazzo, AsyncAPI, Postman and Bruno, made from the contract. `make tools` runs them in the tools that read them."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from click.testing import CliRunner

from swapmock.client_checks.cli import COMMANDS
from swapmock.client_checks.conformance.profile import applies, profile
from swapmock.client_checks.standard_forms.requests import Source
from swapmock.client_checks.standard_forms.writing import FORMS, write
from swapmock.contracts import load

PROVIDERS = ("crun", "imgopen")


def source(provider, *, live=False):
    return Source(load(provider), profile(provider), live)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_flow_is_a_workflow_over_operations_that_exist(provider, tmp_path):
    write(provider, "arazzo", tmp_path, "http://127.0.0.1:1", live=False)
    document = yaml.safe_load((tmp_path / f"{provider}.arazzo.yaml").read_text())
    behaviour = load(provider).behaviour
    wanted = [
        row["name"]
        for row in profile(provider).flows
        if applies(row.get("when"), behaviour.defaults)
        and all(step.get("account", "default") in behaviour.credentials for step in row["steps"])
    ]
    assert len(wanted) > 10
    assert [flow["workflowId"] for flow in document["workflows"]] == [
        re.sub("[^a-z0-9]+", "_", w.lower()) for w in wanted
    ]
    sources = {row["name"]: row["url"] for row in document["sourceDescriptions"]}
    for flow in document["workflows"]:
        named = set()
        for step in flow["steps"]:
            contract, operation = step["operationId"].removeprefix("$sourceDescriptions.").split(".")
            assert (tmp_path / sources[contract]).is_file()
            places = {(one["name"], one["in"]) for one in load(contract).operations[operation].parameters}
            given = {(one["name"], one["in"]) for one in step.get("parameters", ()) if one["in"] != "header"}
            assert given <= places
            for other in re.findall(r"\$steps\.(\w+)\.", json.dumps(step)):
                assert other in named, "only what was answered before"
            for name in re.findall(r"\$inputs\.(\w+)", json.dumps(step)):
                assert name in flow["inputs"]["properties"]
            named.add(step["stepId"])
    assert len({step["stepId"] for flow in document["workflows"] for step in flow["steps"]}) == sum(
        len(flow["steps"]) for flow in document["workflows"]
    )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_callback_is_a_message(provider, tmp_path):
    write(provider, "asyncapi", tmp_path, "", live=False)
    document = yaml.safe_load((tmp_path / f"{provider}.asyncapi.yaml").read_text())
    sent = {name for one in document["operations"].values() for name in one["x-sent-for"]}
    assert sent == {o.id for o in load(provider).operations.values() if o.spec.get("callbacks")}
    for reference in re.findall(r"#/components/schemas/(\w+)", json.dumps(document)):
        assert reference in document["components"]["schemas"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_collections_have_every_request_under_a_name_of_its_own(provider, tmp_path):
    write(provider, "postman", tmp_path, "http://127.0.0.1:1", live=False)
    collection = json.loads((tmp_path / f"{provider}.postman_collection.json").read_text())
    names = [item["name"] for folder in collection["item"] for item in folder["item"]]
    assert len(names) == len(set(names)) == sum(len(flow.requests) for flow in source(provider).flows())
    made = write(provider, "bruno", tmp_path / "bruno", "http://127.0.0.1:1", live=False)
    requests = [place for place in made if place.suffix == ".bru" and place.name not in ("folder.bru", "local.bru")]
    assert len(requests) == len(names)
    assert "baseUrl: http://127.0.0.1:1" in (tmp_path / "bruno" / "environments" / "local.bru").read_text()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_for_a_live_service_nothing_of_an_emulator_is_left(provider, form, tmp_path):
    for place in write(provider, form, tmp_path, "https://api.example", live=True):
        if "openapi" not in place.name:
            text = place.read_text()
            assert not re.search(r"\.invalid|swapmock0000|/__admin", text), place


def test_the_command_writes_and_names_what_is_wrong(tmp_path):
    run = CliRunner()
    done = run.invoke(COMMANDS["export"], ["crun", "asyncapi", "--out", str(tmp_path / "new")])
    assert done.exit_code == 0
    assert done.output.strip() == str(tmp_path / "new" / "crun.asyncapi.yaml")
    (tmp_path / "file").write_text("")
    for words, text in (
        (["nobody", "arazzo", "--out", str(tmp_path)], "nobody"),
        (["admin", "arazzo", "--out", str(tmp_path)], "admin"),
        (["crun", "pictures", "--out", str(tmp_path)], "arazzo"),
        (["crun", "bruno", "--out", str(tmp_path / "file" / "below")], "cannot write"),
    ):
        done = run.invoke(COMMANDS["export"], words)
        assert done.exit_code == 2, done.output
        assert text in done.output
