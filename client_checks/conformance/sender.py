"""The one way out: every call of a run, whoever makes it, goes through here and is counted, paced and kept.

On a live target a call that may cost is sent only if its price was asked for just before and the budget covers it, and
is never sent twice. Magic values never leave for one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import requests

from swapmock.client_checks.clock import Clock
from swapmock.client_checks.conformance.budget import Budget, LeftOut
from swapmock.client_checks.conformance.envelope import Envelope, parsed
from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.pointer import at
from swapmock.client_checks.conformance.price import listed_price
from swapmock.client_checks.conformance.profile import Estimate
from swapmock.client_checks.conformance.target import CannotRun, Target

#: Seconds to connect, seconds between two bytes of an answer.
TIMEOUT = (10.0, 60.0)
#: The longest that a Retry-After is obeyed before the run stops instead.
LONGEST_WAIT = 300.0
#: Seconds to wait after a 429 that does not say how long.
USUAL_WAIT = 10.0


class Sender:
    """Sends calls to a target. `rate` is calls per second, None for as fast as it goes."""

    def __init__(
        self, target: Target, budget: Budget, clock: Clock, rate: float | None = None, read_only: bool = False
    ) -> None:
        self.target = target
        self.budget = budget
        self.exchanges: list[Exchange] = []
        self.envelope = Envelope(target.contract)
        self._clock = clock
        self._interval = 1.0 / rate if rate else 0.0
        self._read_only = read_only
        self._not_before = 0.0
        self._stopped = ""
        self._lock = threading.RLock()
        self._session = requests.Session()
        self._start_balance: float | None = None
        self._known_balance: float | None = None
        #: The balance as it was known just before the last call that may cost, where budgets are kept.
        self.balance_before: float | None = None
        self._learned: dict[str, float] = {}

    def close(self) -> None:
        self._session.close()

    def url(self, path: str) -> str:
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
        """Send one call; LeftOut if it must not be sent.

        Never raises for what the server does: an exchange without a status is one that got no answer.
        """
        with self._lock:
            operation = self._operation(method, url)
            sent = list(headers)
            if self.target.is_live:
                self._guard(url, sent, body)
            if not self.target.profile.may_cost(operation):
                return self._send_free(method, url, sent, body, operation, origin)
            if self._read_only:
                raise LeftOut("--read-only: it may cost")
            if not self.target.is_live and self.budget.max_credits is None:
                return self._transmit(method, url, sent, body, operation, origin)
            return self._send_paid(method, url, sent, body, operation, origin, expects_refusal)

    def _operation(self, method: str, url: str) -> str:
        if not url.startswith(self.target.base_url):
            return ""
        found = self.target.contract.find(
            method, unquote(urlsplit(url).path[len(urlsplit(self.target.base_url).path) :])
        )
        return "" if found is None else found[0].id

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
        before = self.balance(origin) if self._start_balance is None else None
        if before is not None:
            self._start_balance = before
        price = self._price(operation, headers, body, origin, expects_refusal)
        self.budget.need_credits(price if expects_refusal else max(price, self._learned.get(operation, 0.0)))
        self.budget.need_calls(2)
        self.balance_before = self._known_balance
        exchange = self._transmit(method, url, headers, body, operation, origin)
        definitely_refused = exchange.status is not None and exchange.status < 500 and (
            exchange.status >= 400 or self.envelope.refuses(exchange.json))  # fmt: skip
        if not definitely_refused:
            # Accepted, or nobody knows: it counts as spent, and nobody sends it again.
            self.budget.spent += price
        more = self._recount(origin)
        if more > 0 and not definitely_refused:
            # It took more than was announced: the next one is reckoned so.
            self._learned[operation] = max(self._learned.get(operation, 0.0), price + more)
        return exchange

    def _price(
        self, operation: str, headers: list[tuple[str, str]], body: bytes, origin: str, expects_refusal: bool
    ) -> float:
        """What the call would cost, by the estimate of the server itself; LeftOut if that is not to be had."""
        cost = self.target.profile.estimates.get(operation, Estimate())
        names = self.target.profile.present(cost.operations, self.target.variants)
        if not names:
            listed = listed_price(self.target, operation, parsed(body))
            if listed is None and self.target.is_live:
                raise LeftOut("no price is known: the contract lists none, and nothing estimates it")
            return listed or 0.0
        self.budget.need_calls(3)
        estimate = self.target.contract.operations[names[0]]
        exchange = self._send_free(
            estimate.method, self.url(estimate.path), headers, body, estimate.id, f"{origin}: price"
        )
        amount = at(exchange.json, cost.at[names[0]])
        is_answer = exchange.status is not None and 200 <= exchange.status < 300
        if is_answer and not self.envelope.refuses(exchange.json) and _is_amount(amount):
            return float(amount)
        refused = exchange.status is not None and exchange.status < 500 and self.envelope.refuses(exchange.json)
        if expects_refusal and refused:
            return 0.0
        raise LeftOut(f"no price to be had: {names[0]} answered {exchange.shown_answer(120)}")

    def balance(self, origin: str) -> float | None:
        """The account's balance; None if the provider tells none or did not answer."""
        account = self.target.profile.account
        if not account:
            return None
        operation = self.target.contract.operations[account["operation"]]
        headers = list(self.target.credentials.items())
        self.budget.need_calls(1)
        exchange = self._send_free(
            operation.method, self.url(operation.path), headers, b"", operation.id, f"{origin}: balance"
        )
        amount = at(exchange.json, account["at"])
        self._known_balance = float(amount) if _is_amount(amount) else None
        return self._known_balance

    def _recount(self, origin: str) -> float:
        """Take the fall of the balance for spent where it is more than was announced; by how much it is more."""
        try:
            now = self.balance(origin)
        except LeftOut:
            return 0.0
        if now is None or self._start_balance is None:
            return 0.0
        known, self.budget.spent = self.budget.spent, max(self.budget.spent, self._start_balance - now)
        return self.budget.spent - known

    def _transmit(
        self, method: str, url: str, headers: list[tuple[str, str]], body: bytes, operation: str, origin: str
    ) -> Exchange:
        if self._stopped:
            raise LeftOut(self._stopped)
        self.budget.need_calls(1)
        self._clock.pause(self._not_before - self._clock.now())
        self.budget.calls += 1
        at_time = self._clock.now()
        secrets = self.target.secrets
        status: int | None = None
        answer_headers: list[tuple[str, str]] = []
        content, error, elapsed = b"", "", 0.0
        try:
            answer = self._through_requests(method, url, headers, body)
            status, content, elapsed = answer.status_code, answer.content, answer.elapsed.total_seconds()
            answer_headers = [(name, value) for name, value in answer.headers.items()]
        except (requests.RequestException, OSError) as failure:
            error = secrets.out_of(f"{type(failure).__name__}: {failure}")
            if not self.exchanges and isinstance(failure, requests.ConnectionError):
                raise CannotRun(f"no server at {self.target.base_url}: {_cause(failure)}") from None
        exchange = Exchange(
            method=method,
            url=secrets.out_of(url),
            headers=secrets.out_of_headers(headers),
            body=secrets.out_of_bytes(body),
            status=status,
            answer_headers=secrets.out_of_headers(answer_headers),
            answer=secrets.out_of_bytes(content),
            operation=operation,
            origin=origin,
            at=at_time,
            elapsed=elapsed,
            error=error,
            number=len(self.exchanges) + 1,
        )
        self.exchanges.append(exchange)
        self._pace(exchange)
        return exchange

    def _through_requests(
        self, method: str, url: str, headers: list[tuple[str, str]], body: bytes
    ) -> requests.Response:
        request = requests.Request(method, url, headers=dict(headers), data=body or None)
        prepared = self._session.prepare_request(request)
        # As it was given: requests would tidy up what a test means to send.
        prepared.url = url
        settings: Mapping[str, Any] = {}
        if self.target.is_live:
            settings = self._session.merge_environment_settings(url, {}, False, None, None)
        return self._session.send(prepared, timeout=TIMEOUT, allow_redirects=False, **settings)

    def _pace(self, exchange: Exchange) -> None:
        """Set when the next call may go."""
        now = self._clock.now()
        self._not_before = max(self._not_before, now + self._interval)
        if not self._is_limited(exchange):
            return
        told = exchange.header("Retry-After")
        wait = USUAL_WAIT if told is None else _seconds(told, now)
        if wait > LONGEST_WAIT:
            self._stopped = f"the server asked to wait {wait:.0f} s"
        self._not_before = max(self._not_before, now + wait)

    def _is_limited(self, exchange: Exchange) -> bool:
        """Whether a live server asked for patience."""
        if not self.target.is_live or exchange.status is None:
            return False
        return self.envelope.judged(exchange.status, exchange.answer) in (429, 503)


def _seconds(told: str, now: float) -> float:
    """A Retry-After, in seconds from now: a number or an HTTP date."""
    if told.strip().isdigit():
        return float(told)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - now)
    except ValueError:
        return USUAL_WAIT


def _cause(failure: BaseException) -> str:
    """The last words of a chain of errors, in one line."""
    return str(failure).rsplit(": ", 1)[-1].rstrip("')\"") or type(failure).__name__


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
