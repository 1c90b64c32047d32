"""How clients poll a task: with which operation, and where the request names the task."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

#: How OpenAPI writes a link's parameter that is read from the answer to a submission.
_FROM_ANSWER = re.compile(r"\$response\.body#(?P<pointer>/.*)")


class TaskIdPlace(NamedTuple):
    """Where a poll names its task: `place` is `query`, `path` or `body`; `name` is the parameter or the member
    there."""

    place: str
    name: str


class PollLink(NamedTuple):
    """One link of a submission: operation `poll` takes at `asks` the value that the submission's answer has at the
    JSON pointer `id`."""

    submission: str
    poll: str
    asks: TaskIdPlace
    id: str


def links(operation: Any) -> Iterator[PollLink]:
    """Yield the OpenAPI links from the answer of `operation` (an `Operation`) to another operation."""
    contract = operation.contract
    for response in operation.spec["responses"].values():
        for link in map(contract.resolve, contract.resolve(response).get("links", {}).values()):
            target = contract.operations.get(str(link.get("operationId")))
            if target is not None:
                yield from _of_link(operation, target, link)


def _of_link(operation: Any, target: Any, link: Mapping[str, Any]) -> Iterator[PollLink]:
    places = {str(parameter["name"]): str(parameter["in"]) for parameter in target.parameters}
    body = link.get("requestBody", {})
    for name, value in link.get("parameters", {}).items():
        found = _FROM_ANSWER.fullmatch(str(value))
        plain = str(name).rpartition(".")[2]  # OpenAPI allows `path.id` for `id`
        if found is not None and plain in places:
            yield PollLink(operation.id, target.id, TaskIdPlace(places[plain], plain), found["pointer"])
    for name, value in body.items() if isinstance(body, Mapping) else ():
        found = _FROM_ANSWER.fullmatch(str(value))
        if found is not None:
            yield PollLink(operation.id, target.id, TaskIdPlace("body", str(name)), found["pointer"])


def poll_places(contract: Any) -> Mapping[str, TaskIdPlace]:
    """Return operationId -> where this poll of `contract` names its task: by its `x-task-id`, else by the links that
    lead to it."""
    found: dict[str, TaskIdPlace] = {}
    for operation in contract.operations.values():
        for link in links(operation):
            if contract.operations[link.poll].method == "GET" and operation.method == "POST":
                found.setdefault(link.poll, link.asks)
        said = operation.spec.get("x-task-id")
        if said is not None:
            found[operation.id] = TaskIdPlace(said["in"], said["name"])
    return found
