"""The server that is checked: an emulator, or any server by its base URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from swapmock.client_checks.conformance.masking import Secrets
from swapmock.client_checks.conformance.profile import Profile
from swapmock.contracts import Contract


class CannotRun(Exception):
    """Nothing can be checked. The text is one line for the user."""


@dataclass(frozen=True)
class Target:
    """A server, and how to call it. `is_live` says that every call may cost and must be accounted for. `is_ours`
    says that the server is the emulator, which knows magic values.

    `variants` are the choices that the server is held to, where the sources disagree. `are_declared` says that
    the user named them; otherwise they are the contract's defaults. `variants_of_strangers` are the choices for
    calls without our credentials, if they differ: the server cannot know which account such a call belongs to."""

    contract: Contract
    profile: Profile
    base_url: str
    credentials: Mapping[str, str]
    is_live: bool
    is_ours: bool
    variants: Mapping[str, Any]
    are_declared: bool = False
    variants_of_strangers: Mapping[str, Any] | None = None
    secrets: Secrets = field(default_factory=Secrets)

    def may_cost(self, operation: str) -> bool:
        """Return whether a call of `operation` may be charged: every operation that the contract does not declare
        free may cost, and so may an unknown one. "" means no call."""
        known = self.contract.operations.get(operation)
        return bool(operation) and (known is None or known.may_cost)

    @property
    def declared_statuses(self) -> set[int]:
        """Return the HTTP statuses that the user's status policy names for single codes; the contract need not list
        them."""
        policy = self.variants.get("http_status")
        return {int(status) for status in policy.values()} if isinstance(policy, Mapping) else set()

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.profile.provider

    @property
    def name(self) -> str:
        """The name in reports: the provider and the base URL."""
        return f"{self.provider} at {self.base_url}"


def standing_credentials(contract: Contract, profile: Profile, name: str = "default") -> dict[str, str]:
    """Return the headers of the standing account `name` of an emulator."""
    row = contract.behaviour.credentials[name]
    return {one.header: one.shown(contract, str(row[one.field])) for one in profile.credentials}


def credentials_from(
    environment: Mapping[str, str], contract: Contract, profile: Profile
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the headers that carry the credentials, and the secrets by the name of their variable. Raises CannotRun
    with the name of a variable that is not set."""
    headers, secrets = {}, {}
    for credential in profile.credentials:
        found = next(((name, environment[name]) for name in credential.env if environment.get(name)), None)
        if found is None:
            raise CannotRun(f"no credentials for {profile.provider}: set {credential.env[0]}")
        headers[credential.header] = credential.shown(contract, found[1])
        secrets[found[0]] = found[1]
    return headers, secrets
