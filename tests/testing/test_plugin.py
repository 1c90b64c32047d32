"""The pytest plugin, in pytest runs of its own over small projects of somebody else."""

import os
import subprocess
import sys
import textwrap

import pytest

from swapmock import Emulator

PLUGIN = "swapmock.client_checks.testing.plugin"
CLIENT = """
import os, requests

def create(url="https://example.com/a.png"):
    body = {"model": "image-face-swap", "input": {"image_url": url, "new_face": "https://example.com/b.png"}}
    headers = {"x-api-key": os.environ["CRUN_API_KEY"]}
    return requests.post(os.environ["SWAPMOCK_URL"] + "/api/v1/client/job/CreateTask", json=body, headers=headers, timeout=10)
"""


@pytest.fixture
def run(tmp_path):
    """Write a test module beside a small client and run pytest on it; the result has `stdout`."""
    (tmp_path / "client.py").write_text(CLIENT)

    def run(source, *arguments, ini="", **environment):
        (tmp_path / "test_it.py").write_text(textwrap.dedent(source))
        (tmp_path / "pytest.ini").write_text(f"[pytest]\naddopts = -p no:cacheprovider\npythonpath = .\n{ini}")
        # That the plugin is found where swapmock is installed is tried with the wheel; other plugins only cost time here.
        load = ("-p", PLUGIN, *(("-p", "xdist.plugin") if "-n" in arguments else ()))
        command = [sys.executable, "-m", "pytest", "-q", *load, *arguments]
        given = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SWAPMOCK_", "CRUN_"))
        }
        return subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            env={**given, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment},
        )

    return run


def test_five_lines_are_a_test(run):
    done = run("""
        from client import create

        def test_a_swap(swapmock_env, swapmock_sandbox):
            task = create().json()["data"]["task_id"]
            swapmock_sandbox.wait_for_task(task, "success", timeout=30)
            assert len(swapmock_sandbox.expect("create_task", times=1)) == 1
    """)
    assert "1 passed" in done.stdout, done.stdout


def test_the_marker_sets_up_the_sandbox(run):
    done = run("""
        import pytest
        from client import create

        pytestmark = pytest.mark.swapmock(clock="frozen", balance=2)

        @pytest.mark.swapmock(balance=50, scenario="fails", variants={"crun": {"http_status": "always200"}},
                              faults=[{"effect": {"code": 429}, "match": {"nth": 1}}])
        def test_all_of_it(swapmock_env, swapmock_sandbox):
            assert (create().status_code, create().json()["code"]) == (200, 200)
            swapmock_sandbox.advance(until="idle")
            assert swapmock_sandbox.tasks()[0]["phase"] == "failed"
            assert swapmock_sandbox.balance() == 50
            assert swapmock_sandbox.clock()["mode"] == "frozen"

        def test_the_module_alone(swapmock_env, swapmock_sandbox):
            assert create().json()["code"] == 402
            swapmock_sandbox.expect(code=402, times=1)

        def test_each_has_its_own(swapmock_sandbox):
            assert swapmock_sandbox.requests() == []
    """)
    assert "3 passed" in done.stdout, done.stdout


def test_callbacks_come_into_the_inbox(run):
    done = run("""
        import pytest, requests

        @pytest.mark.swapmock(clock="frozen")
        def test_a_callback(swapmock_inbox, swapmock_env, swapmock_sandbox):
            assert swapmock_env["SWAPMOCK_CALLBACK_URL"] == swapmock_inbox.url
            swapmock_inbox.answer = lambda callback: (500 if len(swapmock_inbox.received) == 0 else 200, {"code": "200"})
            body = {"model": "z-image", "input": {"prompt": "a"}, "callback_url": swapmock_inbox.url}
            made = requests.post(swapmock_sandbox.base_url + "/api/v1/client/job/CreateTask", json=body,
                                 headers=swapmock_sandbox.headers("crun"))
            swapmock_sandbox.advance(until="idle")
            first, second = swapmock_inbox.wait(2)
            assert first.json == second.json and first.json["task_id"] == made.json()["data"]["task_id"]
    """)
    assert "1 passed" in done.stdout, done.stdout


def test_a_failing_test_says_what_happened(run):
    done = run("""
        import os, requests

        def test_it(swapmock_env):
            url = os.environ["SWAPMOCK_URL"] + "/api/v1/client/job/CreateTask"
            made = requests.post(url, headers={"x-api-key": os.environ["CRUN_API_KEY"]},
                                 json={"model": "image-face-swap", "input": {"imageUrl": "https://example.com/a.png"}})
            assert made.status_code == 200

        def test_nothing_came(swapmock_sandbox):
            assert False
    """)
    assert "2 failed" in done.stdout
    assert "POST /api/v1/client/job/CreateTask -> HTTP 422, code 422" in done.stdout
    assert "imageUrl" in done.stdout
    assert "/__admin/sandboxes/" in done.stdout
    assert "no request came" in done.stdout


def test_a_failing_test_has_the_sequence_of_its_tasks_and_refusals(run):
    done = run("""
        import pytest
        from client import create

        @pytest.mark.swapmock(clock="frozen", scenario="fails", faults=[{"effect": {"code": 429}, "match": {"nth": 1}}])
        def test_it(swapmock_env, swapmock_sandbox):
            create(), create()
            swapmock_sandbox.advance(until="idle")
            assert False
    """)
    lines = done.stdout.splitlines()
    told = [line.strip().partition(" ")[2] for line in lines if line.startswith("    00:00:")]
    refused = ["request: POST /api/v1/client/job/CreateTask", "step: matched create_task"]
    assert told[:2] == refused
    assert any(text.startswith("answer: answered HTTP 429, code 429") for text in told)
    assert "ledger: reserve 3 credits" in told
    assert [text for text in told if "-> failed" in text]
    assert told[-1].startswith("ledger: release 3 credits")
    assert len([line for line in lines if "/__admin/sandboxes/" in line]) >= 3, (
        "a link to the sandbox, the refusal, the task"
    )


def test_a_test_that_deletes_its_sandbox_is_told_so(run):
    done = run("""
        def test_failing(swapmock_sandbox):
            swapmock_sandbox.delete()
            assert False

        def test_passing(swapmock_sandbox):
            swapmock_sandbox.delete()
    """)
    assert "INTERNALERROR" not in done.stdout + done.stderr
    assert "cannot be read: 404" in done.stdout
    assert "2 failed" in done.stdout, "a sandbox that is gone proves nothing"


def test_expect_names_what_came(run):
    done = run("""
        from client import create

        def test_it(swapmock_env, swapmock_sandbox):
            create()
            swapmock_sandbox.expect("get_task_info", times=2)
    """)
    assert "expected 2 requests (operation='get_task_info'), got 0; all requests:" in done.stdout
    assert "create_task: HTTP 200, code 200" in done.stdout


def test_a_ledger_that_does_not_balance_fails_a_test_that_passed(run):
    done = run("""
        import pytest
        from swapmock import Sandbox

        @pytest.fixture(autouse=True)
        def broken(monkeypatch):
            real = Sandbox.ledger
            row = {"name": "sums_to_zero", "holds": False, "detail": "sum 3"}
            monkeypatch.setattr(Sandbox, "ledger", lambda self, proof=False: {**real(self), "proof": {"holds": False, "invariants": [row]}})

        def test_it(swapmock_sandbox):
            pass

        @pytest.mark.swapmock(proof=False)
        def test_without(swapmock_sandbox):
            pass
    """)
    assert "ledger: sums_to_zero: sum 3" in done.stdout
    assert "1 failed, 1 passed" in done.stdout


def test_drift_fails_a_test_that_passed(run):
    done = run("""
        def test_it(swapmock, swapmock_sandbox):
            swapmock.system.engine.meter.drifted("crun", "create_task")
    """)
    assert 'drift: the emulator broke its own contract (operation="create_task",provider="crun")' in done.stdout
    assert "1 failed" in done.stdout


def test_names_of_the_clients_own(run):
    source = """
        import os

        def test_it(swapmock_env, swapmock_sandbox):
            assert os.environ["MY_BASE"] == swapmock_sandbox.base_url + "/api"
            assert os.environ["MY_KEY"] == swapmock_sandbox.key("crun")

        def test_undone():
            assert "MY_BASE" not in os.environ and "SWAPMOCK_URL" not in os.environ
    """
    done = run(source, ini="swapmock_env =\n    MY_BASE={url}/api\n    MY_KEY={crun_key}\n")
    assert "2 passed" in done.stdout, done.stdout
    wrong = run(source, ini="swapmock_env =\n    MY_BASE={ulr}\n")
    assert "swapmock_env: 'MY_BASE={ulr}': 'ulr' is none of callback_url, crun_key" in wrong.stdout


def test_a_running_one_is_used(run):
    source = """
        def test_it(swapmock, swapmock_sandbox):
            assert swapmock.url == "%s"
    """
    with Emulator() as emulator:
        done = run(source % emulator.url, "--swapmock-url", emulator.url)
        assert "1 passed" in done.stdout, done.stdout
        assert [sandbox.id for sandbox in emulator.sandboxes()] == ["default", "other"]


def test_it_works_on_several_workers(run):
    done = run(
        """
        import pytest
        from client import create

        @pytest.mark.parametrize("number", range(6))
        def test_it(swapmock_env, swapmock_sandbox, number):
            create()
            swapmock_sandbox.expect("create_task", times=1)
        """,
        "-n",
        "2",
    )
    assert "6 passed" in done.stdout, done.stdout


def test_a_wrong_option_is_told(run):
    done = run("""
        import pytest

        @pytest.mark.swapmock(ballance=3)
        def test_it(swapmock_sandbox):
            pass

        @pytest.mark.swapmock("frozen")
        def test_positional(swapmock_sandbox):
            pass
    """)
    assert "did you mean 'balance'" in done.stdout
    assert "the marker swapmock accepts only named options" in done.stdout


def test_without_the_extra_the_inbox_says_what_to_install(run):
    done = run(
        """
        import sys
        sys.modules["pytest_httpserver"] = None

        def test_it(swapmock_inbox):
            pass
    """,
        "-p",
        "no:pytest_httpserver",
    )
    assert "swapmock_inbox needs pytest_httpserver: pip install 'swapmock[pytest]'" in done.stdout


def test_unused_it_costs_less_than_50_ms():
    """Of processor time, in the best of four imports: what other work on the machine adds is not the plugin's."""
    code = f"import pytest, time; t = time.process_time(); import {PLUGIN}; print(time.process_time() - t)"
    costs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60) for _ in range(4)]
    assert min(float(done.stdout) for done in costs) < 0.05


def test_unused_it_imports_nothing():
    code = f"""
import sys, pytest
before = set(sys.modules)
import {PLUGIN}
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
heavy = {{"requests", "flask", "werkzeug", "uvicorn", "jsonschema", "yaml", "pytest_httpserver", "httptools"}}
sys.exit(", ".join(sorted(heavy & new)) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
