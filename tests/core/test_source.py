"""Bytes in memory, read piece by piece."""

import pytest

from swapmock.mock_server.core.source import PIECE, Bytes


@pytest.mark.parametrize(
    ("start", "stop", "lengths"),
    [
        (0, None, [PIECE, PIECE, 5]),
        (1, None, [PIECE, PIECE, 4]),
        (0, PIECE, [PIECE]),
        (0, PIECE + 1, [PIECE, 1]),
        (7, 9, [2]),
        (7, 7, []),
        (2 * PIECE + 5, None, []),
    ],
)
def test_pieces_join_to_the_part_that_was_asked_for(start, stop, lengths):
    content = bytes(range(256)) * (2 * PIECE // 256) + b"rest!"
    source = Bytes(content)
    pieces = list(source.read(start, stop))
    assert [len(piece) for piece in pieces] == lengths
    assert b"".join(pieces) == content[start:stop]
    assert source.size == 2 * PIECE + 5 == 2_097_157


def test_nothing_is_no_piece():
    assert (Bytes(b"").size, list(Bytes(b"").read())) == (0, [])


def test_without_bounds_all_is_read():
    assert b"".join(Bytes(b"abc").read()) == b"abc"
    assert b"".join(Bytes(b"abc").read(stop=2)) == b"ab"
