"""The command `swapmock`. `main` is its entry point."""

from swapmock.mock_server.cli.command import main

__all__ = ["main"]
