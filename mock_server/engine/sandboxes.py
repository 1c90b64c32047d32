"""Makes sandboxes, chooses their variants, and removes them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.core.clock import SandboxClock
from swapmock.mock_server.core.ledger import Entry, Move
from swapmock.mock_server.core.sandbox import Credential, Sandbox
from swapmock.mock_server.core.seeded import alphanumeric, lower_alphanumeric
from swapmock.mock_server.engine.runtime import Runtime

if TYPE_CHECKING:
    from swapmock.contracts import Contract
    from swapmock.contracts.rows import SecretForm


log = logging.getLogger("swapmock")

#: The sandbox that always exists. Requests without a known credential are recorded in it.
DEFAULT_SANDBOX = "default"


class UnknownVariant(ValueError):
    """There is no such variant or choice; `place` names the provider and the variant."""

    def __init__(self, place: tuple[str, ...], text: str) -> None:
        super().__init__(text)
        self.place = place


def choose_variants(
    contracts: Mapping[str, Contract], wanted: Mapping[str, Mapping[str, Any]], over: Mapping[str, Any] | None = None
) -> dict[str, Mapping[str, Any]]:
    """Return the variants of every provider: the choices in `wanted`, else those in `over`, else the defaults.
    Raises UnknownVariant."""
    for provider in wanted:
        if provider not in contracts:
            known = ", ".join(sorted(contracts))
            raise UnknownVariant((provider,), f"no provider named {provider!r}; known: {known}")
    chosen = {}
    for name, contract in contracts.items():
        choices = {**(over or {}).get(name, {})}
        for variant, choice in wanted.get(name, {}).items():
            try:
                choices[variant] = contract.behaviour.choose({variant: choice})[variant]
            except ValueError as error:
                raise UnknownVariant((name, variant), str(error)) from None
        chosen[name] = contract.behaviour.choose(choices)
    return chosen


def credentials_for(contracts: Mapping[str, Contract], seed: str) -> tuple[Credential, ...]:
    """Return one credential for each provider, in the vendor's form.

    They depend only on `seed`, which must be unpredictable: from the seed, anyone can compute the keys."""
    return tuple(
        credential_of(name, contract, seed)
        for name, contract in contracts.items()
        if contract.behaviour.credential_form is not None
    )


def credential_of(provider: str, contract: Contract, seed: str) -> Credential:
    """Return a credential of `provider` that depends only on `seed`, in the form of its contract. Raises LookupError
    without a form."""
    form = contract.behaviour.credential_form
    if form is None:
        raise LookupError(f"{provider} has no credential_form")
    key = _generate(form.key, provider, "key", seed)
    return Credential(provider, key, _generate(form.secret, provider, "secret", seed))


def _generate(form: SecretForm | None, *seed: object) -> str:
    if form is None:
        return ""
    letters = lower_alphanumeric if form.case == "lower" else alphanumeric
    return form.prefix + letters(form.length, *seed)


def credential_headers(contract: Contract, credential: Credential) -> dict[str, str]:
    """Return the request headers that carry a credential, in the vendor's form."""
    form = contract.behaviour.credential_form
    return {} if form is None else form.shown(credential.key, credential.secret)


def open_account(runtime: Runtime, sandbox: Sandbox, clock: SandboxClock) -> None:
    """Add a sandbox and grant it its credits. Raises ValueError if its id or a key is taken."""
    grant = [Entry(clock.read(runtime.time.now()), Move.GRANT, sandbox.grant)] if sandbox.grant else []
    runtime.store.add(sandbox, clock, grant)
    if sandbox.expires_at is not None:
        runtime.store.expire(sandbox.id, sandbox.expires_at)


def sweep(runtime: Runtime, real: float) -> None:
    """Remove the sandboxes whose time to live is over at the real time `real`."""
    for sandbox_id in runtime.store.expired(real):
        try:
            box = runtime.store.open(sandbox_id)
        except KeyError:
            continue
        end = box.sandbox.expires_at
        if end is not None and end <= real:
            drop(runtime, sandbox_id)


def drop(runtime: Runtime, sandbox_id: str) -> bool:
    """Remove a sandbox and its files. Return whether there was one."""
    try:
        box = runtime.store.open(sandbox_id)
    except KeyError:
        return False
    with box:  # an upload in progress ends first and is removed as well, or finds no sandbox
        is_dropped = runtime.store.drop(sandbox_id)
        try:
            runtime.blobs.drop(f"{sandbox_id}/")
        except OSError as error:
            log.error("files of sandbox %s could not be removed: %s", sandbox_id, error)
        return is_dropped
