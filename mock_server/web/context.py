"""What the stages of the pipeline know of one request."""

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
    """One request while it is answered.

    `exchange` is the record for the journal. `hit` is the fault that applies to this request. `cacheable` says for how long
    the response may be given again. `hold` is for how many real seconds the answer is held back at least.
    """

    api: MountedApi
    request: Request
    operation: Operation
    call: Call
    identity: Identity
    exchange: Exchange
    hit: FaultHit | None = None
    cacheable: Cacheable | None = None
    hold: float = 0.0
