"""What a provider lacks is said at once and in one list, with the nearest right name; nothing ends in a KeyError."""

import copy
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
import yaml

from swapmock.contracts import Registration, installed, load, read
from swapmock.contracts.requirements import ROW_TYPES, Tables, findings, handler_findings
from swapmock.mock_server.web.build import PROVIDERS, ProviderError, _overlaps, make_providers, registrations
from tests.third_provider.facely import REGISTRATION
from tests.third_provider.facely.provider import provider

FOLDER = REGISTRATION.folder
GOOD = yaml.safe_load((FOLDER / "behaviour.yaml").read_text("utf-8"))


def written(tmp_path, change):
    """A copy of the third provider's folder whose behaviour.yaml is changed."""
    behaviour = copy.deepcopy(GOOD)
    change(behaviour)
    for name in ("openapi.yaml", "models.yaml"):
        (tmp_path / name).write_text((FOLDER / name).read_text("utf-8"), "utf-8")
    (tmp_path / "behaviour.yaml").write_text(yaml.safe_dump(behaviour), "utf-8")
    return tmp_path


def without(table, name, key="name"):
    return lambda b: b.update({table: [row for row in b[table] if row[key] != name]})


def renamed(table, old, new, key="problem"):
    return lambda b: next(row for row in b[table] if row[key] == old).update({key: new})


CASES = [
    (without("refusals", "endpoint_not_found", "problem"), ["refusals: no row endpoint_not_found: no operation is at this path"]),
    (renamed("refusals", "server_error", "servererror"), ["refusals: no row server_error", "did you mean servererror?"]),
    (lambda b: b.pop("refusals"), [f"refusals: no row {name}" for name in ("invalid", "too_large", "rate_limited", "key_missing")]),
    (lambda b: b.pop("credentials"), ["no `credentials`: standing accounts"]),
    (lambda b: b.update(credentails=b.pop("credentials")), ["no `credentials`", "did you mean credentails?", "unknown table `credentails`; did you mean credentials?"]),
    (lambda b: b.pop("credential_form"), ["no `credential_form`"]),
    (lambda b: b["credential_form"].update(headers={"Authorization": "Bearer {token}"}), ["no placeholder {token}", "no header shows {key}"]),
    (lambda b: b["credentials"][0].pop("secret"), ["credentials: default: no `secret`"]),
    (lambda b: b.pop("prefix"), ["no `prefix`"]),
    (lambda b: b.update(prefix="v1/"), ["prefix 'v1/' should begin with a slash"]),
    (lambda b: b.update(order=["authenticate", "fault", "rate", "parse", "validte", "handle"]), ["no stage 'validte'; did you mean validate?", "validate should occur there once, not 0 times"]),
    (lambda b: b.pop("callbacks"), ["no `callbacks`: method, headers, acknowledged, ladders; needed because create_swap has callbacks"]),
    (lambda b: b["callbacks"]["ladders"].append({**b["callbacks"]["ladders"][0], "name": "other"}), ["no row callback_ladder, and callbacks has several ladders"]),
    (lambda b: b["callbacks"].update(ladders=[]), ["`ladders` is empty"]),
    (without("lifetimes", "results"), ["lifetimes: no row results: files name it"]),
    (lambda b: b["lifetimes"][0].update(seconds=float("inf")), ["lifetimes: results: seconds inf should be a finite number"]),
    (lambda b: b.update(limits=[{"name": "body_bytes", "value": "many"}]), ["limits: body_bytes: value 'many'"]),
    (lambda b: b["money"].update(per_credit=-1), ["money: per_credit -1"]),
    (lambda b: b.update(money={"currency": "EUR"}), ["money: TypeError"]),
    (lambda b: b.update(catalogue={"table": "modles"}), ["no rows under `modles`", "did you mean models?"]),
    (lambda b: b.update(timelines=[]), ["no `timelines`"]),
    (lambda b: b.update(envelope={"code": "code", "success": 0}), ["no `body_codes`"]),
    (lambda b: next(r for r in b["refusals"] if r["problem"] == "invalid").pop("http"), ["invalid: without an envelope it needs `http`"]),
    (lambda b: b.update(drop={"scenarios": ["fine"]}), ["scenarios: no row fine"]),
    (without("refusals", "key_disabled", "problem"), ["no row key_disabled: `credentials` has a disabled key"]),
    (lambda b: b["callbacks"]["ladders"][0].update(retries="many"), ["callbacks: usual: retries 'many' should be a whole number"]),
    (lambda b: b.update(prefix="/v2"), ["prefix: the path /v1/swaps of create_swap is not below /v2"]),
    # Of another form than a table has: said, too, by its own error, and never by a KeyError.
    (lambda b: b.update(refusals=["invalid"]), ["facely: "]),
    (lambda b: b.update(lifetimes=[{"seconds": 5}]), ["facely: "]),
    (lambda b: b.update(scenarios=[{"name": "odd", "colour": "red"}]), ["facely: "]),
    (lambda b: b.update(callbacks={"method": "POST"}), ["facely: "]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "texts"), CASES, ids=[texts[0][:60] for _, texts in CASES])
def test_what_is_missing_is_said_at_the_start(tmp_path, change, texts):
    folder = written(tmp_path, change)

    class Made(Exception):
        """The provider was made, though its contract lacks something."""

    def make(_):
        raise Made

    with pytest.raises(ProviderError) as caught:
        make_providers_from(folder, make)
    told = "\n".join(caught.value.findings)
    for text in texts:
        assert text in told


def make_providers_from(folder, make):
    from swapmock.contracts import add_folder

    add_folder("facely", folder)
    try:
        return make_providers({"facely": Registration(folder, make)})
    finally:
        add_folder("facely", FOLDER)


def test_a_file_that_is_no_yaml_is_named_with_its_line(tmp_path):
    folder = written(tmp_path, lambda b: None)
    with (folder / "behaviour.yaml").open("a") as file:
        file.write("\nstatus_words: [\n")
    with pytest.raises(ProviderError, match=r"facely: ValueError: .*behaviour.yaml is not YAML: .*line "):
        make_providers_from(folder, provider)


@pytest.mark.parametrize(("value", "text"), [("no.such.module:IT", "cannot import no.such.module:IT: No module named"), ("math:pi", "is no Registration"), ("math:tau2", "cannot import math:tau2")])  # fmt: skip
def test_an_entry_point_that_is_no_provider_is_told_in_one_line(monkeypatch, value, text):
    points = EntryPoints([EntryPoint("odd", value, "swapmock.providers")])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: points)
    installed.cache_clear()
    try:
        with pytest.raises(ProviderError) as caught:
            registrations()
    finally:
        installed.cache_clear()
    assert [text in line for line in caught.value.findings] == [True]


def test_everything_that_is_missing_stands_in_one_list(tmp_path):
    def change(b):
        b.pop("credential_form")
        b.pop("callbacks")
        without("refusals", "invalid", "problem")(b)
        without("lifetimes", "results")(b)

    with pytest.raises(ProviderError) as caught:
        make_providers_from(written(tmp_path, change), provider)
    for text in ("credential_form", "callbacks", "no row invalid", "no row results"):
        assert text in str(caught.value)


def test_a_provider_without_a_handler_or_of_another_name():
    contract = load("crun")
    assert list(handler_findings(contract, {"get_tasc_info", *(contract.operations.keys() - {"get_task_info"})})) == [
        "operation get_task_info has no handler; did you mean get_tasc_info?",
        "handler get_tasc_info has no operation; did you mean get_task_info?",
    ]


def test_no_provider_takes_the_requests_of_another():
    contracts = {"facely": read("facely", FOLDER), "twin": read("twin", FOLDER)}
    assert _overlaps(contracts) == [
        "twin: prefix /v1 is below that of facely, /v1",
        "facely: prefix /v1 is below that of twin, /v1",
    ]


@pytest.mark.parametrize("name", PROVIDERS)
def test_nothing_is_missing_in_ours(name):
    assert list(findings(load(name))) == []


def test_every_field_says_what_it_is_for():
    from dataclasses import fields

    for row_type in (*ROW_TYPES.values(), Tables):
        assert (row_type.__doc__ or "").endswith(".")
        assert all(len(row.metadata["about"]) > 8 for row in fields(row_type))


def test_a_copy_of_the_folder_is_read_under_any_name(tmp_path: Path):
    assert (
        read("copy", written(tmp_path, lambda _: None)).behaviour.scenarios.keys()
        == read("facely", FOLDER).behaviour.scenarios.keys()
    )
