"""Ranges and conditional requests, row by row against RFC 9110 sections 13 and 14."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapmock.mock_server.web.conditional import BOUNDARY, FileFacts, decide, http_date, parse_ranges

FILE = FileFacts(1000, "image/png", "abc", 1_700_000_000)
SAME, BEFORE, AFTER = (http_date(1_700_000_000 + step) for step in (0, -1, 1))


def answer(method="GET", file=FILE, **headers):
    return decide(method, {name.replace("_", "-"): value for name, value in headers.items()}, file)


def spans(decision):
    return [(piece.start, piece.stop) for piece in decision.pieces]


def test_a_plain_answer_names_validators_and_ranges():
    found = answer()
    assert (found.status, spans(found), found.length) == (200, [(0, 1000)], 1000)
    assert dict(found.headers) == {
        "etag": '"abc"', "last-modified": SAME, "accept-ranges": "bytes", "content-type": "image/png",
    }  # fmt: skip


def test_head_has_the_headers_of_get():
    assert answer("HEAD").headers == answer("GET").headers


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-1", (0, 2)), ("bytes=0-", (0, 1000)), ("bytes=-500", (500, 1000)), ("bytes=999-", (999, 1000)),
        ("bytes=-2000", (0, 1000)), ("bytes=990-5000", (990, 1000)), ("BYTES=5-5", (5, 6)), ("bytes= 1-2 ", (1, 3)),
        ("bytes=,,3-4,", (3, 5)), ("bytes=0-0,5000-6000", (0, 1)), ("bytes=9-99999999999999999", (9, 1000)),
    ],
)  # fmt: skip
def test_one_range(header, span):
    found = answer(range=header)
    assert (found.status, spans(found)) == (206, [span])
    assert dict(found.headers)["content-range"] == f"bytes {span[0]}-{span[1] - 1}/1000"
    assert dict(found.headers)["content-type"] == "image/png"


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=5000-6000", "bytes=-0", "bytes=1000-1000,2000-"])
def test_none_of_the_ranges_is_there(header):
    found = answer(range=header)
    assert (found.status, found.length, dict(found.headers)["content-range"]) == (416, 0, "bytes */1000")


@pytest.mark.parametrize(
    "header",
    ["items=0-1", "bytes", "bytes=", "bytes=5-1", "bytes=a-b", "bytes=-", "bytes=0-1;2-3", "bytes=١-٢", "bytes=" + "0-0," * 17,
     "bytes=" + "1" * 5000 + "-"],
)  # fmt: skip
def test_what_is_no_range_is_ignored(header):
    found = answer(range=header)
    assert (found.status, spans(found)) == (200, [(0, 1000)])


def test_several_ranges_are_parts():
    found = answer(range="bytes=0-1,-2")
    assert (found.status, spans(found)) == (206, [(0, 2), (998, 1000)])
    assert dict(found.headers)["content-type"] == f"multipart/byteranges; boundary={BOUNDARY}"
    assert b"Content-Range: bytes 998-999/1000\r\n\r\n" in found.pieces[1].before
    assert found.length == sum(len(piece.before) for piece in found.pieces) + 4 + len(found.after)


def test_ranges_that_overlap_into_more_than_the_file_are_answered_whole():
    found = answer(range="bytes=0-,0-,0-")
    assert (found.status, found.length) == (200, 1000)


def test_a_range_means_nothing_for_head():
    assert (answer("HEAD", range="bytes=0-1").status, answer("HEAD", range="bytes=0-1").length) == (200, 1000)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        # 13.1.1
        ({"if_match": '"abc"'}, 200), ({"if_match": '"x", "abc"'}, 200), ({"if_match": "*"}, 200),
        ({"if_match": '"x"'}, 412), ({"if_match": 'W/"abc"'}, 412), ({"if_match": "abc"}, 412),
        # 13.1.4, which If-Match overrules
        ({"if_unmodified_since": SAME}, 200), ({"if_unmodified_since": AFTER}, 200), ({"if_unmodified_since": BEFORE}, 412),
        ({"if_unmodified_since": BEFORE, "if_match": '"abc"'}, 200), ({"if_unmodified_since": "yesterday"}, 200),
        # 13.1.2
        ({"if_none_match": '"abc"'}, 304), ({"if_none_match": 'W/"abc"'}, 304), ({"if_none_match": '"x", W/"abc"'}, 304),
        ({"if_none_match": "*"}, 304), ({"if_none_match": '"x"'}, 200),
        # 13.1.3, which If-None-Match overrules
        ({"if_modified_since": SAME}, 304), ({"if_modified_since": AFTER}, 304), ({"if_modified_since": BEFORE}, 200),
        ({"if_modified_since": SAME, "if_none_match": '"x"'}, 200), ({"if_modified_since": "99 Foo 2020"}, 200),
        # 13.2.2: the order
        ({"if_match": '"x"', "if_none_match": '"abc"'}, 412), ({"if_none_match": '"abc"', "range": "bytes=0-1"}, 304),
        # 13.1.5
        ({"range": "bytes=0-1", "if_range": '"abc"'}, 206), ({"range": "bytes=0-1", "if_range": 'W/"abc"'}, 200),
        ({"range": "bytes=0-1", "if_range": '"x"'}, 200), ({"range": "bytes=0-1", "if_range": SAME}, 206),
        ({"range": "bytes=0-1", "if_range": AFTER}, 200), ({"range": "bytes=0-1", "if_range": "now"}, 200),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_preconditions(method, headers, status):
    expected = 200 if method == "HEAD" and status == 206 else status
    found = answer(method, **headers)
    assert found.status == expected
    assert dict(found.headers)["etag"] == '"abc"'
    if status in (304, 412):
        assert found.length == 0


def test_a_file_without_a_date_goes_by_its_tag():
    file = FileFacts(10, "image/png", "abc")
    assert answer(file=file, if_modified_since=AFTER).status == 200
    assert answer(file=file, if_unmodified_since=BEFORE).status == 200
    assert "last-modified" not in dict(answer(file=file).headers)


def test_an_empty_file_has_no_ranges():
    file = FileFacts(0, "image/png", "abc")
    assert answer(file=file).length == 0
    assert answer(file=file, range="bytes=0-").status == 416


@given(st.text(max_size=60), st.integers(0, 50))
def test_no_header_breaks_it(text, size):
    for name in ("range", "if_range", "if_match", "if_none_match", "if_modified_since", "if_unmodified_since"):
        found = answer(file=FileFacts(size, "a/b", "abc", 0), **{"range": "bytes=0-3", name: text})
        assert found.status in (200, 206, 304, 412, 416)
        assert all(0 <= piece.start <= piece.stop <= size for piece in found.pieces)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=5), st.integers(1, 30))
def test_ranges_name_the_bytes_that_the_standard_names(pairs, size):
    found = parse_ranges("bytes=" + ",".join(f"{a}-{b}" for a, b in pairs), size)
    if any(b < a for a, b in pairs):
        assert found is None
    else:
        expected = [sorted(set(range(a, b + 1)) & set(range(size))) for a, b in pairs]
        assert [list(range(*span)) for span in found or []] == [numbers for numbers in expected if numbers]
