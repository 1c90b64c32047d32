"""The couplings of time: what libfaketime carries, what it does not, and that this is noticed."""

import sys
import textwrap
from functools import partial

import pytest

from swapmock.client_checks.behaviour.conditions import corpus
from swapmock.client_checks.behaviour.coupling import Coupling, couple, library, why_not_scaled
from swapmock.client_checks.behaviour.declaration import Declaration
from swapmock.client_checks.behaviour.model import Meaning, Role
from swapmock.client_checks.behaviour.runner import Bench, StuckInScaledTime, run_case
from swapmock.client_checks.behaviour.trial import PLAIN, expected_seconds, judge_client
from swapmock.client_checks.clock import RealClock
from tests.behaviour.made import exchange, observed, run

needs_library = pytest.mark.skipif(not library(), reason="libfaketime is not installed")

#: A client whose way of waiting is put in: it polls every 20 seconds.
CLIENT = """
    import asyncio, json, os, sys, threading, time, urllib.request

    def call(path, body=None):
        data = json.dumps(body).encode() if body else None
        headers = {"x-api-key": os.environ["CRUN_API_KEY"], "content-type": "application/json"}
        request = urllib.request.Request(os.environ["SWAPMOCK_URL"] + path, data, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def wait(seconds):
        WAIT

    JOB = "/api/v1/client/job"
    task = call(f"{JOB}/CreateTask", {"model": "z-image", "input": {"prompt": "a harbour"}})["task_id"]
    started, clock = time.monotonic(), time.time()
    while call(f"{JOB}/TaskInfo?task_id={task}")["status"] != "success":
        wait(20)
    print(round(time.monotonic() - started), round(time.time() - clock))
"""


def bench(control, folder, wait):
    (folder / "client.py").write_text(textwrap.dedent(CLIENT).replace("WAIT", wait))
    return Bench(control, Declaration(command=(sys.executable, "client.py"), jobs=1), folder, RealClock())


def slow():
    return next(one for one in corpus() if one.name == "slow")


@needs_library
@pytest.mark.parametrize("wait", ["time.sleep(seconds)", "asyncio.run(asyncio.sleep(seconds))"])
def test_sleeping_is_carried(control, tmp_path, wait):
    clock = RealClock()
    made = bench(control, tmp_path, wait)
    started = clock.now()
    seen = run_case(made, slow(), "crun", couple("auto", made.declaration.command, {})[0])
    assert clock.now() - started < 20
    assert seen.runs[0].status == 0, seen.runs[0].stderr
    monotonic, wall = map(int, seen.runs[0].stdout.split())
    assert monotonic >= 40
    assert abs(monotonic - wall) <= 10  # seconds of the client, of which a real one has forty


@needs_library
def test_a_wait_that_never_returns_is_noticed_within_seconds(control, tmp_path):
    clock = RealClock()
    made = bench(control, tmp_path, "threading.Event().wait(seconds)")
    started = clock.now()
    with pytest.raises(StuckInScaledTime):
        run_case(made, PLAIN, "crun", Coupling("scaled", 40.0, library()))
    assert clock.now() - started < 15


@needs_library
def test_such_a_client_is_judged_in_real_time(control, tmp_path):
    made = bench(control, tmp_path, "threading.Event().wait(seconds / 20)")
    trial = judge_client(made, [], providers=["crun"])[0]
    assert trial.coupling.kind == "real"
    assert "timed wait of a thread" in trial.notes[0]
    assert trial.cases[0].runs[0].status == 0


@needs_library
def test_a_client_with_a_short_timeout_is_judged_in_a_slower_time(control, tmp_path, monkeypatch):
    made = bench(control, tmp_path, "time.sleep(seconds / 20)")
    # A fifth of a millisecond at this rate, in which no machine can call a server; 400 milliseconds at the slower one. The
    # client looks at the clock: whether a time-out of a socket ends a wait depends on which process a busy machine runs first.
    monkeypatch.setattr("swapmock.client_checks.behaviour.trial.couple", partial(couple, rate=10_000.0))
    text = (tmp_path / "client.py").read_text()
    begun = text.replace("    data = json", "    begun = time.monotonic()\n    data = json")
    timed = begun.replace("        return json", "        assert time.monotonic() - begun < 2\n        return json")
    (tmp_path / "client.py").write_text(timed)
    trial = judge_client(made, [], providers=["crun"])[0]
    assert trial.coupling.rate < 40
    assert "does not get through its plain run" in trial.notes[0]
    assert trial.cases[0].runs[0].status == 0


def test_on_poll_each_poll_moves_the_clock(control, tmp_path):
    made = bench(control, tmp_path, "time.sleep(seconds / 1000)")
    seen = run_case(made, slow(), "crun", Coupling("on_poll"))
    assert seen.runs[0].status == 0
    assert len([one for one in seen.exchanges if one.is_poll]) > 2


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\x7fELF" + b"\0" * 500 + b"\xff Go buildinf:", "Go program"),
        (b"\x7fELF" + b"\0" * 500, "static program"),
        (b"\x7fELF" + b"\0" * 50 + b"/lib64/ld-linux-x86-64.so.2", ""),
        (b"#!/bin/sh\n", ""),
    ],
)
@needs_library
def test_programs_that_never_ask_the_c_library_are_known_at_the_start(tmp_path, content, text):
    program = tmp_path / "client"
    program.write_bytes(content)
    program.chmod(0o755)
    reason = why_not_scaled([str(program)])
    assert (text in reason) if text else reason == ""
    assert why_not_scaled(["./client"], folder=tmp_path).partition(" is ")[2] == reason.partition(" is ")[2]
    coupling, note = couple("auto", [str(program)], {})
    assert coupling.kind == ("real" if text else "scaled")
    assert bool(note) is bool(text)


def test_real_time_is_taken_when_it_is_asked_for():
    assert couple("real", ["sh"], {}) == (Coupling("real"), "")
    assert couple("on_poll", ["sh"], {})[0].sandbox_clock == {"mode": "on_poll"}


@pytest.mark.parametrize(("rate", "expected"), [(40.0, 11.0), (10.0, 23.0), (1.0, 167.0)])
def test_the_start_of_a_program_and_answers_take_no_longer_at_a_slower_rate(rate, expected):
    seen = [exchange(1, Role.CREATE, Meaning.ACCEPTED, at=200.0, answered=240.0)]
    seen += [exchange(2, Role.POLL, Meaning.SUCCEEDED, at=300.0, answered=340.0)]
    case = observed("plain", exchanges=seen, runs=[run(finished=440.0)], rate=40.0)
    assert expected_seconds(case, rate) == pytest.approx(expected)
