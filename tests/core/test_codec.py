"""Records to JSON and back: nothing is lost, and what does not fit is named with its place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Annotated, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapmock.mock_server.core.codec import AddedIn, BadRecord, Demand, StoredAs, decode, encode
from swapmock.mock_server.core.delivery import Attempt, Delivery, Standing
from swapmock.mock_server.core.faults import Effect, FaultRule, Match, Turns
from swapmock.mock_server.core.journal import Breach, Exchange, File, Transition
from swapmock.mock_server.core.ledger import Entry
from swapmock.mock_server.core.queue import Queued
from swapmock.mock_server.core.sandbox import Credential, RateLimit, Sandbox
from swapmock.mock_server.core.state import Due, State
from swapmock.mock_server.core.task import Failure, Task


class Colour(StrEnum):
    RED = "red"


class Pair(NamedTuple):
    left: int
    right: str = "r"


@dataclass(frozen=True)
class Thing:
    name: str
    size: float = 0.0
    blob: bytes = b""
    colour: Colour = Colour.RED
    pairs: tuple[Pair, ...] = ()
    two: tuple[int, str] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    code: int | str | None = None
    either: Pair | Colour | None = None


WHOLE = Thing("n", 1.5, b"\x00\xff", Colour.RED, (Pair(1), Pair(2, "x")), (1, "a"), {"k": [1, None]}, "7", Pair(3))


def test_there_and_back():
    assert decode(Thing, encode(WHOLE)) == WHOLE
    assert decode(Thing, {"name": "n"}) == Thing("n")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": 5}, ("name",)),
        ({"name": None}, ("name",)),
        ({"size": "1"}, ("size",)),
        ({"size": True}, ("size",)),
        ({"size": 1e300}, ("size",)),
        ({"size": float("nan")}, ("size",)),
        ({"size": 10**400}, ("size",)),
        ({"blob": "%"}, ("blob",)),
        ({"blob": 5}, ("blob",)),
        ({"colour": "blue"}, ("colour",)),
        ({"colour": []}, ("colour",)),
        ({"pairs": {}}, ("pairs",)),
        ({"pairs": [{"left": 1}, {"left": "x"}]}, ("pairs", 1, "left")),
        ({"pairs": [{}]}, ("pairs", 0)),
        ({"pairs": [{"left": 1, "up": 2}]}, ("pairs", 0, "up")),
        ({"two": [1]}, ("two",)),
        ({"two": [1, 2]}, ("two",)),
        ({"two": [1, "a", "b"]}, ("two",)),
        ({"more": []}, ("more",)),
        ({"code": 1.5}, ("code",)),
        ({"code": 10**20}, ("code",)),
        ({"either": {"left": "x"}}, ("either",)),
        ({"extra": 1}, ("extra",)),
    ],
)
def test_what_does_not_fit_is_named(change, place):
    with pytest.raises(BadRecord) as bad:
        decode(Thing, {"name": "n", **change}, ("top",))
    assert bad.value.place[: 1 + len(place)] == ("top", *place) or bad.value.place == ("top", *place[:1])
    assert bad.value.detail


@pytest.mark.parametrize("value", [None, 5, "x", [], True])
def test_a_record_is_an_object(value):
    with pytest.raises(BadRecord):
        decode(Thing, value)


def test_what_has_no_place_in_a_record():
    with pytest.raises(TypeError):
        encode({"a": object()})


RECORDS = (
    Task,
    Failure,
    Entry,
    Due,
    Queued,
    FaultRule,
    Effect,
    Match,
    Turns,
    File,
    Transition,
    Breach,
    Exchange,
    Attempt,
)
MORE = (Delivery, Standing, Sandbox, Credential, RateLimit, State)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(kind=st.sampled_from([*RECORDS, *MORE]), value=JSON)
def test_nothing_else_is_ever_raised(kind, value):
    try:
        decode(kind, value)
    except BadRecord:
        return
    assert isinstance(value, dict)


def test_floats_that_json_made_whole():
    assert repr(decode(Thing, {"name": "n", "size": 3}).size) == "3.0"


class Renamed(NamedTuple):
    better: Annotated[int, StoredAs("old")]
    other: Annotated[str, "no name"] = ""


@dataclass
class Outer:
    inner: Annotated[Renamed | None, StoredAs("held")] = None


def test_a_field_can_be_stored_under_another_name():
    whole = Outer(Renamed(1, "x"))
    assert encode(whole) == {"held": {"old": 1, "other": "x"}}
    assert decode(Outer, encode(whole)) == whole
    assert decode(Outer | None, {"held": None}) == Outer()
    for wrong, place in (({"better": 1}, "better"), ({"other": "x"}, "old"), ({"old": "x"}, "old")):
        with pytest.raises(BadRecord) as bad:
            decode(Renamed, wrong)
        assert bad.value.place == (place,)


def test_the_names_that_snapshots_of_deliveries_have():
    hints = ("adversity", "spoil", "rung")
    assert set(hints) <= set(encode(decode(Delivery, DELIVERY | dict.fromkeys(hints[:2], "x") | {"rung": 2})))


DELIVERY = {
    "id": "d1",
    "number": 1,
    "task": "t1",
    "provider": "crun",
    "operation": "create_task",
    "event": "succeeded",
    "url": "http://127.0.0.1:9/",
    "host": "127.0.0.1:9",
    "body": "",
    "created_at": 0.0,
    "waits": [],
    "cause": "x1",
}


class Grown(NamedTuple):
    first: int
    usual: int = 1
    added: Annotated[int, AddedIn("0.2")] = 2


@pytest.mark.parametrize(
    ("demand", "missing"),
    [
        (Demand.NO_DEFAULT, [("first",)]),
        (Demand.OLDER, [("first",), ("usual",)]),
        (Demand.ALL, [("first",), ("usual",), ("added",)]),
    ],
)
def test_which_fields_must_be_there(demand, missing):
    with pytest.raises(BadRecord) as bad:
        decode(Grown, {}, demand=demand)
    assert [place for place, _ in bad.value.faults] == missing
    whole = {"first": 5, "usual": 6, "added": 7}
    given = {name: value for name, value in whole.items() if (name,) in missing}
    assert decode(Grown, given, demand=demand).first == 5


def test_every_fault_of_a_document_is_told():
    with pytest.raises(BadRecord) as bad:
        decode(list[Grown], [{"first": "x", "other": 1}, {"first": 1}, {"usual": None}])
    places = [place for place, _ in bad.value.faults]
    assert places == [(0, "other"), (0, "first"), (2, "first"), (2, "usual")]
    with pytest.raises(BadRecord) as bad:
        decode(list[int], ["x"] * 1000)
    assert len(bad.value.faults) == 100


class Twice(NamedTuple):
    first: int = 0
    second: int = 0
    third: int = 0


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"left": 1}, Pair),
        ({"left": 1, "right": "r"}, Pair),
        ({"first": 1, "second": 2}, Twice),
        ({"first": 1, "second": 2, "third": 3}, Twice),
    ],
)
def test_the_alternative_that_fits_best(value, kind):
    assert type(decode(Pair | Twice, value)) is kind
    assert type(decode(Twice | Pair, value)) is kind


def test_items_of_a_list_and_of_a_mapping():
    assert decode(list[Pair], [{"left": 1}, {"left": 2}]) == [Pair(1), Pair(2)]
    assert decode(Mapping[str, Pair], {"a": {"left": 1}}) == {"a": Pair(1)}
    assert decode(dict[int, int], {"7": 1}) == {7: 1}
    assert decode(dict[Colour, int], {"red": 1}) == {Colour.RED: 1}


@pytest.mark.parametrize(("kind", "edge"), [(int, 2**53), (int, -(2**53)), (float, 2**53), (float, -(2**53))])
def test_the_largest_number_that_every_reader_keeps(kind, edge):
    assert decode(kind, edge) == edge
    with pytest.raises(BadRecord, match="of at most 9007199254740992"):
        decode(kind, edge + (1 if edge > 0 else -1) * 2)


class Picky(Enum):
    """Counts how many values it refuses."""

    ONLY = "only"

    @classmethod
    def _missing_(cls, value):
        REFUSED.append(value)


REFUSED: list[object] = []


class TwoFaults(NamedTuple):
    first: Picky
    second: Picky = Picky.ONLY


@pytest.mark.parametrize(
    ("kind", "document", "looked_at"),
    [
        (list[Picky], ["x"] * 1000, 100),
        # One fault, then two each: 99, 101.
        (list[TwoFaults], [{"first": "x"}, *[{"first": "x", "second": "x"}] * 1000], 101),
    ],
)
def test_reading_ends_with_the_hundredth_fault(kind, document, looked_at):
    REFUSED.clear()
    with pytest.raises(BadRecord) as bad:
        decode(kind, document)
    assert (len(bad.value.faults), len(REFUSED)) == (100, looked_at)


def test_what_an_alternative_that_does_not_fit_says():
    """For an object, the record's own fault; else that of the last alternative."""
    with pytest.raises(BadRecord) as bad:
        decode(Pair | None, {"zzz": 1})
    assert bad.value.faults == ((("zzz",), "no such field of Pair"), (("left",), "is missing"))
    with pytest.raises(BadRecord, match="should be str"):
        decode(int | str, 1.5)


class Wide(NamedTuple):
    left: int = 0
    second: int = 0
    third: int = 0
    fourth: int = 0
    fifth: int = 0


class Apart(NamedTuple):
    sixth: int = 0


@pytest.mark.parametrize(
    ("value", "kind", "other"),
    [
        ({"left": 1}, Pair, Wide),  # as many known fields, fewer missing
        ({"left": 1, "second": 2}, Wide, Apart),  # as many missing or unknown, more known
    ],
)
def test_known_fields_count_for_an_alternative_and_missing_ones_against_it(value, kind, other):
    assert type(decode(kind | other, value)) is kind
    assert type(decode(other | kind, value)) is kind


def test_a_list_of_one_place():
    assert decode(tuple[int], [5]) == (5,)


def test_keys_get_their_type():
    (key,) = decode(dict[Colour, int], {"red": 1})
    assert key is Colour.RED
    assert decode(Mapping[Any, int], {"a": 1}) == {"a": 1}
    for kind, name in ((Colour, "blue"), (int, "x"), (int, "²")):
        with pytest.raises(BadRecord) as bad:
            decode(dict[kind, int], {name: 1})  # type: ignore[valid-type]  # a table of types
        assert bad.value.place == (name,)
