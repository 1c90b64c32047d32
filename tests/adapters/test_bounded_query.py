"""The conditions of fault rules: the same values as the library finds, in a bounded amount of work."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapmock.mock_server.adapters import jsonquery
from swapmock.mock_server.adapters.jsonquery import (
    COMPARED,
    FOUND,
    INDEXED,
    MOST_WORK,
    PATH,
    VISITED,
    BoundedQuery,
    steps_of,
)
from swapmock.mock_server.core.faults import TooMuchWork, any_fits

PATHS = (
    "$..a",
    "$..b.a",
    "$..a[0]",
    "$..a[-1]",
    "$..['a']['b']",
    "$..a[1].b",
    "$..*",
    "$..[0]",
    "$..['a','b']",
    "$..a[*]",
    "$..a[0:1]",
    "$.a[?@.b]",
    "$.a.b",
    "$.a[0]",
    "$",
    "/a",
    "/a/b",
    "/b/0",
    "/a~1b",
    "",
)

NAMES = st.sampled_from(["a", "b", "a/b"])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)  # the first example imports the library
@given(path=st.sampled_from(PATHS), document=DOCUMENTS)
def test_it_finds_what_the_library_finds(path, document):
    query = BoundedQuery()
    assert query.find(path, document) == jsonquery.find(path, document)
    assert query.find(path, document) == jsonquery.find(path, document)  # from the index of before


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$..a", ("a", ())),
        ("$..['a b'].c[-2]", ("a b", ("c", -2))),
        ("$.a..b", None),
        ("$..[0]", None),
        ("$..*", None),
        ("$..a[*]", None),
        ("$..a[?@.b]", None),
        ("$..['a', 'b']", None),
    ],
)
def test_the_paths_that_need_no_search(path, steps):
    assert steps_of(path) == steps


DOCUMENT = {"a": [1, 2], "b": "xyz"}  # five values


@pytest.mark.parametrize(
    ("work", "units"),
    [
        (lambda query: query.find("/b", DOCUMENT), PATH),
        (lambda query: query.find("$.b", DOCUMENT), PATH),
        (lambda query: query.find("$..b", DOCUMENT), PATH + 5 * INDEXED + FOUND),
        (lambda query: query.find("$..*", DOCUMENT), PATH + 5 * INDEXED + 5 * VISITED + 4 * FOUND),
        (lambda query: query.text("xyz"), COMPARED + 3),
        (lambda query: query.text([1, 2]), COMPARED + 6),
    ],
)
def test_work_is_counted(work, units):
    work(BoundedQuery(units))
    with pytest.raises(TooMuchWork):
        work(BoundedQuery(units - 1))


def test_a_document_is_indexed_once_and_a_text_made_once():
    query = BoundedQuery(10**6)
    again = PATH + FOUND
    query.find("$..b", DOCUMENT)
    left = query._left
    query.find("$..b", DOCUMENT)
    assert left - query._left == again
    value = [{"a": 1}]
    assert query.text(value) is query.text(value)


DEEP: dict[str, object] = {}
for _ in range(190):
    DEEP = {"b": DEEP, "x": "y" * 300}


@pytest.mark.parametrize("path", ["$..b", "$..*", "$..[?@.b]", "$..b[0:2]", "/b"])
@pytest.mark.parametrize(
    "document",
    [DEEP, list(range(12_000)), [{"b": "x" * 50} for _ in range(900)], {"b": "x" * 64_000}],
    ids=["deep", "wide", "many", "long"],
)
def test_a_thousand_rules_are_bounded_in_sum(path, document, monkeypatch):
    """Each condition may be costly alone; in sum they visit and compare no more than the bound says."""
    library, done = jsonquery.find, {"visited": 0, "compared": 0}

    def counted_find(path, document):
        done["visited"] += size if jsonquery.searches(path) else 0
        return library(path, document)

    def counted_search(pattern, text):
        done["compared"] += COMPARED + len(text)
        return False

    size = 1 + len(library("$..*", document))
    monkeypatch.setattr(jsonquery, "find", counted_find)
    query = BoundedQuery()
    for _ in range(1000):
        with suppress(TooMuchWork):
            any_fits({"matches": "q+z"}, query.find(path, document), counted_search, query.text)
    assert VISITED * done["visited"] + done["compared"] <= MOST_WORK
