"""The command `swapmock`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from mock_server import __version__
from mock_server.settings import SettingError, Settings, flag, parse_variants, read_config, variable


class OneLine(click.ClickException):
    """Something a user can mend: one line on stderr, exit code 2."""

    exit_code = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """An offline emulator of crun.ai's face-swap API."""


def setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """One option for each row of Settings."""
    for row in reversed(fields(Settings)):
        kind: Any = {"int": int, "float": float, "Path | None": click.Path(path_type=Path)}.get(str(row.type), str)
        if "choices" in row.metadata:
            kind = click.Choice(row.metadata["choices"], case_sensitive=False)
        many = row.name == "variants"
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
        if isinstance(found.get("variants"), dict):
            context.meta["swapmock.variants"] = found.pop("variants")
        context.default_map = {**(context.default_map or {}), **found}


def settings_from(values: dict[str, Any]) -> Settings:
    """The settings as flags, environment and config file give them."""
    context = click.get_current_context()
    chosen: dict[str, dict[str, Any]] = {}
    for source in (context.meta.get("swapmock.variants", {}), parse_variants(values.pop("variants"))):
        for provider, choices in source.items():
            if not isinstance(choices, dict):
                raise SettingError(f"variants: {provider} should hold a mapping of names to choices")
            chosen.setdefault(provider, {}).update(choices)
    return Settings(**values, variants=chosen)


@cli.command()
@setting_options
def serve(**values: Any) -> None:
    """Run the emulator until it is interrupted."""
    from mock_server.web.build import build
    from mock_server.web.server import listen, options_from, run, url_of

    settings = settings_from(values)
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    options = options_from(settings)
    try:
        system = build(settings)
        listener = listen(settings)
    except OSError as error:
        raise OneLine(_cannot_start(settings, error)) from None
    url = url_of(listener, is_secure=options.tls is not None)

    def on_ready() -> None:
        click.echo(_welcome(url, settings, system))
        click.echo(f"Listening on {url}")
        sys.stdout.flush()

    run(system.door, listener, options, on_ready)


def _cannot_start(settings: Settings, error: OSError) -> str:
    if error.filename is not None:
        return f"--data-dir: {error.filename}: {error.strerror}"
    return f"cannot listen on {settings.uds or f'{settings.host}:{settings.port}'}: {error.strerror or error}"


def _welcome(url: str, settings: Settings, system: Any) -> str:
    """Base URL, credentials, and a line to paste."""
    reachable = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    lines = [f"swapmock {__version__}", f"  base URL   {settings.public_url or reachable}"]
    for name, contract in system.engine.contracts.items():
        rows = contract.behaviour.credentials.values()
        lines += [f"  {name:<10} {row['key']}  {row['about']}" for row in rows]
    key = system.engine.contracts["crun"].behaviour.credentials["default"]["key"]
    lines.append("  try it     " + _curl(reachable, key))
    return "\n".join(lines)


def _curl(url: str, key: str) -> str:
    base = {"unix": f"--unix-socket {url[5:]} http://localhost", "https": f"-k {url}"}.get(url.partition(":")[0], url)
    return (
        f"curl -s {base}/api/v1/client/job/detect-face-image -H 'x-api-key: {key}' "
        """-H 'Content-Type: application/json' -d '{"image_url": "https://example.com/source.png"}'"""
    )


@cli.command()
def routes() -> None:
    """List every operation: method, path, id, evidence."""
    from mock_server.web.build import build

    for surface in build().pipeline.surfaces:
        for operation in surface.contract.operations.values():
            level = operation.evidence.get("level", "-")
            click.echo(f"{operation.method:<6} {operation.path:<46} {operation.id:<26} {level}")


@cli.command()
def lint() -> None:
    """Check the contracts: valid OpenAPI 3.1, examples fit, every operation has a handler."""
    try:
        import openapi_spec_validator  # noqa: F401 - only to say clearly what is missing
    except ImportError:
        raise OneLine("lint needs the extra `checks`: pip install 'swapmock[checks]'") from None
    from contracts.lint import lint_all
    from mock_server.web.build import PROVIDERS

    handled = {name: lambda contract, make=make: make(contract).handlers.keys() for name, make in PROVIDERS.items()}
    findings = lint_all(handled)
    for finding in findings:
        click.echo(finding)
    click.echo(f"{len(PROVIDERS)} contract(s), {len(findings)} finding(s)")
    if findings:
        raise SystemExit(1)


@cli.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: a mistake of the user's is one line on stderr and exit code 2."""
    try:
        cli.main(arguments, prog_name="swapmock", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            click.echo(error.format_message())
            sys.exit(0)
        click.echo(f"swapmock: {' '.join(error.format_message().split())}", err=True)
        sys.exit(2)
    except SettingError as error:
        click.echo(f"swapmock: {error}", err=True)
        sys.exit(2)
