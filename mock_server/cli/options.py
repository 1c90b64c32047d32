"""The settings as options of a command, from flags, the environment and a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from functools import partial
from pathlib import Path
from typing import Any

import click

from swapmock.mock_server.cli.environment import is_injected
from swapmock.mock_server.settings import MANY, PAIRS, SettingError, Settings, flag, parse_pairs, read_config, variable

#: Setting -> the short form of its flag.
SHORT = {"port": ("-p",)}


class SettingOption(click.Option):
    """The option of a setting. A variable that an orchestrator has set for its own purposes is not read."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        value = super().resolve_envvar_value(ctx)
        return None if value is not None and is_injected(str(self.envvar), value) else value


def setting_options(**own: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that adds one option for each row of Settings.

    `own` names settings that this command has a default of its own for; environment and file do not set those.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for row in reversed(fields(Settings)):
            command = _option(row, own)(command)
        return click.option(
            "--config", envvar="SWAPMOCK_CONFIG", type=click.Path(path_type=Path), is_eager=True, expose_value=False,
            callback=partial(_use_config, own=own), help="YAML file with any of these settings; flags and environment win over it.",
        )(command)  # fmt: skip

    return decorate


def _option(row: Field[Any], own: Mapping[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    kinds = {"int": int, "int | None": int, "float": float, "Path | None": click.Path(path_type=Path)}
    kind: Any = kinds.get(str(row.type), str)
    if "choices" in row.metadata:
        kind = click.Choice(row.metadata["choices"], case_sensitive=False)
    many = row.name in MANY
    default = own.get(row.name, row.default)
    return click.option(
        *SHORT.get(row.name, ()),
        flag(row.name),
        row.name,
        cls=SettingOption,
        type=kind,
        multiple=many,
        default=() if many else default,
        envvar=None if row.name in own else variable(row.name),
        show_default=not many and default not in (None, ""),
        show_envvar=True,
        help=row.metadata["help"],
    )


def _use_config(context: click.Context, _: click.Parameter, path: Path | None, own: Mapping[str, Any]) -> None:
    if path is not None:
        found = {name: value for name, value in read_config(path).items() if name not in own}
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
