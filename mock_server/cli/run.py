"""`swapmock run`: run a command whose vendor address is built in against the emulator."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, cast

import click

from swapmock.mock_server.adapters import logs
from swapmock.mock_server.cli.options import setting_options, settings_from
from swapmock.mock_server.cli.output import UsageError, printable
from swapmock.mock_server.settings import SettingError

if TYPE_CHECKING:
    from swapmock.mock_server.interception import Interception


@click.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option(
    "--emulator", default="", metavar="URL", help="Base URL of a running emulator; without it, one is started."
)
@click.option(
    "--others",
    type=click.Choice(["refuse", "tunnel"]),
    default="refuse",
    show_default=True,
    help="What to do with requests to other hosts. Requests to loopback are always passed on.",
)
@click.option(
    "--callback-port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port on which CMD listens for callbacks; 0 selects a free one. CMD reads it from SWAPMOCK_CALLBACK_PORT.",
)
@setting_options(port=0)
@click.argument("command", nargs=-1, required=True, metavar="-- CMD [ARGS]...")
def run(emulator: str, others: str, callback_port: int, command: tuple[str, ...], **values: Any) -> None:
    """Run CMD so that its requests to the vendors' hosts reach the emulator.

    CMD needs no change: it gets the variables by which common runtimes find a proxy and trust its certificates. It also gets
    SWAPMOCK_URL, CRUN_API_KEY, IMGOPEN_ACCESS_KEY_ID, IMGOPEN_ACCESS_KEY_SECRET, SWAPMOCK_CALLBACK_URL (what to hand to a
    vendor) and SWAPMOCK_CALLBACK_PORT (where to listen for it). The exit status is CMD's.
    """
    from swapmock.mock_server.control import AdminError
    from swapmock.mock_server.interception import MissingExtra, intercept
    from swapmock.mock_server.interception.process import CannotStart, signals_held_back
    from swapmock.mock_server.interception.proxy import Others

    settings = settings_from(values)
    logs.set_up(settings.log_level, settings.log_format, environment=os.environ)
    with signals_held_back() as run_command:
        try:
            with intercept(
                emulator,
                token=settings.admin_token,
                settings=settings,
                others=cast(Others, others),
                callback_port=callback_port,
            ) as interception:
                before = interception.answered() if emulator else 0
                status = run_command(command, interception.environment)
                lines = summary(interception, before)
        except CannotStart as error:
            click.echo(f"swapmock: {error}", err=True)
            sys.exit(error.status)
        except MissingExtra as error:
            raise UsageError(str(error)) from None
        except AdminError as error:
            raise UsageError(f"--emulator: {emulator} refused: {error}") from None
        except SettingError:
            raise
        except ValueError as error:
            raise UsageError(f"--emulator: {error}") from None
        except OSError as error:
            raise UsageError(f"--emulator: cannot reach {emulator}: {error}" if emulator else str(error)) from None
    for line in lines:
        click.echo(printable(f"swapmock run: {line}"), err=True)
    sys.exit(status)


def summary(interception: Interception, before: int) -> list[str]:
    """Return the lines for the end of a run: which hosts were refused, and why no vendor request may have arrived.

    `before` is the number of requests that the emulator had answered at the start: CMD may also use SWAPMOCK_URL."""
    lines = []
    if interception.refused:
        hosts = ", ".join(sorted(set(interception.refused)))
        lines.append(f"refused {len(interception.refused)} request(s) to {hosts}; --others tunnel lets them through")
    if interception.vendor_requests or _answered(interception) > before:
        return lines
    hosts = ", ".join(interception.hosts)
    lines.append(f"no request to {hosts} arrived; docs/run.md lists the clients that cannot be intercepted")
    if interception.untrusted:
        reasons = ", ".join(sorted(set(interception.untrusted)))
        count = len(interception.untrusted)
        lines.append(
            f"a client broke off TLS {count} time(s) ({reasons}): it may not trust the certificate of this run"
        )
    return lines


def _answered(interception: Interception) -> int:
    """Return how many requests the emulator has answered; 0 if it no longer answers."""
    from swapmock.mock_server.control import AdminError

    try:
        return interception.answered()
    except (OSError, AdminError):
        return 0
