"""The journal: pages of it, and all of it as HAR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mock_server.admin import records
from mock_server.admin.har import har
from mock_server.core.call import Call, Reply
from mock_server.core.journal import Exchange
from mock_server.core.ports import Box

if TYPE_CHECKING:
    from mock_server.engine import Engine

PAGE = 100


def _page(call: Call, engine: Engine, name: str, only_exchanges: bool) -> Reply:
    with call.box as box:
        engine.catch_up(box, engine.now(box))
        found = records.selected(call.params, box)
        dropped = box.dropped()
    if only_exchanges:
        found = [(number, record) for number, record in found if isinstance(record, Exchange)]
    limit, secrets = call.params.get("limit", PAGE), records.secret_names(engine)
    page = found[:limit]
    return Reply(
        {
            name: [records.row(number, record, engine, secrets) for number, record in page],
            "total": len(found),
            "dropped": dropped,
            "next": page[-1][0] if len(found) > limit else None,
        }
    )


def get_journal(call: Call, engine: Engine) -> Reply:
    return _page(call, engine, "records", only_exchanges=False)


def get_requests(call: Call, engine: Engine) -> Reply:
    return _page(call, engine, "requests", only_exchanges=True)


def get_har(call: Call, engine: Engine) -> Reply:
    with call.box as box:
        found: list[Any] = [record for _, record in records.selected(call.params, box) if isinstance(record, Exchange)]
        comment = _comment(box)
    return Reply(har(found, engine, comment))


def _comment(box: Box) -> str:
    dropped = box.dropped()
    return f"sandbox {box.sandbox.id}" + (f"; {dropped} older records were dropped" if dropped else "")


def clear_journal(call: Call, engine: Engine) -> Reply:
    with call.box as box:
        state = box.state()
        cleared, state.journal = len(state.journal), []
        state.recorded = 0
        box.load(state)
    return Reply({"cleared": {"journal": cleared}})
