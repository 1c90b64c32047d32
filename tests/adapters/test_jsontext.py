"""JSON text: the two engines read and write the same, and both are strict."""

import gzip
import math

import pytest

from swapmock.mock_server.adapters import jsontext

READERS = {"orjson": jsontext._parse_with_orjson, "stdlib": jsontext._parse_with_stdlib}
WRITERS = {"orjson": jsontext._render_with_orjson, "stdlib": jsontext._render_with_stdlib}

VALUES = [
    None, True, 0, -1, 1.5, 1e21, 0.1, 2**53, "", "é😀\u2028", 'a"b\\c\n\t\x7f\x1f', [], {}, [1, [2, {"a": None}]],
    {"b": 1, "a": {"é": []}},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_is_written_is_read_again(value):
    texts = {write(value) for write in WRITERS.values()}
    assert len(texts) == 1
    for read in (*READERS.values(), jsontext.loads):
        assert read(texts.copy().pop()) == value


@pytest.mark.parametrize(
    "raw", [b"18446744073709551615", b"18446744073709551616", b"-9223372036854775808", b"-9223372036854775809",
            b"1" + b"0" * 30, b"1e-7", b"0.00001", b"-0", b"-0.0", b"1E5"],
)  # fmt: skip
def test_a_number_is_the_same_to_both(raw):
    values = [read(raw) for read in READERS.values()]
    assert len({(type(value), repr(value)) for value in values}) == 1
    assert len({float(write(values[0])) for write in WRITERS.values()}) == 1


BAD = {
    "nothing": b"",
    "cut off": b'{"a":',
    "two values": b"1 2",
    "NaN": b"NaN",
    "Infinity": b"[-Infinity]",
    "lone surrogate": b'"\\ud800"',
    "lone low surrogate": b'{"\\udc00":1}',
    "not UTF-8": b'"\xff"',
    "overlong": b'"\xc0\x80"',
    "control character": b'"\x00"',
    "trailing comma": b"[1,]",
    "comment": b"1 // one",
    "leading zero": b"01",
    "single quotes": b"'a'",
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("read", [*READERS.values(), jsontext.loads])
def test_what_is_no_json_is_refused(name, read):
    with pytest.raises(jsontext.BadJson):
        read(BAD[name])


@pytest.mark.parametrize("raw", [b"1e400", b"-1e400", b"[" + b"9" * 400 + b"]"])
@pytest.mark.parametrize("read", READERS.values())
def test_no_number_becomes_infinite(raw, read):
    try:
        value = read(raw)
    except jsontext.BadJson:
        return
    flat = value if isinstance(value, list) else [value]
    assert all(isinstance(number, int) or math.isfinite(number) for number in flat)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_depth_is_bounded_before_a_parser_sees_it(opening, closing):
    for levels in (10_000, 1_000_000 // len(opening)):
        with pytest.raises(jsontext.BadJson, match="nested deeper than 200 levels"):
            jsontext.loads(opening * levels + b"1" + closing * levels)
        with pytest.raises(jsontext.BadJson, match="nested deeper than 200 levels"):
            jsontext.loads(opening * levels)
    assert jsontext.loads(b"[" * 200 + b"]" * 200)


def test_brackets_in_texts_are_no_depth():
    assert jsontext.loads(b'["' + b"[" * 1000 + b'\\"{"]') == ["[" * 1000 + '"{']


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_standard_library_writes_no_nan(value):
    with pytest.raises(ValueError, match="JSON compliant"):
        WRITERS["stdlib"](value)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_byte_order_mark_is_skipped(value):
    assert jsontext.loads(b"\xef\xbb\xbf" + jsontext.dumps(value)) == value


TEXT = '{"name": "换"}'


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (TEXT.encode("utf-16"), "it is UTF-16, and JSON is UTF-8"),
        (TEXT.encode("utf-16-be"), "it is UTF-16 or UTF-32, and JSON is UTF-8"),
        (TEXT.encode("utf-32-le"), "it is UTF-16 or UTF-32, and JSON is UTF-8"),
        (TEXT.encode("gbk"), "it is not UTF-8: byte 10 is 0xbb"),
        (gzip.compress(TEXT.encode(), mtime=0), "it is compressed (gzip); send it as it is"),
    ],
    ids=["utf-16", "utf-16-be", "utf-32-le", "gbk", "gzip"],
)
def test_another_encoding_is_named(raw, said):
    with pytest.raises(jsontext.BadJson) as refused:
        jsontext.loads(raw)
    assert str(refused.value) == said


@pytest.mark.parametrize("depth", [0, 1, 2, 3, 9])
@pytest.mark.parametrize(
    "value",
    [{}, [], {"a": {}}, {"a": []}, {"a": [1, {"b": [None, "ü"]}], "c": {"d": {"e": 1.5}}}, [[], [1], [[2]]], 7, "x"],
)
def test_a_large_value_is_written_as_a_small_one(value, depth):
    assert jsontext.write_large(value, depth, lambda item: item).text == jsontext.dumps(value)


def test_a_large_value_is_encoded_piece_by_piece():
    seen = []

    def encode(item):
        seen.append(item)
        return item * 2

    rows = (number for number in range(200))
    text = jsontext.write_large({"rows": rows, "name": "x"}, 2, encode).text
    assert jsontext.loads(text) == {"rows": list(range(0, 400, 2)), "name": "xx"}
    assert seen == [*range(200), "x"]
