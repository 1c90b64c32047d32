"""Settings as data: each row has its flag, its variable and its place in the README."""

import re
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
        with pytest.raises(SettingError, match=f"{flag(name)}: .* is not (between|a whole number)"):
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


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("uds", "a/b", Path("a/b")),
        ("data_dir", Path("a"), Path("a")),
        ("speed", 2, 2.0),
        ("balance", 0, 0.0),
        ("callback_allow", "a.example, b.example", ("a.example", "b.example")),
        ("callback_allow", ["a.example,b.example", "c.example"], ("a.example", "b.example", "c.example")),
        ("trusted_proxies", "10.0.0.0/8,::1,unix", ("10.0.0.0/8", "::1", "unix")),
        ("admin_port", None, None),
    ],
)
def test_values_are_converted_to_their_types(name, value, kept):
    got = getattr(with_one(name, value), name)
    assert (got, type(got)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("port", "4020", "a whole number"),
        ("port", True, "a whole number"),
        ("port", 1.5, "a whole number"),
        ("port", None, "a whole number"),
        ("speed", "fast", "a number"),
        ("host", 5, "a text"),
        ("host", None, "a text"),
        ("data_dir", 5, "a path"),
        ("data_dir", "", "a path"),
        ("callback_allow", 5, "a list of texts"),
        ("callback_allow", [5], "a list of texts"),
        ("variants", ["crun.bearer=accept"], "a mapping of providers to mappings"),
        ("variants", {"crun": "bearer"}, "a mapping of providers to mappings"),
    ],
)
def test_a_value_of_another_type_is_refused(name, value, wanted):
    with pytest.raises(SettingError, match=re.escape(f"{flag(name)}: {value!r} is not {wanted}")):
        with_one(name, value)


def test_a_setting_that_does_not_exist_is_told_with_the_nearest():
    with pytest.raises(SettingError, match="no setting named 'calback_alow'; did you mean 'callback_allow'"):
        Settings.of(calback_alow="a")


GOOD_URLS = [
    "http://x",
    "https://x.example:8443",
    "http://[::1]:80",
    "https://a.example/sub/path",
    "http://x/",
    "http://10.0.0.1",
]
BAD_URLS = [
    "http://x?y=1",
    "http://x#y",
    "http://x\r\nSet-Cookie: a=b",
    "http://x\n",
    "http://x y",
    "http://x/\t",
    "http://user:pw@x",
    "http://",
    "http:///path",
    "ftp://x",
    "//x",
    "x",
    "http://x:0",
    "http://x:99999",
    "http://x:",
    "http://[::1",
    "http://[zz]",
    "http://\u4f8b.example",
    "http://x/\u4f8b",
    'http://x/"',
    "http://x/<",
]


@pytest.mark.parametrize("url", GOOD_URLS)
def test_a_base_url_is_taken(url):
    assert with_one("public_url", url).public_url == url


@pytest.mark.parametrize("url", BAD_URLS)
def test_what_is_no_base_url_is_refused(url):
    with pytest.raises(SettingError, match=r"^--public-url: "):
        with_one("public_url", url)


@pytest.mark.parametrize("proxy", ["proxy.example", "10.0.0.1/8", "10.0.0.0/33", "*", "http://10.0.0.1"])
def test_a_proxy_is_an_address_or_a_network(proxy):
    with pytest.raises(SettingError, match=r"^--trusted-proxies: "):
        with_one("trusted_proxies", [proxy])


def test_pairs_take_commas():
    assert parse_pairs("variants", ("crun.a=b, crun.c=d", "other.e=f")) == {
        "crun": {"a": "b", "c": "d"},
        "other": {"e": "f"},
    }


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
