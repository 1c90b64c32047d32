"""`swapmock mcp` over a real MCP client on stdio: ten tasks of an agent, each in at most six calls."""

import http.server
import json
import subprocess
import sys
import threading

import anyio
import pytest
import requests
from anyio.from_thread import start_blocking_portal
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from swapmock import Emulator
from swapmock.client_checks.agents.tools import NAMES

MOST_CALLS = 6


class Agent:
    """One MCP session. `call` returns the structured result; an error of a tool raises ToolRefused."""

    def __init__(self, portal, session):
        self.portal, self.session, self.calls = portal, session, 0

    def call(self, tool, **arguments):
        self.calls += 1
        result = self.portal.call(self.session.call_tool, tool, arguments).model_dump(mode="json", by_alias=True)
        if result.get("isError"):
            raise ToolRefused(result["content"][0]["text"])
        return result["structuredContent"]


class ToolRefused(Exception):
    pass


@pytest.fixture(scope="module")
def agent():
    command = StdioServerParameters(command=sys.executable, args=["-m", "swapmock", "mcp"])

    async def open_session(started):
        async with stdio_client(command) as streams, ClientSession(*streams) as session:
            await session.initialize()
            stop = anyio.Event()
            started.append((session, stop))
            await stop.wait()

    with start_blocking_portal() as portal:
        started: list[tuple[ClientSession, anyio.Event]] = []
        done = portal.start_task_soon(open_session, started)
        while not started and not done.done():
            portal.call(anyio.sleep, 0.02)
        if not started:
            done.result()
        session, stop = started[0]
        yield Agent(portal, session)
        portal.call(stop.set)
        done.result(20)


@pytest.fixture
def task(agent):
    """The agent, for one task: it may call six tools."""
    agent.calls = 0
    yield agent
    assert 1 <= agent.calls <= MOST_CALLS


# --- Ten tasks


def test_1_which_base_url_replaces_the_vendors_host(task):
    told = task.call("describe")
    assert told["apis"]["crun"]["in_place_of"][0] == "https://api.crun.ai"
    assert requests.get(told["base_url"] + "/health", timeout=10).json() == {"status": "ok"}


def test_2_reproduce_an_order_without_credits(task):
    box = task.call("create_sandbox", balance=0)["sandbox"]
    answer = task.call("call_api", sandbox=box, operation="create_task")
    assert (answer["http_status"], answer["body"]["code"]) == (402, 402)


def test_3_a_swap_from_order_to_picture(task):
    box = task.call("create_sandbox")["sandbox"]
    made = task.call("call_api", sandbox=box, operation="create_task")["body"]["data"]["task_id"]
    assert task.call("advance", sandbox=box, until="idle")["happened"][-1]["after"] == "succeeded"
    answer = task.call("call_api", sandbox=box, operation="get_task_info", params={"task_id": made})
    link = answer["body"]["data"]["result"]["media_urls"][0]
    assert requests.get(link, timeout=10).headers["content-type"].startswith("image/")


def test_4_too_many_requests_twice_and_then_well(task):
    box = task.call("create_sandbox")["sandbox"]
    effect, match = {"code": 429, "retry_after": 5}, {"operation": "create_task"}
    task.call("provoke", sandbox=box, effect=effect, match=match, times=2)
    answers = [task.call("call_api", sandbox=box, operation="create_task") for _ in range(3)]
    assert [answer["http_status"] for answer in answers] == [429, 429, 200]
    assert answers[0]["headers"] == {"Retry-After": "5"}


def test_5_why_was_this_request_refused(task):
    box = task.call("create_sandbox")["sandbox"]
    task.call("call_api", sandbox=box, operation="detect_face_image", body={"imageUrl": "https://example.com/a.png"})
    why = task.call("why", sandbox=box)
    assert why["violations"][0]["detail"] == "`image_url` is missing; you sent `imageUrl`"


def test_6_what_does_a_code_mean_and_may_i_retry(task):
    (row,) = task.call("look_up", topic="codes", text="455", provider="crun")["rows"]["crun"]
    assert (row["meaning"], row["retryable"]) == ("the system is under maintenance", True)


def test_7_what_becomes_of_a_callback_that_nobody_takes(task):
    box = task.call("create_sandbox")["sandbox"]
    body = {"model": "z-image", "input": {"prompt": "a"}, "callback_url": "http://127.0.0.1:9/callback"}
    task.call("call_api", sandbox=box, operation="create_task", body=body)
    task.call("advance", sandbox=box, until="idle")
    (delivery,) = task.call("inspect", sandbox=box, what="deliveries")["deliveries"]
    assert (delivery["state"], len(delivery["attempts"])) == ("dead", 4)


def test_8_what_would_this_have_cost(task):
    box = task.call("create_sandbox", scenario="fails")["sandbox"]
    task.call("call_api", sandbox=box, operation="create_task")
    task.call("advance", sandbox=box, until="idle")
    ledger = task.call("inspect", sandbox=box, what="ledger")
    assert [entry["move"] for entry in ledger["entries"]] == ["grant", "reserve", "release"]
    assert (ledger["cost"]["credits"], ledger["proof"]["holds"]) == (0, True)


def test_9_judge_a_client_that_sends_again_after_a_lost_answer(task):
    made = task.call("create_sandbox")
    box = made["sandbox"]
    task.call("provoke", sandbox=box, effect={"connection": "reset"}, match={"nth": 1}, moment="after")
    lost = task.call("call_api", sandbox=box, operation="create_task")
    assert "no_answer" in lost
    task.call("call_api", sandbox=box, operation="create_task", body=lost["sent"])
    verdict = task.call("verdict", sandbox=box, outcome="succeeded")
    assert not verdict["good"]
    assert "P1" in {row["rule"] for row in verdict["failures"]}


def test_10_a_client_that_must_read_the_code_in_the_body(task):
    (row,) = task.call("look_up", topic="variants", text="http_status", provider="crun")["rows"]["crun"]
    choice = {"crun": {"http_status": row["choices"][1]}}
    box = task.call("create_sandbox", variants=choice, balance=0)["sandbox"]
    answer = task.call("call_api", sandbox=box, operation="create_task")
    assert (answer["http_status"], answer["body"]["code"]) == (200, 402)


# --- The tools themselves


def test_there_are_at_most_ten_tools_and_each_says_what_it_does(agent):
    tools = agent.portal.call(agent.session.list_tools).model_dump(mode="json", by_alias=True)["tools"]
    assert [tool["name"] for tool in tools] == list(NAMES)
    assert len(tools) <= 10
    for tool in tools:
        assert len(tool["description"]) > 20
        described = [row.get("description") for row in tool["inputSchema"]["properties"].values()]
        assert described.count(None) <= 1, tool["name"]  # a topic is an enum
        assert tool["annotations"]["openWorldHint"] is False


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        ("call_api", {"sandbox": "nobody", "operation": "create_task"}, "no sandbox 'nobody' here"),
        ("call_api", {"sandbox": "default", "operation": "creat"}, "there is no operation 'creat'; there are"),
        ("provoke", {"sandbox": "default", "effect": {"cod": 1}}, "did you mean 'code'?"),
        ("provoke", {"sandbox": "default"}, "give either `effect` or `scenario`"),
        ("provoke", {"sandbox": "default", "scenario": "failz"}, "fails"),
        ("advance", {"sandbox": "default"}, "give either `by` or `until`"),
        ("advance", {"sandbox": "default", "by": "soon"}, "soon"),
        ("look_up", {"topic": "codes", "provider": "acme"}, "there is no provider 'acme'; there are crun, imgopen"),
        ("why", {"sandbox": "default", "subject": "x999"}, "x999"),
        ("change_sandbox", {"sandbox": "default", "action": "change", "options": {"ballance": 1}}, "balance"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(agent, tool, arguments, text):
    with pytest.raises(ToolRefused) as refused:
        agent.call(tool, **arguments)
    assert text in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_a_sandbox_is_changed_topped_up_reset_and_deleted(agent):
    box = agent.call("create_sandbox", id="mine", balance=1, clock="real")["sandbox"]
    assert agent.call("change_sandbox", sandbox=box, action="change", options={"clock": "frozen"})["clock"] == "frozen"
    assert agent.call("change_sandbox", sandbox=box, action="grant", amount=2)["balance"]["available"] == 3
    assert "tasks" in agent.call("change_sandbox", sandbox=box, action="reset")["removed"]
    assert agent.call("change_sandbox", sandbox=box, action="delete") == {"deleted": "mine"}


@pytest.mark.parametrize("topic", ["operations", "codes", "magic_values", "scenarios", "variants", "evidence", "rules"])
def test_every_topic_has_rows_and_is_bounded(agent, topic):
    found = agent.call("look_up", topic=topic)
    assert 1 <= sum(len(rows) for rows in found["rows"].values()) <= 40
    assert len(json.dumps(found)) < 40_000


def test_every_operation_with_an_example_is_taken(agent):
    """A body of the contract's examples needs no thought of the agent's, and leads to no callback."""
    box = agent.call("create_sandbox")["sandbox"]
    for operation in ("create_task", "detect_face_image", "face_fusion"):
        sent = agent.call("call_api", sandbox=box, operation=operation)
        assert sent["http_status"] == 200
        assert not any("callback" in name.lower() for name in sent["sent"])


def test_the_environment_is_the_clients(agent):
    made = agent.call("create_sandbox")
    client = "import os, requests; print(requests.get(os.environ['SWAPMOCK_URL'] + '/api/v1/client/account/balance', headers={'x-api-key': os.environ['CRUN_API_KEY']}).json()['data']['balance'])"
    done = subprocess.run([sys.executable, "-c", client], env=made["environment"], capture_output=True, text=True)
    assert done.stdout.strip() in ("1000", "1000.0")
    (row,) = agent.call("inspect", sandbox=made["sandbox"], what="requests")["requests"]
    assert row["operation"] == "get_account_balance"


# --- The command


def serve(*arguments, text="", **more):
    command = [sys.executable, "-m", "swapmock", "mcp", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, **more)


def test_stdout_has_nothing_but_the_protocol():
    hello = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    ask = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
    with Emulator() as emulator:
        done = serve("--url", emulator.url, text=ask + "\n")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    answer = json.loads(line)
    assert answer["result"]["serverInfo"]["name"] == "swapmock"
    assert "create_sandbox" in answer["result"]["instructions"]


def test_an_address_without_an_emulator_is_one_line():
    class Silent(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Silent)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    for url in ("http://127.0.0.1:9", f"http://127.0.0.1:{server.server_port}", "nonsense"):
        done = serve("--url", url)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert f"{url} is no emulator that answers" in done.stderr
    server.shutdown()
    server.server_close()


def test_without_the_extra_the_command_says_what_to_install():
    code = "import sys; sys.modules['mcp'] = None; from swapmock.mock_server.cli import main; main(['mcp'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.endswith("pip install 'swapmock[mcp]'\n")
