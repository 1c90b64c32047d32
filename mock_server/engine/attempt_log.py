"""The log line of an attempt to deliver a callback."""

from __future__ import annotations

import logging
import re

from swapmock.mock_server.core.delivery import DeliveryState
from swapmock.mock_server.engine.runtime import Sent

log = logging.getLogger("swapmock")


def log_attempt(sandbox_id: str, sent: Sent) -> None:
    """Log one line for an attempt: an info if a retry follows or the callback is acknowledged, a warning if the
    callback is given up or blocked."""
    attempt, is_lost = sent.attempt, sent.after in (DeliveryState.DEAD, DeliveryState.BLOCKED)
    level = logging.WARNING if is_lost else logging.INFO
    if not log.isEnabledFor(level):
        return
    if not attempt.failure:
        then, outcome = "", "good"
    elif attempt.next_due is not None:
        then, outcome = f"; attempt {attempt.attempt + 1} is due in {attempt.next_due - attempt.due:g} s", "refused"
    else:
        then, outcome = "" if sent.after is DeliveryState.BLOCKED else "; it is not sent again", "failed"
    facts = {
        "task": attempt.task,
        "delivery": attempt.delivery,
        "sandbox": sandbox_id,
        "status": attempt.status or (sent.after if is_lost else "no answer"),
        "why": (attempt.failure or "acknowledged") + then,
        "outcome": outcome,
    }
    # Path, query and user may hold secrets of the receiver: they stay in the journal, which masks them.
    scheme, _, rest = attempt.url.partition("://")
    receiver = f"{scheme}://{re.split('[/?#]', rest, maxsplit=1)[0].rpartition('@')[2]}"
    log.log(level, "callback %s, attempt %s to %s", attempt.delivery, attempt.attempt, receiver, extra=facts)
