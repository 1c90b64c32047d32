"""What a provider consists of: handlers by operation, and functions for its wire format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.ports import Store
from swapmock.mock_server.core.shape import Shape
from swapmock.mock_server.core.task import Task


class Identity(NamedTuple):
    """The sandbox of a request. With a `problem`, the request is refused, and `sandbox` is only where it is recorded
    ("" for the default one)."""

    sandbox: str
    problem: str | None = None


class VendorResponse(NamedTuple):
    """An answer in the vendor's wire format: HTTP status, body (None for an empty one), the envelope's code.

    `contract_status` is the status under which the contract lists this answer, if a variant has chosen another
    one."""

    status: int
    body: Any
    code: int | str | None
    headers: tuple[tuple[str, str], ...] = ()
    contract_status: int | None = None


class CallbackToSign(NamedTuple):
    """What a provider signs: the bytes of a callback's `body`, the sandbox's `secret`, the id of the `delivery` (the
    same for each retry), and the sandbox time `at` which it is sent."""

    body: bytes
    secret: str
    delivery: str
    at: float


def forged(task: Task, digits: str) -> Task:
    """Return a task that does not exist: `task` with the eight `digits` in place of the end of its id."""
    return replace(task, id=task.id[: -len(digits)] + digits)


@dataclass(frozen=True)
class Provider:
    """One emulated vendor.

    handlers: operationId -> function(call, engine) -> Reply, or raises Problem.
    authenticate: (is the operation public, headers, parameters, store) -> Identity.
    authorize: (headers, variants) -> name of a problem that the sandbox's variants make of the credential, or None.
    render: (reply, variants) -> VendorResponse.
    render_problem: (problem, variants) -> VendorResponse.
    explain_violations: (operation, body, violations, variants) -> Problem, or None if a variant waives them all.
    callback_body: (call, engine, task) -> the JSON value that a callback tells of `task` at `call.now`; None for a
        provider that does not call back.
    forge: (task, eight digits) -> a task that does not exist, for a forged callback to tell of.
    check_task: (task, engine) -> (field of the task, sentence) for each of kind, model and facts that no task of this
        provider can have. A snapshot with such a task is refused.
    aliases: (task, engine) -> the further names under which the provider finds the task. The value says whether the
        name exists from the submission on; otherwise it comes with the task's first public link. The newest task with a
        name has the name.
    shape: (task, engine, number of a file from 0) -> the size and length that the task's input asks for; None where it asks
        for nothing.
    preview: (name of a file, engine) -> the size and length of that preview; None if the provider has no such preview.
    reads_query: whether `authenticate` is to see the query's parameters beside those of the path.
    sign_callback: (CallbackToSign) -> the headers by which a callback shows who sent it; None for a provider that does
        not sign.
    """

    name: str
    handlers: Mapping[str, Callable[[Call, Any], Reply]]
    authenticate: Callable[[bool, Mapping[str, str], Mapping[str, Any], Store], Identity]
    authorize: Callable[[Mapping[str, str], Mapping[str, Any]], str | None]
    render: Callable[[Reply, Mapping[str, Any]], VendorResponse]
    render_problem: Callable[[Problem, Mapping[str, Any]], VendorResponse]
    explain_violations: Callable[[Any, Any, Sequence[Any], Mapping[str, Any]], Problem | None]
    callback_body: Callable[[Call, Any, Task], Any] | None = None
    forge: Callable[[Task, str], Task] = forged
    check_task: Callable[[Task, Any], Iterator[tuple[str, str]]] | None = None
    aliases: Callable[[Task, Any], Mapping[str, bool]] | None = None
    shape: Callable[[Task, Any, int], Shape | None] = lambda _task, _engine, _number: None
    preview: Callable[[str, Any], Shape | None] = lambda _name, _engine: None
    reads_query: bool = False
    sign_callback: Callable[[CallbackToSign], Mapping[str, str]] | None = None
