"""A sandbox in memory whose changes are appended to a log: at most one append when it is closed, and none if nothing
important changed.

A fact is important if a later answer or a receiver of callbacks depends on it. Other facts wait for the next
append, at most FLUSH_SECONDS: exchanges that only read, and due work that was done. That work follows from facts
in the log: after a crash it is done again, with the same results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from swapmock.mock_server.core.clock import ClockMode, SandboxClock
from swapmock.mock_server.core.codec import encode
from swapmock.mock_server.core.delivery import Attempt, Delivery
from swapmock.mock_server.core.faults import FaultRule, Turns
from swapmock.mock_server.core.journal import Exchange, File, Record, Transfer, Transition
from swapmock.mock_server.core.ledger import Entry, Move
from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.core.queue import Queued
from swapmock.mock_server.core.sandbox import RateLimit, Sandbox
from swapmock.mock_server.core.state import State
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.stores.box import Held as Watch
from swapmock.mock_server.stores.box import MemoryBox
from swapmock.mock_server.stores.facts import (
    BadFacts,
    Fact,
    Held,
    apply_batch,
    delivery_values,
    exchange_values,
    read_snapshot,
    task_values,
    write_batch,
    write_snapshot,
)

#: How long unimportant facts wait for the next append at most, in seconds.
FLUSH_SECONDS = 1.0

#: The most unimportant facts that wait.
MOST_WAITING = 10_000

#: A log gets a snapshot when it has grown by this many bytes, and by more than GROWTH times the size of the last
#: snapshot.
SNAPSHOT_BYTES, GROWTH = 1 << 24, 3.0

#: HTTP methods that change nothing.
READS = frozenset({"GET", "HEAD", "OPTIONS"})

#: Facts that follow from other facts and from the time.
_CAPTURES = frozenset({Move.SETTLE, Move.RELEASE})


#: A placeholder for the sandbox of a log until the fact with the real one is read.
NOBODY = Sandbox("", 0, (), {}, 0, 0.0)
NO_CLOCK = SandboxClock(ClockMode.FROZEN, 0.0, 0.0, 0.0)


class Fenced(StoreError):
    """Another process holds the sandbox now."""


class Stored(Protocol):
    """The content of a log: the pieces of the current snapshot, the number of the last batch that the snapshot
    includes, and the later batches with their numbers. `generation` is that of the snapshot."""

    @property
    def generation(self) -> int:
        """The generation of the snapshot."""

    @property
    def covers(self) -> int:
        """The number of the last batch that the snapshot includes."""

    @property
    def pieces(self) -> Sequence[bytes]:
        """The pieces of the snapshot."""

    @property
    def batches(self) -> Sequence[tuple[int, bytes]]:
        """The later batches, with their numbers."""


class Log(Protocol):
    """The log of one sandbox. If a method raises StoreError, either nothing has changed or it is unknown whether
    something has."""

    def append(self, number: int, body: bytes) -> None:
        """Store the batch `body` with this number, which is one more than the last one's."""

    def begin_snapshot(self) -> None:
        """Note the current end of the log: a snapshot of everything up to here is about to be written."""

    def stage(self, pieces: Iterable[bytes]) -> int:
        """Store a snapshot that is not current yet, and return its generation."""

    def adopt(self, generation: int, covers: int, body: bytes | None) -> None:
        """Make the snapshot `generation` current, which includes the batches up to `covers`, and append `body` with
        the next number."""

    def tidy(self, generation: int) -> None:
        """Remove what the snapshot `generation` has replaced."""

    def read(self) -> Stored:
        """Return the content of the log."""

    def ends_with(self, number: int) -> bool:
        """Return whether the last stored batch is the batch `number` of this box."""


class LoggedBox(MemoryBox):
    """A MemoryBox with a log. `polls` are (provider, operation) of the operations that poll, with any HTTP method."""

    def __init__(
        self,
        sandbox: Sandbox,
        clock: SandboxClock,
        journal: tuple[int, int],
        watch: Watch,
        log: Log,
        polls: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self._facts: list[Fact] = []
        super().__init__(sandbox, clock, journal, watch)
        self._facts.clear()
        self.log = log
        self._polls = polls
        self._is_weighty = False
        self._is_stale = self._is_doubtful = self._is_half_done = self.is_dropped = False
        #: The values of these two in the log. They are compared when the box is closed, so that reading them costs
        #: nothing.
        self._logged_sandbox, self._logged_clock = sandbox, clock
        self._logged_numbers: dict[str, int] = {}
        #: The number of the last batch, and the generation of the snapshot that the next batch makes current.
        self.number = 0
        self._staged: int | None = None
        #: The bytes of the log since the last snapshot, and the bytes of this snapshot.
        self.log_bytes = self.snapshot_bytes = 0
        #: Whether another process has taken the sandbox.
        self.is_lost = False
        #: How often the whole content was replaced: a snapshot that was copied before that is outdated.
        self.loads = 0
        #: Called after a reload, with the tokens before it.
        self.on_reload: Callable[[LoggedBox, Mapping[str, int]], None] = lambda _box, _tokens: None

    def __enter__(self) -> Self:
        self._lock.acquire()  # the same code as in MemoryBox: calling its method would double the cost
        if not self._depth:
            self._since = self._ticks()
            if self._is_stale:
                self._reload_on_entry()
        self._depth += 1
        return self

    def _reload_on_entry(self) -> None:
        self._depth += 1
        try:
            self.reload()
        except BaseException:
            self._depth -= 1
            self._lock.release()
            raise
        self._depth -= 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, StoreError):
            self._is_half_done = True
        try:
            if self._depth > 1:
                pass
            elif self._is_half_done:
                # The store failed in the middle of a change, for example between the end of a task and its callback.
                self._facts, self._is_weighty, self._is_half_done, self._is_stale = [], False, False, True
                self._is_doubtful = False
            elif self._is_weighty or self.clock is not self._logged_clock or self.sandbox is not self._logged_sandbox:
                self._commit()
        finally:
            MemoryBox.__exit__(self, kind, error, trace)

    # --- commit and reload

    def _commit(self) -> None:
        """Append the changes. If this fails, memory and log differ: the box is read again from the log when it is
        opened next."""
        facts, self._facts, self._is_weighty = self._facts, [], False
        if self.is_dropped:
            return
        if self.sandbox is not self._logged_sandbox:
            facts.append(("sandbox", encode(self.sandbox)))
        if self.clock is not self._logged_clock:
            facts.append(("clock", self.clock))
        facts.append(("numbers", self._numbers))
        staged, self._staged = self._staged, None
        try:
            body = write_batch(facts)
            if staged is None:
                self.log.append(self.number + 1, body)
            else:
                self.log.adopt(staged, self.number, body)
        except BaseException as error:
            self._is_stale, self._is_doubtful, self.is_lost = True, False, isinstance(error, Fenced)
            raise
        self.number += 1
        self.log_bytes = len(body) + (self.log_bytes if staged is None else 0)
        self._logged_sandbox, self._logged_clock = self.sandbox, self.clock
        self._logged_numbers = dict(self._numbers)

    def note_recovery(self, real: float) -> None:
        """Note that a crash may have lost records of reads; the journal then says so."""
        with self:
            self.recovered = real
            self._fact("recovered", real)

    def distrust(self) -> None:
        """Compare the box with its log when it is opened next: another process may have changed it, or the store may have
        lost the newest batches."""
        self._is_doubtful = self._is_doubtful or not self._is_stale
        self._is_stale = True

    def flush(self) -> None:
        """Append the unimportant facts as well."""
        if self._is_waiting:
            with self:
                self._is_weighty = self._is_waiting

    @property
    def _is_waiting(self) -> bool:
        return bool(self._facts) or self._numbers != self._logged_numbers

    def reload(self) -> None:
        """Replace the content in memory by the stored one. Facts that were not appended are forgotten with it. A box that was
        only distrusted stays as it is if its last batch is the log's."""
        try:
            if self._is_doubtful and self.log.ends_with(self.number):
                self._is_stale = self._is_doubtful = False
                return
            stored = self.log.read()
        except Fenced:
            self.is_lost = True
            raise
        made, number, log_bytes, snapshot_bytes = restored(stored, self._journal_bounds)
        tokens = self.tokens
        self._facts, self._is_weighty = [], False
        self.take_over(made)
        self.number, self.log_bytes, self.snapshot_bytes = number, log_bytes, snapshot_bytes
        self.loads += 1
        self._is_stale = self._is_doubtful = False
        self.on_reload(self, tokens)

    def take_over(self, made: MemoryBox) -> None:
        """Replace the content by that of `made`."""
        for name in (*self._HELD, "sandbox", "clock", "tokens", "recovered"):
            setattr(self, name, getattr(made, name))
        self._logged_sandbox, self._logged_clock = self.sandbox, self.clock
        self._logged_numbers = dict(self._numbers)

    @property
    def wants_snapshot(self) -> bool:
        """Return whether the log has grown enough for a snapshot."""
        return self.log_bytes > SNAPSHOT_BYTES and self.log_bytes > GROWTH * self.snapshot_bytes

    def snapshot(self) -> None:
        """Write a snapshot in pieces, while other threads may open the box, and make it current if it is not
        outdated."""
        with self:
            self._is_weighty = self._is_waiting
        with self:
            covers, loads, finish, held_bytes = self.number, self.loads, self.copy(), self.log_bytes
            self.log.begin_snapshot()
            sandbox, clock, tokens, recovered = self.sandbox, self.clock, dict(self.tokens), self.recovered
        size = 0

        def counted() -> Iterable[bytes]:
            nonlocal size
            for piece in write_snapshot(Held(sandbox, clock, tokens, finish(), recovered)):
                size += len(piece)
                yield piece

        generation = self.log.stage(counted())
        with self:
            if loads != self.loads or self.is_dropped:
                return
            self.log.adopt(generation, covers, None)
            self.log_bytes -= held_bytes
            self.snapshot_bytes = size
        self.log.tidy(generation)

    # --- methods that change something: each notes the fact, then makes the change

    def _fact(self, *fact: object) -> None:
        self._facts.append(fact)
        self._is_weighty = True

    def add_task(self, task: Task) -> None:
        """Add a task, and log this."""
        self._facts.append(("task", task_values(task)))
        self._is_weighty = True
        MemoryBox.add_task(self, task)

    def replace_task(self, task: Task, *, is_scheduled: bool) -> None:
        """Replace the task with the id of `task`, and log this. If `is_scheduled`, drop its scheduled work."""
        self._fact("replace_task", task_values(task), is_scheduled)
        super().replace_task(task, is_scheduled=is_scheduled)

    def add_alias(self, alias: str, task_id: str) -> None:
        """Let `task` find the task `task_id` under the name `alias`, too, and log this."""
        if self._aliases.get(alias) != task_id:
            self._fact("alias", alias, task_id)
            super().add_alias(alias, task_id)

    def schedule(self, at: float, work: str, subject: str) -> None:
        """Note that the work `work` on `subject` falls due at the sandbox time `at`, and log this."""
        self._facts.append(("schedule", at, work, subject))
        MemoryBox.schedule(self, at, work, subject)

    def enter_next_phase(self, now: float) -> tuple[Task, Transition] | None:
        """Let the task whose work is the first that is due by `now` start or end, and log this as one fact: its record and
        its next work follow from the task. Return the task and the record; None if nothing is due."""
        found = MemoryBox.enter_next_phase(self, now)
        if found is not None:
            self._facts.append(("enter_next_phase", now))
            if len(self._facts) > MOST_WAITING:
                self._is_weighty = True
        return found

    def put_delivery(self, delivery: Delivery) -> None:
        """Store a delivery, new or changed, and log this. Only a limited number of finished deliveries is kept."""
        known = self._deliveries.get(delivery.id)
        if known is None:
            self._facts.append(("delivery", delivery_values(delivery)))
        elif (known.state, known.next_due, len(known.attempts), known.before_redelivery) != (
            delivery.state,
            delivery.next_due,
            len(delivery.attempts),
            delivery.before_redelivery,
        ):
            self._fact("delivery", delivery_values(delivery))
        super().put_delivery(delivery)

    def lease(self, delivery_id: str, until: float) -> Delivery:
        """Claim an existing, unclaimed delivery until the real time `until`, and log this. Return it."""
        self._facts.append(("claim", delivery_id, until))
        return super().lease(delivery_id, until)

    def post(self, entry: Entry) -> None:
        """Add an entry to the ledger, and log this. Raises `ledger.NotCovered` and changes nothing if the account
        does not cover it."""
        super().post(entry)
        self._facts.append(("post", entry))
        if entry.move not in _CAPTURES:
            self._is_weighty = True

    def take_rate(self, name: str, now: float, limit: RateLimit) -> float:
        """Count a call against the limit `name` at the sandbox time `now`, and log this. Return 0.0 if the call is
        allowed, else the seconds until the next call would be."""
        wait = super().take_rate(name, now, limit)
        if wait == 0.0:
            self._fact("rate", name, now, limit.seconds)
        return wait

    def record(self, record: Record) -> None:
        """Add a record to the journal, and log this. The journal drops its oldest records when it has more records
        or bytes than allowed."""
        self._facts.append(("record", exchange_values(record) if type(record) is Exchange else record))
        if not self._is_weighty and self._has_weight(record):
            self._is_weighty = True
        MemoryBox.record(self, record)

    def enter_phase(self, task: Task, entered: Transition) -> None:
        """Record that a stored task has entered a phase, and log this."""
        self._facts.append(("record", entered))
        MemoryBox.enter_phase(self, task, entered)

    def note_transfer(self, exchange: Exchange, transfer: Transfer) -> None:
        """Note what went over the connection for `exchange`, which is in the journal, and log this."""
        self._facts.append(("transfer", exchange.id, transfer))
        super().note_transfer(exchange, transfer)
        if self.loads:  # the journal has another object for the same exchange
            self.set_transfer(exchange.id, transfer)

    def _has_weight(self, record: Record) -> bool:
        if isinstance(record, Exchange):
            return record.method not in READS and (record.provider, record.operation) not in self._polls
        return isinstance(record, Attempt)

    def forget_records(self) -> int:
        """Empty the journal, which then counts from 1 again, and log this. Return how many records it had."""
        self._fact("forget_records")
        return super().forget_records()

    def put_fault(self, rule: FaultRule) -> None:
        """Add a fault rule, or replace the one with its id, and log this."""
        self._fact("fault", encode(rule))
        super().put_fault(rule)

    def drop_fault(self, rule_id: str) -> bool:
        """Remove a fault rule, and log this. Return whether there was one."""
        self._fact("drop_fault", rule_id)
        return super().drop_fault(rule_id)

    def set_turns(self, rule_id: str, turns: Turns) -> None:
        """Store how often a fault rule matched and was applied, and log this."""
        self._fact("turns", rule_id, turns)
        super().set_turns(rule_id, turns)

    def enqueue(self, item: Queued) -> None:
        """Queue an outcome, and log this."""
        self._fact("enqueue", item)
        super().enqueue(item)

    def dequeue(self, item_id: str) -> bool:
        """Remove a queued outcome, and log this. Return whether there was one."""
        self._fact("dequeue", item_id)
        return super().dequeue(item_id)

    def put_file(self, file: File) -> None:
        """Store the record of an uploaded file, new or changed, and log this."""
        self._fact("file", file)
        super().put_file(file)

    def forget_files(self, now: float) -> Sequence[str]:
        """Remove the records of files that cannot be used any more at `now`, and log this. Return their names."""
        forgotten = super().forget_files(now)
        if forgotten:
            self._fact("forget_files", now)
        return forgotten

    def note_published(self, token: str) -> None:
        """Note that a public link leads to this sandbox."""
        if token in self.tokens:  # otherwise the sandbox was dropped
            self._fact("publish", token, self.tokens[token])

    def note_unpublished(self, token: str) -> None:
        """Note that a public link no longer leads to this sandbox."""
        self._fact("unpublish", token)

    def note_withdrawn(self) -> None:
        """Note that no public link leads to this sandbox."""
        self._fact("withdraw")

    def loader(self, state: State) -> Callable[[], None]:
        """Prepare to replace the whole content by `state`; the box need not be open for this. The returned function
        makes the change quickly."""
        change = super().loader(state)
        generation = self.log.stage(write_snapshot(Held(self.sandbox, self.clock, {}, state, self.recovered)))

        def load() -> None:
            change()
            # Earlier facts concern the content that is replaced. What the snapshot does not contain follows as facts.
            self._facts = [
                ("sandbox", encode(self.sandbox)),
                ("clock", self.clock),
                *(("publish", token, order) for token, order in self.tokens.items()),
            ]
            self._logged_sandbox, self._logged_clock = self.sandbox, self.clock
            self._staged, self._is_weighty = generation, True
            self.loads += 1

        return load


def restored(stored: Stored, journal: tuple[int, int]) -> tuple[MemoryBox, int, int, int]:
    """Return a box with the content of a log, the number of its last batch, the bytes of its batches, and the bytes
    of its snapshot. Raises StoreError for a damaged log."""
    try:
        if stored.pieces:
            held = read_snapshot(stored.pieces)
            made = MemoryBox(held.sandbox, held.clock, journal)
            made.hold(held.state)
            made.tokens, made.recovered = dict(held.tokens), held.recovered
        else:
            made = MemoryBox(NOBODY, NO_CLOCK, journal)
        number = stored.covers
        for found, body in stored.batches:
            if found != number + 1:
                raise BadFacts(f"batch {number + 1} is missing, batch {found} follows")
            apply_batch(made, body)
            number = found
    except BadFacts as error:
        raise StoreError(str(error)) from error
    if made.sandbox is NOBODY:
        raise StoreError("no batch says what sandbox this is")
    made.release_leases()
    return made, number, sum(len(body) for _, body in stored.batches), sum(map(len, stored.pieces))
