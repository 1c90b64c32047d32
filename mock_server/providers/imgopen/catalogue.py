"""The list of checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapmock.mock_server.core.call import Call, Reply
from swapmock.mock_server.providers.imgopen.wire import NAME

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

FILTERS = ("sdModelCheckpoint", "sdModelName")


def query_model_list(call: Call, engine: Engine) -> Reply:
    """Return a page of the checkpoints."""
    rows = engine.contracts[NAME].tables["models"]["models"]
    wanted = {name: call.body[name] for name in FILTERS if call.body.get(name)}
    found = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    size, number = max(1, int(call.body["pageSize"])), max(1, int(call.body["pageNum"]))
    page = found[(number - 1) * size : number * size]
    return Reply({"rows": page, "total": len(found), "pageSize": size, "pageNum": number})
