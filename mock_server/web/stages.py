"""The stages between opening a sandbox and the response. Each provider orders them by `order` in its behaviour.yaml.

A stage takes the context of the request. It returns None to continue, or the response; it raises Problem to
refuse."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from swapmock.contracts import Violation
from swapmock.contracts.leniency import accepted
from swapmock.mock_server.adapters import jsontext
from swapmock.mock_server.core.call import Problem, Reply
from swapmock.mock_server.core.faults import Moment
from swapmock.mock_server.core.placement import HeldElsewhere
from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.core.provider import VendorResponse
from swapmock.mock_server.core.sandbox import ParallelPosts, retry_after
from swapmock.mock_server.web.context import RequestContext
from swapmock.mock_server.web.faults import ConnectionLost, date_of, match_fault
from swapmock.mock_server.web.parallel import REFUSED
from swapmock.mock_server.web.parsing import is_json, parsed_query
from swapmock.mock_server.web.recording import breaches

log = logging.getLogger("swapmock")

#: The most bodies that are remembered as valid, and the most bytes of one.
MOST_REMEMBERED, LONGEST_REMEMBERED = 1024, 4096

Stage = Callable[[RequestContext], Reply | VendorResponse | None]


def run_stages(stages: Sequence[Stage], context: RequestContext) -> VendorResponse:
    """Run `stages` until one of them answers. Every failure becomes an error response of the provider."""
    provider, variants = context.api.provider, context.call.variants
    try:
        for stage in stages:
            reply = stage(context)
            if reply is None:
                continue
            if isinstance(reply, VendorResponse):
                return reply
            context.cacheable = reply.cacheable
            return provider.render(reply, variants)
        raise LookupError(f"{context.api.contract.name}: the order of stages ends without an answer")
    except (HeldElsewhere, StoreError):
        raise
    except Problem as problem:
        context.exchange.problem = problem.name
        context.exchange.fault = problem.fault or context.exchange.fault
        return _refused(context, problem)
    except ConnectionLost:
        return provider.render_problem(Problem("server_error"), variants)
    except OSError as error:  # the folder of uploads: the disk is full, or the folder is not writable
        log.error("%s failed: %s", context.operation.id, error, extra={"request": context.exchange.id})
        context.exchange.problem = "server_error"
        message = f"the file system refused it: {error.strerror or error}" if context.api.is_admin else None
        return provider.render_problem(Problem("server_error", message=message), variants)
    except Exception:
        facts = {"request": context.exchange.id, "task": context.call.task}
        log.exception("%s failed", context.operation.id, extra=facts)
        context.exchange.problem = "server_error"
        return provider.render_problem(Problem("server_error"), variants)


def _refused(context: RequestContext, problem: Problem) -> VendorResponse:
    """Return the error response for `problem`: a server error if a handler names a problem that no table has."""
    provider, variants = context.api.provider, context.call.variants
    try:
        return provider.render_problem(problem, variants)
    except LookupError as error:
        log.error("%s failed: %s", context.operation.id, error, extra={"request": context.exchange.id})
        context.exchange.problem = "server_error"
        return provider.render_problem(Problem("server_error"), variants)


def _authenticate(context: RequestContext) -> None:
    problem = context.identity.problem
    if problem is None and not context.operation.is_public:
        problem = context.api.provider.authorize(context.request.headers, context.call.variants)
    if problem is not None:
        raise Problem(problem)


def _gateway(context: RequestContext, limit: ParallelPosts) -> None:
    """Let the gateway answer a POST above the limit; note that other POSTs are in progress for a while."""
    if context.request.method != "POST" or context.operation.is_public:
        return
    now = context.api.engine.time.now()
    if not context.api.posts.may_enter(context.call.box.sandbox.id, limit, now):
        context.hit, context.exchange.fault = REFUSED, f"parallel_posts ({limit.limit})"
        raise ConnectionLost
    context.hold = limit.seconds


def _fault(context: RequestContext) -> None:
    if context.call.box.sandbox.parallel_posts is not None:
        _gateway(context, context.call.box.sandbox.parallel_posts)
    hit = match_fault(context.call, context.api.engine, context.request.path, context.request.query)
    if hit is None:
        return
    context.hit, context.exchange.fault = hit, hit.name
    if hit.moment is Moment.BEFORE:
        if hit.refusal is not None:
            raise hit.refusal
        if hit.effect.replaces_the_answer:
            raise ConnectionLost


def _rate(context: RequestContext) -> None:
    limit = context.call.box.sandbox.rate_limit
    if limit is None:
        return
    wait = context.call.box.take_rate("calls", context.call.now, limit)
    if wait > 0.0:
        raise Problem(
            "rate_limited", headers=retry_after(limit.retry_after, wait, date_of(context.call, context.api.engine))
        )


def _parse(context: RequestContext) -> None:
    request, operation, call = context.request, context.operation, context.call
    if request.query or operation.parameters:
        _parse_parameters(context)
    if request.body_error:
        raise Problem("too_large", errors=[f"body: {request.body_error}"])
    if len(request.body) > context.api.json_limit:
        too_long = context.api.why_too_long(operation, request.body)
        if too_long:
            raise Problem("too_large", errors=[f"body: {too_long}"])
    if operation.takes_json:
        is_left_out = not request.body and not operation.needs_body
        call.body = {} if is_left_out else operation.normalize(_json_body(context))


def _parse_parameters(context: RequestContext) -> None:
    operation, call = context.operation, context.call
    query: dict[str, Any] = parsed_query(context.request)
    if context.api.is_admin:
        query = {operation.query_aliases.get(name, name): value for name, value in query.items()}
    path = dict(call.params)
    violations = operation.check_parameters({"path": path, "query": query})
    if context.api.is_admin:
        known = {parameter["name"] for parameter in operation.parameters}
        unknown = [Violation(("query", name), "additionalProperties") for name in query if name not in known]
        violations = (*violations, *unknown)
    if violations:
        _refuse_violations(context, violations)
    call.params = query | path


def _json_body(context: RequestContext) -> Any:
    content_type = context.request.headers.get("content-type")
    if content_type is not None and content_type != "application/json" and not is_json(content_type):
        raise Problem("invalid", errors=[f"body: Content-Type should be application/json, not {content_type[:100]}"])
    if not context.request.body:
        raise Problem("invalid", errors=["body: Field required"])
    encoding = context.request.headers.get("content-encoding")
    if encoding is not None and encoding.lower() != "identity":
        raise Problem(
            "invalid", errors=[f"body: Content-Encoding {encoding[:100]} is not taken; send the body as it is"]
        )
    try:
        return jsontext.loads(context.request.body)
    except ValueError as error:
        raise Problem("invalid", errors=[f"body: JSON decode error, {error}"]) from None


def _validate(context: RequestContext) -> None:
    """Check the body against the contract. Clients send the same body again and again: the same bytes are checked
    once."""
    operation, call, raw = context.operation, context.call, context.request.body
    if not operation.takes_json:
        return
    valid, key = context.api.valid_bodies, (operation, raw)
    if key in valid:
        return
    violations = operation.check_body(call.body)
    if violations:
        if not context.api.is_admin:
            call.body, violations = accepted(operation, call.body, violations, call.variants)
        if violations:
            _refuse_violations(context, violations)
    elif len(raw) <= LONGEST_REMEMBERED:
        if len(valid) >= MOST_REMEMBERED:
            valid.clear()
        valid.add(key)


def _refuse_violations(context: RequestContext, violations: tuple[Violation, ...]) -> None:
    """Raise the provider's Problem for `violations`, unless a variant accepts all of them."""
    context.exchange.violations = breaches(violations)
    explain = context.api.provider.explain_violations
    problem = explain(context.operation, context.call.body, violations, context.call.variants)
    if problem is not None:
        raise problem


def _handle(context: RequestContext) -> Reply:
    reply = context.api.provider.handlers[context.operation.id](context.call, context.api.engine)
    if context.call.noted:
        context.exchange.violations = breaches(context.call.noted)
    return reply


#: The stages that a provider may put in order.
STAGES: Mapping[str, Stage] = {
    "authenticate": _authenticate,
    "fault": _fault,
    "rate": _rate,
    "parse": _parse,
    "validate": _validate,
    "handle": _handle,
}


def stages_in_order(order: Sequence[str]) -> tuple[Stage, ...]:
    """The stages named by `order`."""
    return tuple(STAGES[name] for name in order)
