"""Checks the tasks of a snapshot, their names and links, and the work that is due for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from swapmock.contracts.leniency import accepted
from swapmock.mock_server.admin.consistency.report import Inconsistency, Snapshot, is_moment, quoted
from swapmock.mock_server.core.call import Call
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.engine.links import preview_token
from swapmock.mock_server.engine.tasks import remote_address

if TYPE_CHECKING:
    from swapmock.contracts import Operation, Violation


def check_tasks(snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Check that its provider could have made each task, and that callbacks can report it if it has any."""
    for key, task in snapshot.state.tasks.items():
        for place, detail in _task(key, task, snapshot):
            yield ("tasks", key, *place), detail


def _task(key: str, task: Task, snapshot: Snapshot) -> Iterator[Inconsistency]:
    engine = snapshot.engine
    if task.id != key or not key:
        yield ("id",), f"should be {quoted(key)}"
    contract = engine.contracts.get(task.provider)
    if contract is None or task.operation not in contract.operations:
        yield ("operation",), f"{quoted(task.provider)} has no operation {quoted(task.operation)}"
        return
    if task.scenario not in contract.behaviour.scenarios:
        yield ("scenario",), f"{task.provider} has no scenario {quoted(task.scenario)}"
    moments = (task.created_at, task.starts_at, task.starts_at if task.ends_at is None else task.ends_at)
    if list(moments) != sorted(moments) or not is_moment(*moments, task.submitted_at):
        yield (), "should be created, started and ended in this order, from 1970 to 9998"
    elif not snapshot.is_past(task.created_at):
        yield ("created_at",), "should not be after the time that the clock shows"
    if not 0 <= task.charge <= task.reserved:
        yield ("charge",), "should be at least 0 and at most the reserved amount"
    if task.asker and remote_address(task.asker) != task.asker:
        yield ("asker",), "should be the address of another machine, or empty"
    if not snapshot.is_exchange(task.cause):
        yield ("cause",), "should be the id of an exchange, not above the number in `numbers`"
    wrong_request = _why_not_accepted(task, snapshot)
    if wrong_request is not None:
        yield ("request",), wrong_request
        return
    wrong = [*_provider_faults(task, snapshot)]
    yield from wrong
    if task.callback_url is not None and not wrong:
        yield from _callback_faults(task, snapshot)


def _why_not_accepted(task: Task, snapshot: Snapshot) -> str | None:
    """Return why the operation would not accept the request of a task; None if it would. An older version may have
    accepted what this version refuses."""
    try:
        body = snapshot.engine.json.loads(task.request)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return "should be a JSON object"
    if task.callback_url is not None and task.callback_url not in body.values():
        return "should have the callback URL of the task"
    operation = snapshot.engine.contracts[task.provider].operations[task.operation]
    if not operation.takes_json:
        return "should be empty: the operation takes no JSON"
    body = operation.normalize(body)
    _, violations = accepted(operation, body, operation.check_body(body), {})
    if not snapshot.is_current or not violations or _is_waived(operation, body, violations, snapshot):
        return None
    return f"breaks {violations[0].rule} at /{'/'.join(map(str, violations[0].place[1:]))}"


def _is_waived(operation: Operation, body: Any, violations: Sequence[Violation], snapshot: Snapshot) -> bool:
    """Return whether the choice of one variant accepts the request. The sandbox may have had that choice."""
    provider, behaviour = snapshot.engine.providers[operation.contract.name], operation.contract.behaviour
    chosen = [behaviour.defaults] + [
        {**behaviour.defaults, variant.name: choice}
        for variant in behaviour.variants.values()
        for choice in variant.waives
    ]
    return any(provider.explain_violations(operation, body, violations, variants) is None for variants in chosen)


def _provider_faults(task: Task, snapshot: Snapshot) -> Iterator[Inconsistency]:
    check = snapshot.engine.providers[task.provider].check_task
    if check is not None:
        yield from (((field,), detail) for field, detail in check(task, snapshot.engine))


def _callback_faults(task: Task, snapshot: Snapshot) -> Iterator[Inconsistency]:
    urls = {"callback_url": task.callback_url or "", "base_url": task.base_url}
    for name, url in urls.items():
        if not url.lower().startswith(("http://", "https://")):
            yield (name,), "should be an http or https URL, for the task has callbacks"
            return
    wrong = _why_not_reported(task, snapshot)
    if wrong is not None:
        yield ("callback_url",), f"a callback cannot report this task: {wrong}"


def _why_not_reported(task: Task, snapshot: Snapshot) -> str | None:
    """Return why the provider could not write a callback about `task`; None if it can."""
    engine = snapshot.engine
    write = engine.providers[task.provider].callback_body
    if write is None or engine.contracts[task.provider].behaviour.callbacks is None:
        return f"{task.provider} sends no callbacks"
    nobody: Any = SimpleNamespace(
        sandbox=SimpleNamespace(id="", seed=0), add_alias=lambda *_: None, owner=lambda _: "", publish=lambda *_: None
    )
    nobody.task = lambda _: task
    call = Call(
        operation=task.operation,
        params={},
        body=None,
        raw=b"",
        headers={},
        box=nobody,
        now=task.starts_at if task.ends_at is None else task.ends_at,
        variants=engine.contracts[task.provider].behaviour.defaults,
        base_url="http://localhost",
        exchange=task.cause,
        provider=task.provider,
    )
    try:
        # A callback fault can report the start of a task, or a success in place of a failure.
        for reported in (task, replace(task, failure=None), replace(task, ends_at=None)):
            write(call, replace(engine, store=nobody), reported)
    # Any exception of a provider means that the task, which comes from outside, is wrong.
    except Exception as error:
        return f"{type(error).__name__} {error}"
    return None


def check_names(snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Check that every alias of a task leads to the right task, and that every link that was shown is open."""
    state = snapshot.state
    wanted, known = _names(snapshot)
    for alias, task_id in state.aliases.items():
        right = known.get(alias, snapshot.links.get(alias))
        if right is None or right != task_id:
            detail = "no task has this name" if right is None else f"should be {quoted(right)}"
            yield ("aliases", alias), detail
    for alias in sorted((wanted | _names_of_shown(snapshot, known)) - state.aliases.keys()):
        yield ("aliases", alias), f"is missing: it is a name of task {quoted(known[alias])}"
    preview = preview_token(snapshot.seed)
    places = {token: index for index, token in enumerate(state.tokens)}
    for token, index in places.items():
        is_name = token in state.aliases and token in snapshot.links
        if not (
            is_name or token in state.tasks or token in state.files or token in snapshot.forged or token == preview
        ):
            yield ("tokens", index), "leads to no task and no file"
    if [*state.tokens] != sorted(places):
        yield ("tokens",), "should have each token once, in their order"
    shown = [alias for alias in state.aliases if alias in snapshot.links]
    for token in (*shown, *state.files):
        if token not in places:
            yield ("tokens",), f"{quoted(token)} is missing, though its link was shown"


def _names(snapshot: Snapshot) -> tuple[set[str], dict[str, str]]:
    """Return the aliases that must exist, and every alias that may exist -> the task that it leads to."""
    wanted: set[str] = set()
    known: dict[str, str] = {}
    for task in snapshot.state.tasks.values():
        provider = snapshot.engine.providers.get(task.provider)
        if provider is None or provider.aliases is None:
            continue
        try:
            names = provider.aliases(task, snapshot.engine)
        except (KeyError, TypeError):
            continue  # `check_tasks` reports what is wrong with this task
        for alias, is_always_there in names.items():
            known[alias] = task.id  # the newest task has the name
            if is_always_there:
                wanted.add(alias)
    return wanted, known


def _names_of_shown(snapshot: Snapshot, known: Mapping[str, str]) -> set[str]:
    """Return the aliases of tasks whose public links were shown: from then on every alias of such a task exists."""
    shown = {task_id for token, task_id in snapshot.links.items() if token in snapshot.state.aliases}
    return {alias for alias, task_id in known.items() if task_id in shown}


def check_due(snapshot: Snapshot) -> Iterator[Inconsistency]:
    """Check that the future start and end of each task are due exactly once, at the right time, and that nothing
    else is due."""
    state = snapshot.state
    wanted = set()
    for task in state.tasks.values():
        if task.starts_at > snapshot.shown:
            wanted.add((task.starts_at, "start", task.id))
        elif task.ends_at is not None and task.ends_at > snapshot.shown:
            wanted.add((task.ends_at, "end", task.id))
    numbers = set()
    for index, item in enumerate(state.due):
        if (item.at, item.work, item.subject) not in wanted:
            yield ("due", index), f"no task has its {item.work[:20]!r} at that time, or it is listed twice"
        wanted.discard((item.at, item.work, item.subject))
        if item.number in numbers or not 1 <= item.number <= state.scheduled:
            yield ("due", index, "number"), "should be used once, from 1 to `scheduled`"
        numbers.add(item.number)
    if state.due != sorted(state.due):
        yield ("due",), "should be in the order of time and number"
    for at, work, name in sorted(wanted):
        yield ("due",), f"the {work} of task {quoted(name)} at {at} is missing"
