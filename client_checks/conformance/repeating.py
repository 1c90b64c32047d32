"""How to repeat a finding: the calls that lead to it, and shell commands that make these calls again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence

from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.findings import Finding
from swapmock.client_checks.conformance.target import Target


def chain_of(finding: Finding, exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Return the calls that lead to a finding: those of its flow up to the call that shows the finding, else this
    call alone."""
    if not finding.exchange:
        return []
    shown = exchanges[finding.exchange - 1]
    if not shown.origin.startswith(("flow ", "refusal ")):
        return [shown]
    return [one for one in exchanges[: finding.exchange] if _row_of(one) == _row_of(shown)]


def _row_of(exchange: Exchange) -> str:
    """Return the flow or refusal that a call belongs to; calls for a price or the balance belong to the row that needs
    them."""
    return exchange.origin.removesuffix(": price").removesuffix(": balance")


def repeat_of(
    finding: Finding,
    exchanges: Sequence[Exchange],
    target: Target,
    seed: int,
    was_started: bool,
    more: Sequence[str] = (),
) -> str:
    """Return commands for a POSIX shell that repeat a finding.

    For a live target the commands are the calls of the chain, with a variable in place of the key. For an
    emulator they make a new sandbox. `was_started` says that the run started the emulator itself; then the
    commands start one first. `more` has further options that a flow needs: the file of flows, and media."""
    chain = chain_of(finding, exchanges)
    if not chain:
        return ""
    if target.is_live:
        return "\n".join(one.curl() for one in chain)
    where = shlex.quote("emulator" if was_started else target.base_url)
    origin = chain[-1].origin
    if origin.startswith(("flow ", "refusal ")):
        flow = _row_of(chain[-1]).removeprefix("flow ")
        variants = "".join(f" --variants {shlex.quote(one)}" for one in _variants(target))
        return (
            f"swapmock check {where} --provider {target.provider} --parts flows --flow {shlex.quote(flow)}"
            f" --seed {seed}{variants}{''.join(f' {shlex.quote(one)}' for one in more)}"
        )
    return "\n".join([*_new_sandbox(target, seed, was_started), *(_with_base(one, target) for one in chain)])


def _variants(target: Target) -> list[str]:
    """Return the choices that differ from the contract's defaults and can be written on a command line."""
    defaults = target.contract.behaviour.defaults
    return [
        f"{target.provider}.{name}={choice}"
        for name, choice in sorted(target.variants.items())
        if choice != defaults.get(name) and not isinstance(choice, Mapping)
    ]


def _new_sandbox(target: Target, seed: int, was_started: bool) -> list[str]:
    defaults = target.contract.behaviour.defaults
    changed = {name: choice for name, choice in target.variants.items() if choice != defaults.get(name)}
    wanted = {"seed": seed, "balance": 1_000_000, "variants": {target.provider: changed}}
    base = "http://127.0.0.1:4020" if was_started else target.base_url
    lines = ["swapmock serve --port 4020 & sleep 2"] if was_started else []
    lines += [
        f"BASE={shlex.quote(base)}",
        f"SANDBOX=$(curl -sS -X POST -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(wanted))} \"$BASE/__admin/sandboxes\")",
    ]
    for credential in target.profile.credentials:
        program = (
            "import json,sys; own = json.load(sys.stdin)['credentials']['" + target.provider + "']; "
            "print(own['" + credential.field + "'])"
        )
        lines.append(f'{credential.env[0]}=$(printf %s "$SANDBOX" | python3 -c {shlex.quote(program)})')
    return lines


def _with_base(exchange: Exchange, target: Target) -> str:
    """Return the command of a call, with a variable in place of the base URL."""
    line = exchange.curl()
    head, found, path = line.rpartition(target.base_url)
    if not found:
        return line
    closing = path[-1:] if head[-1:] in ("'", '"') and path[-1:] == head[-1:] else ""
    head = head[: -len(closing)] if closing else head
    path = path[: -len(closing)] if closing else path
    return f'{head}"$BASE"{shlex.quote(path)}'
