"""The settings as options of a command, from flags, the environment and a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from swapmock.mock_server.cli.environment import is_injected
from swapmock.mock_server.settings import (
    MANY,
    PAIRS,
    SettingError,
    Settings,
    find_config,
    flag,
    parse_pairs,
    read_config,
    variable,
)

#: Setting -> the short form of its flag.
SHORT = {"port": ("-p",)}

#: The key under which the context keeps the path of the config file.
CONFIG_PATH = "swapmock.config"


class SettingOption(click.Option):
    """The option of a setting.

    Its errors say where the value came from, unless it is the command line. A variable that an orchestrator has
    set for its own purposes is not read."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the value of the environment variable; None without one."""
        value = super().resolve_envvar_value(ctx)
        return None if value is not None and is_injected(str(self.envvar), value) else value

    def handle_parse_result(self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]) -> Any:
        """Convert the value, and add its origin to an error."""
        try:
            return super().handle_parse_result(ctx, opts, args)
        except click.BadParameter as error:
            told = error.message + origin_of(ctx, self.name or "")
            raise click.BadParameter(told, ctx=error.ctx, param=error.param, param_hint=error.param_hint) from None


def origin_of(context: click.Context, name: str) -> str:
    """Return where the setting `name` came from, in brackets; "" for the command line and for defaults."""
    match context.get_parameter_source(name):
        case ParameterSource.ENVIRONMENT:
            return f" (from the variable {variable(name)})"
        case ParameterSource.DEFAULT_MAP:
            return f" (from {context.meta.get(CONFIG_PATH)})"
    in_file = context.meta.get(f"swapmock.{name}")
    return f" (from {context.meta.get(CONFIG_PATH)})" if in_file else ""


def setting_options(**own: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds one option for each row of Settings.

    `own` has settings with a default of this command; environment and file do not set those."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        command = _with_origins(command)
        for row in reversed(fields(Settings)):
            command = _option(row, own)(command)
        return click.option(
            "--config", envvar="SWAPMOCK_CONFIG", type=click.Path(path_type=Path), is_eager=True, expose_value=False,
            callback=partial(_use_config, own=own),
            help="YAML or TOML file with any of these settings; flags and environment win over it. Without it, the nearest "
            "swapmock.toml or pyproject.toml with [tool.swapmock] is read.",
        )(command)  # fmt: skip

    return decorate


def _with_origins(command: Callable[..., None]) -> Callable[..., None]:
    """Return `command` with SettingErrors that say where the setting came from."""

    @wraps(command)
    def wrapped(**values: Any) -> None:
        try:
            command(**values)
        except SettingError as error:
            name = str(error).partition(":")[0].removeprefix("--").replace("-", "_")
            raise SettingError(str(error) + origin_of(click.get_current_context(), name)) from None

    return wrapped


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


def _use_config(context: click.Context, _: click.Parameter, given: Path | None, own: Mapping[str, Any]) -> None:
    path = find_config(Path.cwd()) if given is None else given
    if path is None:
        return
    context.meta[CONFIG_PATH] = path
    found = {name: value for name, value in read_config(path).items() if name not in own}
    for name in PAIRS:
        if isinstance(found.get(name), dict):
            context.meta[f"swapmock.{name}"] = found.pop(name)
    context.default_map = {**(context.default_map or {}), **found}


def is_chosen(name: str) -> bool:
    """Return whether the user chose the value of the setting `name`: by a flag, a variable or a file."""
    source = click.get_current_context().get_parameter_source(name)
    return source not in (None, ParameterSource.DEFAULT)


def settings_from(values: dict[str, Any]) -> Settings:
    """Return the settings from flags, environment and config file."""
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
