"""The state of one request in the stages of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from swapmock.contracts import Operation
from swapmock.mock_server.core.call import Cacheable, Call
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.provider import Identity
from swapmock.mock_server.web.faults import FaultHit
from swapmock.mock_server.web.messages import Request
from swapmock.mock_server.web.mounting import MountedApi


@dataclass(slots=True)
class RequestContext:
    """One request while it is being answered.

    `exchange` is the record for the journal. `hit` is the fault that applies to this request. `cacheable` says
    how long the response may be reused. `hold` is the minimal delay of the answer in real seconds."""

    api: MountedApi
    request: Request
    operation: Operation
    call: Call
    identity: Identity
    exchange: Exchange
    hit: FaultHit | None = None
    cacheable: Cacheable | None = None
    hold: float = 0.0
