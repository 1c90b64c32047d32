"""What OpenAPI cannot express about an API: typed rows of `behaviour.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from swapmock.contracts.rows import Catalogue, CredentialForm, Envelope, FileLinks, Money

Level = Literal["documented", "observed", "inferred", "invented"]
LEVELS: tuple[Level, ...] = ("documented", "observed", "inferred", "invented")

#: The length of the longest magic value, in characters. A longer text is not parsed.
LONGEST_MAGIC = 2048

#: Suffixes of a magic value that changes an outcome -> the number of calls with the same URL for which the value has
#: its effect. After these calls the URL is an ordinary one, so that a retry succeeds.
CLEARING: Mapping[str, int] = MappingProxyType({"_once": 1, "_twice": 2})


class BehaviourError(ValueError):
    """A row of behaviour.yaml, or a choice of a variant, is wrong. The text says which one, and what would be right."""


class BodyCode(NamedTuple):
    """A value of the envelope's `code`, as it is sent. `http` is its HTTP status under the policy `code`."""

    code: int | str
    name: str
    http: int
    meaning: str
    retryable: bool
    charged: bool
    evidence: Level
    source: str


class Refusal(NamedTuple):
    """An error response of the vendor for a problem of the domain. `http` overrides the status policy.

    `operations` are those that use this row for its code: one code may have different wordings for different
    operations."""

    problem: str
    code: int | str
    message: str
    evidence: Level
    source: str
    http: int | None = None
    errors: bool = False
    data: str | None = "null"
    operations: tuple[str, ...] = ()


class Timeline(NamedTuple):
    """The seconds for which a kind of task waits and runs."""

    name: str
    queued: float
    running: float
    evidence: Level
    source: str


class Scenario(NamedTuple):
    """A named timeline and outcome of a task. `stretch` multiplies the timeline; `ends: false` leaves the task
    running forever.

    `delivery` names what goes wrong with the callback: a row of CALLBACK_FAULTS in
    mock_server/core/callback_faults.py. `media: false` gives a success without any file. `download` is the effect
    of a fault rule on downloads of the task's files; `times` says for how many downloads."""

    name: str
    about: str
    stretch: float = 1.0
    ends: bool = True
    fails: Mapping[str, Any] | None = None
    charged: bool = False
    delivery: str = ""
    evidence: Level = "invented"
    source: str = ""
    media: bool = True
    download: Mapping[str, Any] = MappingProxyType({})


class RetrySchedule(NamedTuple):
    """A retry schedule of callbacks. `intervals` are the seconds from one attempt to the next; there are at most
    `retries` retries. If there are fewer intervals, `then` says what follows: `repeat` the last one, `restart`
    from the first, or `stop`."""

    name: str
    intervals: tuple[float, ...]
    retries: int
    then: Literal["repeat", "restart", "stop"]
    evidence: Level
    source: str


class Acknowledgement(NamedTuple):
    """Which answer of a receiver acknowledges a callback: an HTTP status within `statuses` (both ends included) and,
    if `code` has values, a JSON object whose member `member` is one of them."""

    statuses: tuple[int, int]
    evidence: Level
    source: str
    code: tuple[Any, ...] = ()
    member: str = "code"

    @property
    def usual(self) -> tuple[int, dict[str, Any]]:
        """Return the simplest answer that acknowledges: an HTTP status and a JSON object."""
        return self.statuses[0], {self.member: self.code[0]} if self.code else {}


class Callbacks(NamedTuple):
    """How a provider sends callbacks. The variant `callback_ladder` selects one of the retry schedules in
    `schedules`. With only one schedule, the variant may be left out."""

    method: str
    headers: Mapping[str, str]
    acknowledged: Acknowledgement
    schedules: Mapping[str, RetrySchedule]

    def schedule(self, variants: Mapping[str, Any]) -> RetrySchedule:
        """Return the retry schedule that is in force for a sandbox with these `variants`."""
        chosen = variants.get("callback_ladder")
        return next(iter(self.schedules.values())) if chosen is None else self.schedules[chosen]

    @classmethod
    def read(cls, rows: Mapping[str, Any]) -> Callbacks:
        """Return the row `callbacks` of behaviour.yaml."""
        try:
            acknowledged: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in rows["acknowledged"].items()}
            schedules = _table(RetrySchedule, rows["ladders"], "name")
            return cls(rows["method"], rows["headers"], Acknowledgement(**acknowledged), schedules)
        except (KeyError, TypeError) as error:
            raise BehaviourError(f"callbacks: {error}") from None


class MagicValue(NamedTuple):
    """A reserved URL and its effect: exactly one of `refuse`, `scenario`, `faces`, `fault` (the effect of a fault rule) and
    `upload` (the same, for a URL that is the whole content of an uploaded file). `times` is the number of calls with the same
    URL that have the effect; None for all."""

    value: str
    about: str
    refuse: str | None = None
    scenario: str | None = None
    faces: int | None = None
    fault: Mapping[str, Any] | None = None
    times: int | None = None
    upload: Mapping[str, Any] | None = None


class Series(NamedTuple):
    """A name for several scenarios, one task each."""

    name: str
    about: str
    steps: tuple[str, ...]


class Variant(NamedTuple):
    """A point where the sources disagree or say nothing. The default is the choice that the evidence supports best.

    `waives` names violations that are accepted under a choice, as `{choice: [{rule, got, within}]}`. `got` is a
    prefix; `within`, if given, is a step on the way to the place."""

    name: str
    choices: tuple[Any, ...]
    default: Any
    about: str
    evidence: Level
    source: str
    takes_map: bool = False
    waives: Mapping[str, tuple[Mapping[str, str], ...]] = MappingProxyType({})

    def check(self, choice: Any) -> Any:
        """Return `choice` as one of `choices`; text from a command line is accepted. Raises BehaviourError."""
        if self.takes_map and isinstance(choice, Mapping):
            try:
                statuses = {int(code): int(status) for code, status in choice.items()}
            except (TypeError, ValueError):
                statuses = {0: 0}
            if not all(200 <= status <= 599 for status in statuses.values()):
                raise BehaviourError(f"variant {self.name}: a map takes body codes to HTTP statuses (200 to 599)")
            return statuses
        for known in self.choices:
            if choice == known and type(choice) is type(known):
                return known
            if isinstance(choice, str) and choice == str(known):
                return known
        listed = ", ".join(str(known) for known in self.choices)
        raise BehaviourError(
            f"variant {self.name}: {choice!r} is none of {listed}{' or a map' if self.takes_map else ''}"
        )


@dataclass(frozen=True)
class Behaviour:
    """The tables of one provider's `behaviour.yaml`, by name."""

    prefix: str = ""
    order: tuple[str, ...] = ()
    body_codes: Mapping[int | str, BodyCode] = field(default_factory=dict)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
    status_words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    timelines: Mapping[str, Timeline] = field(default_factory=dict)
    scenarios: Mapping[str, Scenario] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)
    magic: Mapping[str, MagicValue] = field(default_factory=dict)
    variants: Mapping[str, Variant] = field(default_factory=dict)
    lifetimes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    credentials: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    callbacks: Callbacks | None = None
    rest: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Behaviour:
        """Return the behaviour in a parsed `behaviour.yaml`, which common.yaml is merged into already."""
        rows = dict(document)
        return cls(
            prefix=rows.pop("prefix", ""),
            order=tuple(rows.pop("order", ())),
            body_codes=_table(BodyCode, rows.pop("body_codes", ()), "code"),
            refusals=_table(Refusal, _with_codes(rows.pop("refusals", ())), "problem"),
            status_words=rows.pop("status_words", {}),
            timelines=_table(Timeline, rows.pop("timelines", ()), "name"),
            scenarios=_table(Scenario, rows.pop("scenarios", ()), "name"),
            series=_table(Series, rows.pop("series", ()), "name"),
            magic=_table(MagicValue, rows.pop("magic", ()), "value"),
            variants=_table(Variant, rows.pop("variants", ()), "name"),
            lifetimes=_named(rows.pop("lifetimes", ())),
            limits=_named(rows.pop("limits", ())),
            credentials=_named(rows.pop("credentials", ())),
            callbacks=Callbacks.read(rows.pop("callbacks")) if "callbacks" in rows else None,
            rest=rows,
        )

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The default choice of every variant."""
        return {name: variant.default for name, variant in self.variants.items()}

    def choose(self, choices: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return every variant's choice: those in `choices`, else the defaults. Raises BehaviourError for an unknown
        name or choice."""
        chosen = dict(self.defaults)
        for name, choice in choices.items():
            variant = self.variants.get(name)
            if variant is None:
                raise BehaviourError(f"no variant named {name!r}; known: {', '.join(sorted(self.variants))}")
            chosen[name] = variant.check(choice)
        return chosen

    @cached_property
    def pictures(self) -> Mapping[str, int]:
        """The number of faces in the pictures whose faces are known, by URL. These URLs are not magic values."""
        return {row["name"]: int(row["faces"]) for row in self.rest.get("pictures", ())}

    @cached_property
    def _magic_places(self) -> Mapping[tuple[str, str], MagicValue]:
        return {_magic_place(value): row for value, row in self.magic.items()}

    @cached_property
    def magic_hosts(self) -> frozenset[str]:
        """The host names of all magic values."""
        return frozenset(host for host, _ in self._magic_places)

    def magic_for(self, url: str) -> MagicValue | None:
        """Return the row for a reserved URL, with any file extension; None if the host of `url` is not reserved.

        Raises BehaviourError with the known values for an unknown value on a reserved host: a misspelt magic
        value must not count as an ordinary picture."""
        if len(url) > LONGEST_MAGIC or ".invalid" not in url.lower():
            return None
        try:
            place = _magic_place(url)
        except ValueError:
            return None
        row = self._magic_places.get(place)
        if row is None and place[0] in self.magic_hosts:
            row = self._clearing(place)
            if row is None:
                known = ", ".join(stem for host, stem in self._magic_places if host == place[0])
                also = f"; all but the numbers of faces also with {' or '.join(CLEARING)}"
                raise BehaviourError(f"unknown magic value {url}; https://{place[0]}/ knows: {known}{also}")
        return row

    def _clearing(self, place: tuple[str, str]) -> MagicValue | None:
        """Return the row for a magic value with a suffix of `CLEARING`."""
        host, stem = place
        for ending, times in CLEARING.items():
            row = self._magic_places.get((host, stem.removesuffix(ending))) if stem.endswith(ending) else None
            if row is not None and row.faces is None:
                return row._replace(value=f"https://{host}/{stem}", times=times)
        return None

    def refusal_for(self, code: int | str, operation: str = "") -> Refusal | None:
        """Return the usual refusal of `operation` with the body code `code`.

        This is the row that names the operation, else a row for all operations, else the row of the code's magic
        value or the first row whose HTTP status follows the policy."""
        rows = [row for row in self.refusals.values() if str(row.code) == str(code)]
        shown = {row.refuse for row in self.magic.values()}

        def rank(row: Refusal) -> tuple[bool, bool, bool, bool]:
            names_another = bool(row.operations) and operation not in row.operations
            return (
                operation not in row.operations,
                bool(operation) and names_another,
                row.problem not in shown,
                row.http is not None,
            )

        return min(rows, key=rank, default=None)

    def seconds(self, lifetime: str) -> float:
        """Return the seconds of a row of `lifetimes`. Raises KeyError if there is none."""
        return float(self.lifetimes[lifetime]["seconds"])

    def limit(self, name: str, default: int | None = None) -> int:
        """Return the value of a row of `limits`. Without such a row, return `default`; without a default, raise
        KeyError."""
        row = self.limits.get(name)
        if row is None:
            if default is None:
                raise KeyError(name)
            return default
        return int(row["value"])

    # --- rows that general code reads; `requirements.py` says which ones a provider must have

    @cached_property
    def envelope(self) -> Envelope | None:
        """The envelope of the provider's answers; None if the HTTP status alone says whether a call succeeded."""
        row = self.rest.get("envelope")
        return None if row is None else Envelope(**row)

    def is_success(self, status: int, body: Any) -> bool:
        """Return whether an answer of this provider says that the call succeeded: by its envelope, else by its HTTP
        `status`."""
        if self.envelope is None or body is None:
            return 200 <= status < 300
        shown = body.get(self.envelope.code) if isinstance(body, Mapping) else None
        return status < 400 and str(shown) == str(self.envelope.success)

    @cached_property
    def codes(self) -> Mapping[str, int | str]:
        """Every code that an answer may have, by its text: body codes, or HTTP statuses if there is no envelope."""
        codes = list(self.body_codes) or [row.code for row in self.refusals.values()]
        return {str(code): code for code in codes}

    @cached_property
    def credential_form(self) -> CredentialForm | None:
        """The form of the provider's credentials; None without one."""
        row = self.rest.get("credential_form")
        return None if row is None else CredentialForm.read(row)

    @cached_property
    def money(self) -> Money | None:
        """What one credit costs; None for a provider that does not say."""
        row = self.rest.get("money")
        return None if row is None else Money(**row)

    @cached_property
    def files(self) -> FileLinks | None:
        """The links to files that tasks make; None for a provider that serves no files."""
        row = self.rest.get("files")
        return None if row is None else FileLinks(**row)

    @cached_property
    def uploads(self) -> str:
        """The path below which uploaded files are served, such as `/u/`; "" for a provider without uploads."""
        return str(self.rest.get("uploads", ""))

    @cached_property
    def catalogue(self) -> Catalogue | None:
        """Which table has a row for each model or tool; None without one."""
        row = self.rest.get("catalogue")
        return None if row is None else Catalogue(**row)

    @cached_property
    def kind_words(self) -> Mapping[str, str]:
        """Words for kinds of tasks that are not names of kinds -> the kind that they mean."""
        return {
            word: kind for word, kind in self.rest.get("kind_words", {}).items() if word not in ("evidence", "source")
        }

    def scenario(self, name: str) -> Scenario:
        """Return the scenario `name`; the scenario `fine` if this provider has none of this name."""
        return self.scenarios.get(name) or self.scenarios["fine"]


def _magic_place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    last = parts.path.strip("/")
    return parts.hostname or "", last.rsplit(".", 1)[0]


def _with_codes(refusals: Any) -> Any:
    """Return `refusals` with a code in each row: without an envelope, the code of a refusal is its HTTP status."""
    return [{"code": row.get("http"), **row} for row in refusals]


def _table(row_type: Any, rows: Any, key: str) -> Mapping[Any, Any]:
    made = {}
    for row in rows:
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
        try:
            item = row_type(**values)
        except TypeError as error:
            raise BehaviourError(f"{row_type.__name__} {row.get(key)!r}: {error}") from None
        if getattr(item, key) in made:
            raise BehaviourError(f"{row_type.__name__} {row.get(key)!r} stands twice")
        made[getattr(item, key)] = item
    return made


def _named(rows: Any) -> Mapping[str, Mapping[str, Any]]:
    return {row["name"]: row for row in rows}
