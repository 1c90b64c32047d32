"""`swapmock listen`: a receiver of callbacks for the terminal."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import click

from swapmock.contracts.behaviour import Acknowledgement
from swapmock.mock_server.adapters.clock import pause
from swapmock.mock_server.adapters.receiver import (
    ReceivedRequest,
    Receiver,
    ReceiverAnswer,
    ReceiverLimits,
    RequestRefused,
    decoded_body,
    json_answer,
)
from swapmock.mock_server.cli.output import UsageError, printable, say

#: The answer to a refused callback: for no provider, HTTP 500 is an acknowledgement.
REFUSAL = (500, {"message": "refused by swapmock listen"})

#: JSON with deeper nesting is shown unchanged.
MAX_DEPTH = 100

LIMITS = ReceiverLimits()


@dataclass
class Printer:
    """Prints each request with `show`, refuses the first `fail` requests, and waits `slow` seconds before each
    answer. The other requests are answered with `acknowledgement`: an HTTP status and a JSON value."""

    show: Callable[[str], None]
    acknowledgement: tuple[int, Any] = (200, {})
    fail: int = 0
    slow: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def answer(self, request: ReceivedRequest) -> ReceiverAnswer:
        """Print `request`, and return the answer to it."""
        kind = request.header("content-type") or "no content type"
        try:
            text, (status, value) = pretty(decoded_body(request, LIMITS.body)), self._planned(request.number)
        except RequestRefused as refused:
            text, status, value = f"refused: {refused}", refused.status, {"message": str(refused)}
        with self._lock:
            line = f"#{request.number} {request.method} {request.target}  {kind}, {len(request.body)} bytes -> HTTP {status}"
            self.show(printable(line.replace("\n", "\\n")))
            self.show(printable(text))
        if self.slow:
            pause(self.slow)
        return json_answer(status, value)

    def _planned(self, number: int) -> tuple[int, Any]:
        return REFUSAL if number <= self.fail else self.acknowledgement

    def refused(self, reason: str) -> None:
        """Print that a request was refused before it was complete."""
        with self._lock:
            self.show(printable(f"refused a request: {reason}"))


def pretty(body: bytes) -> str:
    """Return JSON with indentation; anything else unchanged."""
    try:
        value = json.loads(body)
        if _depth(value) > MAX_DEPTH:
            return f"(JSON nested deeper than {MAX_DEPTH} levels, shown as it came)\n{_as_text(body)}"
        return json.dumps(value, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return _as_text(body)


def _as_text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")


def _depth(value: Any) -> int:
    """Return how deeply arrays and objects are nested in `value`."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, list | dict)]:
        depth += 1
        level = [item for holder in level for item in (holder.values() if isinstance(holder, dict) else holder)]
    return depth


def acknowledgement(rules: Mapping[str, Acknowledgement]) -> tuple[int, Any]:
    """Return the HTTP status and the JSON object that acknowledge a callback by all `rules` (provider -> the rule of
    its contract). Raises UsageError if no answer meets all of them."""
    first = max((rule.statuses[0] for rule in rules.values()), default=200)
    last = min((rule.statuses[1] for rule in rules.values()), default=299)
    values: dict[str, list[Any]] = {}
    for rule in rules.values():
        if rule.code:
            values[rule.member] = [one for one in values.get(rule.member, rule.code) if one in rule.code]
    if first > last or not all(values.values()):
        raise UsageError(f"no answer acknowledges callbacks of all of {', '.join(rules)}: choose one with --provider")
    return first, {member: fitting[0] for member, fitting in values.items()}


def _rules(provider: str | None) -> dict[str, Acknowledgement]:
    """Return the rules of the contracts: of `provider`, or of every provider with callbacks."""
    from swapmock.contracts import load
    from swapmock.mock_server.web.build import registrations

    contracts = {name: load(name) for name in registrations()}
    if provider is not None and provider not in contracts:
        raise UsageError(f"--provider: {provider!r} is none of {', '.join(contracts)}")
    wanted = contracts if provider is None else {provider: contracts[provider]}
    found = {name: contract.behaviour.callbacks for name, contract in wanted.items()}
    return {name: rules.acknowledged for name, rules in found.items() if rules is not None}


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "-p",
    "--port",
    default=4021,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 selects a free one.",
)
@click.option("--fail", default=0, type=click.IntRange(0), metavar="N", help="Refuse the first N deliveries.")
@click.option(
    "--slow", default=0.0, type=click.FloatRange(0, 3600), metavar="S", help="Wait S seconds before each answer."
)
@click.option(
    "--provider", metavar="NAME", help="Acknowledge in the form of this provider; default: in a form that all accept."
)
def listen(host: str, port: int, fail: int, slow: float, provider: str | None) -> None:
    """Receive callbacks, print each one, and acknowledge it."""
    printer = Printer(say, acknowledgement(_rules(provider)), fail, slow)
    try:
        receiver = Receiver(printer.answer, host, port, LIMITS, printer.refused)
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        say(f"Listening on {receiver.base_url}")
        receiver.serve_forever(poll_interval=0.1)
    receiver.server_close()
