"""`swapmock mcp`: serves the tools over stdin and stdout."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from swapmock import Control


@click.command()
@click.option(
    "--url", envvar="SWAPMOCK_URL", metavar="URL", help="Use the emulator at this base URL; without it, one is started."
)
@click.option(
    "--token", envvar="SWAPMOCK_ADMIN_TOKEN", default="", help="Bearer token of the admin API, if one is required."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port of the emulator that is started; 0 selects a free one.",
)
def mcp(url: str | None, token: str, port: int) -> None:
    """Serve the emulator as tools for coding agents: an MCP server over stdin and stdout.

    Register it as the command `swapmock mcp`, or `uvx --from 'swapmock[mcp,checks]' swapmock mcp`.
    """
    # The protocol uses stdout; the emulator's warnings go to stderr.
    logging.basicConfig(level=logging.WARNING)
    try:
        from swapmock.client_checks.agents.server import make_server
    except ModuleNotFoundError as missing:
        raise click.ClickException(
            f"mcp needs the extra `mcp` ({missing.name} is not installed): pip install 'swapmock[mcp]'"
        ) from None
    with _emulator(url, token, port) as control:
        make_server(control).run("stdio")


@contextmanager
def _emulator(url: str | None, token: str, port: int) -> Iterator[Control]:
    """Return the emulator at `url`, or start one in this process. Raises ClickException if nothing answers at `url`."""
    from requests import RequestException

    from swapmock import AdminError, Emulator, RemoteEmulator

    if not url:
        with Emulator(port=port) as emulator:
            yield emulator
        return
    if not url.startswith(("http://", "https://", "unix:")):
        raise click.ClickException(
            f"--url: {url} is no emulator that answers: it should begin with http:// or https://"
        )
    with RemoteEmulator(url, token=token) as remote:
        try:
            remote.sandboxes()
        except (AdminError, RequestException, ValueError) as error:
            raise click.ClickException(f"--url: {url} is no emulator that answers: {error}") from None
        yield remote
