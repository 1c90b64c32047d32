"""What several rules read from the observations of a case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from swapmock.client_checks.behaviour.model import Exchange, Meaning, Observations, Role, Run, Task
from swapmock.client_checks.behaviour.providers import PROVIDERS

#: HTTP statuses after which a read is worth another try (the vendor's own command-line tool retries on these).
TRANSIENT = (408, 429, 500, 502, 503, 504)
#: What a program writes where it has no id.
NO_IDS = ("undefined", "None", "null", "nil", "NaN", "", "[object Object]", "<nil>")
#: A file that is not finished yet, by its ending.
UNFINISHED = (".part", ".partial", ".tmp", ".download", ".crdownload")


def is_clean(case: Observations) -> bool:
    """Whether nothing was done to the client in this case, long times aside."""
    row = case.condition
    done = (row.faults, row.gateway, row.triggers, row.kill, row.inputs, row.tls, row.vary, row.balance is not None)
    return not any(done) and row.scenario in (None, "slow")


def later_same(case: Observations, exchange: Exchange) -> list[Exchange]:
    """The same request sent again in the same run, after the answer to `exchange` was there.

    Equal submissions of a batch are no repetition: as many as the plain case has are left out.
    """
    same = [one for one in case.exchanges if one.run == exchange.run and one.key == exchange.key]
    later = [one for one in same if one.number > exchange.number and one.at >= exchange.answered - 1e-6]
    extra = len(same) - equal_in_batch(case, exchange)
    return later[-extra:] if extra > 0 else []


def equal_in_batch(case: Observations, exchange: Exchange) -> int:
    """How often the plain case sends this very submission; 1 for everything else."""
    if not exchange.is_submission or case.plain is None:
        return 1
    return max(1, sum(one.key == exchange.key for one in case.plain.exchanges if one.run == 1))


def refused(case: Observations, codes: Sequence[str], *roles: Role) -> list[Exchange]:
    """Refused requests of these roles with one of these body codes."""
    return [one for one in case.of(*roles) if one.meaning is Meaning.REFUSED and one.refusal in codes]


def without_ids(body: Any, provider: str) -> Any:
    """A submission without what may differ between two tries of one job: the caller's own id and the callback URL."""
    facts = PROVIDERS[provider]
    if isinstance(body, Mapping):
        left_out = (*facts.caller_ids, *facts.callback_fields)
        return {name: without_ids(item, provider) for name, item in body.items() if name not in left_out}
    return [without_ids(item, provider) for item in body] if isinstance(body, list) else body


def is_same_job(case: Observations, one: Exchange, other: Exchange) -> bool:
    """Whether two submissions are for one job: there is only one, or they say the same and are more than in the plain case."""
    if case.jobs == 1:
        return True
    if one.operation != other.operation or without_ids(one.body, case.provider) != without_ids(
        other.body, case.provider
    ):
        return False
    return count_alike(case, one) > max(1, count_alike(case.plain, one) if case.plain is not None else 1)


def count_alike(case: Observations | None, one: Exchange) -> int:
    """How many submissions of a case say the same as `one`."""
    if case is None:
        return 0
    wanted = without_ids(one.body, case.provider)
    return sum(without_ids(other.body, case.provider) == wanted for other in case.of(Role.CREATE))


def doubtful_creates(case: Observations) -> list[tuple[Exchange, Task]]:
    """Paid submissions that took effect, with an answer from which the client cannot know it."""
    found = []
    for one in case.of(Role.CREATE):
        task = case.task(one.task)
        if task is not None and is_in_doubt(case, one):
            found.append((one, task))
    return found


def is_in_doubt(case: Observations, one: Exchange) -> bool:
    """Whether a submission's answer left it open if it took effect: it was lost, said nothing, or came after the client
    had stopped waiting (it sent the next request before)."""
    if one.meaning is Meaning.AMBIGUOUS or one.delivered != "whole":
        return True
    waited = one.answered - one.at
    others = [
        other
        for other in case.exchanges
        if other.number > one.number and other.run == one.run and other.at < one.answered - 0.01
    ]
    return waited > 20 and bool(others)


def repeats_of(case: Observations, doubtful: Exchange) -> list[Exchange]:
    """Later submissions of the same job, in this run or the next."""
    later = [one for one in case.of(Role.CREATE) if one.number > doubtful.number]
    return [one for one in later if is_same_job(case, doubtful, one)]


def checked_between(case: Observations, doubtful: Exchange, repeat: Exchange) -> Exchange | None:
    """The check after which a client could send a doubtful submission again: for crun a balance that is not lower than
    before, for Img Open a query with its businessTaskId that does not find the task. None without one.

    A callback is no such check, nor is an answer that shows the task: what is sent then is sent in spite of it.
    """
    balances = [one for one in case.of(Role.BALANCE) if one.meaning is Meaning.READ and one.number < repeat.number]
    before = [balance_in(one) for one in balances if one.number < doubtful.number]
    for one in balances:
        if one.number > doubtful.number and not (before and balance_in(one) < before[-1]):
            return one
    for one in case.exchanges:
        is_query = one.is_poll and doubtful.business_id is not None and one.asked == doubtful.business_id
        shows_it = one.meaning in (Meaning.RUNNING, Meaning.SUCCEEDED, Meaning.FAILED)
        if doubtful.number < one.number < repeat.number and is_query and not shows_it:
            return one
    return None


def balance_in(one: Exchange) -> float:
    """The credits that an answer about the balance tells."""
    data = one.answer.get("data") if isinstance(one.answer, Mapping) else None
    found = data.get("balance") if isinstance(data, Mapping) else None
    return float(found) if isinstance(found, int | float) else 0.0


def is_bad_media(one: Exchange) -> bool:
    """Whether a download gave no usable result: refused, broken off, empty, or a page in place of media."""
    kind = one.answer_headers.get("content-type", "")
    is_media = kind.startswith(("image/", "video/", "audio/", "application/octet-stream"))
    return one.status is None or one.status >= 400 or one.delivered != "whole" or one.size == 0 or not is_media


def ended_with_success(case: Observations, run: int | None = None) -> bool:
    """Whether the client claims success, in its last word or in that of one run."""
    claim = case.last_claim if run is None else case.claim_of(run)
    return claim is not None and claim.outcome == "succeeded"


def stage(case: Observations) -> tuple[int, str]:
    """How far the client came in its first run, as a number to compare and in words."""
    found = (0, "it sent no request")
    for one in (each for each in case.exchanges if each.run == 1):
        step = _step(one)
        if step is not None and step > found:
            found = step
    return found


def _step(one: Exchange) -> tuple[int, str] | None:
    if one.role is Role.DETECT and one.meaning in (Meaning.ACCEPTED, Meaning.SUCCEEDED):
        return 1, "its detection was accepted"
    if one.role is Role.DETECT_POLL and one.meaning is Meaning.SUCCEEDED:
        return 2, "its detection had succeeded"
    if one.role is Role.CREATE and one.meaning in (Meaning.ACCEPTED, Meaning.SUCCEEDED):
        return 3, "its submission was accepted"
    if one.role is Role.POLL and one.meaning is Meaning.SUCCEEDED:
        return 4, "it was told of the success"
    if one.role is Role.MEDIA and not is_bad_media(one):
        return 5, "it fetched the result"
    return (0, "it called the API") if one.operation else None


def falls_short(case: Observations) -> str:
    """Why the client came less far than in the plain case, "" if it did not."""
    if case.plain is None:
        return ""
    before, now = stage(case.plain), stage(case)
    if now[0] < before[0]:
        return f"in the plain case {before[1]}; here only {now[1]}"
    if ended_with_success(case.plain) and case.claims and not ended_with_success(case):
        return f"it claims {case.claims[-1].outcome} in place of succeeded"
    return ""


def keeps_id(case: Observations, task: Task) -> bool:
    """Whether the client kept a task's id where somebody finds it: output, files, claim, or a second run that asks for it."""
    names = [name for name in (task.id, task.business_id) if name]
    texts = [case.texts_of_files, *(run.stdout + run.stderr for run in case.runs)]
    if any(name in text for name in names for text in texts):
        return True
    if any(claim.task in names for claim in case.claims):
        return True
    return any(one.run > 1 and one.is_poll and (one.task == task.id or one.asked in names) for one in case.exchanges)


def own_end(case: Observations) -> Iterator[Run]:
    """The runs that ended of themselves."""
    return (run for run in case.runs if run.ended == "exit")


def gaps(exchanges: Sequence[Exchange]) -> list[float]:
    """Seconds from each answer to the next request."""
    return [later.at - earlier.answered for earlier, later in pairwise(exchanges)]


def is_over_deadline(case: Observations, run: Run) -> bool | None:
    """Whether a run that we ended had gone well past the client's declared deadline; None if none is declared."""
    deadline = case.declaration.deadline
    if deadline is None:
        return None
    submissions = [one.at for one in case.of(Role.CREATE, run=run.number)]
    since = submissions[0] if submissions else run.started
    return bool(run.finished - since > deadline * 1.5 + 30)
