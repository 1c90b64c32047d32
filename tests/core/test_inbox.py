"""The callback inbox: what it keeps, what it answers."""

from swapmock.mock_server.core.inbox import (
    KEPT_BODY,
    LONGEST_ANSWER,
    MOST_ANSWERS,
    MOST_ARRIVALS,
    START,
    Inbox,
    InboxAnswer,
)


def take(inbox, body=b"{}", at=5.0):
    return inbox.take(at, "POST", "/__inbox/s?x=1", {"a": "b"}, body)


def test_requests_are_numbered_from_1_and_kept():
    inbox = Inbox()
    assert take(inbox, b"x" * (KEPT_BODY + 1)) == InboxAnswer() == (200, None, "application/json")
    (kept,) = inbox.newest(10)
    assert kept == (1, 5.0, "POST", "/__inbox/s?x=1", {"a": "b"}, b"x" * KEPT_BODY, KEPT_BODY + 1, 200)
    take(inbox)
    assert [one.number for one in inbox.newest(10)] == [2, 1]
    assert inbox.clear() == 2
    assert (inbox.clear(), inbox.newest(10)) == (0, ())
    take(inbox)
    assert [one.number for one in inbox.newest(10)] == [3]


def test_each_answer_is_given_once_and_the_last_one_stays():
    inbox = Inbox()
    inbox.answers = (InboxAnswer(500), InboxAnswer(503, "busy"), InboxAnswer(204, ""))
    assert [take(inbox).status for _ in range(5)] == [500, 503, 204, 204, 204]
    assert [one.answered for one in inbox.newest(9)] == [204, 204, 204, 503, 500]


def test_pages_of_the_newest_requests():
    inbox = Inbox()
    for _ in range(MOST_ARRIVALS + 2):
        take(inbox)
    numbers = [one.number for one in inbox.newest(1000)]
    assert numbers == list(range(102, 2, -1))
    assert [one.number for one in inbox.newest(2)] == [102, 101]
    assert [one.number for one in inbox.newest(2, before=101)] == [100, 99]
    assert [one.number for one in inbox.newest(2, before=4)] == [3]
    assert inbox.newest(0) == ()


def test_the_limits_that_users_are_told():
    assert (MOST_ARRIVALS, KEPT_BODY, MOST_ANSWERS, LONGEST_ANSWER, START) == (100, 65_536, 100, 65_536, "/__inbox/")
