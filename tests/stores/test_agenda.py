"""Work comes out of the agenda in the order of its time, in whatever order it came in."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapmock.mock_server.stores.agenda import Agenda, Item

#: Work that is added (when and what), the time up to which it is taken, or the number of an item that is dropped.
ADDED = st.tuples(st.integers(0, 9), st.sampled_from(["start", "end"]))
MOVES = st.lists(ADDED | st.integers(0, 9) | st.tuples(st.just("drop"), st.integers(1, 60)), max_size=60)


@given(MOVES)
def test_it_is_as_a_sorted_list(moves):
    agenda, number = Agenda(), 0
    waiting: list[Item] = []
    for move in moves:
        if isinstance(move, tuple) and move[0] == "drop":
            if any(item[1] == move[1] for item in waiting):
                agenda.drop(f"task{move[1]}")
                waiting = [item for item in waiting if item[1] != move[1]]
        elif isinstance(move, tuple):
            number += 1
            item = (float(move[0]), number, move[1], f"task{number}")
            agenda.add(item)
            waiting = sorted([*waiting, item])
        else:
            while waiting and waiting[0][0] <= move:
                assert agenda.take() == waiting.pop(0)
        assert agenda.earliest == (waiting[0][0] if waiting else inf)
        assert (len(agenda), sorted(agenda.items())) == (len(waiting), waiting)
    assert sorted(Agenda(agenda.items()).items()) == waiting


def test_a_time_without_end():
    agenda = Agenda([(inf, 1, "end", "task")])
    assert (agenda.earliest, len(agenda)) == (inf, 1)


def test_nothing_is_taken_from_an_empty_agenda():
    with pytest.raises(IndexError):
        Agenda().take()
