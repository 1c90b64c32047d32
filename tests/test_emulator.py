"""One interface in two forms: every verb is called in this process and over HTTP, with the same result."""

import doctest
import inspect
import json
import re

import pytest
import requests

from swapmock import AdminError, Control, Emulator, RemoteEmulator, Sandbox
from swapmock.contracts import load
from swapmock.mock_server import control, emulator
from swapmock.mock_server.settings import SettingError
from tests.control import CRUN, PICTURE, SWAP

FORMS = ("in process", "over HTTP")


@pytest.fixture(scope="module")
def running():
    with Emulator(speed=50) as running:
        yield running


@pytest.fixture(params=FORMS)
def emu(request, running):
    """Either asgi_app of the same emulator."""
    running.reset()
    if request.param == "in process":
        yield running
    else:
        with RemoteEmulator(running.url) as remote:
            yield remote


def swap(sandbox, picture=PICTURE, **more):
    body = {"model": "image-face-swap", "input": {**SWAP, "image_url": picture}, **more}
    answer = requests.post(f"{sandbox.base_url}{CRUN}job/CreateTask", json=body, headers=sandbox.headers(), timeout=10)
    return answer.json()["data"]["task_id"]


def test_examples_of_the_docstrings_run():
    finder = doctest.DocTestFinder()
    tests = [test for module in (emulator, control) for test in finder.find(module) if test.examples]
    assert tests
    for test in tests:
        result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
        assert result.attempted
        assert not result.failed


def every_verb(emu):
    """What each verb answers, on a new sandbox of the seed 1."""
    told = {}
    sandbox = emu.sandbox(seed=1, clock="frozen", balance=50, labels={"a": "b"}, id="subject")
    with sandbox:
        told["document"] = sandbox.document
        told["contracts"] = emu.contract("crun"), sorted(emu.contracts())
        told["repr"] = repr(sandbox)
        told["key"] = sandbox.key(), sandbox.key("imgopen"), sandbox.headers("imgopen")
        told["change"] = sandbox.change(scenario="slow", rate_limit={"calls": 100, "seconds": 1})
        told["change back"] = sandbox.change(scenario=None)
        told["fault"] = sandbox.add_fault({"code": 455}, match={"operation": "get_task_info"}, times=1, id="f")
        told["faults"] = sandbox.faults(), sandbox.fault("f")
        sandbox.delete_fault("f")
        sandbox.add_fault({"code": 500}, match={"operation": "get_task_info"})
        sandbox.clear_faults()
        told["queue"] = sandbox.queue("fails", times=2, code=501, message="no")
        told["queued"] = sandbox.queued()
        sandbox.clear_queue()
        sandbox.queue("fails")
        task = swap(sandbox, callback_url="http://127.0.0.1:9/")
        told["task"] = sandbox.task(task)
        told["clock"] = sandbox.clock()
        told["advance"] = sandbox.advance("1s"), sandbox.advance(0.5)
        told["to"] = sandbox.advance(to=sandbox.clock()["now"] + 1)
        told["until"] = sandbox.advance(until={"task": task, "status": "failed"})
        told["snapshot"] = saved = sandbox.snapshot()
        told["idle"] = sandbox.advance(until="idle")
        sandbox.restore(saved)
        told["again"] = sandbox.advance(until="idle")
        fine = swap(sandbox)
        sandbox.advance(until="idle")
        told["refund"] = sandbox.refund(fine, 1), sandbox.refund(fine)
        told["grant"] = sandbox.grant(2.5), sandbox.balance()
        told["ledger"] = sandbox.ledger(), sandbox.ledger(proof=True)
        told["tasks"] = sandbox.tasks(), sandbox.tasks(status="failed", limit=1, kind=None)
        told["journal"] = sandbox.journal(), sandbox.journal(type="transition")
        told["requests"] = sandbox.requests(unmatched=True), sandbox.requests(unmatched=False)
        told["request"] = sandbox.request("x1")
        told["inbox"] = sandbox.answer_callbacks(503), sandbox.inbox()
        sandbox.clear_inbox()
        told["why"] = sandbox.why(task), sandbox.why("delivery/d1"), sandbox.mermaid("x1")
        told["har"] = sandbox.har()
        told["waited"] = (
            sandbox.wait_for_requests(2, operation="create_task"),
            sandbox.wait_for_task(fine, "success"),
            sandbox.wait_for_delivery(task=task, status="dead"),
        )
        told["deliveries"] = sandbox.deliveries(), sandbox.delivery("d1"), sandbox.redeliver("d1")
        with sandbox.fork("twin") as twin:
            told["fork"] = twin.document, twin.tasks()
        told["set_clock"] = sandbox.set_clock("on_poll"), sandbox.set_clock("frozen")
        sandbox.clear_journal()
        told["cleared"] = sandbox.journal()
        told["reset"] = sandbox.reset()
        told["refresh"] = sandbox.refresh()
        told["get"] = emu.get("subject").document
        told["list"] = [one.id for one in emu.sandboxes()]
    told["gone"] = [one.id for one in emu.sandboxes()]
    told["default"] = emu.default.id, emu.requests(), sorted(emu.reset())
    told["runs"] = emu.run(emu.add_run("check", {"verdict": "clean"})["id"])["kind"], emu.runs()[0]["kind"]
    told["metrics"] = [line for line in emu.metrics().splitlines() if line.startswith("# HELP")]
    told["tables"] = emu.evidence(level="observed"), emu.magic(), emu.variants(), emu.scenarios(), emu.codes()
    return told


def without_real_time_and_keys(told):
    """As text by name: keys are drawn at random, and masked ones show a few of their letters."""
    told["snapshot"]["sandbox"]["created_at"] = 0
    keys = re.compile(r"ak_\w{32}|openapi-\w{16}|\b[a-z0-9]{32}\b|[\w-]{5}…\w\w")
    return {
        name: keys.sub("KEY", json.dumps(answer, default=repr, ensure_ascii=False)) for name, answer in told.items()
    }


def test_every_verb_has_the_same_result_through_both_doors(running):
    inside = without_real_time_and_keys(every_verb(running))
    with RemoteEmulator(running.url) as remote:
        outside = without_real_time_and_keys(every_verb(remote))
    for name, answer in inside.items():
        assert outside[name] == answer, name


def test_no_verb_was_forgotten():
    """Every public name of both classes stands in `every_verb`."""
    text = inspect.getsource(every_verb)
    for kind in (Control, Sandbox):
        for name, _ in inspect.getmembers(
            kind, lambda member: inspect.isfunction(member) or isinstance(member, property)
        ):
            if not name.startswith("_") and name not in ("ask", "url", "delete", "control", "expect", "verdict"):
                assert f".{name}" in text, (kind, name)


def test_every_operation_has_a_verb(running):
    """No operation of the admin API is out of reach of the client in Python."""
    asked = set()

    class Recorder(RemoteEmulator):
        def ask(self, method, path, body=None, params=None):
            found = load("admin").find(method, "/__admin" + path)
            assert found is not None, (method, path)
            asked.add(found[0].id)
            return super().ask(method, path, body, params)

    with Recorder(running.url) as remote:
        every_verb(remote)
    # Another verb asks for the same, or for the same document in another format.
    twins = {"index", "take_snapshot", "set_clock", "get_openapi", "get_openapi_yaml"}
    assert load("admin").operations.keys() - asked == twins


def test_refusals_are_the_same(emu):
    with emu.sandbox() as sandbox:
        asked = [
            lambda: emu.sandbox(sead=1),
            lambda: emu.sandbox(balance=float("nan")),
            lambda: emu.get("no such / thing?"),
            lambda: sandbox.advance(),
            lambda: sandbox.advance(-1),
            lambda: sandbox.task("a b/c"),
            lambda: sandbox.why("é"),
            lambda: sandbox.restore({}),
            lambda: sandbox.requests(limit=0),
            lambda: sandbox.wait_for_requests(1, timeout=0),
            lambda: emu.ask("GET", "/nothing"),
            lambda: emu.ask("DELETE", "/sandboxes"),
        ]
        refused = []
        for ask in asked:
            with pytest.raises(AdminError) as error:
                ask()
            assert str(error.value).startswith(f"{error.value.status}: ")
            refused.append((error.value.status, error.value.problem["title"], bool(error.value.errors)))
    assert [status for status, *_ in refused] == [400, 400, 404, 400, 400, 404, 404, 400, 400, 408, 404, 405]
    assert [has for *_, has in refused] == [
        True,
        True,
        False,
        True,
        True,
        False,
        False,
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_sandbox_deletes_itself_whatever_happens(emu):
    with pytest.raises(ZeroDivisionError), emu.sandbox() as sandbox:
        1 / 0  # noqa: B018 - raises
    with pytest.raises(AdminError):
        emu.get(sandbox.id)


def test_an_emulator_that_is_not_running_says_so():
    idle = Emulator()
    with pytest.raises(RuntimeError, match="not running"):
        _ = idle.url
    idle.stop()
    with idle as running, running.sandbox() as sandbox:
        assert sandbox.balance() == 1000
    with pytest.raises(RuntimeError):
        idle.sandbox()


def test_settings_that_do_not_exist():
    with pytest.raises(SettingError):
        Emulator(port=70000)
    with pytest.raises(SettingError, match=r"^no setting named 'prot'; did you mean 'port'[?]$"):
        Emulator(prot=1)  # type: ignore[call-arg]  # that is what is tried
    with pytest.raises(SettingError, match=r"^no setting named 'xyzzy'; known: admin_origin, admin_port, "):
        Emulator(xyzzy=1)  # type: ignore[call-arg]  # that is what is tried


def test_two_side_by_side():
    with Emulator(balance=1) as one, Emulator(balance=2) as two:
        assert (one.default.balance(), two.default.balance()) == (1, 2)
        assert one.url != two.url
