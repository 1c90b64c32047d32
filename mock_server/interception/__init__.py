"""Interception: a client with a built-in vendor address reaches the emulator without a change.

`intercept` starts an emulator (or uses a running one), a proxy that answers for the vendors' host names, and a
relay for callbacks. `swapmock run` runs a command inside it. Needs the extra `run`."""

from swapmock.mock_server.interception.session import Interception, MissingExtra, intercept

__all__ = ["Interception", "MissingExtra", "intercept"]
