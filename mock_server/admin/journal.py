"""The journal, in pages and as HAR."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapmock.mock_server.admin import records
from swapmock.mock_server.admin.har import har
from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.admin.wire import not_found
from swapmock.mock_server.core.call import Call, Reply
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.timetext import format_timestamp

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: The number of records on a page if the request has no `limit`.
DEFAULT_LIMIT = 100


def _page(call: Call, engine: Engine, name: str, only_exchanges: bool) -> Reply:
    with call.box as box:
        engine.catch_up(box, engine.now(box))
        held, dropped, recovered = records.numbered(box), box.dropped(), box.recovered
    found = records.selected(call.params, held)
    if only_exchanges:
        found = [(number, record) for number, record in found if isinstance(record, Exchange)]
    limit, mask = call.params.get("limit", DEFAULT_LIMIT), Mask(engine, box.sandbox)
    left = [(number, record) for number, record in found if number > call.params.get("after", 0)]
    page = left[:limit]
    told = {
        name: [records.record_row(number, record, engine, mask) for number, record in page],
        "total": len(found),
        "dropped": dropped,
        "next": page[-1][0] if len(left) > limit else None,
    }
    return Reply(told if recovered is None else {**told, "recovered_at": format_timestamp(recovered)})


def get_journal(call: Call, engine: Engine) -> Reply:
    """Return records of the journal."""
    return _page(call, engine, "records", only_exchanges=False)


def get_requests(call: Call, engine: Engine) -> Reply:
    """Return the requests in the journal."""
    return _page(call, engine, "requests", only_exchanges=True)


def get_request(call: Call, engine: Engine) -> Reply:
    """Return one request of the journal."""
    with call.box as box:
        held, mask = records.numbered(box), Mask(engine, box.sandbox)
    for number, record in held:
        if isinstance(record, Exchange) and record.id == call.params["request"]:
            return Reply(records.record_row(number, record, engine, mask))
    raise not_found("request (the journal may have dropped it)", call.params["request"])


def get_har(call: Call, engine: Engine) -> Reply:
    """Return the requests in the journal as HAR."""
    with call.box as box:
        engine.catch_up(box, engine.now(box))
        held, comment = records.numbered(box), _comment(box)
    found = records.selected(call.params, held)
    after, limit = call.params.get("after", 0), call.params.get("limit", len(found))
    exchanges = [record for number, record in found if isinstance(record, Exchange) and number > after]
    return Reply(har(exchanges[:limit], engine, comment, Mask(engine, box.sandbox)))


def _comment(box: Box) -> str:
    dropped = box.dropped()
    text = f"sandbox {box.sandbox.id}" + (f"; the journal dropped {dropped} older records" if dropped else "")
    if box.recovered is not None:
        text += (
            f"; records of reads may be missing before {format_timestamp(box.recovered)}, when a crash was recovered"
        )
    return text


def clear_journal(call: Call, engine: Engine) -> Reply:
    """Remove all records."""
    with call.box as box:
        return Reply({"cleared": {"journal": box.forget_records()}})
