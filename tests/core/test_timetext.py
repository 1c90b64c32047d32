"""Spans and moments as people write them."""

import pytest

from swapmock.mock_server.core.timetext import format_timestamp, parse_duration, parse_timestamp


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(65, 65), (0.5, 0.5), ("65", 65), ("65s", 65), ("500ms", 0.5), ("2m", 120), ("1.5h", 5400), ("14d", 1_209_600), ("0", 0)],
)  # fmt: skip
def test_spans(given, seconds):
    assert parse_duration(given) == seconds


@pytest.mark.parametrize(
    "given", ["", "s", "1 s", "-1s", "+1", "1e3", "1y", "١", "1.s", ".5", "1m30s", "9" * 400, 10**400, 1e300]
)
def test_no_spans(given):
    with pytest.raises(ValueError, match=r"span|large"):
        parse_duration(given)


@pytest.mark.parametrize(
    ("given", "epoch"),
    [
        (5, 5),
        ("1767225600", 1_767_225_600),
        ("1767225600.5", 1_767_225_600.5),
        ("2026-01-01T00:00:00Z", 1_767_225_600),
        ("2026-01-01t00:00:00z", 1_767_225_600),
        ("2026-01-01T01:00:00+01:00", 1_767_225_600),
        ("2026-01-01T00:00:00", 1_767_225_600),
        ("2026-01-01", 1_767_225_600),
        ("2026-01-01T00:00:00.250Z", 1_767_225_600.25),
        ("2026-01-01T00:00:00.5Z", 1_767_225_600.5),
        ("2026-01-01T00:00:00.123456Z", 1_767_225_600.123456),
        ("2026-01-01T00:00:00.1234567Z", 1_767_225_600.123456),
        ("2026-01-01T00:00:00,5+00:00", 1_767_225_600.5),
        ("2026-01-01T00:00:00.999999+23:59", 1_767_225_600.999999 - 86_340),
        ("1969-12-31T23:59:59.5Z", -0.5),
        ("1767225600.125", 1_767_225_600.125),
        (0.125, 0.125),
    ],
)
def test_moments(given, epoch):
    assert parse_timestamp(given) == epoch


@pytest.mark.parametrize(
    "given",
    [
        "",
        "now",
        "2026-13-01T00:00:00Z",
        "1" * 400,
        1e300,
        10**400,
        "NaN",
        "inf",
    ],
)
def test_no_moments(given):
    with pytest.raises(ValueError, match=r"moment|large"):
        parse_timestamp(given)


@pytest.mark.parametrize("epoch", [0.0, 1_767_225_600.0, 1_767_225_600.125, 253_370_764_799.0])
def test_there_and_back(epoch):
    assert parse_timestamp(format_timestamp(epoch)) == epoch


@pytest.mark.parametrize(
    ("epoch", "shown"),
    [
        (1_767_225_600.0, "2026-01-01T00:00:00.000Z"),
        (1_767_225_600.0004, "2026-01-01T00:00:00.000Z"),
        (1_767_225_600.0006, "2026-01-01T00:00:00.001Z"),
        (1_767_225_600.9994, "2026-01-01T00:00:00.999Z"),
        (1_767_225_600.9996, "2026-01-01T00:00:01.000Z"),
        (1_767_225_599.9999, "2026-01-01T00:00:00.000Z"),
        (951_782_399.9996, "2000-02-29T00:00:00.000Z"),
        (0.5, "1970-01-01T00:00:00.500Z"),
    ],
)
def test_fractions_of_a_second(epoch, shown):
    assert format_timestamp(epoch) == shown


def test_what_is_wrong_is_shown_up_to_a_length():
    with pytest.raises(ValueError, match="is no span of time") as bad:
        parse_duration("x" * 100)
    assert str(bad.value) == f"{'x' * 60!r} is no span of time; write 65, '65s', '2m', '1h' or '14d'"
    with pytest.raises(ValueError, match="is no moment") as bad:
        parse_timestamp("x" * 100)
    assert str(bad.value) == f"{'x' * 60!r} is no moment; write epoch seconds or 2026-01-01T00:00:00Z"
    with pytest.raises(ValueError, match="too large") as bad:
        parse_duration(10**100)
    assert str(bad.value) == f"1{'0' * 39} is too large"


@pytest.mark.parametrize(
    ("given", "fits"),
    [(1e15 - 1, True), (1e15, False), ("9" * 14, True), ("0" * 38 + "1", True), ("0" * 39 + "1", False)],
)
def test_the_largest_span(given, fits):
    if fits:
        assert parse_duration(given) == float(given)
    else:
        with pytest.raises(ValueError, match="too large"):
            parse_duration(given)


@pytest.mark.parametrize(("digits", "fits"), [(12, True), (13, False)])
def test_the_longest_epoch(digits, fits):
    if fits:
        assert parse_timestamp("1" * digits) == float("1" * digits)
    else:
        with pytest.raises(ValueError, match="no moment"):
            parse_timestamp("1" * digits)
