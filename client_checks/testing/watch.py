"""What the pytest plugin reads from a sandbox: broken rules, what happened, and the variables that lead to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swapmock import Control, Sandbox
    from swapmock.client_checks.testing.inbox import Inbox

DRIFT = re.compile(r"^swapmock_drift_total\{(?P<labels>[^}]*)\} (?P<count>\S+)$", re.MULTILINE)

#: The number of requests that a failing test's report shows: the last ones.
MOST_SHOWN = 20

#: The number of events that the report shows for one request or task.
MOST_EVENTS = 15


def drift_of(control: Control) -> dict[str, float]:
    """Return how often the emulator broke its contract since its start, by provider and operation."""
    return {match["labels"]: float(match["count"]) for match in DRIFT.finditer(control.metrics())}


def broken_invariants(sandbox: Sandbox, drift_before: dict[str, float]) -> list[str]:
    """Return what is wrong: broken invariants of the ledger, and answers that broke the contract since
    `drift_before`."""
    found = []
    proof = sandbox.ledger(proof=True)["proof"]
    if not proof["holds"]:
        found += [f"ledger: {text}" for text in _failures(proof)]
    for labels, count in drift_of(sandbox.control).items():
        if count > drift_before.get(labels, 0.0):
            found.append(f"drift: the emulator broke its own contract ({labels}); please report it")
    return found


def _failures(proof: Mapping[str, Any]) -> list[str]:
    broken = [row for row in proof.get("invariants", ()) if not row.get("holds", True)]
    return [f"{row.get('name', 'invariant')}: {row.get('detail', row)}" for row in broken] or [str(proof)]


def summary(sandbox: Sandbox) -> str:
    """Return what happened in a sandbox, for the report of a failing test."""
    requests = sandbox.requests()
    lines = [f"sandbox {sandbox.id} at {sandbox.base_url}, see {sandbox.document['admin_url']}"]
    if len(requests) > MOST_SHOWN:
        lines.append(f"({len(requests) - MOST_SHOWN} earlier requests are left out)")
    for row in requests[-MOST_SHOWN:]:
        lines += _request(sandbox, row)
    for task in sandbox.tasks():
        why = sandbox.why(task["id"])
        lines += [f"task {task['id']}: {why['summary']}", *_sequence(why), f"    see {why['page']}"]
    for record in sandbox.journal(type="delivery"):
        how = f"failed: {record['failure']}" if record["failure"] else "acknowledged"
        lines.append(f"callback {record['delivery']} attempt {record['attempt']} to {record['url']}: {how}")
    lines.append(f"credits available: {sandbox.balance():g}")
    return (
        "\n".join(lines)
        if requests or len(lines) > 2
        else "\n".join([*lines, "no request came: does the client use the base URL and the key of this sandbox?"])
    )


def _request(sandbox: Sandbox, row: Mapping[str, Any]) -> Iterable[str]:
    yield f"{row['id']} {row['method']} {row['target']} -> HTTP {row['status']}, code {row['code']}"
    if row["problem"] or row["fault"] or row["violations"] or row["unmatched"]:
        why = sandbox.why(row["id"])
        yield f"    {why['summary']}"
        yield from _sequence(why)
        yield f"    see {why['page']}"


def _sequence(why: Mapping[str, Any]) -> Iterable[str]:
    """Yield the events that led to the end of a request or task, in order."""
    events = why["chain"]
    for event in events[:MOST_EVENTS]:
        yield f"    {event['at_iso'][11:23]} {event['what']}: {event['text']}"
    if len(events) > MOST_EVENTS:
        yield f"    ({len(events) - MOST_EVENTS} later events are left out)"


def environment(sandbox: Sandbox, inbox: Inbox | None, mapped: Iterable[str]) -> dict[str, str]:
    """Return the variables that a client reads: those of `swapmock run`, and those that `mapped` derives from them.

    Each entry of `mapped` is NAME=VALUE. VALUE may contain {url}, {callback_url}, and {PROVIDER_key} and
    {PROVIDER_secret} for each provider. Raises ValueError for an invalid entry."""
    places = {"url": sandbox.base_url, "callback_url": "" if inbox is None else inbox.url}
    found = {"SWAPMOCK_URL": sandbox.base_url}
    for provider, credential in sandbox.document["credentials"].items():
        prefix, secret = provider.upper(), credential.get("secret", "")
        places |= {f"{provider}_key": credential["key"], f"{provider}_secret": secret}
        if secret:
            found |= {f"{prefix}_ACCESS_KEY_ID": credential["key"], f"{prefix}_ACCESS_KEY_SECRET": secret}
        else:
            found[f"{prefix}_API_KEY"] = credential["key"]
    if inbox is not None:
        found |= {"SWAPMOCK_CALLBACK_URL": inbox.url, "SWAPMOCK_CALLBACK_PORT": str(inbox.port)}
    for entry in mapped:
        name, equals, value = entry.partition("=")
        try:
            found[name.strip()] = value.strip().format_map(places)
        except (KeyError, ValueError, IndexError) as error:
            raise ValueError(f"swapmock_env: {entry!r}: {error} is none of {', '.join(sorted(places))}") from None
        if not equals or not name.strip():
            raise ValueError(f"swapmock_env: {entry!r} should be NAME=VALUE")
    return found
