"""A sandbox's settings as headers and limits show them."""

import locale
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from swapmock.mock_server.core.sandbox import Credential, ParallelPosts, RateLimit, Sandbox, http_date, retry_after


@pytest.mark.parametrize("month", range(1, 13))
@pytest.mark.parametrize("day", range(1, 8))
def test_dates_of_http(month, day):
    """Every month and every day of the week, as the standard library writes them."""
    moment = datetime(2026, month, day, 23, 59, 58, tzinfo=UTC) + timedelta(microseconds=999_999)
    assert http_date(moment.timestamp()) == format_datetime(moment.replace(microsecond=0), usegmt=True)
    assert locale.setlocale(locale.LC_TIME) is not None


@pytest.mark.parametrize(
    ("raw", "limit"),
    [
        ({"calls": 3}, RateLimit(3, 60.0, "none")),
        ({"calls": 3, "seconds": 5}, RateLimit(3, 5.0, "none")),
        ({"calls": 0, "seconds": "2m", "retry_after": "date"}, RateLimit(0, 120.0, "date")),
    ],
)
def test_limits_are_read(raw, limit):
    assert RateLimit.read(raw) == limit
    assert RateLimit(1, 2.0).retry_after == "none"


@pytest.mark.parametrize(
    ("form", "seconds", "shown"),
    [
        ("none", 5.0, ()),
        ("seconds", 0.0, "0"),
        ("seconds", 5.0, "5"),
        ("seconds", 5.001, "6"),
        ("date", 5.0, "Thu, 01 Jan 2026 00:00:05 GMT"),
        ("date", 5.001, "Thu, 01 Jan 2026 00:00:06 GMT"),
        ("zzz", 5.0, ()),
        ("aaa", 5.0, ()),
    ],
)
@pytest.mark.parametrize("fraction", [0.0, 0.999])
def test_retry_after(form, seconds, shown, fraction):
    assert retry_after(form, seconds, 1_767_225_600.0 + fraction) == ((("retry-after", shown),) if shown else ())


@pytest.mark.parametrize(
    ("raw", "limit"),
    [({"limit": 2}, ParallelPosts(2, 0.5)), ({"limit": 1, "seconds": "20ms"}, ParallelPosts(1, 0.02))],
)
def test_limits_of_posts_in_progress_are_read(raw, limit):
    assert ParallelPosts.read(raw) == limit
    assert ParallelPosts(3).seconds == 0.5


def test_a_fresh_sandbox_and_credential():
    fresh = Sandbox("s", 7, (), {}, 0, 0.0)
    assert (fresh.evidence_header, fresh.prefer_header, fresh.client_clock) == (False, False, "machine")
    assert (fresh.scenario, fresh.rate_limit, fresh.expires_at, fresh.max_in_flight) == (None, None, None, None)
    assert Credential("crun", "k") == ("crun", "k", "", False)
