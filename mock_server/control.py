"""The admin API's verbs in Python: one interface, whatever asgi_app its questions go through."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

#: A JSON document of the admin API; its shape is in contracts/admin/openapi.yaml.
Document = dict[str, Any]


class AdminError(Exception):
    """A refusal of the admin API: `status` is the HTTP status, `problem` the RFC 9457 document, `errors` its list of
    `{pointer, rule, detail}`."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail', problem)}")
        self.status = status
        self.problem = problem
        self.errors: list[Document] = list(problem.get("errors", ()))


class Control(ABC):
    """An emulator as the admin API shows it.

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
        """Base URL of the vendors' surfaces, without a slash at the end."""

    @abstractmethod
    def ask(self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        """The answer to one call of the admin API, `path` below `/__admin`; parsed JSON, or text. Raises AdminError."""

    @property
    def default(self) -> Sandbox:
        """The sandbox that always exists."""
        return self.get("default")

    def sandbox(self, **options: Any) -> Sandbox:
        """Make a sandbox. Options: `id`, `seed`, `balance`, `clock` ("frozen", "scaled(10)", ...), `variants`, `scenario`,
        `rate_limit`, `ttl`, `evidence_header`, `prefer_header`, `labels`. As a context manager it deletes itself."""
        return Sandbox(self, self.ask("POST", "/sandboxes", options))

    def get(self, sandbox_id: str) -> Sandbox:
        return Sandbox(self, self.ask("GET", f"/sandboxes/{quote(sandbox_id, safe='')}"))

    def sandboxes(self) -> list[Sandbox]:
        return [Sandbox(self, document) for document in self.ask("GET", "/sandboxes")["sandboxes"]]

    def reset(self) -> dict[str, int]:
        """Reset the default sandbox; how much of each kind was cleared."""
        return _counts(self.ask("POST", "/reset"))

    def requests(self, **filters: Any) -> list[Document]:
        """Exchanges of the default sandbox, oldest first."""
        return _rows(self.ask("GET", "/requests", params=filters), "requests")

    def evidence(self, **filters: str) -> list[Document]:
        """Every behaviour with level and source; filters: `provider`, `level`."""
        return _rows(self.ask("GET", "/evidence", params=filters), "behaviours")

    def metrics(self) -> str:
        """Counts of the emulator's process in the text form of Prometheus."""
        return str(self.ask("GET", "/metrics"))

    def magic(self) -> Document:
        """The magic values of each provider."""
        return _document(self.ask("GET", "/magic"))

    def variants(self) -> Document:
        return _document(self.ask("GET", "/variants"))

    def scenarios(self) -> Document:
        return _document(self.ask("GET", "/scenarios"))

    def codes(self) -> Document:
        return _document(self.ask("GET", "/codes"))


class Sandbox:
    """One sandbox, and what can be done with it. `document` is how it was described last.

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

    def _ask(self, method: str, path: str = "", body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        return self._control.ask(method, f"/sandboxes/{quote(self.id, safe='')}{path}", body, params)

    def key(self, provider: str = "crun") -> str:
        """The API key (or access key id) for a provider."""
        return str(self.document["credentials"][provider]["key"])

    def headers(self, provider: str = "crun") -> dict[str, str]:
        """The headers that a request of this sandbox shows to a provider."""
        return dict(self.document["credentials"][provider]["headers"])

    def refresh(self) -> Document:
        """Describe it again."""
        self.document = self._ask("GET")
        return self.document

    def change(self, **options: Any) -> Document:
        """Change options: those of `Control.sandbox` but `id` and `seed`. All or nothing."""
        self.document = self._ask("PATCH", body=options)
        return self.document

    def delete(self) -> None:
        self._ask("DELETE")

    def reset(self) -> dict[str, int]:
        """Forget what happened; how much of each kind was cleared."""
        return _counts(self._ask("POST", "/reset"))

    def snapshot(self) -> Document:
        return _document(self._ask("GET", "/snapshot"))

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        self.document = self._ask("POST", "/restore", snapshot)

    def fork(self, sandbox_id: str | None = None) -> Sandbox:
        """A copy with its own id and credentials."""
        return Sandbox(self._control, self._ask("POST", "/fork", {} if sandbox_id is None else {"id": sandbox_id}))

    def clock(self) -> Document:
        return _document(self._ask("GET", "/clock"))

    def set_clock(self, mode: str, rate: float | None = None) -> Document:
        """Go on in mode `real`, `scaled` (with `rate`), `frozen` or `on_poll`."""
        return _document(self._ask("PATCH", "/clock", {"mode": mode} if rate is None else {"mode": mode, "rate": rate}))

    def advance(
        self,
        by: float | str | None = None,
        *,
        to: float | str | None = None,
        until: str | Mapping[str, str] | None = None,
    ) -> list[Document]:
        """Move the clock: by seconds or text ("65s", "1h"), to a moment, or until "idle" or `{task, status}`.

        Returns what fired, in order.
        """
        given = {"by": by, "to": to, "until": until}
        body = {name: value for name, value in given.items() if value is not None}
        return _rows(self._ask("POST", "/clock/advance", body), "fired")

    def ledger(self, *, proof: bool = False) -> Document:
        return _document(self._ask("GET", "/ledger", params={"proof": int(proof)}))

    def balance(self) -> float:
        """Credits that can be spent."""
        return float(self.ledger()["balance"]["available"])

    def grant(self, amount: float) -> Document:
        return _document(self._ask("POST", "/ledger/grant", {"amount": amount}))

    def refund(self, task: str, amount: float | None = None) -> Document:
        """Give back a task's charge, or part of it."""
        body = {"task": task} if amount is None else {"task": task, "amount": amount}
        return _document(self._ask("POST", "/ledger/refund", body))

    def add_fault(self, effect: Mapping[str, Any], **rule: Any) -> Document:
        """Add a fault rule; `rule` may have `match`, `moment`, `times`, `id`."""
        return _document(self._ask("POST", "/faults", {"effect": effect, **rule}))

    def faults(self) -> list[Document]:
        return _rows(self._ask("GET", "/faults"), "faults")

    def fault(self, fault: str) -> Document:
        """One fault rule, and how often it `matched` and `struck`."""
        return _document(self._ask("GET", f"/faults/{quote(fault, safe='')}"))

    def delete_fault(self, fault: str) -> None:
        self._ask("DELETE", f"/faults/{quote(fault, safe='')}")

    def clear_faults(self) -> None:
        self._ask("DELETE", "/faults")

    def queue(self, scenario: str, **order: Any) -> list[Document]:
        """Queue an outcome for the next tasks; `order` may have `provider`, `kind`, `operation`, `model`, `times`, `code`,
        `message`. Returns the whole queue."""
        return _rows(self._ask("POST", "/scenarios", {"scenario": scenario, **order}), "queue")

    def queued(self) -> list[Document]:
        return _rows(self._ask("GET", "/scenarios"), "queue")

    def clear_queue(self) -> None:
        self._ask("DELETE", "/scenarios")

    def tasks(self, **filters: Any) -> list[Document]:
        return _rows(self._ask("GET", "/tasks", params=filters), "tasks")

    def task(self, task: str) -> Document:
        return _document(self._ask("GET", f"/tasks/{quote(task, safe='')}"))

    def journal(self, **filters: Any) -> list[Document]:
        """Exchanges, transitions and deliveries, oldest first; filters as in the admin API."""
        return _rows(self._ask("GET", "/journal", params=filters), "records")

    def requests(self, **filters: Any) -> list[Document]:
        return _rows(self._ask("GET", "/requests", params=filters), "requests")

    def clear_journal(self) -> None:
        self._ask("DELETE", "/journal")

    def why(self, subject: str) -> Document:
        """Why a request, task or delivery went as it did, by its id."""
        return _document(self._ask("GET", f"/why/{quote(subject, safe='/')}"))

    def mermaid(self, subject: str) -> str:
        """The same as a Mermaid sequence diagram."""
        return str(self._ask("GET", f"/why/{quote(subject, safe='/')}", params={"format": "mermaid"}))

    def har(self, **filters: Any) -> Document:
        return _document(self._ask("GET", "/har", params=filters))

    def wait_for_requests(self, count: int = 1, timeout: float = 10.0, **filters: Any) -> list[str]:
        """Block until `count` requests came that fit (`operation`, `provider`, `status`, `code`, `task`); their ids."""
        return list(self._wait({"requests": {"count": count, **filters}, "timeout": timeout}))

    def wait_for_task(self, task: str, status: str, timeout: float = 10.0) -> Document:
        return _document(self._wait({"task": {"id": task, "status": status}, "timeout": timeout}))

    def wait_for_delivery(self, timeout: float = 10.0, **wanted: str) -> list[Document]:
        """Block until a delivery is over, or has the wanted `status`; `wanted` may name its `id` or its `task`."""
        return list(self._wait({"delivery": wanted, "timeout": timeout}))

    def _wait(self, condition: Document) -> Any:
        return self._ask("POST", "/wait", condition)["detail"]

    def deliveries(self, **filters: Any) -> list[Document]:
        return _rows(self._ask("GET", "/deliveries", params=filters), "deliveries")

    def delivery(self, delivery: str) -> Document:
        return _document(self._ask("GET", f"/deliveries/{quote(delivery, safe='')}"))

    def redeliver(self, delivery: str) -> Document:
        """Send a callback again, and how it went."""
        return _document(self._ask("POST", f"/deliveries/{quote(delivery, safe='')}/redeliver"))


def _document(answer: Any) -> Document:
    return dict(answer)


def _rows(answer: Any, name: str) -> list[Document]:
    return list(answer[name])


def _counts(answer: Any) -> dict[str, int]:
    return dict(answer["cleared"])
