"""The list of checkpoints, in pages."""

from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.mock_server.providers.imgopen.catalogue import query_model_list

ROWS = [{"sdModelCheckpoint": f"c{number}", "sdModelName": "odd" if number % 2 else "even"} for number in range(5)]


def asked(size: int, number: int, **wanted: str) -> Any:
    contract = SimpleNamespace(tables={"models": {"models": ROWS}})
    engine: Any = SimpleNamespace(contracts={"imgopen": contract})
    call: Any = SimpleNamespace(body={"pageSize": size, "pageNum": number, **wanted})
    data = query_model_list(call, engine).data
    assert (data["pageSize"], data["pageNum"]) == (max(1, size), max(1, number))
    return data["total"], [row["sdModelCheckpoint"] for row in data["rows"]]


@pytest.mark.parametrize(
    ("size", "number", "wanted", "total", "rows"),
    [
        (2, 1, {}, 5, ["c0", "c1"]),
        (2, 2, {}, 5, ["c2", "c3"]),
        (2, 3, {}, 5, ["c4"]),
        (2, 4, {}, 5, []),
        (0, 2, {}, 5, ["c1"]),
        (-3, 1, {}, 5, ["c0"]),
        (2, 0, {}, 5, ["c0", "c1"]),
        (2, -1, {}, 5, ["c0", "c1"]),
        (5, 1, {}, 5, ["c0", "c1", "c2", "c3", "c4"]),
        (9, 1, {"sdModelName": "odd"}, 2, ["c1", "c3"]),
        (1, 2, {"sdModelName": "even"}, 3, ["c2"]),
        (9, 1, {"sdModelCheckpoint": "c2"}, 1, ["c2"]),
        (9, 1, {"sdModelCheckpoint": "c2", "sdModelName": "odd"}, 0, []),
        (9, 1, {"sdModelName": "none"}, 0, []),
        (9, 1, {"sdModelName": ""}, 5, ["c0", "c1", "c2", "c3", "c4"]),
    ],
)
def test_a_page_of_checkpoints(size, number, wanted, total, rows):
    assert asked(size, number, **wanted) == (total, rows)
