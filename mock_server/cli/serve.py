"""`swapmock serve`: run the emulator until it is interrupted."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import click

from swapmock import __version__
from swapmock.mock_server.adapters import logs
from swapmock.mock_server.cli.environment import unknown_variables
from swapmock.mock_server.cli.options import CONFIG_PATH, is_chosen, setting_options, settings_from
from swapmock.mock_server.cli.output import UsageError, say
from swapmock.mock_server.settings import Settings, with_token

if TYPE_CHECKING:
    from swapmock.contracts import Contract
    from swapmock.mock_server.web.build import System


@click.command()
@setting_options()
def serve(**values: Any) -> None:
    """Run the emulator until it is interrupted."""
    with _no_collections():
        from swapmock.mock_server.web.build import build
        from swapmock.mock_server.web.server import listen, options_from, run, url_of

    for sentence in unknown_variables(os.environ):
        click.echo(f"swapmock: {sentence}", err=True)
    given = settings_from(values)
    settings = with_token(given)
    options = options_from(settings)
    try:
        system = build(settings)
        listener = listen(settings)
        control = _control(settings, system, options) if settings.workers == 1 else _admin_listener(settings)
    except OSError as error:
        raise UsageError(_cannot_start(settings, error)) from None
    set_up_logs(settings, system)
    url = url_of(listener, is_secure=options.tls is not None)
    if settings.workers == 1:
        system.advertise(url)  # each worker has an address of its own
    system.admin_pipeline.vendor_url = "" if control is None else settings.public_url or url
    system.pipeline.admin_url = "" if control is None else _url_of_control(control, options)

    unsaid: list[OSError] = []

    def on_ready() -> None:
        admin_url = system.pipeline.admin_url or url
        # A token that the user has chosen is not printed.
        token = f"  token {settings.admin_token}" if settings.admin_token != given.admin_token else ""
        lines = [_welcome(url, settings, system), f"  admin      {admin_url}/__admin{token}", f"Listening on {url}"]
        try:
            say("\n".join(lines))
        except OSError as error:
            unsaid.append(error)
            signal.raise_signal(signal.SIGTERM)

    if settings.workers > 1:
        _run_workers(system, listener, control, options, on_ready)
        if unsaid:
            raise unsaid[0]
        return
    # At the end, wait for callbacks that are being sent. A second signal ends the process at once.
    running = system.engine.dispatcher.running(system.engine, settings.callback_timeout)
    with closing(system.engine.store), running, control or nullcontext():
        run(system.asgi_app, listener, options, on_ready)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit(0))
    if unsaid:
        raise unsaid[0]


def set_up_logs(settings: Settings, system: System) -> None:
    """Set up logging as `settings` say. On a terminal every request is shown, unless a level was chosen."""
    is_watched = sys.stderr is not None and sys.stderr.isatty()
    level = "info" if is_watched and not is_chosen("log_level") else settings.log_level
    logs.set_up(level, settings.log_format, _mask(system), os.environ)


def _mask(system: System) -> logs.Mask:
    """Return the mask that hides the credentials in the contracts' form, and the secrets of this server."""
    forms = [form for c in system.engine.contracts.values() if (form := c.behaviour.credential_form) is not None]
    credentials = [row.credential for row in system.standing]
    return logs.secret_mask(
        prefixes=[secret.prefix for form in forms for secret in (form.key, form.secret) if secret is not None],
        headers=[name for form in forms for name in form.headers],
        values=[*system.engine.secrets, *(text for each in credentials for text in (each.key, each.secret))],
    )


@contextmanager
def _no_collections() -> Iterator[None]:
    """Import without garbage collections: imported objects stay, and examining them takes 5 % of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _control(settings: Settings, system: Any, options: Any) -> Any:
    """Return a second server for the admin API, if it has its own port."""
    from swapmock.mock_server.web.server import LiveServer

    if settings.admin_port is None:
        return None
    return LiveServer(system.admin_asgi_app, settings.host, settings.admin_port, options=options)


def _admin_listener(settings: Settings) -> Any:
    """Return a listening socket for the admin API, if it has its own port; all workers accept on it."""
    from swapmock.mock_server.web.server import bind

    return None if settings.admin_port is None else bind(settings.host, settings.admin_port)


def _url_of_control(control: Any, options: Any) -> str:
    """Return the base URL of the admin API's own server, or of the socket on which workers listen for it."""
    from swapmock.mock_server.web.server import LiveServer, url_of

    is_secure = options.tls is not None
    return str(control.url) if isinstance(control, LiveServer) else url_of(control, is_secure=is_secure)


def _run_workers(system: System, listener: Any, control: Any, options: Any, on_ready: Any) -> None:
    """Serve with worker processes until a signal comes. If a worker of a memory store dies, all are ended."""
    from swapmock.mock_server.workers import supervisor

    try:
        supervisor.run(system, [listener] if control is None else [listener, control], options, on_ready)
    except supervisor.WorkerDied as error:
        click.echo(f"swapmock: {error}", err=True)
        sys.exit(supervisor.DIED)


def _cannot_start(settings: Settings, error: OSError) -> str:
    if error.filename is not None:
        return f"--data-dir: {error.filename}: {error.strerror}"
    return f"cannot listen on {settings.uds or f'{settings.host}:{settings.port}'}: {error.strerror or error}"


def _welcome(url: str, settings: Settings, system: Any) -> str:
    """Return the banner: base URL, the vendors' hosts that it replaces, credentials, and a command to paste."""
    reachable = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    shown_url = settings.public_url.rstrip("/") or reachable
    lines = [f"swapmock {__version__}", f"  base URL   {shown_url}"]
    config = click.get_current_context().meta.get(CONFIG_PATH)
    lines += [] if config is None else [f"  settings   {config}"]
    for name, contract in system.engine.contracts.items():
        hosts = [server["url"].rstrip("/") for server in contract.document.get("servers", ())]
        lines += [f"  {name:<10} {host} -> {shown_url}" for host in hosts]
    for row in system.standing:
        shown = "(as --credential says)" if row.is_given else " ".join(filter(None, row.credential[1:3]))
        lines.append(f"  {row.credential.provider:<10} {shown}  {row.about}")
    first = system.standing[0]
    contract = system.engine.contracts[first.credential.provider]
    key, secret = ("KEY", "SECRET") if first.is_given else first.credential[1:3]
    lines.append("  try it     " + _curl(reachable, contract, key, secret))
    return "\n".join(lines)


def _curl(url: str, contract: Contract, key: str, secret: str) -> str:
    """Return a command to paste: the first operation of `contract` that has an example, with a credential."""
    base = {"unix": f"--unix-socket {url[5:]} http://localhost", "https": f"-k {url}"}.get(url.partition(":")[0], url)
    operation = next((o for o in contract.operations.values() if o.takes_json and "{" not in o.path), None)
    form = contract.behaviour.credential_form
    shown = {} if form is None else form.shown(key, secret)
    headers = "".join(f" -H '{name}: {value}'" for name, value in shown.items())
    if operation is None or operation.body_spec is None:
        return f"curl -s {base}{contract.behaviour.prefix}{headers}"
    examples = operation.body_spec["content"]["application/json"].get("examples", {"": {"value": {}}})
    body = json.dumps(next(iter(examples.values()))["value"])
    return f"curl -s {base}{operation.path}{headers} -H 'Content-Type: application/json' -d '{body}'"
