"""The settings as options of a command, from flags, the environment and a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from swapmock.mock_server.settings import MANY, PAIRS, SettingError, Settings, flag, parse_pairs, read_config, variable


def setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """One option for each row of Settings."""
    for row in reversed(fields(Settings)):
        kind: Any = {"int": int, "int | None": int, "float": float, "Path | None": click.Path(path_type=Path)}.get(
            str(row.type), str
        )
        if "choices" in row.metadata:
            kind = click.Choice(row.metadata["choices"], case_sensitive=False)
        many = row.name in MANY
        command = click.option(
            flag(row.name),
            row.name,
            type=kind,
            multiple=many,
            default=() if many else row.default,
            envvar=variable(row.name),
            show_default=not many and row.default not in (None, ""),
            show_envvar=True,
            help=row.metadata["help"],
        )(command)
    return click.option(
        "--config", envvar="SWAPMOCK_CONFIG", type=click.Path(path_type=Path), is_eager=True, expose_value=False,
        callback=_use_config, help="YAML file with any of these settings; flags and environment win over it.",
    )(command)  # fmt: skip


def _use_config(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is not None:
        found = read_config(path)
        for name in PAIRS:
            if isinstance(found.get(name), dict):
                context.meta[f"swapmock.{name}"] = found.pop(name)
        context.default_map = {**(context.default_map or {}), **found}


def settings_from(values: dict[str, Any]) -> Settings:
    """The settings as flags, environment and config file give them."""
    context = click.get_current_context()
    for name in PAIRS:
        chosen: dict[str, dict[str, Any]] = {}
        for source in (context.meta.get(f"swapmock.{name}", {}), parse_pairs(name, values[name])):
            for provider, choices in source.items():
                if not isinstance(choices, dict):
                    raise SettingError(f"{name}: {provider} should hold a mapping of names to choices")
                chosen.setdefault(provider, {}).update(choices)
        values[name] = chosen
    return Settings(**values)
