"""`swapmock health`: does an emulator answer? The container image runs it as its HEALTHCHECK."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from swapmock.mock_server.cli.output import UsageError, say
from swapmock.mock_server.settings import Settings, is_loopback

PROC = Path("/proc")

#: Names of programs that are the first process of a container and start the server: those of `--init`, and shells.
INITS = frozenset(["docker-init", "tini", "catatonit", "podman-init", "dumb-init", "sh", "ash", "dash", "bash"])


@click.command()
@click.argument("url", required=False)
@click.option("--timeout", default=2.0, show_default=True, type=click.FloatRange(0.01, 600), help="Seconds to wait.")
@click.option("--ca", type=click.Path(path_type=Path, exists=True), help="Certificates to trust, in PEM.")
@click.option(
    "--insecure", "-k", is_flag=True, help="Accept any certificate; on loopback, any is accepted without this flag."
)
def health(url: str | None, timeout: float, ca: Path | None, insecure: bool) -> None:
    """Exit with 0 if the emulator at URL answers, else with 1.

    URL is http, https or unix:/path. Without it, the emulator that this container runs is asked; outside of a container,
    the one that the environment and the config file describe.
    """
    from swapmock.mock_server.adapters.http_client import HttpClient, UnreachableError

    base_url = (url or url_from(_settings_of_container() or _settings_of(()))).rstrip("/")
    if not base_url.startswith(("http://", "https://", "unix:")):
        raise UsageError(f"{base_url!r} is no http, https or unix: URL")
    from urllib.parse import urlsplit

    is_own = url is None or is_loopback(urlsplit(base_url).hostname or "")
    client = HttpClient(base_url, ca or not (insecure or is_own))
    try:
        answer = client.call("GET", "/health", {}, None, timeout)
    except (UnreachableError, ValueError) as error:
        click.echo(f"swapmock: no emulator answers at {base_url}: {error}", err=True)
        sys.exit(1)
    finally:
        client.close()
    if answer.status != 200:
        click.echo(f"swapmock: {base_url}/health answers {answer.status}", err=True)
        sys.exit(1)
    say(f"healthy: {base_url}")


def url_from(settings: Settings) -> str:
    """Return the URL at which a server with `settings` can be reached from this machine."""
    if settings.uds is not None:
        return f"unix:{settings.uds}"
    scheme = "http" if settings.tls_cert is None else "https"
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(
        settings.host.strip("[]"), settings.host.strip("[]")
    )
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _settings_of(arguments: tuple[str, ...]) -> Settings:
    """Return the settings of `swapmock serve` with these arguments, in this environment."""
    from swapmock.mock_server.cli.options import settings_from
    from swapmock.mock_server.cli.serve import serve

    with serve.make_context("serve", list(arguments)) as context:
        return settings_from(dict(context.params))


def _settings_of_container() -> Settings | None:
    """Return the settings of the server that is the first process here, or a child of it (under `--init`); None if
    there is no such server. Its flags are read from its command line; its environment is the same as that of the
    health check.

    On a machine that is not a container, a server whose parent has ended is also a child of the first process.
    Such a server is not meant."""
    try:
        is_container = (PROC / "1/comm").read_text().strip() in INITS
        children = (PROC / "1/task/1/children").read_text().split() if is_container else []
    except OSError:
        children = []
    for pid in ("1", *children):
        arguments = serve_arguments(pid)
        if arguments is not None:
            return _settings_of(arguments)
    return None


def serve_arguments(pid: str) -> tuple[str, ...] | None:
    """Return the arguments after `serve` on the command line of a process; None if the process is not `swapmock
    serve`."""
    try:
        words = (PROC / pid / "cmdline").read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1]
    except OSError:
        return None
    for index, word in enumerate(words[1:], start=1):
        if word == "serve" and Path(words[index - 1]).name in ("swapmock", "__main__.py"):
            return tuple(words[index + 1 :])
    return None
