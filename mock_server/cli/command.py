"""The group of commands, each imported when it runs, and the entry point."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from swapmock import __version__
from swapmock.mock_server.cli.output import UsageError, silence
from swapmock.mock_server.settings import SettingError

#: Command -> the module of this package that defines it under the same name.
COMMANDS = {
    "advance": "remote",
    "contract": "contracts",
    "evidence": "contracts",
    "fault": "remote",
    "health": "health",
    "lint": "contracts",
    "listen": "listen",
    "queue": "remote",
    "requests": "remote",
    "reset": "remote",
    "routes": "contracts",
    "run": "run",
    "serve": "serve",
    "store": "store",
    "why": "remote",
}


class LazyGroup(click.Group):
    """Commands that are imported when they run, so that a start does not import the others."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of the commands."""
        from swapmock.client_checks.cli import COMMANDS as CHECKS

        return sorted([*super().list_commands(context), *COMMANDS, *CHECKS])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return a command; None for an unknown name."""
        if name in COMMANDS:
            module = import_module(f"swapmock.mock_server.cli.{COMMANDS[name]}")
            command = getattr(module, name)
            assert isinstance(command, click.Command)
            return command
        from swapmock.client_checks.cli import COMMANDS as CHECKS

        return super().get_command(context, name) or CHECKS.get(name)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(version)s")
def cli() -> None:
    """An offline emulator of the crun.ai and Img Open face swap APIs, and checks of their contracts."""


@cli.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line. A mistake of the user gives one line on stderr and exit status 2."""
    try:
        status = cli.main(arguments, prog_name="swapmock", standalone_mode=False)
        if isinstance(status, int) and status:
            sys.exit(status)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            click.echo(error.format_message())
            sys.exit(0)
        _fail(error.format_message())
    except SettingError as error:
        _fail(str(error))
    except BrokenPipeError:  # the reader of the output has gone: like click, end silently with status 1
        silence()
        sys.exit(1)
    except OSError as error:
        silence()
        _fail(error.strerror or str(error))


def _fail(text: str) -> None:
    click.echo(f"swapmock: {' '.join(text.split())}", err=True)
    sys.exit(2)


__all__ = ["UsageError", "cli", "main"]
