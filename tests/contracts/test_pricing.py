"""Prices that depend on the input, and the live ones that are known to the cent."""

from decimal import Decimal

import pytest

from swapmock.contracts import load
from swapmock.contracts.pricing import price_of

CRUN = load("crun")


def price(model, **given):
    found = price_of(CRUN.models[model], given, CRUN.tables)
    return float(found.credits), found.estimated


@pytest.mark.parametrize(("seconds", "credits"), [(5, 44.30), (10, 88.24), (15, 132.17), ("10", 88.24), (0, 0.37)])
def test_what_clients_paid_by_the_second(seconds, credits):
    assert price("bytedance/seedance2-0-fast-r2v", resolution="480p", duration=seconds) == (credits, False)


def test_a_field_that_is_left_out_has_its_default():
    assert price("bytedance/seedance2-0-fast-r2v") == (44.30, False)
    assert price("bytedance/seedance2-0-fast-r2v", duration=None) == (44.30, False)


@pytest.mark.parametrize("odd", ["ten", True, [5], -1, float("nan"), float("inf"), "1e99", 10**9, "9" * 400])
def test_a_length_that_is_none_falls_back_to_the_plain_price(odd):
    assert price("bytedance/seedance2-0-fast-r2v", resolution="480p", duration=odd) == (20, False)


@pytest.mark.parametrize(
    ("model", "given", "expected"),
    [
        ("kling/template", {"template_id": "kling-hug"}, (24, False)),
        ("vidu/template", {"template": "vidu-snow"}, (16, False)),
        ("bytedance/template", {"template_id": "bd-comic", "resolution": "720p"}, (18, False)),
        ("bytedance/template", {"template_id": "bd-comic"}, (10, False)),
        ("kling/template", {"template_id": "nobody-knows"}, (2, True)),
        ("google/nano-banana-pro", {"resolution": "4K"}, (10, False)),
        ("google/nano-banana-pro", {}, (8, False)),
        ("suno/music-generate", {"prompt": "a"}, (12, False)),
    ],
)
def test_prices(model, given, expected):
    assert price(model, **given) == expected


@pytest.mark.parametrize("table", ["kling", "vidu", "bytedance"])
def test_every_listed_template_costs_what_the_list_says(table):
    model = f"{table}/template"
    (how,) = (entry["listed"] for entry in CRUN.models[model]["prices"])
    for item in CRUN.tables["templates"][table]:
        for entry in item.get("ConsumeItems", [{}]):
            given = {how["field"]: item[how["name"]], "resolution": entry.get("Resolution")}
            assert price(model, **given)[0] == entry.get("Credit", item.get(how["credits"]))


def test_every_row_has_a_price_that_is_exact():
    for name, row in CRUN.models.items():
        found = price_of(row, {}, CRUN.tables).credits
        assert found >= 0, name
        assert found == found.quantize(Decimal("0.001")), name


def test_the_list_price_of_a_call_is_the_same():
    body = {"model": "bytedance/seedance2-0-fast-r2v", "input": {"resolution": "480p", "duration": 10}}
    assert CRUN.list_price("create_task", body) == 88.24
    assert CRUN.list_price("create_task", {"model": "kling/template", "input": {"template_id": "kling-hug"}}) == 24
    assert CRUN.list_price("create_task", {"model": "kling/template", "input": 5}) == 2
