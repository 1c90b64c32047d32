"""Environment variables: lists, names that nobody knows, and what an orchestrator sets for its own purposes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields

import pytest
from click.testing import CliRunner

from swapmock.mock_server.cli.environment import is_injected, unknown_variables
from swapmock.mock_server.cli.options import settings_from
from swapmock.mock_server.cli.serve import serve
from swapmock.mock_server.settings import Settings, variable

#: What Kubernetes sets in every pod beside a service `swapmock` and one `swapmock-admin`, and what Docker's links set.
INJECTED = {
    "SWAPMOCK_PORT": "tcp://10.0.0.1:4020",
    "SWAPMOCK_SERVICE_HOST": "10.0.0.1",
    "SWAPMOCK_SERVICE_PORT": "4020",
    "SWAPMOCK_SERVICE_PORT_HTTP": "4020",
    "SWAPMOCK_PORT_4020_TCP": "tcp://10.0.0.1:4020",
    "SWAPMOCK_PORT_4020_TCP_PROTO": "tcp",
    "SWAPMOCK_PORT_4020_TCP_PORT": "4020",
    "SWAPMOCK_PORT_4020_TCP_ADDR": "10.0.0.1",
    "SWAPMOCK_ADMIN_PORT": "tcp://10.0.0.2:4021",
    "SWAPMOCK_ADMIN_SERVICE_HOST": "10.0.0.2",
    "SWAPMOCK_ADMIN_SERVICE_PORT": "4021",
    "SWAPMOCK_ADMIN_PORT_4021_TCP": "tcp://10.0.0.2:4021",
    "SWAPMOCK_NAME": "/app/swapmock",
    "SWAPMOCK_ENV_PATH": "/usr/bin",
}


def settings_in(monkeypatch: pytest.MonkeyPatch, *arguments: str, **environment: str) -> Settings:
    """What `swapmock serve` makes of these arguments and variables."""
    for name in [name for name in os.environ if name.startswith("SWAPMOCK_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with serve.make_context("serve", list(arguments)) as context:
        return settings_from(dict(context.params))


def test_what_an_orchestrator_injects_is_no_setting(monkeypatch):
    assert settings_in(monkeypatch, **INJECTED) == settings_in(monkeypatch)
    assert list(unknown_variables(INJECTED)) == []
    assert all(is_injected(name, value) for name, value in INJECTED.items())


def test_a_flag_counts_beside_it(monkeypatch):
    assert settings_in(monkeypatch, "--port", "5", **INJECTED).port == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [("SWAPMOCK_PORT", "4021"), ("SWAPMOCK_PUBLIC_URL", "https://a.example:1"), ("SWAPMOCK_HOST", "10.0.0.1")],
)
def test_a_setting_is_not_taken_for_injected(name, value):
    assert not is_injected(name, value)


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("SWAPMOCK_PROT", "SWAPMOCK_PORT"),
        ("SWAPMOCK_CALLBACK_ALOW", "SWAPMOCK_CALLBACK_ALLOW"),
        ("SWAPMOCK_LOGLEVEL", "SWAPMOCK_LOG_LEVEL"),
        ("swapmock_port", "SWAPMOCK_PORT"),
    ],
)
def test_a_misspelt_name_is_told_with_the_nearest(name, guess):
    assert list(unknown_variables({name: "1"})) == [f"the variable {name} is no setting; did you mean {guess}?"]


def test_known_names_are_not_told():
    known = {variable(row.name): "" for row in fields(Settings)}
    others = dict.fromkeys(["SWAPMOCK_URL", "SWAPMOCK_CALLBACK_URL", "SWAPMOCK_CALLBACK_PORT", "SWAPMOCK_CONFIG"], "")
    foreign = {"PATH": "", "SWAPMOCKERY": "", "_SWAPMOCK_COMPLETE": "", "SWAPMOCK_CRUN_KEY": ""}
    assert list(unknown_variables({**known, **others, **foreign})) == []
    assert list(unknown_variables({"SWAPMOCK_XYZZY": "1"})) == ["the variable SWAPMOCK_XYZZY is no setting"]


def test_every_name_that_the_code_uses_is_known():
    """A variable that swapmock itself sets for a program under test is never told to be a mistake."""
    import re
    from pathlib import Path

    root = Path(__file__).parents[2]
    text = "".join(
        path.read_text("utf-8") for top in ("mock_server", "client_checks") for path in (root / top).rglob("*.py")
    )
    used = dict.fromkeys(re.findall(r'"(SWAPMOCK_[A-Z_]+[A-Z])"', text), "")
    assert "SWAPMOCK_EFFECT_URL" in used
    assert list(unknown_variables(used)) == []


@pytest.mark.parametrize(
    ("name", "value", "setting", "expected"),
    [
        ("SWAPMOCK_CALLBACK_ALLOW", "app,worker", "callback_allow", ("app", "worker")),
        ("SWAPMOCK_CALLBACK_ALLOW", "app, worker", "callback_allow", ("app", "worker")),
        ("SWAPMOCK_CALLBACK_ALLOW", "app worker", "callback_allow", ("app", "worker")),
        ("SWAPMOCK_TRUSTED_PROXIES", "10.0.0.0/8,unix", "trusted_proxies", ("10.0.0.0/8", "unix")),
        (
            "SWAPMOCK_VARIANTS",
            "crun.bearer=accept,crun.http_status=always200",
            "variants",
            {"crun": {"bearer": "accept", "http_status": "always200"}},
        ),
    ],
)
def test_lists_take_commas(monkeypatch, name, value, setting, expected):
    assert getattr(settings_in(monkeypatch, **{name: value}), setting) == expected


def test_serve_tells_it_and_serves():
    environment = {**os.environ, "SWAPMOCK_PROT": "1", **INJECTED}
    command = [sys.executable, "-m", "swapmock", "serve", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert any("Listening on" in line for line in process.stdout)
        process.terminate()
        _, told = process.communicate(timeout=30)
    assert "swapmock: the variable SWAPMOCK_PROT is no setting; did you mean SWAPMOCK_PORT?\n" in told


def test_a_wrong_value_is_still_refused():
    refused = CliRunner().invoke(serve, [], env={"SWAPMOCK_PORT": "tcp:4020"})
    assert refused.exit_code == 2
    assert "tcp:4020" in refused.output
