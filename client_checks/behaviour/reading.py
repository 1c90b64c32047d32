"""Functions with which several rules read the observations of a case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from swapmock.client_checks.behaviour.model import (
    Exchange,
    Finding,
    Findings,
    Meaning,
    Observations,
    Role,
    Run,
    Task,
    not_declared,
)
from swapmock.client_checks.behaviour.providers import PROVIDERS

#: HTTP statuses after which a read should be retried (the vendor's own command-line tool retries on these).
TRANSIENT = (408, 429, 500, 502, 503, 504)
#: Texts that programs write if they have no id.
NO_IDS = ("undefined", "None", "null", "nil", "NaN", "", "[object Object]", "<nil>")
#: The part of its deadline after which a run counts as ended by the deadline.
NEAR_DEADLINE = 0.8
#: The parts of a file name, between its dots, that say that the file is not finished yet.
UNFINISHED = {"part", "partial", "tmp", "temp", "download", "crdownload", "incomplete"}


def is_clean(case: Observations) -> bool:
    """Return whether this case has no fault, apart from long durations."""
    row = case.condition
    done = (row.faults, row.gateway, row.triggers, row.kill, row.inputs, row.tls, row.vary, row.balance is not None)
    return not any(done) and row.scenario in (None, "slow")


def later_same(case: Observations, exchange: Exchange) -> list[Exchange]:
    """Return the same request sent again in the same run, after the answer to `exchange` had come.

    Equal submissions of a batch are not repetitions: as many of them as in the plain case are left out."""
    wanted = same_request(case, exchange)
    same = [one for one in case.exchanges if one.run == exchange.run and same_request(case, one) == wanted]
    later = [one for one in same if one.number > exchange.number and one.at >= exchange.answered - 1e-6]
    extra = len(same) - equal_in_batch(case, exchange)
    return later[-extra:] if extra > 0 else []


def equal_in_batch(case: Observations, exchange: Exchange) -> int:
    """Return how often the plain case sends this same submission; 1 for any other request."""
    if not exchange.is_submission or case.plain is None:
        return 1
    wanted = same_request(case, exchange)
    return max(1, sum(same_request(case, one) == wanted for one in case.plain.exchanges if one.run == 1))


def same_request(case: Observations, one: Exchange) -> tuple[str, str, str]:
    """Return what identifies a request. The caller's own id in a submission is left out: it may be new each time."""
    body = without_ids(one.body, case.provider) if one.is_submission else one.body
    return one.method, one.target, repr(body)


def refused(case: Observations, codes: Sequence[str], *roles: Role) -> list[Exchange]:
    """Return the refused requests of these `roles` with one of these body `codes`."""
    return [one for one in case.of(*roles) if one.meaning is Meaning.REFUSED and one.refusal in codes]


def without_ids(body: Any, provider: str) -> Any:
    """Return a submission without what may differ between two attempts at one job: the caller's own id and the
    callback URL."""
    facts = PROVIDERS[provider]
    if isinstance(body, Mapping):
        left_out = (*facts.caller_ids, *facts.callback_fields)
        return {name: without_ids(item, provider) for name, item in body.items() if name not in left_out}
    return [without_ids(item, provider) for item in body] if isinstance(body, list) else body


def is_same_job(case: Observations, one: Exchange, other: Exchange) -> bool:
    """Return whether two submissions are for one job: the client has only one job, or they are equal and more than
    in the plain case."""
    if case.jobs == 1:
        return True
    if one.operation != other.operation or without_ids(one.body, case.provider) != without_ids(
        other.body, case.provider
    ):
        return False
    return count_alike(case, one) > max(1, count_alike(case.plain, one) if case.plain is not None else 1)


def count_alike(case: Observations | None, one: Exchange) -> int:
    """Return how many submissions of a case are equal to `one`."""
    if case is None:
        return 0
    wanted = without_ids(one.body, case.provider)
    return sum(without_ids(other.body, case.provider) == wanted for other in case.of(Role.CREATE))


def doubtful_creates(case: Observations) -> list[tuple[Exchange, Task]]:
    """Return the paid submissions that took effect although the answer does not show it to the client."""
    found = []
    for one in case.of(Role.CREATE):
        task = case.task(one.task)
        if task is not None and is_in_doubt(case, one):
            found.append((one, task))
    return found


def is_in_doubt(case: Observations, one: Exchange) -> bool:
    """Return whether the answer to a submission left open if it took effect: the answer was lost, said nothing, or
    came after the client had stopped waiting (it, or its next run, had sent the next request)."""
    if one.meaning is Meaning.AMBIGUOUS or one.delivered != "whole":
        return True
    waited = one.answered - one.at
    others = [other for other in case.exchanges if other.number > one.number and other.at < one.answered - 0.01]
    return waited > 20 and bool(others)


def repeats_of(case: Observations, doubtful: Exchange) -> list[Exchange]:
    """Return later submissions of the same job, in this run or the next."""
    later = [one for one in case.of(Role.CREATE) if one.number > doubtful.number]
    return [one for one in later if is_same_job(case, doubtful, one)]


def checked_between(case: Observations, doubtful: Exchange, repeat: Exchange) -> Exchange | None:
    """Return the check after which a client could send a doubtful submission again; None without one.

    For crun this is a balance that is not lower than before, for Img Open a query with its businessTaskId that
    does not find the task. A callback is no such check. An answer that shows the task is none either: the client
    then sends the submission although the task exists."""
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
    """Return the credits in an answer about the balance."""
    data = one.answer.get("data") if isinstance(one.answer, Mapping) else None
    found = data.get("balance") if isinstance(data, Mapping) else None
    return float(found) if isinstance(found, int | float) else 0.0


def is_unfinished(path: str) -> bool:
    """Return whether the name of a file says that the file is no result yet, or it lies in the case's TMPDIR."""
    name = path.lower().rpartition("/")[2]
    return path.startswith("tmp/") or name.startswith((".", "tmp")) or not UNFINISHED.isdisjoint(name.split("."))


def is_bad_media(one: Exchange) -> bool:
    """Return whether a download gave no usable result: refused, cut, empty, or a page in place of media."""
    kind = one.answer_headers.get("content-type", "")
    is_media = kind.startswith(("image/", "video/", "audio/", "application/octet-stream"))
    return one.status is None or one.status >= 400 or one.delivered != "whole" or one.size == 0 or not is_media


def what_came(one: Exchange) -> str:
    """Return the answer to a download in words."""
    if one.status is None:
        return "no answer"
    kind = one.answer_headers.get("content-type") or "no type"
    broken_off = "" if one.delivered == "whole" else ", broken off"
    return f"HTTP {one.status}, {kind}, {one.size} bytes{broken_off}"


def result_fetches(case: Observations) -> list[Exchange]:
    """Return the downloads of results: those after a submission that took effect, without pictures of detected faces."""
    first = next((one.number for one in case.of(Role.CREATE) if one.task is not None), None)
    if first is None:
        return []
    faces = {path for one in case.of(Role.DETECT, Role.DETECT_POLL) for path in _paths(one.answer)}
    fetched = (one for one in case.of(Role.MEDIA) if one.number > first and one.method == "GET")
    return [one for one in fetched if urlsplit(one.target).path not in faces]


def _paths(value: Any) -> Iterator[str]:
    """Yield the paths of all links in a document."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _paths(item)
    elif isinstance(value, str) and value.startswith(("http://", "https://")):
        yield urlsplit(value).path


def ended_with_success(case: Observations, run: int | None = None) -> bool:
    """Return whether the client claims success, in its last claim or in that of one `run`."""
    claim = case.last_claim if run is None else case.claim_of(run)
    return claim is not None and claim.outcome == "succeeded"


def stage(case: Observations) -> tuple[int, str]:
    """Return how far the client came in its first run, as a number to compare and as text."""
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
        return 4, "it saw the success"
    if one.role is Role.MEDIA and not is_bad_media(one):
        return 5, "it fetched the result"
    return (0, "it called the API") if one.operation else None


def falls_short(case: Observations) -> str:
    """Return why the client did not come as far as in the plain case; "" if it did."""
    if case.plain is None:
        return ""
    before, now = stage(case.plain), stage(case)
    if now[0] < before[0]:
        return f"in the plain case {before[1]}; here only {now[1]}"
    if ended_with_success(case.plain) and case.claims and not ended_with_success(case):
        return f"it claims {case.claims[-1].outcome} in place of succeeded"
    return ""


def keeps_id(case: Observations, task: Task) -> bool:
    """Return whether the client kept a task's id where it can be found: output, files, claim, or a second run that
    polls it."""
    names = [name for name in (task.id, task.business_id) if name]
    texts = [case.texts_of_files, *(run.stdout + run.stderr for run in case.runs)]
    if any(name in text for name in names for text in texts):
        return True
    if any(claim.task in names for claim in case.claims):
        return True
    return any(one.run > 1 and one.is_poll and (one.task == task.id or one.asked in names) for one in case.exchanges)


def own_end(case: Observations) -> Iterator[Run]:
    """Yield the runs that ended without being killed."""
    return (run for run in case.runs if run.ended == "exit")


def gaps(exchanges: Sequence[Exchange]) -> list[float]:
    """Return the seconds from each answer to the next request."""
    return [later.at - earlier.answered for earlier, later in pairwise(exchanges)]


def is_parallel(case: Observations) -> bool:
    """Return whether the client had two requests under way at the same time, in this case or the plain one."""
    seen = [one.exchanges for one in (case, case.plain) if one is not None]
    return any(
        later.at < earlier.answered
        for exchanges in seen
        for earlier, later in pairwise(exchanges)
        if later.run == earlier.run
    )


def is_over_deadline(case: Observations, run: Run) -> bool | None:
    """Return whether a run that we ended was well past the client's declared deadline; None if none is declared."""
    deadline = case.declaration.deadline
    if deadline is None:
        return None
    submissions = [one.at for one in case.of(Role.CREATE, run=run.number)]
    since = submissions[0] if submissions else run.started
    return bool(run.finished - since > deadline * 1.5 + 30)


def unless_we_ended_it(case: Observations, finding: Finding) -> Findings:
    """Yield `finding`, which says that the client did not reach something.

    If the client's last run was ended by its time limit, the finding counts only past the client's declared deadline."""
    last = case.runs[-1] if case.runs else None
    if last is None or not last.ended_by_us:
        yield finding
        return
    over = is_over_deadline(case, last)
    if over is None:
        yield not_declared("deadline")
    elif over:
        yield finding


def ended_at_its_deadline(case: Observations, run: Run) -> bool:
    """Return whether a run ended near the client's declared deadline: then no single poll ended it."""
    deadline = case.declaration.deadline
    return deadline is not None and run.finished - run.started >= NEAR_DEADLINE * deadline
