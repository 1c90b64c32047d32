"""The ports and settings that all engine modules share, without any behaviour of tasks or callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from swapmock.mock_server.core.credits import Millicredits
from swapmock.mock_server.core.delivery import Attempt, Delivery, DeliveryState
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.ports import Blobs, Box, Json, JsonQuery, Meter, RealTime, Store
from swapmock.mock_server.core.provider import Provider

if TYPE_CHECKING:
    from swapmock.contracts import Contract


class Sent(NamedTuple):
    """An attempt of the delivery with this number, and the delivery's state before and after the attempt."""

    number: int
    attempt: Attempt
    before: DeliveryState
    after: DeliveryState


class Dispatcher(Protocol):
    """What sends callbacks. Its one implementation is `dispatcher.CallbackDispatcher`."""

    def notice(self, runtime: Runtime, box: Box, at: float) -> None:
        """Something falls due in the open sandbox `box` at its time `at`."""

    def claim(self, runtime: Runtime, box: Box, delivery_ids: Sequence[str]) -> list[Delivery]:
        """Claim deliveries of the open sandbox `box`, due or not."""

    def deliver(self, runtime: Runtime, sandbox_id: str, claimed: Sequence[Delivery]) -> list[Sent]:
        """Send claimed deliveries and wait for the results."""

    def deliver_due(self, runtime: Runtime, sandbox_id: str) -> list[Sent]:
        """Send everything that is due now in a sandbox and wait for the results."""


@dataclass(frozen=True)
class Runtime:
    """The ports, the contracts and the limits of one emulator. Everything that changes is in `store`.

    `public_url` is the base URL of links in answers ("" for the one that the client used). `seed` is the seed of the
    standing sandboxes. `prices` holds prices in millicredits that replace the contracts' ones, by (provider, name).
    `max_tasks`, `max_tasks_bytes`, `max_files` and `max_files_bytes` bound each sandbox; `max_media_side` (pixels) and
    `max_media_seconds` bound what is drawn; `max_sandboxes` bounds their
    number. `draw_key_seed` returns a new unpredictable text at each call, from which the keys of a sandbox
    are made: keys do not follow from `seed`. `secrets` are texts that no answer may show, beside the credentials of sandboxes. `on_drift` is called with
    each exchange of ours that breaks the contract.
    """

    store: Store
    time: RealTime
    blobs: Blobs
    json: Json
    jsonquery: JsonQuery
    contracts: Mapping[str, Contract]
    admin_contract: Contract
    public_url: str = ""
    seed: int = 0
    providers: Mapping[str, Provider] = field(kw_only=True)
    dispatcher: Dispatcher = field(kw_only=True)
    meter: Meter = field(kw_only=True)
    prices: Mapping[tuple[str, str], Millicredits] = field(default_factory=dict, kw_only=True)
    max_tasks: int = field(default=1_000_000, kw_only=True)
    max_tasks_bytes: int = field(default=1 << 29, kw_only=True)
    max_files: int = field(default=10_000, kw_only=True)
    max_files_bytes: int = field(default=1 << 30, kw_only=True)
    max_media_side: int = field(default=4096, kw_only=True)
    max_media_seconds: int = field(default=480, kw_only=True)
    max_sandboxes: int = field(default=10_000, kw_only=True)
    draw_key_seed: Callable[[], str] = field(kw_only=True)
    secrets: frozenset[str] = field(default=frozenset(), kw_only=True)
    on_drift: Callable[[Exchange], None] = field(kw_only=True)

    def now(self, box: Box) -> float:
        """The time in a sandbox, in epoch seconds."""
        return box.clock.read(self.time.now())

    def machine_time_before(self, box: Box, at: float | None) -> float | None:
        """The machine's time, if the clock of the sandbox runs and shows the later time `at`; None otherwise. Records of a
        sandbox whose clock stands still are the same in every run."""
        if at is None or box.clock.rate == 0.0:
            return None
        real = self.time.now()
        return real if real < at else None

    def price(self, provider: str, name: str, listed: Millicredits) -> Millicredits:
        """What a task costs: as the settings say, else `listed`, the contract's price."""
        return self.prices.get((provider, name), listed)
