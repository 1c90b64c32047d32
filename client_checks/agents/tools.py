"""The tools of `swapmock mcp`. Each method of Tools is one tool; its docstring and its parameters are what an agent reads."""
# No `from __future__ import annotations`: the server reads the annotations.

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import requests
from pydantic import Field

from swapmock import AdminError, Control, Sandbox
from swapmock.client_checks.agents.catalogue import MOST_ROWS, TOPICS, find_operation, look_up, operations, providers
from swapmock.client_checks.testing.watch import environment

Topic = Literal["operations", "codes", "magic_values", "scenarios", "variants", "evidence", "rules"]
What = Literal["requests", "tasks", "ledger", "deliveries", "journal", "faults"]
Provider = Annotated[str | None, Field(description="One of the APIs that describe lists; default: all of them")]
SandboxId = Annotated[str, Field(description="Id of a sandbox, as create_sandbox gave it")]

#: Names of the tools, in the order in which an agent sees them.
NAMES = (
    "describe",
    "look_up",
    "create_sandbox",
    "change_sandbox",
    "provoke",
    "call_api",
    "advance",
    "inspect",
    "why",
    "verdict",
)
#: The tools that change nothing.
READ_ONLY = ("describe", "look_up", "inspect", "why", "verdict")

#: The most characters of a body that is not JSON, or of one text in a row.
MOST_TEXT = 2000


class ToolFailed(Exception):
    """An error for the agent: one sentence that says what to do."""


class Tools:
    """The tools of one emulator."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._session = requests.Session()
        self._session.trust_env = False

    def describe(self) -> dict[str, Any]:
        """Say what runs here: the base URL that a client uses in place of the vendor's host, and what it can do.

        Start with this. A test takes a sandbox of its own with create_sandbox.
        """
        apis = {}
        for provider in providers(self._control):
            contract = self._control.contract(provider)
            apis[provider] = {
                "title": contract["info"]["title"],
                "in_place_of": [server["url"] for server in contract.get("servers", ())],
                "credential_headers": self._control.default.headers(provider),
                "operations": [row["id"] for row in operations(self._control, provider)],
            }
        return {
            "base_url": self._control.url,
            "apis": apis,
            "sandboxes": [sandbox.id for sandbox in self._control.sandboxes()],
            "look_up_topics": list(TOPICS),
        }

    def look_up(
        self,
        topic: Topic,
        text: Annotated[str, Field(description="Words that a row must contain, such as 402 or create_task")] = "",
        provider: Provider = None,
    ) -> dict[str, Any]:
        """Look up rows of a table: operations (with an example body), codes (meaning, retryable, charged), magic_values
        (URLs that choose an outcome), scenarios, variants (where the vendor's sources disagree), evidence (how far to trust a
        behaviour), rules (for a client)."""
        self._known(provider)
        return look_up(self._control, topic, text, provider)

    def create_sandbox(
        self,
        clock: Annotated[str, Field(description="frozen (advance moves it), real, on_poll, or scaled(10)")] = "frozen",
        balance: Annotated[float, Field(description="Credits at the start", ge=0)] = 1000,
        scenario: Annotated[str | None, Field(description="Outcome of every task, such as fails or slow")] = None,
        variants: Annotated[
            dict[str, dict[str, Any]] | None,
            Field(description='Choices, as {api: {"http_status": "always200"}}; look_up has the variants'),
        ] = None,
        rate_limit: Annotated[
            dict[str, Any] | None, Field(description='As {"calls": 1, "seconds": 10, "retry_after": "seconds"}')
        ] = None,
        id: Annotated[str | None, Field(description="The id of the sandbox; by default one is chosen")] = None,
    ) -> dict[str, Any]:
        """Make a sandbox: an account of its own with credentials, credits and clock. Returns the base URL, the headers for each
        API, and the environment variables for a client."""
        given = {"clock": clock, "balance": balance, "scenario": scenario, "variants": variants}
        given |= {"rate_limit": rate_limit, "id": id}
        options = {name: value for name, value in given.items() if value is not None}
        return _described(self._ask(lambda: self._control.sandbox(**options)))

    def change_sandbox(
        self,
        sandbox: SandboxId,
        action: Annotated[
            Literal["change", "grant", "reset", "delete"],
            Field(description="change `options`; grant `amount` credits; reset: remove what happened; delete"),
        ],
        options: Annotated[
            dict[str, Any] | None, Field(description="For change: balance, clock, scenario, variants, rate_limit, ...")
        ] = None,
        amount: Annotated[float, Field(description="For grant: credits", ge=0)] = 0,
    ) -> dict[str, Any]:
        """Change, top up, reset or delete a sandbox."""
        box = self._sandbox(sandbox)
        if action == "grant":
            return {"balance": self._ask(lambda: box.grant(amount))}
        if action == "reset":
            return {"removed": self._ask(box.reset)}
        if action == "delete":
            self._ask(box.delete)
            return {"deleted": sandbox}
        self._ask(lambda: box.change(**(options or {})))
        return _described(box)

    def provoke(
        self,
        sandbox: SandboxId,
        effect: Annotated[
            dict[str, Any] | None,
            Field(
                description='A fault: {"code": 429, "retry_after": 5}, {"connection": "reset"}, {"status": 503}, '
                '{"delay": 2}, {"body": "truncated"}, {"gateway": 502}'
            ),
        ] = None,
        match: Annotated[
            dict[str, Any] | None,
            Field(description='Which calls: {"operation": "create_task", "nth": 1}; all unless given'),
        ] = None,
        times: Annotated[int | None, Field(description="The number of calls; default: no limit", ge=1)] = None,
        moment: Annotated[
            Literal["before", "after", "wire"] | None,
            Field(description="before: nothing happens. after: the task exists and is charged, the answer is lost"),
        ] = None,
        scenario: Annotated[
            str | None,
            Field(description="In place of a fault: the outcome of the next task, such as fails or callback_duplicate"),
        ] = None,
    ) -> dict[str, Any]:
        """Make the next calls fail (`effect`), or the next task end as you want (`scenario`). Give one of the two."""
        box = self._sandbox(sandbox)
        if (effect is None) == (scenario is None):
            raise ToolFailed("give either `effect` or `scenario`")
        if scenario is not None:
            order = {} if times is None else {"times": times}
            return {"queue": self._ask(lambda: box.queue(scenario, **order))}
        rule = {"match": match, "times": times, "moment": moment}
        chosen = {name: value for name, value in rule.items() if value is not None}
        return {"fault": self._ask(lambda: box.add_fault(effect or {}, **chosen))}

    def call_api(
        self,
        sandbox: SandboxId,
        operation: Annotated[str, Field(description="operationId, such as create_task; look_up lists them")],
        body: Annotated[Any, Field(description="JSON body; default: the example of the contract")] = None,
        params: Annotated[dict[str, Any] | None, Field(description="Parameters of query and path")] = None,
    ) -> dict[str, Any]:
        """Call the vendor's API as a client would, over HTTP, with the credentials of the sandbox."""
        box = self._sandbox(sandbox)
        try:
            provider, row = find_operation(self._control, operation)
        except KeyError:
            names = [each["id"] for name in providers(self._control) for each in operations(self._control, name)]
            raise ToolFailed(f"there is no operation {operation!r}; there are {', '.join(names)}") from None
        path, query = row["path"], dict(params or {})
        for name in [name for name in query if f"{{{name}}}" in path]:
            path = path.replace(f"{{{name}}}", str(query.pop(name)))
        content = row.get("example") if body is None else body
        try:
            answer = self._session.request(
                row["method"],
                box.base_url + path,
                params=query,
                json=content,
                headers=box.headers(provider),
                timeout=60,
            )
        except requests.RequestException as error:
            return {"sent": content, "no_answer": type(error).__name__}
        return {"sent": content, "http_status": answer.status_code, **_headers(answer), "body": _body(answer)}

    def advance(
        self,
        sandbox: SandboxId,
        by: Annotated[str | None, Field(description="How far, such as 65s or 1h")] = None,
        until: Annotated[
            str | dict[str, str] | None,
            Field(description='idle (nothing is due any more), or {"task": ID, "status": "success"}'),
        ] = None,
    ) -> dict[str, Any]:
        """Move the clock of a sandbox. Returns what happened meanwhile: tasks that went on, callbacks that were sent."""
        box = self._sandbox(sandbox)
        if (by is None) == (until is None):
            raise ToolFailed("give either `by` or `until`")
        fired = self._ask(lambda: box.advance(by, until=until))
        return {**_bounded("happened", fired), "now": box.clock()["now_iso"]}

    def inspect(
        self,
        sandbox: SandboxId,
        what: What,
        operation: Annotated[str | None, Field(description="For requests: of this operation only")] = None,
    ) -> dict[str, Any]:
        """Read what happened in a sandbox. requests: what the client sent and got. ledger: credits, with a proof. tasks,
        deliveries (of callbacks), journal, faults."""
        box = self._sandbox(sandbox)
        if what == "ledger":
            ledger = self._ask(lambda: box.ledger(proof=True))
            proof = {"holds": ledger["proof"]["holds"], "invariants": ledger["proof"].get("invariants", [])}
            entries = [{name: row[name] for name in ("at_iso", "move", "amount", "task")} for row in ledger["entries"]]
            return {
                "balance": ledger["balance"],
                "cost": ledger["cost"],
                "proof": proof,
                **_bounded("entries", entries),
            }
        if what == "requests":
            filters = {} if operation is None else {"operation": operation}
            return _bounded("requests", [_exchange(row) for row in self._ask(lambda: box.requests(**filters))])
        read = {"tasks": box.tasks, "deliveries": box.deliveries, "journal": box.journal, "faults": box.faults}[what]
        return _bounded(what, self._ask(read))

    def why(
        self,
        sandbox: SandboxId,
        subject: Annotated[
            str | None, Field(description="Id of a request, task or delivery; default: the last request")
        ] = None,
    ) -> dict[str, Any]:
        """Explain a request, a task or a delivery: what matched, which rule of the contract is broken and the nearest right
        name, which fault was applied, what it did to the ledger."""
        box = self._sandbox(sandbox)
        if subject is None:
            sent = self._ask(box.requests)
            if not sent:
                raise ToolFailed("no request came; does the client use the base URL and the key of this sandbox?")
            subject = str(sent[-1]["id"])
        found = self._ask(lambda: box.why(subject))
        chain = [f"{event['at_iso']} {event['what']}: {event['text']}" for event in found.get("chain", ())]
        names = ("subject", "summary", "violations", "nearest_operation", "fault", "scenario", "credential", "ledger")
        return {name: found[name] for name in names if found.get(name)} | {"chain": chain[:MOST_ROWS]}

    def verdict(
        self,
        sandbox: SandboxId,
        outcome: Annotated[
            Literal["succeeded", "failed", "unknown"] | None, Field(description="What the client says about its job")
        ] = None,
        jobs: Annotated[int, Field(description="How many pictures or videos the client was to make", ge=1)] = 1,
    ) -> dict[str, Any]:
        """Judge the client that used a sandbox, by the rules of swapmock conform: retries that pay twice, polls after the end,
        callbacks, downloads."""
        box = self._sandbox(sandbox)
        judged = self._ask(lambda: box.verdict(outcome=outcome, declaration={"jobs": jobs}))
        told = {"failures": judged.failures, "warnings": judged.warnings}
        return {"good": bool(judged)} | {name: [_judged(one) for one in rows] for name, rows in told.items()}

    # Helpers

    def _known(self, provider: str | None) -> None:
        known = providers(self._control)
        if provider is not None and provider not in known:
            raise ToolFailed(f"there is no provider {provider!r}; there are {', '.join(known)}")

    def _sandbox(self, sandbox_id: str) -> Sandbox:
        found: Sandbox = self._ask(lambda: self._control.get(sandbox_id))
        return found

    def _ask(self, call: Any) -> Any:
        try:
            return call()
        except AdminError as refused:
            places = "; ".join(f"{row.get('pointer', '')}: {row['detail']}" for row in refused.errors)
            detail = str(refused.problem.get("detail", refused.problem))
            raise ToolFailed(detail if places in ("", detail) else f"{detail} ({places})") from None
        except ModuleNotFoundError as missing:
            raise ToolFailed(f"this tool needs {missing.name}: pip install 'swapmock[mcp,checks]'") from None
        except requests.RequestException as error:
            raise ToolFailed(f"the emulator does not answer: {error}") from None
        except (TypeError, ValueError) as wrong:
            raise ToolFailed(str(wrong)) from None


def _described(sandbox: Sandbox) -> dict[str, Any]:
    """Return a sandbox as JSON for an agent."""
    document = sandbox.document
    return {
        "sandbox": sandbox.id,
        "base_url": sandbox.base_url,
        "credential_headers": {name: dict(row["headers"]) for name, row in document["credentials"].items()},
        "environment": environment(sandbox, None, ()),
        "clock": document["clock"]["mode"],
        "credits": document["balance"]["available"],
        "scenario": document["scenario"],
    }


def _judged(one: Any) -> dict[str, Any]:
    from swapmock.client_checks.behaviour.reports.document import line

    return {"rule": one.rule, "found": one.text, "evidence": [line(each) for each in one.evidence[:5]]}


def _exchange(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("id", "at_iso", "operation", "method", "target", "status", "code", "task", "problem", "fault")
    found = {name: row[name] for name in names if row[name] is not None}
    return found | {"sent": row["request"]["body"], "answer": _short(row["response"].get("body"))}


def _bounded(name: str, rows: Sequence[Any]) -> dict[str, Any]:
    """Return the last rows, and how many earlier ones were left out."""
    left_out = len(rows) - MOST_ROWS
    return {name: list(rows[-MOST_ROWS:])} | ({"earlier_ones_left_out": left_out} if left_out > 0 else {})


def _headers(answer: requests.Response) -> dict[str, Any]:
    kept = {name: answer.headers[name] for name in ("Retry-After", "Location") if name in answer.headers}
    return {"headers": kept} if kept else {}


def _body(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return (
            _short(answer.text) if "text" in answer.headers.get("content-type", "") else f"{len(answer.content)} bytes"
        )


def _short(value: Any) -> Any:
    return f"{value[:MOST_TEXT]} ..." if isinstance(value, str) and len(value) > MOST_TEXT else value
