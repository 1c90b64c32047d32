"""The command `swapmock`."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import click

from swapmock import __version__
from swapmock.mock_server.adapters import logs
from swapmock.mock_server.settings import (
    MANY,
    PAIRS,
    SettingError,
    Settings,
    flag,
    parse_pairs,
    read_config,
    variable,
    with_token,
)


class OneLine(click.ClickException):
    """Something a user can mend: one line on stderr, exit code 2."""

    exit_code = 2


class WithChecks(click.Group):
    """The commands of the checks beside our own; what they need of the extra is imported when one of them runs."""

    def list_commands(self, context: click.Context) -> list[str]:
        from swapmock.client_checks.cli import COMMANDS

        return sorted([*super().list_commands(context), *COMMANDS])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        from swapmock.client_checks.cli import COMMANDS

        return super().get_command(context, name) or COMMANDS.get(name)


@click.group(cls=WithChecks, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """An offline emulator of the crun.ai and Img Open face swap APIs, and checks of their contracts."""


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


@cli.command()
@setting_options
def serve(**values: Any) -> None:
    """Run the emulator until it is interrupted."""
    with _no_collections():
        from swapmock.mock_server.web.build import build
        from swapmock.mock_server.web.server import listen, options_from, run, url_of

    given = settings_from(values)
    settings = with_token(given)
    logs.set_up(settings.log_level, settings.log_format)
    options = options_from(settings)
    try:
        system = build(settings)
        listener = listen(settings)
        control = _control(settings, system, options)
    except OSError as error:
        raise OneLine(_cannot_start(settings, error)) from None
    url = url_of(listener, is_secure=options.tls is not None)
    system.admin_pipeline.vendor_url = "" if control is None else settings.public_url or url

    unsaid: list[OSError] = []

    def on_ready() -> None:
        admin_url = url if control is None else control.url
        # A token that the user has chosen is theirs to keep out of logs.
        token = f"  token {settings.admin_token}" if settings.admin_token != given.admin_token else ""
        lines = [_welcome(url, settings, system), f"  admin      {admin_url}/__admin{token}", f"Listening on {url}"]
        try:
            _say("\n".join(lines))
        except OSError as error:
            unsaid.append(error)
            signal.raise_signal(signal.SIGTERM)

    # Callbacks that are under way are waited for; who does not want to wait interrupts once more.
    with system.engine.dispatcher.running(system.engine, settings.callback_timeout), control or nullcontext():
        run(system.asgi_app, listener, options, on_ready)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit(0))
    if unsaid:
        raise unsaid[0]


@contextmanager
def _no_collections() -> Iterator[None]:
    """What an import makes stays: to look for garbage in it again and again takes a twentieth of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _say(text: str) -> None:
    """Print what a server tells: it serves on when nobody reads any more."""
    try:
        click.echo(text)
    except BrokenPipeError:
        _print_no_more()


def _print_no_more() -> None:
    """What stdout still holds and what is yet to come goes nowhere, also when the interpreter ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _control(settings: Settings, system: Any, options: Any) -> Any:
    """A second server for the admin API, if it is to have its own port."""
    from swapmock.mock_server.web.server import LiveServer

    if settings.admin_port is None:
        return None
    return LiveServer(system.admin_asgi_app, settings.host, settings.admin_port, options=options)


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
        lines += [f"  {name:<10} {' '.join(_credential(row))}  {row['about']}" for row in rows]
    key = system.engine.contracts["crun"].behaviour.credentials["default"]["key"]
    lines.append("  try it     " + _curl(reachable, key))
    return "\n".join(lines)


def _credential(row: Any) -> list[str]:
    return [row["key"], row["secret"]] if row.get("secret") else [row["key"]]


def _curl(url: str, key: str) -> str:
    base = {"unix": f"--unix-socket {url[5:]} http://localhost", "https": f"-k {url}"}.get(url.partition(":")[0], url)
    return (
        f"curl -s {base}/api/v1/client/job/detect-face-image -H 'x-api-key: {key}' "
        """-H 'Content-Type: application/json' -d '{"image_url": "https://example.com/source.png"}'"""
    )


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=4021, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--fail", default=0, type=click.IntRange(0), metavar="N", help="Refuse the first N deliveries.")
@click.option("--slow", default=0.0, type=click.FloatRange(0), metavar="S", help="Wait S seconds before each answer.")
def listen(host: str, port: int, fail: int, slow: float) -> None:
    """Receive callbacks, print each one, and acknowledge it."""
    from swapmock.mock_server.adapters.receiver import Plan, Receiver

    try:
        receiver = Receiver(host, port, Plan(_say, fail, slow))
    except OSError as error:
        raise OneLine(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with receiver, suppress(KeyboardInterrupt):
        _say(f"Listening on {receiver.url}")
        receiver.serve_forever(poll_interval=0.1)


@cli.command()
def routes() -> None:
    """List every operation: method, path, id, evidence."""
    from swapmock.mock_server.web.build import build

    for api in build().pipeline.apis:
        for operation in api.contract.operations.values():
            level = operation.evidence.get("level", "-")
            click.echo(f"{operation.method:<6} {operation.path:<46} {operation.id:<26} {level}")


@cli.command()
@click.option("--provider", help="Only this provider's.")
@click.option("--level", type=click.Choice(["documented", "observed", "inferred", "invented"]), help="Only this level.")
def evidence(provider: str | None, level: str | None) -> None:
    """List every behaviour with how far to trust it, and where it was seen."""
    from swapmock.contracts import load
    from swapmock.contracts.evidence import behaviours
    from swapmock.mock_server.web.build import PROVIDERS

    if provider is not None and provider not in PROVIDERS:
        raise OneLine(f"no provider named {provider!r}; known: {', '.join(sorted(PROVIDERS))}")
    for name in PROVIDERS if provider is None else [provider]:
        for row in behaviours(load(name)):
            if level in (None, row["level"]):
                click.echo(f"{name:<8} {row['level']:<10} {row['kind']:<10} {row['name']:<44} {row['source']}")


def _handled(make: Callable[[Any], Any], contract: Any) -> Any:
    """The operations for which a provider has handlers."""
    return make(contract).handlers.keys()


@cli.command()
def lint() -> None:
    """Check the contracts: valid OpenAPI 3.1, examples fit, every operation has a handler."""
    try:
        import openapi_spec_validator  # noqa: F401 - only to say clearly what is missing
    except ImportError:
        raise OneLine("lint needs the extra `checks`: pip install 'swapmock[checks]'") from None
    from swapmock.contracts.lint import lint_all
    from swapmock.mock_server import admin
    from swapmock.mock_server.web.build import PROVIDERS

    handled: dict[str, Callable[[Any], Any]] = {name: partial(_handled, make) for name, make in PROVIDERS.items()}
    handled["admin"] = lambda _: admin.HANDLERS.keys()
    findings = lint_all(handled)
    for finding in findings:
        click.echo(finding)
    click.echo(f"{len(handled)} contract(s), {len(findings)} finding(s)")
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
    except BrokenPipeError:  # whoever read the output has gone: click's own habit is to leave quietly with 1
        _print_no_more()
        sys.exit(1)
    except OSError as error:
        _print_no_more()
        click.echo(f"swapmock: {' '.join((error.strerror or str(error)).split())}", err=True)
        sys.exit(2)
