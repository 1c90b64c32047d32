"""The wire format of a plain REST API, for providers without an envelope: HTTP statuses, a key in a header, JSON errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from swapmock.contracts.model import JSON, json_type
from swapmock.contracts.requirements import nearest
from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.ports import Store
from swapmock.mock_server.core.provider import CallbackToSign, Identity, Provider, VendorResponse
from swapmock.mock_server.core.task import Task

if TYPE_CHECKING:
    from swapmock.contracts import Behaviour, Contract, Operation, Violation


class ErrorToWrite(NamedTuple):
    """An error response whose body is to be written: the `name` of its row of `refusals`, its HTTP `status`, its `text`,
    sentences on what is wrong in the request (`errors`, may be empty), and further `details`, such as `balance`."""

    name: str
    status: int
    text: str
    errors: Sequence[str] = ()
    details: Mapping[str, Any] = {}


#: A function that returns the JSON body of an error response.
WriteError = Callable[[ErrorToWrite], Any]


def usual_error(error: ErrorToWrite) -> Any:
    """Return `{"error": {"code": NAME, "message": TEXT, "details": [...]}}`; without `errors` there is no `details`."""
    details = {"details": list(error.errors)} if error.errors else {}
    return {"error": {"code": error.name, "message": error.text, **details}}


def problem_details(error: ErrorToWrite) -> Any:
    """Return the body by RFC 9457: `type` about:blank, `title`, `status` and, if there are `errors`, `detail`."""
    detail = {"detail": "; ".join(error.errors)} if error.errors else {}
    return {"type": "about:blank", "title": error.text, "status": error.status, **detail}


def error_type(contract: Contract) -> str:
    """Return the media type of error responses: that of the first error response in `contract` that has a JSON body,
    else application/json."""
    answers = (
        contract.resolve(answer).get("content", {})
        for operation in contract.operations.values()
        for status, answer in operation.spec["responses"].items()
        if str(status)[:1] not in ("1", "2", "3")
    )
    return next(filter(None, map(json_type, answers)), JSON)


class RestWire:
    """Renders replies and problems by HTTP status. `write_error` gives the body of an error response, and `media_type`
    is its Content-Type."""

    def __init__(self, behaviour: Behaviour, write_error: WriteError = usual_error, media_type: str = JSON) -> None:
        self._behaviour = behaviour
        self._write_error = write_error
        self._headers = () if media_type == JSON else (("content-type", media_type),)

    def render(self, reply: Reply, variants: Mapping[str, Any]) -> VendorResponse:
        """Return a success: the reply's status, with its data as the whole body."""
        return VendorResponse(reply.status, None if reply.is_empty else reply.data, None, reply.headers)

    def render_problem(self, problem: Problem, variants: Mapping[str, Any]) -> VendorResponse:
        """Return an error response: `http` and `message` are those of the problem's row of `refusals`."""
        row = self._behaviour.refusals.get(problem.name)
        if row is None:
            raise LookupError(
                f"no refusal {problem.name!r} in behaviour.yaml{nearest(problem.name, self._behaviour.refusals)}"
            )
        errors = problem.errors if row.errors else ()
        status = _status(problem.code) or problem.http or row.http or 500
        error = ErrorToWrite(problem.name, status, problem.message or row.message, errors, problem.details)
        return VendorResponse(status, self._write_error(error), None, (*self._headers, *problem.headers))

    def explain_violations(
        self, operation: Operation, body: Any, violations: Sequence[Violation], variants: Mapping[str, Any]
    ) -> Problem:
        """Return the problem `invalid` with a sentence for each of `violations` of the contract."""
        return Problem("invalid", errors=[sentence(violation) for violation in violations])


def _status(code: Any) -> int | None:
    """Return the HTTP status that a fault asked for, if it is an error status."""
    text = str(code)
    return int(text) if text.isascii() and text.isdigit() and 400 <= int(text[:4]) <= 599 else None


def sentence(violation: Violation) -> str:
    """Return a sentence such as `webhook_url: breaks format (uri)`."""
    place = ".".join(map(str, violation.place[1:])) or str(violation.place[0])
    wanted = "" if violation.expected is None else f" ({violation.expected})"
    return f"{place}: {'is required' if violation.rule == 'required' else f'breaks {violation.rule}{wanted}'}"


def authenticate_by_key(
    contract: Contract,
) -> Callable[[bool, Mapping[str, str], Mapping[str, Any], Store], Identity]:
    """Return the `authenticate` function of a provider whose requests carry a key in the form of its
    `credential_form`."""
    form = contract.behaviour.credential_form

    def authenticate(is_public: bool, headers: Mapping[str, str], params: Mapping[str, Any], store: Store) -> Identity:
        key = "" if form is None else form.key_in(headers)
        if is_public and not key:
            return Identity("")
        if not key:
            return Identity("", "key_missing")
        found = store.find(contract.name, key)
        if found is None:
            return Identity("", "key_unknown")
        return Identity(found[0], "key_disabled" if found[2] else None)

    return authenticate


def _no_further_rule(headers: Mapping[str, str], variants: Mapping[str, Any]) -> str | None:
    return None


def rest_provider(
    contract: Contract,
    handlers: Mapping[str, Callable[[Call, Any], Reply]],
    *,
    callback_body: Callable[[Call, Any, Task], Any] | None = None,
    sign_callback: Callable[[CallbackToSign], Mapping[str, str]] | None = None,
    check_task: Callable[[Task, Any], Iterator[tuple[str, str]]] | None = None,
    write_error: WriteError = usual_error,
) -> Provider:
    """Return a provider of a plain REST API. The parameters are those of `Provider`.

    `write_error` returns the JSON body of an error response; `problem_details` does so by RFC 9457. The Content-Type of
    error responses is the one in the contract."""
    wire = RestWire(contract.behaviour, write_error, error_type(contract))
    return Provider(
        name=contract.name,
        handlers=handlers,
        authenticate=authenticate_by_key(contract),
        authorize=_no_further_rule,
        render=wire.render,
        render_problem=wire.render_problem,
        explain_violations=wire.explain_violations,
        callback_body=callback_body,
        sign_callback=sign_callback,
        check_task=check_task,
    )
