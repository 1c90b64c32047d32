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


def test_form():
    assert format_timestamp(1_767_225_600.9996) == "2026-01-01T00:00:01.000Z"
