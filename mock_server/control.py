"""The operations of the admin API as Python methods, for an emulator in this process or on another machine."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

#: A JSON document of the admin API; its shape is in contracts/admin/openapi.yaml.
Document = dict[str, Any]


#: The module of the extra `checks` that judges clients. The server runs without it.
VERDICTS = "swapmock.client_checks.behaviour.in_process"


class AdminError(Exception):
    """An error response of the admin API.

    `status` is the HTTP status, `problem` the RFC 9457 document, `errors` its list of objects with `pointer`, `rule` and
    `detail` (empty if the error has no place in the request)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail', problem)}")
        self.status = status
        self.problem = problem
        self.errors: list[Document] = list(problem.get("errors", ()))


class Control(ABC):
    """One emulator, controlled over the admin API. Every method raises AdminError if the admin API refuses the call.

    >>> from swapmock import AdminError, Emulator
    >>> with Emulator() as emu:
    ...     [sandbox.id for sandbox in emu.sandboxes()]
    ...     try:
    ...         emu.sandbox(sead=7)
    ...     except AdminError as refused:
    ...         refused.errors
    ['default', 'other']
    [{'pointer': '/sead', 'rule': 'additionalProperties', 'detail': "no such field; did you mean 'seed'?"}]
    """

    @property
    @abstractmethod
    def url(self) -> str:
        """The base URL of the vendors' APIs, without a slash at the end."""

    @abstractmethod
    def ask(self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        """Call the admin API and return the answer: the JSON value, or text if the answer is not JSON.

        `path` is the path below `/__admin`, `body` a JSON value, `params` the query. Raises AdminError."""

    @property
    def default(self) -> Sandbox:
        """The sandbox `default`, which always exists."""
        return self.get("default")

    def sandbox(self, **options: Any) -> Sandbox:
        """Create a sandbox. Options: `id`, `seed`, `balance`, `clock` ("frozen", "scaled(10)", ...), `variants`, `scenario`,
        `rate_limit`, `download_rate_limit`, `upload_rate_limit`, `ttl`, `evidence_header`, `prefer_header`, `client_clock`,
        `max_in_flight`, `parallel_posts`, `labels`. Use the sandbox in a `with` block to delete it at the end."""
        return Sandbox(self, self.ask("POST", "/sandboxes", options))

    def get(self, sandbox_id: str) -> Sandbox:
        """Return the sandbox with this id."""
        return Sandbox(self, self.ask("GET", f"/sandboxes/{quote(sandbox_id, safe='')}"))

    def sandboxes(self) -> list[Sandbox]:
        """Return every sandbox."""
        return [Sandbox(self, document) for document in self.ask("GET", "/sandboxes")["sandboxes"]]

    def reset(self) -> dict[str, int]:
        """Reset the default sandbox. Returns how many records of each kind were removed."""
        return _counts(self.ask("POST", "/reset"))

    def requests(self, **filters: Any) -> list[Document]:
        """Return the requests to the default sandbox with their answers, oldest first. Filters as for
        `Sandbox.journal`."""
        return _rows(self.ask("GET", "/requests", params=filters), "requests")

    def evidence(self, **filters: str) -> list[Document]:
        """Return every behaviour of the emulator with its level of evidence and its source. Filters: `provider`,
        `level`."""
        return _rows(self.ask("GET", "/evidence", params=filters), "behaviours")

    def metrics(self) -> str:
        """Return the counters of the emulator's process in the text format of Prometheus."""
        return str(self.ask("GET", "/metrics"))

    def runs(self) -> list[Document]:
        """Return the last runs of `swapmock conform` and `swapmock check` that were reported here, newest first."""
        return _rows(self.ask("GET", "/runs"), "runs")

    def run(self, run: str) -> Document:
        """Return one reported run by its id, with its `report`."""
        return _document(self.ask("GET", f"/runs/{quote(run, safe='')}"))

    def add_run(self, kind: str, report: Mapping[str, Any]) -> Document:
        """Report a run: `kind` is `conform` or `check`, `report` is the JSON report of the command. Return its id
        and the `url` of its page."""
        return _document(self.ask("POST", "/runs", {"kind": kind, "report": report}))

    def contract(self, name: str = "admin") -> Document:
        """Return the OpenAPI document of the admin API (`admin`) or of a provider (`crun`)."""
        return _document(self.ask("GET", f"/contracts/{quote(name, safe='')}.json"))

    def contracts(self) -> Document:
        """Return the URLs of every contract, as JSON and as YAML."""
        return _document(self.ask("GET", "/contracts")["contracts"])

    def magic(self) -> Document:
        """Return the magic values of each provider."""
        return _document(self.ask("GET", "/magic"))

    def variants(self) -> Document:
        """Return the variants of each provider, with their choices and defaults."""
        return _document(self.ask("GET", "/variants"))

    def scenarios(self) -> Document:
        """Return the scenarios and series of each provider."""
        return _document(self.ask("GET", "/scenarios"))

    def codes(self) -> Document:
        """Return the body codes of each provider."""
        return _document(self.ask("GET", "/codes"))


class Sandbox:
    """One sandbox of an emulator. `document` is the last description of the sandbox that the admin API gave.

    >>> from swapmock import Emulator
    >>> with Emulator() as emu, emu.sandbox(clock="frozen", balance=10) as sandbox:
    ...     sandbox.queue("fails", code=501, message="GPU on fire")[0]["scenario"]
    ...     sandbox.add_fault({"code": 429, "retry_after": 5}, match={"nth": 2})["moment"]
    ...     sandbox.grant(2.5)["available"]
    ...     sandbox.advance("1h")
    'fails'
    'before'
    12.5
    []
    """

    def __init__(self, control: Control, document: Document) -> None:
        self._control = control
        self.document = document
        self.id: str = document["id"]
        self.base_url: str = document["base_url"]

    def __repr__(self) -> str:
        return f"<Sandbox {self.id} at {self.base_url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.delete()

    @property
    def control(self) -> Control:
        """The emulator of the sandbox."""
        return self._control

    def expect(self, operation: str | None = None, *, times: int | None = None, **filters: Any) -> list[Document]:
        """Assert that requests came: exactly `times` of them, or at least one without `times`.

        `operation` and `filters` (as for `journal`) say which requests count. Returns them. Raises AssertionError with a list
        of the requests that did come.
        """
        wanted = {name: value for name, value in {"operation": operation, **filters}.items() if value is not None}
        found = self.requests(**wanted)
        if len(found) == times or (times is None and found):
            return found
        count = "at least one request" if times is None else f"{times} request{'' if times == 1 else 's'}"
        what = ", ".join(f"{name}={value!r}" for name, value in wanted.items()) or "any kind"
        came = [
            f"  {row['operation'] or row['target']}: HTTP {row['status']}, code {row['code']}"
            for row in self.requests()
        ]
        raise AssertionError(
            "\n".join([f"expected {count} ({what}), got {len(found)}; all requests:", *(came or ["  none"])])
        )

    def _ask(self, method: str, path: str = "", body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        return self._control.ask(method, f"/sandboxes/{quote(self.id, safe='')}{path}", body, params)

    def key(self, provider: str | None = None) -> str:
        """Return the API key (or access key id) for `provider`, by default for the first one."""
        return str(self._credential(provider)["key"])

    def headers(self, provider: str | None = None) -> dict[str, str]:
        """Return the credential headers for a request to `provider`, by default to the first one."""
        return dict(self._credential(provider)["headers"])

    def _credential(self, provider: str | None) -> Mapping[str, Any]:
        credentials: Mapping[str, Mapping[str, Any]] = self.document["credentials"]
        return credentials[next(iter(credentials)) if provider is None else provider]

    def refresh(self) -> Document:
        """Read the description of the sandbox again, store it in `document` and return it."""
        self.document = self._ask("GET")
        return self.document

    def change(self, **options: Any) -> Document:
        """Change options of the sandbox: those of `Control.sandbox` except `id` and `seed`. If one value is wrong,
        nothing is changed."""
        self.document = self._ask("PATCH", body=options)
        return self.document

    def delete(self) -> None:
        """Delete the sandbox with everything in it."""
        self._ask("DELETE")

    def reset(self) -> dict[str, int]:
        """Remove everything that happened. Options stay. Return how many records of each kind were removed."""
        return _counts(self._ask("POST", "/reset"))

    def snapshot(self) -> Document:
        """Return the whole sandbox as one JSON document, without its credentials."""
        return _document(self._ask("GET", "/snapshot"))

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Replace the content of the sandbox by `snapshot`. Id, credentials and time to live stay. A wrong snapshot
        changes nothing."""
        self.document = self._ask("POST", "/restore", snapshot)

    def fork(self, sandbox_id: str | None = None) -> Sandbox:
        """Return a copy of the sandbox with its own credentials. The emulator chooses the id unless `sandbox_id` is
        given."""
        return Sandbox(self._control, self._ask("POST", "/fork", {} if sandbox_id is None else {"id": sandbox_id}))

    def clock(self) -> Document:
        """Return mode, rate and time of the sandbox's clock, and when something is due next."""
        return _document(self._ask("GET", "/clock"))

    def set_clock(self, mode: str, rate: float | None = None) -> Document:
        """Change the clock's mode to `real`, `scaled` (with `rate`), `frozen` or `on_poll`. The time stays."""
        return _document(self._ask("PATCH", "/clock", {"mode": mode} if rate is None else {"mode": mode, "rate": rate}))

    def advance(
        self,
        by: float | str | None = None,
        *,
        to: float | str | None = None,
        until: str | Mapping[str, str] | None = None,
    ) -> list[Document]:
        """Move the clock forward: `by` seconds or text ("65s", "1h"), `to` a time (epoch seconds or RFC 3339), or `until`
        nothing is due ("idle") or a task has a status (an object with `task` and `status`).

        Returns what happened, in order.
        """
        given = {"by": by, "to": to, "until": until}
        body = {name: value for name, value in given.items() if value is not None}
        return _rows(self._ask("POST", "/clock/advance", body), "fired")

    def ledger(self, *, proof: bool = False) -> Document:
        """Return balance, entries and cost. With `proof` also the cause of each entry and the invariants of the
        ledger."""
        return _document(self._ask("GET", "/ledger", params={"proof": int(proof)}))

    def balance(self) -> float:
        """Return the available credits."""
        return float(self.ledger()["balance"]["available"])

    def grant(self, amount: float) -> Document:
        """Add `amount` credits, and return the balance."""
        return _document(self._ask("POST", "/ledger/grant", {"amount": amount}))

    def refund(self, task: str, amount: float | None = None) -> Document:
        """Return the charge of a task to the balance, or `amount` credits of the charge. Return the balance."""
        body = {"task": task} if amount is None else {"task": task, "amount": amount}
        return _document(self._ask("POST", "/ledger/refund", body))

    def add_fault(self, effect: Mapping[str, Any], **rule: Any) -> Document:
        """Add a fault rule and return it. `rule` may have `match`, `moment`, `times` and `id`."""
        return _document(self._ask("POST", "/faults", {"effect": effect, **rule}))

    def faults(self) -> list[Document]:
        """Return the fault rules in the order in which they are tried."""
        return _rows(self._ask("GET", "/faults"), "faults")

    def fault(self, fault: str) -> Document:
        """Return one fault rule. `matched` counts the calls that it matched, `struck` the calls to which it was
        applied."""
        return _document(self._ask("GET", f"/faults/{quote(fault, safe='')}"))

    def delete_fault(self, fault: str) -> None:
        """Delete one fault rule."""
        self._ask("DELETE", f"/faults/{quote(fault, safe='')}")

    def clear_faults(self) -> None:
        """Delete every fault rule."""
        self._ask("DELETE", "/faults")

    def queue(self, scenario: str, **order: Any) -> list[Document]:
        """Queue a scenario or series for the next tasks. `order` may have `provider`, `kind`, `operation`, `model`, `times`,
        `code` and `message`. Returns the whole queue."""
        return _rows(self._ask("POST", "/scenarios", {"scenario": scenario, **order}), "queue")

    def queued(self) -> list[Document]:
        """Return the scenarios that wait for tasks."""
        return _rows(self._ask("GET", "/scenarios"), "queue")

    def clear_queue(self) -> None:
        """Remove every queued scenario."""
        self._ask("DELETE", "/scenarios")

    def tasks(self, **filters: Any) -> list[Document]:
        """Return the tasks, oldest first. Filters: `provider`, `kind`, `status`, `after`, `limit`."""
        return _rows(self._ask("GET", "/tasks", params=filters), "tasks")

    def task(self, task: str) -> Document:
        """Return one task, by any of its ids."""
        return _document(self._ask("GET", f"/tasks/{quote(task, safe='')}"))

    def journal(self, **filters: Any) -> list[Document]:
        """Return exchanges, transitions and deliveries, oldest first. Filters: the query parameters of the admin
        API's journal."""
        return _rows(self._ask("GET", "/journal", params=filters), "records")

    def requests(self, **filters: Any) -> list[Document]:
        """Return the exchanges of the journal, oldest first. Filters as for `journal`."""
        return _rows(self._ask("GET", "/requests", params=filters), "requests")

    def request(self, request: str) -> Document:
        """Return one exchange of the journal by its id."""
        return _document(self._ask("GET", f"/requests/{quote(request, safe='')}"))

    def clear_journal(self) -> None:
        """Remove every record of the journal. Tasks and balance stay."""
        self._ask("DELETE", "/journal")

    def why(self, subject: str) -> Document:
        """Explain a request, task or delivery, by its id."""
        return _document(self._ask("GET", f"/why/{quote(subject, safe='/')}"))

    def mermaid(self, subject: str) -> str:
        """Return the explanation of a request, task or delivery as a Mermaid sequence diagram."""
        return str(self._ask("GET", f"/why/{quote(subject, safe='/')}", params={"format": "mermaid"}))

    def har(self, **filters: Any) -> Document:
        """Return the exchanges as HAR 1.2. Filters as for `journal`."""
        return _document(self._ask("GET", "/har", params=filters))

    def wait_for_requests(self, count: int = 1, timeout: float = 10.0, **filters: Any) -> list[str]:
        """Wait until the journal has `count` requests that pass `filters` (`operation`, `provider`, `status`, `code`, `task`).

        Returns their ids. Raises AdminError with status 408 after `timeout` real seconds."""
        return list(self._wait({"requests": {"count": count, **filters}, "timeout": timeout}))

    def wait_for_task(self, task: str, status: str, timeout: float = 10.0) -> Document:
        """Wait until a task has a status. Raises AdminError with status 408 after `timeout` real seconds."""
        return _document(self._wait({"task": {"id": task, "status": status}, "timeout": timeout}))

    def wait_for_delivery(self, timeout: float = 10.0, **wanted: str) -> list[Document]:
        """Wait until a delivery is over or has a `status`. `wanted` may have `id`, `task` and `status`.

        Returns the deliveries. Raises AdminError with status 408 after `timeout` real seconds."""
        return list(self._wait({"delivery": wanted, "timeout": timeout}))

    def _wait(self, condition: Document) -> Any:
        return self._ask("POST", "/wait", condition)["detail"]

    def verdict(self, **options: Any) -> Any:
        """Judge the client that used this sandbox, by the rules of `swapmock conform`.

        Options: `provider`, `outcome` (what the client claims: succeeded, failed or unknown), `declaration` (fields of
        conform.toml) and `rules` (ids). The result is true if no rule is broken; `failures` and `warnings` list those that are.
        Needs the extra `checks`.
        """
        return importlib.import_module(VERDICTS).verdict_of(self, **options)

    def deliveries(self, **filters: Any) -> list[Document]:
        """Return the deliveries of callbacks with their attempts. Filters: `status`, `task`, `limit`."""
        return _rows(self._ask("GET", "/deliveries", params=filters), "deliveries")

    def delivery(self, delivery: str) -> Document:
        """Return one delivery by its id."""
        return _document(self._ask("GET", f"/deliveries/{quote(delivery, safe='')}"))

    def inbox(self) -> Document:
        """Return the callback inbox: `url` is a callback URL that can be used at once, `received` are the requests,
        newest first."""
        return _document(self._ask("GET", "/inbox"))

    def answer_callbacks(self, *answers: int | Mapping[str, Any]) -> Document:
        """Set the answers of the inbox to the next callbacks: HTTP statuses, or objects with `status`, `body` and
        `content_type`. Each is used once, the last one for all further callbacks; without any, the inbox
        acknowledges. Return the inbox."""
        return _document(self._ask("PUT", "/inbox", {"answers": list(answers)}))

    def clear_inbox(self) -> None:
        """Remove the callbacks that came to the inbox. Its answers stay."""
        self._ask("DELETE", "/inbox")

    def redeliver(self, delivery: str) -> Document:
        """Send a callback again, wait for the result, and return the delivery."""
        return _document(self._ask("POST", f"/deliveries/{quote(delivery, safe='')}/redeliver"))


def _document(answer: Any) -> Document:
    return dict(answer)


def _rows(answer: Any, name: str) -> list[Document]:
    return list(answer[name])


def _counts(answer: Any) -> dict[str, int]:
    return dict(answer["cleared"])
