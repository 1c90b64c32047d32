"""Time-outs count the time in which the event loop ran. The loop's clock is moved by hand: no test waits."""

import asyncio
from typing import Any

import pytest

from swapmock.mock_server.adapters.loop_timeout import LATE, TICK, meter_of, running_timeout


class ManualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting; `pauses` are added to the first jump beyond
    their time: (time, seconds)."""

    _ready: Any
    _scheduled: Any

    def __init__(self, *pauses):
        super().__init__()
        self.shown, self.pauses = 0.0, list(pauses)

    def time(self):
        return self.shown

    def _run_once(self):
        if not self._ready and self._scheduled:
            self.shown = max(self.shown, self._scheduled[0].when())
            if self.pauses and self.shown >= self.pauses[0][0]:
                self.shown += self.pauses.pop(0)[1]
        super()._run_once()  # type: ignore[misc]  # what asyncio calls for each round


def run(work, *pauses):
    """`(result, time)` of a coroutine on a loop with pauses."""
    loop = ManualLoop(*pauses)
    try:
        return loop.run_until_complete(work), loop.shown
    finally:
        loop.close()


async def ends(seconds):
    """Whether a time-out comes before an answer that never does."""
    try:
        async with running_timeout(seconds):
            await asyncio.get_running_loop().create_future()
    except TimeoutError:
        return True


@pytest.mark.parametrize(
    ("pauses", "expected"),
    [
        ((), 10.0),
        (((1.0, 3.0),), 13.0),
        (((1.0, 300.0),), 310.0),
        (((1.0, 3.0), (8.0, 2.0)), 15.0),
        (((9.9, 50.0),), 60.0),  # the pause lasts beyond the end
        (((1.0, LATE / 2),), 10.0),  # a loop that is late by a little is no pause
    ],
)
def test_a_pause_does_not_count(pauses, expected):
    has_ended, at = run(ends(10.0), *pauses)
    assert has_ended
    assert at == pytest.approx(expected, abs=2 * TICK)


def test_an_answer_that_waits_after_a_pause_is_taken():
    async def work():
        answer = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_at(4.0, answer.set_result, "answer")
        async with running_timeout(2.0):
            return await answer

    assert run(work(), (1.0, 3.0))[0] == "answer"


def test_an_error_within_is_passed_on_and_the_meter_stops():
    async def work():
        with pytest.raises(KeyError):
            async with running_timeout(2.0):
                raise KeyError("x")
        return meter_of(asyncio.get_running_loop())._handle

    assert run(work())[0] is None
