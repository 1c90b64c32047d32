"""Settings as data: each row has its flag, its variable and its place in the README."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from swapmock.mock_server.cli.options import SHORT
from swapmock.mock_server.cli.serve import serve
from swapmock.mock_server.settings import SettingError, Settings, flag, parse_pairs, read_config, variable

ROWS = {row.name: row for row in fields(Settings)}


def with_one(name: str, value: Any) -> Settings:
    return Settings(**{name: value})


def test_every_setting_is_a_flag_and_a_variable():
    options = {option.name: option for option in serve.params}
    assert set(options) == {*ROWS, "config"}
    for name, row in ROWS.items():
        option = options[name]
        assert option.opts == [*SHORT.get(name, ()), flag(name)]
        assert option.envvar == variable(name)
        assert option.help == row.metadata["help"]


def test_every_setting_says_what_it_is_for():
    for row in ROWS.values():
        assert row.metadata["help"].endswith(".")


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if "low" in row.metadata])
def test_numbers_have_bounds(name):
    low, high = ROWS[name].metadata["low"], ROWS[name].metadata["high"]
    for value in (low, high):
        assert getattr(with_one(name, value), name) == value
    for value in (low - 1, high * 2 + 1, float("nan"), float("inf")):
        with pytest.raises(SettingError, match=f"{flag(name)}: .* is not between"):
            with_one(name, value)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if "choices" in row.metadata])
def test_words_have_choices(name):
    for value in ROWS[name].metadata["choices"]:
        assert getattr(with_one(name, value), name) == value
    with pytest.raises(SettingError, match="'nothing' is none of "):
        with_one(name, "nothing")


def test_variants_are_read_as_pairs():
    pairs = ("crun.http_status=always200", "crun.bearer=accept", "other.a=b=c", "crun.bearer=refuse")
    assert parse_pairs("variants", pairs) == {
        "crun": {"http_status": "always200", "bearer": "refuse"},
        "other": {"a": "b=c"},
    }
    for wrong in ("crun", "crun.bearer", "bearer=accept", "=", ""):
        with pytest.raises(SettingError, match=r"is not of the form PROVIDER\.NAME=CHOICE"):
            parse_pairs("variants", (wrong,))


def test_a_file_is_read_as_the_command_line_would_be(tmp_path: Path):
    path = tmp_path / "swapmock.yaml"
    path.write_text(
        "port: 5\nlog-level: error\ndata_dir: 7\nspeed:\ncallback_allow: a.example\nvariants: {crun: {bearer: accept}}\n"
    )
    assert read_config(path) == {
        "port": "5",
        "log_level": "error",
        "data_dir": "7",
        "callback_allow": ["a.example"],
        "variants": {"crun": {"bearer": "accept"}},
    }
