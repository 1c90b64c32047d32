"""Many callbacks at once, over real sockets: those who are slow to answer delay nobody else."""

import socket
import threading
from dataclasses import replace

import pytest

from swapmock.mock_server.adapters.clock import SystemTime
from swapmock.mock_server.adapters.transport import Guard, Transport
from swapmock.mock_server.engine.concurrency import PER_HOST
from swapmock.mock_server.engine.dispatcher import CallbackDispatcher
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from tests.receivers import PATIENCE, Receiver, accept
from tests.stories.conftest import submit_ended

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Mute:
    """Accepts any number of connections and answers none of them, until `speak` is called."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._held = []
        self._changed = threading.Condition()
        self._is_mute = True
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def port(self):
        return self._listener.getsockname()[1]

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                if self._is_mute:
                    self._held.append(connection)
                    self._changed.notify_all()
            if not self._is_mute:
                self._answer(connection)

    def _answer(self, connection):
        with connection:
            connection.recv(65536)
            connection.sendall(ANSWER)

    def held(self):
        with self._changed:
            return len(self._held)

    def wait_for(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._held) >= count, PATIENCE), f"{len(self._held)} of {count}"

    def speak(self):
        with self._changed:
            self._is_mute = False
            held, self._held = self._held, []
        for connection in held:
            self._answer(connection)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.speak()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE)


def states(engine):
    with engine.store.open("default") as box:
        return [delivery.state for delivery in box.deliveries()]


def test_a_thousand_tasks_to_a_mute_and_a_quick_receiver_while_the_clock_runs():
    """The quick one gets all of its own before the mute one has answered once."""
    system = build(Settings(callback_timeout=60), SystemTime())
    with Mute() as mute, Receiver() as quick, system.engine.dispatcher.running(system.engine):
        submit_ended(
            system.engine, lambda n: quick.url(f"/{n}") if n % 2 else f"http://127.0.0.1:{mute.port}/{n}", 1000
        )
        assert {got.path for got in quick.wait_for(500)} == {f"/{n}" for n in range(1, 1000, 2)}
        mute.wait_for(PER_HOST)
        assert mute.held() == PER_HOST
        mute.speak()
        asked = threading.Event()
        for _ in range(1000):
            if set(states(system.engine)) == {"acknowledged"}:
                break
            asked.wait(0.02)
        assert states(system.engine) == ["acknowledged"] * 1000


@pytest.mark.parametrize("settings", [{"balance": 1e6}], indirect=True)
def test_a_thousand_tasks_to_a_slow_and_a_quick_receiver_on_a_clock_that_is_moved(system, account):
    """The slow one answers nothing before the quick one has all of its own."""
    with Receiver() as quick:

        def dawdle(got):
            quick.wait_for(500)
            return accept(got)

        with Receiver(dawdle) as slow:
            for number in range(500):
                account.swap(slow.url(f"/{number}"))
                account.swap(quick.url(f"/{number}"))
            fired = account.advance(until="idle")
            sent = [row for row in fired if row["what"] == "delivery"]
            assert [row["delivery"] for row in sent] == [f"d{number}" for number in range(1, 1001)]
            assert {row["after"] for row in sent} == {"acknowledged"}
            assert len(slow.got) == len(quick.got) == 500


@pytest.mark.long
def test_two_thousand_mute_receivers_do_not_delay_one_that_answers(system):
    """Each is a host of its own."""

    async def all_here(name, port):
        return ["127.0.0.1"]

    transport = Transport(Guard(resolve=all_here), timeout=60)
    engine = replace(system.engine, dispatcher=CallbackDispatcher(transport))
    with Mute() as mute, Receiver() as quick, engine.dispatcher.running(engine):
        submit_ended(engine, lambda n: f"http://h{n}.localhost:{mute.port}/" if n < 2000 else quick.url(f"/{n}"), 2010)
        assert {got.path for got in quick.wait_for(10)} == {f"/{n}" for n in range(2000, 2010)}
        mute.wait_for(2000)
        mute.speak()


def test_never_more_than_a_host_is_to_bear():
    """Each request holds its place until others have come or none can come: so the peak is seen."""
    lock, peak, now = threading.Lock(), 0, 0
    full = threading.Event()

    def plan(got):
        nonlocal peak, now
        with lock:
            now += 1
            peak = max(peak, now)
            if now == PER_HOST:
                full.set()
        assert full.wait(PATIENCE)
        with lock:
            now -= 1
        return accept(got)

    system = build(Settings(), SystemTime())
    with Receiver(plan) as receiver, system.engine.dispatcher.running(system.engine):
        submit_ended(system.engine, lambda n: receiver.url(), 50)
        receiver.wait_for(50)
    assert peak == PER_HOST
