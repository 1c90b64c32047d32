"""The ids and titles of findings that come from a flow, a run or a callback and not from a single answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """A rule. `id` never changes; `title` says in a few words what is wrong."""

    id: str
    title: str


STEP = Rule("flow.step", "a step of a flow that did not succeed")
STUCK = Rule("flow.stuck", "a task that did not end")
OUTCOME = Rule("flow.outcome", "a task with an unexpected outcome")
DOWNLOAD = Rule("media.download", "a medium that cannot be downloaded")
MEDIUM = Rule("media.kind", "a medium of the wrong kind")
DECODED = Rule("media.broken", "a medium that cannot be decoded to its end")
ASKED = Rule("media.asked", "a result that differs from the request")
LIFETIME = Rule("link.lifetime", "a link or an id with the wrong lifetime")
REFUSAL = Rule("refusal.expected", "a call that was not refused as it should be")
ACCEPTED = Rule("refusal.missing", "a call that should be refused and was accepted")
MENTION = Rule("refusal.names", "a refusal that does not name the field")
SETTLED = Rule("credits.settled", "a charge that is not what the task or the refusal says")
ESTIMATED = Rule("credits.estimate", "an estimate that is not what was charged, or not what another estimate says")
REFUNDED = Rule("credits.refund", "a failed task that was charged")
AMBIGUOUS = Rule("paid.ambiguous", "a call that may have been charged, without a clear answer")

EMPTY = Rule("run.empty", "a run in which no call succeeded")
PARTIAL = Rule("run.partial", "a part of the run that was not examined")
ABORTED = Rule("run.aborted", "a run that ended early")
STALE = Rule("baseline.stale", "a row of the baseline that matches no finding")
EXPIRED = Rule("baseline.expired", "a row of the baseline whose last day has passed")
UNSEEN = Rule("operation.success", "an operation that never succeeded")
GENERATED = Rule("generated.error", "an operation for which no calls could be generated")

CALLBACK_MISSING = Rule("callback.missing", "a callback that did not come")
CALLBACK_REQUEST = Rule("callback.request", "a callback that is not the request it should be")
CALLBACK_SCHEMA = Rule("callback.schema", "a callback outside its schema")
CALLBACK_STATE = Rule("callback.state", "a callback that reports another state than a poll")
CALLBACK_TASK = Rule("callback.task", "a callback for another task")
CALLBACK_REPEATED = Rule("callback.repeated", "a callback that came again after it was acknowledged")
CALLBACK_CHANGED = Rule("callback.changed", "a repeated callback that differs from the first")
CALLBACK_POLL = Rule("callback.poll", "a callback that differs from a poll")
CALLBACK_SECRET = Rule("callback.secret", "a callback that shows a key")
RETRY_SCHEDULE = Rule("callback.ladder", "a callback that was not retried on its retry schedule")
