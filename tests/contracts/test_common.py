"""The rows that providers share: merging them changes nothing that either of the first two providers shows."""

import json
from pathlib import Path

import pytest

from swapmock.contracts import COMMON, load, read_yaml
from swapmock.contracts.common import CommonRowError, merge
from swapmock.mock_server.core.codec import encode

MERGED = Path(__file__).parent / "merged"
COMMON_ROWS = read_yaml(COMMON)


@pytest.mark.parametrize("provider", ["crun", "imgopen"])
def test_the_merged_rows_are_those_that_stood_in_each_folder_before(provider):
    """`merged/` was written from the folders before the common rows were taken out of them; order counts. Rows that were
    added since are not there: a new row has one place."""
    behaviour = load(provider).behaviour
    for table, rows in json.loads((MERGED / f"{provider}.json").read_text("utf-8")).items():
        found = [encode(row) for row in getattr(behaviour, table).values()]
        if table == "magic":
            found = [{name: value for name, value in row.items() if value is not None} for row in found]
        assert [row for row in found if row in rows] == rows, table


SMALL = {
    "refusals": [
        {"problem": "generation_failed", "http": 500, "message": "sorry"},
        {"problem": "server_error", "http": 500, "message": "oops"},
        {"problem": "rate_limited", "http": 429, "message": "slow down"},
    ]
}


def names(document, table, key="name"):
    return [row[key] for row in document[table]]


def test_a_provider_that_says_nothing_has_every_common_scenario_with_its_own_codes():
    merged = merge(COMMON_ROWS, SMALL)
    by_name = {row["name"]: row for row in merged["scenarios"]}
    assert by_name["fails"]["fails"] == {"code": 500, "message": "sorry"}
    assert by_name["fails_500"]["fails"] == {"code": 500, "message": "oops"}
    by_value = {row["value"]: row for row in merged["magic"]}
    assert by_value["https://errors.invalid/slow"]["scenario"] == "slow"
    assert by_value["https://errors.invalid/429"]["refuse"] == "rate_limited"
    assert by_value["https://errors.invalid/429_date"]["fault"]["code"] == 429


def test_what_needs_an_envelope_is_left_out_without_one():
    without, with_one = (
        merge(COMMON_ROWS, SMALL),
        merge(COMMON_ROWS, {**SMALL, "envelope": {"code": "ok", "success": "1"}}),
    )
    assert "callback_wrong_code_type" not in names(without, "scenarios")
    assert "https://errors.invalid/code_type" not in names(without, "magic", "value")
    found = next(row for row in with_one["magic"] if row["value"] == "https://errors.invalid/code_type")
    assert found["fault"] == {"code_type": "number"}


def test_a_provider_overrides_adds_and_drops_rows():
    merged = merge(
        COMMON_ROWS,
        {
            **SMALL,
            "scenarios": [
                {"name": "slow", "stretch": 3},
                {"name": "odd", "about": "odd", "after": "slow"},
                {"name": "quiet", "about": "without a magic value", "magic": ""},
            ],
            "drop": {"scenarios": ["moderated"], "magic": ["reset"], "series": ["slow_then_fine"]},
        },
    )
    found = names(merged, "scenarios")
    assert next(row for row in merged["scenarios"] if row["name"] == "slow")["stretch"] == 3
    assert found.index("odd") == found.index("slow") + 1
    assert "moderated" not in found
    values = names(merged, "magic", "value")
    assert "https://errors.invalid/odd" in values
    assert not {
        "https://errors.invalid/moderated",
        "https://errors.invalid/reset",
        "https://errors.invalid/quiet",
    } & set(values)
    assert names(merged, "series") == ["flaky_then_fine"]


@pytest.mark.parametrize(
    ("own", "text"),
    [
        ({**SMALL, "drop": {"scenarios": ["slwo"]}}, "no row of scenarios is named 'slwo'"),
        ({**SMALL, "drop": {"variants": ["x"]}}, "variants is none of scenarios, series, magic"),
        (
            {**SMALL, "scenarios": [{"name": "odd", "after": "nothing"}]},
            "odd: there is no row 'nothing' to stand after",
        ),
        ({"scenarios": [{"name": "odd", "fails": {"refusal": "nothing"}}]}, "odd: there is no refusal 'nothing'"),
    ],
)
def test_a_row_that_names_nothing_is_an_error(own, text):
    with pytest.raises(CommonRowError, match=text):
        merge(COMMON_ROWS, own)
