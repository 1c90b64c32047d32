"""A sandbox: an isolated account with its own credentials, clock, seed, money, tasks and journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mock_server.core.credits import Millicredits


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request shows to be let in. `key` is found by lookup; `secret`, where a provider has one, must agree."""

    provider: str
    key: str
    secret: str = ""
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `calls` in any `seconds` of sandbox time; `retry_after` is the form of that header: none, seconds, date."""

    calls: int
    seconds: float
    retry_after: str = "none"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The settings of a sandbox. `variants` has every choice of every provider; `expires_at` is real time."""

    id: str
    seed: int
    credentials: tuple[Credential, ...]
    variants: Mapping[str, Mapping[str, Any]]
    grant: Millicredits
    created_at: float
    scenario: str | None = None
    rate_limit: RateLimit | None = None
    expires_at: float | None = None
    evidence_header: bool = False
    prefer_header: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
