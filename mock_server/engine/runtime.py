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
from swapmock.mock_server.engine.long_tasks import LongTasks

if TYPE_CHECKING:
    from swapmock.contracts import Contract


class Sent(NamedTuple):
    """An attempt of the delivery with this number, and the delivery's state before and after the attempt."""

    number: int
    attempt: Attempt
    before: DeliveryState
    after: DeliveryState


class Dispatcher(Protocol):
    """The sender of callbacks. Its only implementation is `dispatcher.CallbackDispatcher`."""

    def notice(self, runtime: Runtime, box: Box, at: float) -> None:
        """Called when something falls due in the open sandbox `box` at the sandbox time `at`."""

    def claim(self, runtime: Runtime, box: Box, delivery_ids: Sequence[str]) -> list[Delivery]:
        """Claim deliveries of the open sandbox `box`, due or not."""

    def deliver(self, runtime: Runtime, sandbox_id: str, claimed: Sequence[Delivery]) -> list[Sent]:
        """Send claimed deliveries and wait for the results."""

    def deliver_due(self, runtime: Runtime, sandbox_id: str) -> list[Sent]:
        """Send everything that is due now in a sandbox and wait for the results."""


@dataclass(frozen=True)
class Runtime:
    """The ports, the contracts and the limits of one emulator. All state that changes is in `store`; `long_tasks` is a hint.

    `public_url` is the base URL of links in answers ("" for the URL that the client used). `seed` is the seed of
    the standing sandboxes. `prices` has prices in millicredits that replace those of the contracts, by (provider,
    name). `max_tasks`, `max_tasks_bytes`, `max_files` and `max_files_bytes` limit each sandbox; `max_sandboxes`
    limits their number; `max_media_side` (pixels) and `max_media_seconds` limit what is drawn. `draw_key_seed`
    returns a new unpredictable text at each call, from which the keys of a sandbox are made: keys do not depend
    on `seed`. `secrets` are texts that no answer may show, in addition to the credentials of sandboxes.
    `on_drift` is called with each exchange whose answer breaks the contract."""

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
    long_tasks: LongTasks = field(default_factory=LongTasks, kw_only=True)

    def now(self, box: Box) -> float:
        """Return the time in a sandbox, in epoch seconds."""
        return box.clock.read(self.time.now())

    def price(self, provider: str, name: str, listed: Millicredits) -> Millicredits:
        """Return the price of `name` in millicredits: the one in the settings, else `listed`, the contract's price."""
        return self.prices.get((provider, name), listed)
