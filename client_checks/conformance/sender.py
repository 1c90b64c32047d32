"""Sends every call of a run; each call is counted, paced and recorded here.

Prices and balances of a live server are not trusted. A call that may cost is sent only if the highest of its
prices is within the budget, and is never sent twice. Magic values are never sent to a live server."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

from swapmock.client_checks.clock import Clock
from swapmock.client_checks.conformance.budget import Budget, LeftOut, LimitReached, amount
from swapmock.client_checks.conformance.envelope import Envelope
from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.pointer import at
from swapmock.client_checks.conformance.price import listed_price
from swapmock.client_checks.conformance.profile import Estimate
from swapmock.client_checks.conformance.strict_json import parsed
from swapmock.client_checks.conformance.target import CannotRun, Target
from swapmock.client_checks.conformance.transport import RawAnswer, Transport, Unreachable

#: The longest Retry-After, in seconds, for which the run waits. For a longer one the run stops.
LONGEST_WAIT = 300.0
#: Seconds to wait after a 429 without a Retry-After.
USUAL_WAIT = 10.0
#: The run stops after this many answers that were too slow or too large: such a server could delay it for hours.
MOST_UNBOUNDED = 3
#: The most bytes that a run keeps of all answers together.
MOST_BYTES = 1 << 30
#: Methods that only read. A call with one of them to a path outside the contract is taken as free.
READING = ("GET", "HEAD", "OPTIONS", "TRACE")


@dataclass(frozen=True)
class Quote:
    """The prices of a paid call in credits: `estimates` maps an estimate operation to its answer, `listed` is the
    contract's price. `tentative` names the estimates whose price is settled later."""

    estimates: dict[str, float]
    listed: float | None
    tentative: tuple[str, ...] = ()

    @property
    def highest(self) -> float | None:
        """The highest of the prices; None if there is none."""
        known = [*self.estimates.values(), *([] if self.listed is None else [self.listed])]
        return max(known, default=None)


class Sender:
    """Sends calls to a target. `rate` is calls per second; None means no limit."""

    def __init__(
        self,
        target: Target,
        budget: Budget,
        clock: Clock,
        rate: float | None = None,
        read_only: bool = False,
        transport: Transport | None = None,
    ) -> None:
        self.target = target
        self.budget = budget
        self.exchanges: list[Exchange] = []
        self.envelope = Envelope(target.contract)
        #: The prices of each paid call, by the number of its exchange.
        self.quotes: dict[int, Quote] = {}
        self.clock = clock
        self._interval = 1.0 / rate if rate else 0.0
        self._read_only = read_only
        self._not_before = 0.0
        self._stopped = ""
        self._lock = threading.RLock()
        self._transport = transport or Transport()
        self._known_balance: float | None = None
        #: The balance just before the last call that may cost, if the run has a budget.
        self.balance_before: float | None = None
        self._learned: dict[str, float] = {}
        self._unbounded = 0
        self._bytes = 0
        #: Called with the answer to each price and balance that the sender itself asked for.
        self.on_asked: Callable[[Exchange], None] = lambda _: None

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def stop(self, why: str) -> None:
        """Send no further call because of `why`. If called twice, the first reason is kept."""
        self._stopped = self._stopped or why

    def url(self, path: str) -> str:
        """Return the URL of `path` on the target."""
        return self.target.base_url + path

    def send(
        self,
        method: str,
        url: str,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        origin: str = "",
        expects_refusal: bool = False,
    ) -> Exchange:
        """Send one call with `method`, `url`, `headers` and `body`, and return it with its answer. Raises LeftOut if
        the call must not be sent.

        What the server does raises nothing: an exchange without a status has no answer."""
        with self._lock:
            operation = self._operation(method, url)
            sent = list(headers)
            if self.target.is_live:
                self._guard(url, sent, body)
            if not self._may_cost(method, url, operation):
                return self._send_free(method, url, sent, body, operation, origin)
            if self._read_only:
                raise LeftOut("--read-only: it may cost", is_chosen=True)
            if not self.target.is_live and self.budget.max_credits is None:
                return self._transmit(method, url, sent, body, operation, origin)
            return self._send_paid(method, url, sent, body, operation, origin, expects_refusal)

    def _path(self, url: str) -> str | None:
        """Return the decoded path of `url` below the target's base URL; None if the URL is elsewhere."""
        ours, its = urlsplit(self.target.base_url), urlsplit(url)
        if (ours.scheme, ours.netloc) != (its.scheme, its.netloc) or not its.path.startswith(ours.path):
            return None
        return unquote(its.path[len(ours.path) :])

    def _operation(self, method: str, url: str) -> str:
        path = self._path(url)
        found = None if path is None else self.target.contract.find(method, path)
        return "" if found is None else found[0].id

    def _may_cost(self, method: str, url: str, operation: str) -> bool:
        """Return whether a call may be charged. Every operation may cost that the contract does not declare free,
        and so may a call that differs from such an operation only by its method, or by slashes and case in its
        path."""
        if operation:
            return self.target.may_cost(operation)
        path = self._path(url)
        if path is None or method.upper() in READING:
            return False
        plain = re.sub("/+", "/", path).rstrip("/").casefold()
        operations = self.target.contract.operations.values()
        return any(self.target.may_cost(one.id) and one.path.casefold() == plain for one in operations)

    def _guard(self, url: str, headers: list[tuple[str, str]], body: bytes) -> None:
        text = " ".join([url, *(value for _, value in headers)]).encode() + body
        if any(host.encode() in text for host in self.target.contract.behaviour.magic_hosts):
            raise LeftOut("magic values are only for emulators")

    def _send_free(
        self, method: str, url: str, headers: list[tuple[str, str]], body: bytes, operation: str, origin: str
    ) -> Exchange:
        exchange = self._transmit(method, url, headers, body, operation, origin)
        if self._is_limited(exchange):
            try:
                return self._transmit(method, url, headers, body, operation, origin)
            except LeftOut:
                return exchange
        return exchange

    def _send_paid(
        self,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        body: bytes,
        operation: str,
        origin: str,
        expects_refusal: bool,
    ) -> Exchange:
        self.budget.need_credits(0.0)
        if self.target.profile.account and self.budget.spending.first_balance is None:
            self.balance(origin)
            self._stop_without_balance()
        quote = self.quote(operation, headers, body, origin, expects_refusal)
        price = quote.highest
        if price is None:
            raise LeftOut(f"no price is known: {operation or method + ' ' + url} is not declared free, so it may cost")
        self.budget.need_credits(max(price, 0.0 if expects_refusal else self._learned.get(operation, 0.0)))
        self.budget.need_calls(2)
        before = self.balance_before = self._known_balance
        number = len(self.exchanges) + 1
        self.quotes[number] = quote
        # From now on the call counts as spent, whatever interrupts the run, and it is never sent again.
        self.budget.spending.charge(number, price)
        try:
            exchange = self._transmit(method, url, headers, body, operation, origin)
        except (LeftOut, CannotRun):
            self.budget.spending.forget(number)
            raise
        if self._is_refused(exchange):
            self.budget.spending.forget(number)
        self._recount(operation, before, origin)
        return exchange

    def _is_refused(self, exchange: Exchange) -> bool:
        """Return whether an answer says for certain that the call was refused."""
        if exchange.status is None or exchange.status >= 500 or exchange.broken_bound:
            return False
        return exchange.status >= 400 or self.envelope.refuses(exchange.json)

    def quote(
        self, operation: str, headers: list[tuple[str, str]], body: bytes, origin: str, expects_refusal: bool = False
    ) -> Quote:
        """Return what a call would cost, by every estimate of the server and by the contract.

        Raises LeftOut if an estimate cannot be had. If the call `expects_refusal` and its estimate is refused as
        well, the price is zero."""
        listed = listed_price(self.target, operation, parsed(body))
        told = self.target.profile.estimates.get(operation, Estimate())
        names = self.target.profile.present(told.operations, self.target.variants)[:1]
        found: dict[str, float] = {}
        tentative: list[str] = []
        for name in names:
            self.budget.need_calls(3)
            estimate = self.target.contract.operations[name]
            exchange = self._send_free(
                estimate.method, self.url(estimate.path), headers, body, estimate.id, f"{origin}: price"
            )
            self.on_asked(exchange)
            said = amount(at(exchange.json, told.at[name]))
            is_answer = exchange.status is not None and 200 <= exchange.status < 300
            if is_answer and not self.envelope.refuses(exchange.json) and said is not None:
                found[name] = said
                if told.tentative.get(name) and at(exchange.json, told.tentative[name]) is True:
                    tentative.append(name)
            elif expects_refusal and self._is_refused(exchange):
                found[name] = 0.0
            else:
                raise LeftOut(f"no price to be had: {name} answered {exchange.shown_answer(120)}")
        return Quote(found, listed, tuple(tentative))

    def balance(self, origin: str) -> float | None:
        """Return the account's balance; None if the provider reports none, did not answer, or sent no plausible
        amount."""
        account = self.target.profile.account
        if not account:
            return None
        operation = self.target.contract.operations[account["operation"]]
        headers = list(self.target.credentials.items())
        self.budget.need_calls(1)
        exchange = self._send_free(
            operation.method, self.url(operation.path), headers, b"", operation.id, f"{origin}: balance"
        )
        self.on_asked(exchange)
        self._known_balance = amount(at(exchange.json, account["at"]))
        if self._known_balance is not None:
            self.budget.spending.saw_balance(self._known_balance)
        return self._known_balance

    def task_ended(self, number: int, said: float | None, origin: str) -> None:
        """Note that a task made by the paid call `number` has ended and reports a cost of `said`. If tasks report
        costs and the balance does not change, no more credits are spent."""
        if said is None or number not in self.quotes:
            return
        spending = self.budget.spending
        spending.task_says(number, said)
        if spending.said_by_tasks <= 0 or spending.fallen > 0 or not self.target.profile.account:
            return
        self.balance(origin)
        self._stop_without_balance()
        if spending.fallen <= 0:
            told = f"tasks say that they cost {spending.said_by_tasks:g} credits, and the balance does not move"
            self.budget.stop_spending(told)

    def _stop_without_balance(self) -> None:
        if self.target.profile.account and self._known_balance is None:
            self.budget.stop_spending("the balance cannot be read")
            self.budget.need_credits(0.0)

    def _recount(self, operation: str, before: float | None, origin: str) -> None:
        """Read the balance after a paid call. If the call took more than was announced, later calls of this kind
        count with the higher price."""
        if not self.target.profile.account:
            return
        try:
            now = self.balance(origin)
        except LeftOut:
            now = None
        if now is None:
            self.budget.stop_spending("the balance cannot be read")
        elif before is not None:
            self._learned[operation] = max(self._learned.get(operation, 0.0), before - now)

    def _transmit(
        self, method: str, url: str, headers: list[tuple[str, str]], body: bytes, operation: str, origin: str
    ) -> Exchange:
        if self._stopped:
            raise LimitReached(self._stopped)
        self.budget.need_calls(1)
        self.clock.pause(self._not_before - self.clock.now())
        self.budget.calls += 1
        at_time = self.clock.now()
        secrets = self.target.secrets
        answer, error = RawAnswer(0, [], b"", 0.0), ""
        try:
            answer = self._transport.send(method, url, headers, body)
        except KeyboardInterrupt:
            # The call may have arrived; the report says so.
            self._keep(method, url, headers, body, operation, origin, at_time, answer, "interrupted")
            raise
        except Unreachable as why:
            error = secrets.out_of(str(why))
            if not self.exchanges and not why.is_connected:
                raise CannotRun(f"no server at {self.target.base_url}: {error}") from None
        exchange = self._keep(method, url, headers, body, operation, origin, at_time, answer, error)
        self._bound_the_run(exchange)
        self._pace(exchange)
        return exchange

    def _keep(
        self, method: str, url: str, headers: list[tuple[str, str]], body: bytes, operation: str, origin: str,
        at_time: float, answer: RawAnswer, error: str,
    ) -> Exchange:  # fmt: skip
        """Record a call and its answer, with secrets masked."""
        secrets = self.target.secrets
        exchange = Exchange(
            method=method,
            url=secrets.out_of(url),
            headers=secrets.out_of_headers(headers),
            body=secrets.out_of_bytes(body),
            status=answer.status or None,
            answer_headers=secrets.out_of_headers(answer.headers),
            answer=secrets.out_of_bytes(answer.content),
            operation=operation,
            origin=origin,
            at=at_time,
            elapsed=answer.elapsed,
            error=error,
            number=len(self.exchanges) + 1,
            broken_bound=answer.broken_bound,
            shown_secret=secrets.shown_in(answer.content, answer.headers),
        )
        self.exchanges.append(exchange)
        return exchange

    def _bound_the_run(self, exchange: Exchange) -> None:
        self._bytes += len(exchange.answer)
        if self._bytes > MOST_BYTES:
            self.stop(f"the answers together have more than {MOST_BYTES} bytes")
        self._unbounded += bool(exchange.broken_bound) or "no answer within" in exchange.error
        if self._unbounded >= MOST_UNBOUNDED:
            self.stop(
                f"{self._unbounded} answers broke their bounds, the last: {exchange.broken_bound or exchange.error}"
            )

    def _pace(self, exchange: Exchange) -> None:
        """Set the time before which no further call is sent."""
        now = self.clock.now()
        self._not_before = max(self._not_before, now + self._interval)
        if not self._is_limited(exchange):
            return
        told = exchange.header("Retry-After")
        wait = USUAL_WAIT if told is None else _seconds(told, now)
        if wait > LONGEST_WAIT:
            self.stop(f"the server asked to wait {wait:.0f} s")
        self._not_before = max(self._not_before, now + wait)

    def _is_limited(self, exchange: Exchange) -> bool:
        """Return whether a live server asked the client to slow down."""
        if not self.target.is_live or exchange.status is None:
            return False
        return self.envelope.judged(exchange.status, exchange.answer) in (429, 503)


def _seconds(told: str, now: float) -> float:
    """Return a Retry-After in seconds from `now`: from a number or an HTTP date. Anything else counts as USUAL_WAIT."""
    if re.fullmatch(r"[0-9]{1,12}", told.strip()):
        return float(told)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return USUAL_WAIT
