"""The page on the checks names every finding, command and part, and nothing that does not exist."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

from swapmock.client_checks.cli import PARTS
from swapmock.client_checks.conformance.context import all_checks
from swapmock.client_checks.conformance.generated import STOCK
from swapmock.client_checks.conformance.profile import known, profile
from swapmock.client_checks.conformance.rules import Rule
from swapmock.mock_server.cli.command import cli

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "checks.md").read_text("utf-8")
WITH_RULES = ("swapmock.client_checks.conformance.rules",)


def test_the_table_of_findings_is_complete() -> None:
    rules = [rule for name in WITH_RULES for rule in vars(import_module(name)).values() if isinstance(rule, Rule)]
    everything: list[Any] = [*rules, *all_checks().values(), *STOCK.values()]
    titles = {one.id: one.title for one in everything}
    told = dict(re.findall(r"^\| `([a-z]+\.[a-z]+)` \| (.+) \|$", PAGE, re.MULTILINE))
    assert told == titles


def test_the_parts_are_those_of_the_command() -> None:
    assert tuple(re.findall(r"^\| `([a-z]+)` \| ", PAGE, re.MULTILINE)) == PARTS


@pytest.mark.parametrize("line", re.findall(r"^\$ swapmock (.+?)(?: +#.*)?$", PAGE, re.MULTILINE))
def test_lines_to_paste_are_understood(line: str) -> None:
    name, *arguments = line.split()
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    with click.Context(command, info_name=name) as context:
        command.parse_args(context, arguments)


def test_the_variables_are_named() -> None:
    for provider in known():
        assert all(credential.env[0] in PAGE for credential in profile(provider).credentials)
