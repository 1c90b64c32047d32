"""Translates sentences that other modules make in English: those of `why`, of attempts to send callbacks, and of the
admin API.

Each kind of sentence is a row here. `translated` finds the row from which a text was made, and puts the same
values into the row's translation. A text that fits no row, such as a vendor's message, stays unchanged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from swapmock.mock_server.inspector.languages import N_, Translate

#: The maximal length of a text that is compared with the rows, in characters.
LONGEST = 4000

#: The maximal depth of sentences inside sentences.
DEEPEST = 4

#: The names of values that are sentences or words, which are translated, too.
INNER = frozenset({"reason", "before", "after", "size"})

#: The kinds of sentences. If two fit the same text, the more specific one comes first.
SENTENCES = (
    # What the pipeline decided.
    N_("no operation at %(request)s; nearest: %(near)s"),
    N_("no operation at %(request)s"),
    N_("a browser asked, for a page of %(origin)s, whether it may send %(method)s (CORS); it may"),
    N_("`%(field)s` was sent to another host than the vendor's API (%(expected)s): leave it out"),
    N_("`%(field)s` is missing; you sent `%(near)s`"),
    N_("`%(field)s` is missing"),
    N_("`%(field)s` is not a known field; did you mean `%(near)s`?"),
    N_("`%(field)s` is not a known field"),
    N_("`%(field)s` is %(got)s, which no list has; it was taken all the same; nearest: `%(near)s`"),
    N_("`%(field)s` is %(got)s, which no list has; it was taken all the same"),
    N_("`%(field)s` is %(got)s, which does not exist; nearest: `%(near)s`"),
    N_("`%(field)s` is %(got)s, which does not exist"),
    N_("`%(field)s` breaks %(rule)s %(expected)s: %(got)s; nearest: `%(near)s`"),
    N_("`%(field)s` breaks %(rule)s %(expected)s: %(got)s"),
    N_("fault %(fault)s was applied"),
    N_("a file of %(length)s bytes, %(range)s: %(sent)s bytes of a body went over the connection, SHA-256 %(digest)s"),
    N_("a file of %(length)s bytes: %(sent)s bytes of a body went over the connection, SHA-256 %(digest)s"),
    N_("a file of %(length)s bytes, %(range)s: %(sent)s bytes of a body went over the connection"),
    N_("a file of %(length)s bytes: %(sent)s bytes of a body went over the connection"),
    N_("refused as %(problem)s (%(said)s)"),
    N_("refused as %(problem)s"),
    N_("the answer of swapmock breaks the contract in %(count)s place(s)"),
    N_("its file is drawn with %(size)s; at most %(side)s pixels a side (--max-media-side), %(seconds)s s (--max-media-seconds) and H.264 level 5.2"),
    N_("%(width)s by %(height)s pixels, %(seconds)s s"),
    N_("%(width)s by %(height)s pixels"),
    # What was answered, and what followed.
    N_("got no answer: a fault cut the connection on purpose"),
    N_("answered HTTP %(status)s, and redirects are not followed"),
    N_("answered HTTP %(status)s, code %(code)s, delayed by %(delay)s s"),
    N_("answered HTTP %(status)s, code %(code)s"),
    N_("answered HTTP %(status)s, delayed by %(delay)s s"),
    N_("answered HTTP %(status)s"),
    N_("task %(task)s: %(before)s -> %(after)s"),
    N_("grant %(amount)s credits"),
    N_("reserve %(amount)s credits"),
    N_("settle %(amount)s credits"),
    N_("release %(amount)s credits"),
    N_("refund %(amount)s credits"),
    N_("withdraw %(amount)s credits"),
    # Attempts to send a callback, and why they failed.
    N_("callback attempt %(number)s to %(url)s: %(reason)s; next due at %(at)s"),
    N_("callback attempt %(number)s to %(url)s: %(reason)s"),
    N_("acknowledged"),
    N_("blocked: %(reason)s"),
    N_("its URL cannot be read"),
    N_("only http and https URLs are called"),
    N_("%(name)s has the address %(address)s, which is not loopback; --callback-allow %(entry)s would allow it"),
    N_("%(name)s has the address %(address)s, which is not the address that submitted the task; --callback-allow %(entry)s would allow it"),
    N_("%(name)s is not loopback; --callback-allow %(entry)s would allow it"),
    N_("%(name)s is not the address that submitted the task; --callback-allow %(entry)s would allow it"),
    N_("the name %(name)s cannot be resolved"),
    N_("the name %(name)s has no address"),
    N_("the connection was refused"),
    N_("the connection was reset"),
    N_("the connection was closed without an answer"),
    N_("the connection was closed before the answer was whole"),
    N_("no answer within %(seconds)s s"),
    N_("the head of the answer is longer than %(count)s bytes"),
    N_("not an HTTP answer: chunk size %(got)s"),
    N_("not an HTTP answer: %(got)s"),
    N_("TLS failed: %(reason)s"),
    N_("only its first %(count)s bytes are read"),
    N_("the answer is not JSON: %(reason)s"),
    N_("the answer is not JSON"),
    N_("the answer has no `%(member)s`"),
    N_("the answer's `%(member)s` is %(got)s, not %(expected)s"),
    N_("it could not be sent: %(error)s"),
    # What an operation of the admin API refused.
    N_("the request breaks the contract of the admin API"),
    N_("no request (the journal may have dropped it) %(name)s here"),
    N_("no sandbox %(name)s here"),
    N_("no task %(name)s here"),
    N_("no delivery %(name)s here"),
    N_("no run %(name)s here"),
    N_("no fault %(name)s here"),
    N_("no %(what)s %(name)s here"),
    N_("sandbox %(name)s or its credentials exist already"),
    N_("sandbox %(name)s has ended already"),
    N_("there is a fault %(name)s already; delete it first"),
    N_("there are %(count)s faults already; delete some first"),
    N_("there are %(count)s sandboxes already; delete some, or allow more with --max-sandboxes"),
    N_("task %(task)s has no charge left: it was not charged, or the whole charge was refunded"),
    N_("delivery %(delivery)s has %(count)s attempts; that is the limit"),
    N_("delivery %(delivery)s is being sent now"),
    N_("the default sandbox cannot be deleted; reset it instead"),
    N_("%(place)s: is missing"),
    N_("%(place)s: does nothing"),
    N_("%(place)s: no such field; did you mean %(near)s?"),
    N_("%(place)s: no such field; known: %(known)s"),
    N_("%(place)s: no scenario %(name)s; known: %(known)s"),
    N_("%(place)s: no body code %(code)s; known: %(known)s"),
    N_("%(place)s: the rate should be above 0 and at most %(most)s"),
    N_("%(place)s: is in the past: the clock shows %(now)s"),
    N_("%(place)s: should not be after the year 9998"),
    N_("%(place)s: should be at most %(most)s seconds"),
    N_("%(place)s: should be one of %(known)s, not %(got)s"),
    N_("%(place)s: should match %(expected)s, not %(got)s"),
    N_("%(place)s: should be %(expected)s, not %(got)s"),
    N_("%(place)s: breaks %(rule)s %(expected)s: %(got)s"),
    N_("%(place)s: only %(count)s credits of the charge are left"),
    # What the pages themselves refused.
    N_("The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again."),
    N_("The method is not allowed for the requested URL."),
    N_("the journal has dropped the request that created this task; --journal-size keeps more"),
    N_("the journal has dropped the request that created the task of this callback"),
    N_("the journal has dropped a request that this depends on; --journal-size keeps more"),
    N_("the body of %(request)s is longer than the journal keeps"),
    N_("it depends on more than %(count)s requests"),
)  # fmt: skip

#: Single words: states, phases, kinds of ledger entries, clock modes, degrees of evidence, grades, titles of errors.
WORDS = (
    N_("pending"), N_("dead"), N_("blocked"), N_("withheld"),
    N_("queued"), N_("running"), N_("succeeded"), N_("failed"),
    N_("grant"), N_("reserve"), N_("settle"), N_("release"), N_("refund"), N_("withdraw"),
    N_("vendor"), N_("available"), N_("reserved"), N_("spent"),
    N_("real"), N_("frozen"), N_("scaled"), N_("on_poll"),
    N_("documented"), N_("observed"), N_("inferred"), N_("invented"),
    N_("fail"), N_("warn"), N_("info"), N_("note"), N_("pass"), N_("harness_error"),
    N_("client"), N_("receiver"),
    N_("calls"), N_("findings"), N_("credits paid twice"), N_("results lost"), N_("false successes"),
    N_("callbacks acted on twice"), N_("polls wasted"),
    N_("expected"), N_("got"), N_("evidence"), N_("where"), N_("count"), N_("known"),
    N_("Bad Request"), N_("Unauthorized"), N_("Forbidden"), N_("Not Found"), N_("Method Not Allowed"), N_("Conflict"),
    N_("Request Timeout"), N_("Internal Server Error"), N_("Service Unavailable"),
    N_("Request Entity Too Large"), N_("Content Too Large"), N_("Unsupported Media Type"),
)  # fmt: skip


class _Kind(NamedTuple):
    """A row of SENTENCES: the texts between its values, one more than the `names` of these."""

    template: str
    literals: tuple[str, ...]
    names: tuple[str, ...]

    def values(self, text: str) -> dict[str, str] | None:
        """Return the values with which `text` was made from the row, None if it was not. The time is linear, because
        clients choose texts."""
        first, last = self.literals[0], self.literals[-1]
        if not text.startswith(first) or not text.endswith(last):
            return None
        if not self.names:
            return {} if text == first else None
        found, at, end = {}, len(first), len(text) - len(last)
        for name, literal in zip(self.names[:-1], self.literals[1:-1], strict=True):
            begins = text.find(literal, at, end)
            if begins < 0:
                return None
            found[name], at = text[at:begins], begins + len(literal)
        return {**found, self.names[-1]: text[at:end]} if at <= end else None


@lru_cache(1)
def _kinds() -> Mapping[str, tuple[_Kind, ...]]:
    """Return the rows by the first character of their texts; rows that begin with a value are under ""."""
    found: dict[str, list[_Kind]] = {}
    for template in (*SENTENCES, *WORDS):
        parts = re.split(r"%\((\w+)\)s", template)
        found.setdefault(parts[0][:1], []).append(_Kind(template, tuple(parts[::2]), tuple(parts[1::2])))
    return {first: tuple(kinds) for first, kinds in found.items()}


def _candidates(text: str) -> Iterator[_Kind]:
    kinds = _kinds()
    yield from kinds.get(text[:1], ())
    yield from kinds[""]


def translated(text: str, _: Translate, depth: int = 0) -> str:
    """Return `text` in the reader's language. `_` translates one message. A text that fits no row stays unchanged.
    `depth` is the number of sentences around this one."""
    if not text or len(text) > LONGEST or depth > DEEPEST:
        return text
    if text.startswith("/") and "; /" in text:  # a refusal with several places, each with its reason
        return "; ".join(translated(part, _, depth + 1) for part in text.split("; "))
    for kind in _candidates(text):
        values = kind.values(text)
        if values is not None:
            inner = {
                name: translated(value, _, depth + 1) if name in INNER else value for name, value in values.items()
            }
            return _(kind.template) % inner if inner else _(kind.template)
    return text
