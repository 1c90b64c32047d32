"""What general code asks of every provider, as types; `findings` says what a contract's folder lacks, all of it at once.

General code reads no other refusal, limit, lifetime, scenario or variant by name than those that stand here as fields. It is
checked at each start and by `swapmock lint`. Later work that asks more of a provider adds a field here.
"""

# `required` and `optional` return the result of dataclasses.field; their names say which of the two a row is.
# ruff: noqa: RUF009

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from difflib import get_close_matches
from string import Formatter
from typing import Any

from swapmock.contracts.behaviour import Refusal, Scenario, Variant
from swapmock.contracts.model import Contract

#: The longest body in bytes, if the contract states no limit.
USUAL_BODY_BYTES = 1_048_576

#: The stages that `order` puts in sequence; each occurs once.
STAGES = ("authenticate", "fault", "rate", "parse", "validate", "handle")

#: The member of `headers` templates in `credential_form`.
PLACEHOLDERS = frozenset({"key", "secret"})


def required(about: str) -> Any:
    """Return a field for a row that every provider must have; `about` says what the row is for."""
    return field(metadata={"about": about})


def optional(about: str, default: Any = None) -> Any:
    """Return a field for a row that a provider may leave out; `about` says what the row is for and what happens
    without it."""
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """The error responses that general code asks for by name: rows of `refusals`."""

    endpoint_not_found: Refusal = required(
        "no operation is at this path; also a wrong method, without method_not_allowed"
    )
    invalid: Refusal = required("a parameter or the body breaks the contract; `errors: true` lists what is wrong")
    too_large: Refusal = required("the body is larger than the limit")
    rate_limited: Refusal = required("too many calls in the sandbox's rate window, or a fault of that kind")
    insufficient_credits: Refusal = required("the sandbox cannot pay the task")
    server_error: Refusal = required("something unexpected happened in a handler, or a fault names an unknown code")
    generation_failed: Refusal = required("how a task fails in the common scenarios")
    key_missing: Refusal = required("a request without a credential")
    key_unknown: Refusal = required("a credential that no sandbox has")
    key_disabled: Refusal | None = optional("a disabled credential; needed where `credentials` has a disabled row")
    method_not_allowed: Refusal | None = optional("the path exists with another method; without it endpoint_not_found")
    maintenance: Refusal | None = optional("faults with `maintenance: true`; without it server_error")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Rows of `limits`: whole numbers above 0."""

    body_bytes: int = optional("the longest JSON body, in bytes", USUAL_BODY_BYTES)
    media_body_bytes: int | None = optional("the longest JSON body with data URIs, for operations with `x-data-uris`")
    upload_bytes: int | None = optional("the longest uploaded file, in bytes; without it body_bytes")


@dataclass(frozen=True, kw_only=True)
class Scenarios:
    """Rows of `scenarios`; common.yaml has them."""

    fine: Scenario = required("what a task does that nothing else is asked of")
    fails: Scenario = required("the failure that a contradicting callback reports")


@dataclass(frozen=True, kw_only=True)
class Variants:
    """Rows of `variants` that general code knows."""

    callback_ladder: Variant | None = optional("which of callbacks.ladders is in force; needed where there are several")
    callback_events: Variant | None = optional("`all` reports the start of a task too; without it the end alone")
    http_status: Variant | None = optional("which HTTP status an error response has; without it, that of its row")
    null_fields: Variant | None = optional("`refuse` refuses null for an optional member; without it null is absence")
    no_face: Variant | None = optional("what a picture without a face does; without it the task fails")


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What behaviour.yaml must say beside its named rows, and the file's other tables that general code reads."""

    prefix: str = required("the path below which all is this provider's, such as /v1")
    order: tuple[str, ...] = required(f"the order of the stages: {', '.join(STAGES)}")
    credentials: Mapping[str, Any] = required("standing accounts; one is named default")
    credential_form: Any = required("the form of a key, and `headers` with templates such as `Bearer {key}`")
    timelines: Mapping[str, Any] = required("seconds that tasks wait and run")
    envelope: Any = optional("the member of the body that says whether a call worked; without it the HTTP status does")
    callbacks: Any = optional("method, headers, acknowledged, ladders; needed where an operation has callbacks")
    files: Any = optional("the links to files that tasks make; without it the provider serves no files")
    uploads: str = optional("the path of uploaded files; without it there are none", "")
    catalogue: Any = optional("the table of models or tools, with prices; without it nothing has a listed price")
    money: Any = optional("what a credit costs; without it costs are reported only in credits")
    lifetimes: Mapping[str, Any] = optional("seconds; those that `files` names are needed")
    status_words: Mapping[str, Any] = optional("kind of task -> phase -> the vendor's word")
    kind_words: Mapping[str, str] = optional("other words for kinds of tasks")
    descriptions: Mapping[str, Any] = optional("language -> phase -> the text that answers have for a state")
    pictures: Any = optional("URLs of which the number of faces is known")
    body_codes: Mapping[Any, Any] = optional("the codes of the envelope; needed with one")
    series: Mapping[str, Any] = optional("names for several scenarios in a row")
    magic: Mapping[str, Any] = optional("reserved URLs")
    drop: Mapping[str, Any] = optional("rows of common.yaml that this provider does not have")


#: Table of behaviour.yaml -> the type of the rows that general code reads there by name.
ROW_TYPES: Mapping[str, type] = {"refusals": Refusals, "limits": Limits, "scenarios": Scenarios, "variants": Variants}


def names(row_type: type) -> frozenset[str]:
    """The names of the rows that a type of this module has."""
    return frozenset(row.name for row in fields(row_type))


def nearest(name: str, known: Collection[str]) -> str:
    """Return `; did you mean X?` with the most similar name of `known`; "" if no name is similar to `name`."""
    found = get_close_matches(name, [str(other) for other in known], 1, 0.6)
    return f"; did you mean {found[0]}?" if found else ""


def findings(contract: Contract) -> Iterator[str]:
    """Yield one line for each thing that general code needs and `contract` lacks. Each line begins with the name of
    the file. The emulator's own admin API is not a provider and needs no such rows."""
    if contract.behaviour.rest.get("is_control_plane"):
        return
    for part in (
        _tables,
        _rows,
        _misspelt,
        _order,
        _limits,
        _credentials,
        _callbacks,
        _files,
        _envelope,
        _catalogue,
        _money,
    ):
        try:
            yield from (f"behaviour.yaml: {text}" for text in part(contract))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # A row has the wrong form; the name of the part says which row.
            yield f"behaviour.yaml: {part.__name__.lstrip('_')}: {type(error).__name__} {error}"


def _needed(row: Field[Any]) -> bool:
    return row.default is MISSING


def _value(contract: Contract, name: str) -> Any:
    return getattr(contract.behaviour, name) if hasattr(contract.behaviour, name) else contract.behaviour.rest.get(name)


def _tables(contract: Contract) -> Iterator[str]:
    for row in fields(Tables):
        if _needed(row) and not _value(contract, row.name):
            yield f"no `{row.name}`: {row.metadata['about']}{nearest(row.name, contract.behaviour.rest)}"


def _rows(contract: Contract) -> Iterator[str]:
    for table, row_type in ROW_TYPES.items():
        known = getattr(contract.behaviour, table)
        own = {row.name for row in fields(row_type)}
        for row in fields(row_type):
            if _needed(row) and row.name not in known:
                near = nearest(row.name, set(known) - own)
                yield f"{table}: no row {row.name}: {row.metadata['about']}{near}"


def _misspelt(contract: Contract) -> Iterator[str]:
    """Yield a line for each unknown table whose name is similar to a known one."""
    known = names(Tables) | set(ROW_TYPES)
    for name in contract.behaviour.rest:
        if name not in known and (near := get_close_matches(name, known, 1, 0.85)):
            yield f"unknown table `{name}`; did you mean {near[0]}?"


def _order(contract: Contract) -> Iterator[str]:
    prefix, order = contract.behaviour.prefix, contract.behaviour.order
    if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
        yield f"prefix {prefix!r} should begin with a slash and not end with one"
    for operation in contract.operations.values():
        if prefix and not operation.files and not operation.path.startswith(f"{prefix}/"):
            yield f"prefix: the path {operation.path} of {operation.id} is not below {prefix}"
    for name in order:
        if name not in STAGES:
            yield f"order: no stage {name!r}{nearest(name, STAGES)}"
    for name in STAGES if order else ():
        if order.count(name) != 1:
            yield f"order: {name} should occur there once, not {order.count(name)} times"
    if order and order[-1] != "handle" and "handle" in order:
        yield "order: handle should be the last stage"


def _limits(contract: Contract) -> Iterator[str]:
    for name, row in contract.behaviour.limits.items():
        value = row.get("value")
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            yield f"limits: {name}: value {value!r} should be a whole number above 0"
    for name, row in contract.behaviour.lifetimes.items():
        if not _is_amount(row.get("seconds"), least=1):
            yield f"lifetimes: {name}: seconds {row.get('seconds')!r} should be a finite number above 0"
    for name, timeline in contract.behaviour.timelines.items():
        if not (_is_amount(timeline.queued) and _is_amount(timeline.running)):
            yield f"timelines: {name}: queued and running should be finite numbers of seconds, 0 or more"


def _is_amount(value: Any, least: float = 0) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= least


def _credentials(contract: Contract) -> Iterator[str]:
    rows, form = contract.behaviour.credentials, contract.behaviour.credential_form
    if rows and "default" not in rows:
        yield f"credentials: no row default{nearest('default', rows)}"
    if any(row.get("disabled") for row in rows.values()) and "key_disabled" not in contract.behaviour.refusals:
        yield "refusals: no row key_disabled: `credentials` has a disabled key"
    for name, row in rows.items():
        for column in ("key", "sandbox"):
            if not row.get(column):
                yield f"credentials: {name}: no `{column}`{nearest(column, row)}"
        if form is not None and form.secret is not None and not row.get("secret"):
            yield f"credentials: {name}: no `secret`, and credential_form has one"
    if form is None:
        return
    if not any("{key}" in template for template in form.headers.values()):
        yield "credential_form: no header shows {key}: write a template such as `Bearer {key}`"
    for name, template in form.headers.items():
        for placeholder in (part[1] for part in Formatter().parse(template)):
            if placeholder is not None and placeholder not in PLACEHOLDERS:
                yield f"credential_form: {name}: no placeholder {{{placeholder}}}; known: {{key}}, {{secret}}"


def _callbacks(contract: Contract) -> Iterator[str]:
    rules = contract.behaviour.callbacks
    calling = [o.id for o in contract.operations.values() if o.spec.get("callbacks")]
    if rules is None:
        if calling:
            yield f"no `callbacks`: method, headers, acknowledged, ladders; needed because {calling[0]} has callbacks"
        return
    if not rules.schedules:
        yield "callbacks: `ladders` is empty; write one with `retries: 0` for no retries"
    for name, schedule in rules.schedules.items():
        if schedule.then not in ("repeat", "restart", "stop"):
            yield f"callbacks: {name}: then {schedule.then!r} should be repeat, restart or stop"
        retries: Any = schedule.retries
        if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
            yield f"callbacks: {name}: retries {retries!r} should be a whole number, 0 or more"
        if not all(_is_amount(seconds) for seconds in schedule.intervals):
            yield f"callbacks: {name}: intervals should be finite numbers of seconds, 0 or more"
    variant = contract.behaviour.variants.get("callback_ladder")
    if variant is None and len(rules.schedules) > 1:
        yield "variants: no row callback_ladder, and callbacks has several ladders: it says which is in force"
    if variant is not None and set(variant.choices) != set(rules.schedules):
        yield "the choices of variant callback_ladder are not the ladders of callbacks"


def _files(contract: Contract) -> Iterator[str]:
    form = contract.behaviour.files
    if form is None:
        return
    for part in ("{token}", "{number}", "{extension}"):
        if part not in form.path:
            yield f"files: path {form.path!r} lacks {part}"
    for kind, lifetime in form.lifetimes.items():
        if lifetime not in contract.behaviour.lifetimes:
            near = nearest(lifetime, contract.behaviour.lifetimes)
            yield f"lifetimes: no row {lifetime}: files name it for {kind or 'all other kinds of tasks'}{near}"
    if "" not in form.lifetimes:
        yield 'files: `lifetimes` has no row for "", all other kinds of tasks'


def _envelope(contract: Contract) -> Iterator[str]:
    envelope = contract.behaviour.envelope
    if envelope is None:
        for refusal in contract.behaviour.refusals.values():
            if not isinstance(refusal.http, int) or not 400 <= refusal.http <= 599:
                yield f"refusals: {refusal.problem}: without an envelope it needs `http`, a status from 400 to 599"
        return
    if not contract.behaviour.body_codes:
        yield "no `body_codes`: the codes of the envelope, with their HTTP statuses and meanings"
    for refusal in contract.behaviour.refusals.values():
        if contract.behaviour.body_codes and refusal.code not in contract.behaviour.body_codes:
            yield f"refusal {refusal.problem} has the unknown body code {refusal.code}"
    if contract.behaviour.body_codes and envelope.success not in contract.behaviour.body_codes:
        yield f"envelope: success {envelope.success!r} is none of body_codes"


def _catalogue(contract: Contract) -> Iterator[str]:
    catalogue = contract.behaviour.catalogue
    if catalogue is None:
        return
    rows = list(catalogue.rows(contract.tables))
    if not rows:
        yield f"catalogue: no rows under `{catalogue.table}` in {catalogue.table}.yaml{nearest(catalogue.table, contract.tables)}"
    for row in rows:
        for column in filter(None, (catalogue.name, catalogue.price, catalogue.operation, catalogue.kind)):
            if column not in row:
                yield f"catalogue: a row of {catalogue.table}.yaml has no `{column}`: {str(dict(row))[:60]}{nearest(column, row)}"
        if not _is_amount(row.get(catalogue.price, 0)):
            yield f"catalogue: {row.get(catalogue.name)}: price {row[catalogue.price]!r} should be a finite number, 0 or more"
    for name in set(contract.models_by_operation) - set(contract.operations):
        yield f"catalogue: {catalogue.table}.yaml names the unknown operation {name}{nearest(name, contract.operations)}"
    for name, other in catalogue.others.items():
        if "credits" not in contract.behaviour.rest.get(other["row"], {}):
            yield f"catalogue: {name}: no row {other['row']} with `credits`"


def _money(contract: Contract) -> Iterator[str]:
    money = contract.behaviour.money
    if money is not None and not _is_amount(money.per_credit):
        yield f"money: per_credit {money.per_credit!r} should be a finite number, 0 or more"


def handler_findings(contract: Contract, handlers: Collection[str]) -> Iterator[str]:
    """Yield one line for each operation without a handler, and for each handler without an operation."""
    served = {name for name, operation in contract.operations.items() if operation.is_download}
    for name in sorted(contract.operations.keys() - set(handlers) - served):
        yield f"operation {name} has no handler{nearest(name, set(handlers) - contract.operations.keys())}"
    for name in sorted(set(handlers) - contract.operations.keys()):
        yield f"handler {name} has no operation{nearest(name, contract.operations.keys() - set(handlers))}"


#: A function that checks one contract: (contract) -> lines.
Check = Callable[[Contract], Iterator[str]]
