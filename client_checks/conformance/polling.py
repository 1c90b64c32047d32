"""The step of a flow that polls a task to its end, and judges the cost of the task."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from swapmock.client_checks.conformance.asked import wrong_count
from swapmock.client_checks.conformance.budget import LeftOut, amount
from swapmock.client_checks.conformance.context import ResponseContext, shown_by
from swapmock.client_checks.conformance.findings import Deviation, Evidence
from swapmock.client_checks.conformance.flow import FlowAborted, FlowRunner, FlowState, Purchase
from swapmock.client_checks.conformance.pointer import at, every, filled
from swapmock.client_checks.conformance.profile import Kind, applies
from swapmock.client_checks.conformance.rules import ASKED, ESTIMATED, OUTCOME, REFUNDED, SETTLED, STEP, STUCK
from swapmock.client_checks.conformance.tasks import asked_id

#: Choices that no target has: what a profile does not say never applies.
NEVER: Mapping[str, Any] = {"": True}


def poll(runner: FlowRunner, step: Mapping[str, Any], state: FlowState) -> None:
    """Poll the task of `step` until it has ended, then once more; judge its end and its cost."""
    kind = runner.target.profile.kinds[step["poll"]]
    row = runner.poll_row(kind, str(filled(step["id"], state.known)), step)
    context, phase = _until_ended(runner, kind, row, step, state)
    state.last = context.body
    state.polled.append(row)
    with suppress(LeftOut):
        # A task that has ended must not change.
        again = runner.ask_again(row, state.name)
        if (
            context.is_success
            and again.exchange.status is not None
            and not _is_temporary(again)
            and not again.is_success
        ):
            got, place = again.exchange.shown_answer(), f"{kind.name} gone"
            runner.report(OUTCOME, again, Deviation("the ended task, as before", got, context.evidence, place))
    purchase, state.purchase = state.purchase, None
    if purchase is not None and kind.credits:
        _check_money(runner, kind, context, phase, purchase, state)
    elif purchase is not None and not runner.target.is_live:
        _check_listed(runner, kind, context, purchase, state)
    wanted = step.get("until", "succeeded")
    if phase != wanted:
        got, place = context.exchange.shown_answer(), f"{kind.name} {state.name}"
        runner.report(OUTCOME, context, Deviation(wanted, got, context.evidence, place))
        raise FlowAborted(f"the {kind.name} {phase}")
    runner.expect(step, context, state.known)
    if phase == "succeeded":
        _note_files(runner, kind, str(filled(step["id"], state.known)), context)
    runner.save(step, context, state.known)


def _is_temporary(context: ResponseContext) -> bool:
    """Return whether an answer is a refusal that the contract calls retryable."""
    row = (
        context.target.contract.behaviour.body_codes.get(context.code) if isinstance(context.code, int | str) else None
    )
    return context.status >= 500 or (row is not None and row.retryable)


def _note_files(runner: FlowRunner, kind: Kind, name: str, context: ResponseContext) -> None:
    """Remember whose result the files are, and judge how many there are."""
    submission = runner.history.submissions.get((kind.name, name))
    if submission is None:
        return
    links = [link for pointer in kind.links for link in every(context.body, pointer) if isinstance(link, str)]
    runner.history.made.update({link.partition("?")[0]: submission for link in links})
    rows = runner.target.profile.asked.get(submission.operation, ())
    wrong = wrong_count(rows, runner.target.contract, submission, len(links))
    if wrong is not None:
        runner.report(ASKED, context, wrong)


def _until_ended(
    runner: FlowRunner, kind: Kind, row: Mapping[str, Any], step: Mapping[str, Any], state: FlowState
) -> tuple[ResponseContext, str]:
    """Return the answer that shows the end of the task, and `succeeded` or `failed`."""
    timing = runner.poll_timing
    give_up, wait, growth = runner.clock.now() + timing.timeout, timing.interval, timing.growth
    if "every" in step and not runner.target.is_live:
        wait, growth = step["every"], 1.0
    while True:
        context = runner.send(row, state.known, state.name, expects_refusal=False)
        word = at(context.body, kind.state)
        phase = None if word is None else context.phase(kind, word)
        if phase in ("succeeded", "failed"):
            return context, phase
        if word is None or phase is None:
            got = context.exchange.shown_answer()
            runner.report(STEP, context, Deviation("the state of the task", got, context.evidence))
            raise FlowAborted(f"a poll of the {kind.name} tells no state")
        _note_reserve(runner, kind, context, state)
        if "callback_url" in state.known and not runner.target.is_live:
            early = runner.callbacks.too_early(kind, state.name, word)
            runner.findings.extend(shown_by(finding, context.exchange) for finding in early)
        if runner.clock.now() >= give_up:
            expected = f"an end within {timing.timeout:g} s"
            runner.report(STUCK, context, Deviation(expected, f"still {word!r}", context.evidence, kind.name))
            raise FlowAborted(f"the {kind.name} did not end")
        runner.clock.pause(wait)
        wait *= growth


def _note_reserve(runner: FlowRunner, kind: Kind, context: ResponseContext, state: FlowState) -> None:
    """Remember what a task says to hold back while it is not over: an amount that does not change."""
    said = amount(at(context.body, kind.credits)) if kind.credits else None
    if said is not None and state.purchase is not None:
        held = state.purchase.reserved
        if held and said and abs(held - said) > 0.001:
            evidence = context.evidence_at(kind.credits)
            runner.report(
                SETTLED, context, Deviation(f"{held:g}, as before", f"{said:g} credits", evidence, "held back")
            )
        state.purchase.reserved = max(said, state.purchase.reserved or 0.0)


def _check_money(
    runner: FlowRunner, kind: Kind, context: ResponseContext, phase: str, purchase: Purchase, state: FlowState
) -> None:
    """Check that the estimate, the charge, the balance and the cost in the task agree, and that a failed task is not
    charged."""
    said = amount(at(context.body, kind.credits))
    with suppress(LeftOut):
        runner.sender.task_ended(purchase.number, said, state.name)
    if said is None:
        return
    if purchase.reserved is not None and said - purchase.reserved > 0.001:
        expected = f"at most {purchase.reserved:g}, which was held back while it ran"
        deviation = Deviation(expected, f"{said:g} credits", context.evidence_at(kind.credits), "reserved")
        runner.report(SETTLED, context, deviation)
    if phase == "succeeded":
        _check_estimate(runner, context, said, purchase)
    if phase == "failed" and said > 0:
        _check_refund(runner, kind, context, said)
    balances = _balances(runner, purchase, state)
    if balances is None:
        return
    before, after = balances
    fallen = round(before - after, 6)
    is_rounded = applies(runner.target.profile.account.get("rounded", NEVER), runner.target.variants)
    if not same_amount(fallen, said, before, after, is_rounded=is_rounded):
        source = "spec: task-info" if phase == "succeeded" else "spec: task-info implies the refund"
        evidence = Evidence("documented" if phase == "succeeded" else "inferred", source)
        row = _row_of_failure(runner, kind, context)
        if phase == "failed" and row is not None and not row.charged:
            evidence = Evidence.of_row(row)
        runner.report(
            SETTLED, context, Deviation(f"the balance to fall by {said:g}", f"it fell by {fallen:g}", evidence, phase)
        )


def _balances(runner: FlowRunner, purchase: Purchase, state: FlowState) -> tuple[float, float] | None:
    """Return the balance before the purchase and the present one; None if one of them cannot be known."""
    if purchase.balance is None:
        return None
    try:
        after = runner.sender.balance(state.name)
    except LeftOut:
        return None
    return None if after is None else (purchase.balance, after)


def _check_listed(
    runner: FlowRunner, kind: Kind, context: ResponseContext, purchase: Purchase, state: FlowState
) -> None:
    """Check that the balance fell by the contract's list price for a task that does not say what it costs."""
    submission = runner.history.submissions.get((kind.name, asked_id(context, kind) or ""))
    listed = None if submission is None else runner.target.contract.list_price(purchase.operation, submission.body)
    balances = None if listed is None else _balances(runner, purchase, state)
    if listed is None or balances is None:
        return
    before, after = balances
    fallen = round(before - after, 6)
    if not same_amount(fallen, listed, before, after):
        evidence = _evidence_of_price(runner, purchase.operation) or context.evidence
        expected = f"the balance to fall by {listed:g}, as the contract lists"
        runner.report(SETTLED, context, Deviation(expected, f"it fell by {fallen:g}", evidence, kind.name))


def _evidence_of_price(runner: FlowRunner, operation: str) -> Evidence | None:
    """Return how well the contract knows the price of an operation that is no row of its catalogue."""
    behaviour = runner.target.contract.behaviour
    others = () if behaviour.catalogue is None else behaviour.catalogue.others.values()
    row = next((behaviour.rest[other["row"]] for other in others if operation in other["operations"]), None)
    return None if row is None else Evidence(str(row["evidence"]), str(row["source"]))


def _check_estimate(runner: FlowRunner, context: ResponseContext, said: float, purchase: Purchase) -> None:
    if purchase.quote is None:
        return
    for operation, estimate in purchase.quote.estimates.items():
        if abs(estimate - said) > 0.001 and operation not in purchase.quote.tentative:
            known = runner.target.contract.operations[operation].evidence
            evidence = Evidence.of(known) or context.evidence
            got = f"{operation} said {estimate:g}"
            runner.report(ESTIMATED, context, Deviation(f"an estimate of {said:g}", got, evidence, operation))


def _check_refund(runner: FlowRunner, kind: Kind, context: ResponseContext, said: float) -> None:
    """Check that a task reports no cost if it failed with a code that is not charged."""
    row, code = _row_of_failure(runner, kind, context), at(context.body, f"{kind.result}/code")
    if row is not None and not row.charged:
        expected = f"no charge for a task that failed with code {code}"
        runner.report(REFUNDED, context, Deviation(expected, f"it says that it cost {said:g}", Evidence.of_row(row)))


def _row_of_failure(runner: FlowRunner, kind: Kind, context: ResponseContext) -> Any:
    """Return the contract's row of the code with which a task failed; None if there is none."""
    code = at(context.body, f"{kind.result}/code")
    return runner.target.contract.behaviour.body_codes.get(code) if isinstance(code, str | int) else None


def same_amount(left: float, right: float, *balances: float, is_rounded: bool = False) -> bool:
    """Return whether two amounts agree. If the `balances` are whole numbers and `right` is not, or if `is_rounded` says
    that the server rounds all amounts, a difference of one is accepted."""
    may_be_off = is_rounded or (all(one.is_integer() for one in balances) and not right.is_integer())
    return abs(left - right) <= (1 if may_be_off else 0.001)
