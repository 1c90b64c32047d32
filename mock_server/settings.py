"""The settings, one row for each: name, default, help. Flags, environment variables, the config file and the docs
are made from these rows."""

from __future__ import annotations

import os
import re
import secrets
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from swapmock.mock_server.core.suggest import nearest

#: Settings that may be given several times. Each may also have several values, separated by commas.
MANY = ("variants", "prices", "callback_allow", "allow_host", "cors", "admin_origin", "credential", "trusted_proxies")

#: Those of them that are pairs; in a file they are a mapping for each provider.
PAIRS = {"variants": "PROVIDER.NAME=CHOICE", "prices": "PROVIDER.NAME=CREDITS"}


class SettingError(ValueError):
    """A setting has a wrong value, or does not exist. The text is one line for the user."""


def _row(default: Any, help_text: str, **more: Any) -> Any:
    make = {"default_factory": default} if callable(default) else {"default": default}
    return field(**make, metadata={"help": help_text, **more})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an emulator is set up. Each field is the flag `--name`, the variable `SWAPMOCK_NAME` and a key of the
    config file."""

    # ruff: noqa: RUF009 - `_row` only spells `field` shorter
    host: str = _row("127.0.0.1", "Address to listen on.")
    port: int = _row(4020, "Port to listen on; 0 selects a free one.", low=0, high=65535)
    uds: Path | None = _row(None, "Unix socket to listen on, in place of host and port.")
    tls_cert: Path | None = _row(None, "Certificate chain in PEM: with it and its key the emulator uses HTTPS.")
    tls_key: Path | None = _row(None, "Private key of the certificate, in PEM, without a password.")
    max_connections: int = _row(10_000, "Most open connections; further ones are refused.", low=1, high=1_000_000)
    max_headers: int = _row(65_536, "Largest head of a request in bytes, approximately.", low=8192, high=1 << 24)
    read_timeout: float = _row(
        30.0,
        "Seconds that a client may be silent during a request, and that it may take to send the head.",
        low=0.1,
        high=3600,
    )
    max_lag: float = _row(
        1.0,
        "Seconds for which the event loop may be blocked, or a sandbox be open; longer times are logged.",
        low=0.01,
        high=3600,
    )
    workers: int = _row(
        1,
        "Worker processes of `serve` on this machine; each sandbox is in one of them.",
        low=1,
        high=256,
    )
    admin_port: int | None = _row(None, "Separate port for the admin API.", low=0, high=65535)
    admin_token: str = _row(
        "", "Bearer token that the admin API requires; random by default, unless --host is loopback."
    )
    admin_origin: Sequence[str] = _row(
        (), "Origin of a page that may use the admin API, such as http://localhost:3000; repeatable."
    )
    allow_host: Sequence[str] = _row(
        (),
        "Host name by which clients may call the emulator, in addition to loopback: name, *.domain or *; repeatable.",
    )
    cors: Sequence[str] = _row(
        (), "Origin of pages that may call the vendors' APIs, or * for every origin; repeatable."
    )
    credential: Sequence[str] = _row(
        (), "Credential of the default sandbox, as PROVIDER=KEY[:SECRET], or @FILE with one in each line; repeatable."
    )
    seed: int = _row(0, "Seed of all ids and random choices.")
    speed: float = _row(1.0, "How many times as fast as in real time tasks run.", low=1e-6, high=1e6)
    balance: float = _row(1000.0, "Credits on each account at the start.", low=0, high=1e12)
    data_dir: Path | None = _row(None, "Folder for uploaded files; without it they are kept in memory.")
    store: str = _row(
        "memory",
        "Where state is kept: `memory`, `sqlite:PATH` for a file that survives restarts, or `redis://HOST` for several processes.",
    )
    advertise: str = _row(
        "",
        "Base URL by which other processes with the same Redis store forward requests to this one; default: its own URL.",
    )
    durability: str = _row(
        "process",
        "What acknowledged changes survive in a store in a file: the end of the `process`, or a `power` cut.",
        choices=("process", "power"),
    )
    log_level: str = _row(
        "warning",
        "Lowest level that is logged to stderr; on a terminal the default is `info`.",
        choices=("debug", "info", "warning", "error"),
    )
    log_format: str = _row("text", "Format of the log lines.", choices=("text", "json"))
    public_url: str = _row("", "Base URL of the links in answers; default: the one that the client used.")
    trusted_proxies: Sequence[str] = _row(
        (),
        "Reverse proxy whose X-Forwarded-Proto, -Host, -Port and -Prefix are believed: address, network, or `unix`; "
        "repeatable.",
    )
    journal_size: int = _row(1000, "Most records in the journal of a sandbox.", low=0, high=10_000_000)
    max_journal_bytes: int = _row(
        1 << 26,
        "Most bytes of requests and answers in the journal of a sandbox; the oldest are dropped first.",
        low=0,
        high=1 << 40,
    )
    max_body: int | None = _row(
        None,
        "Largest JSON body in bytes; default: the contract's limit.",
        low=1024,
        high=1 << 30,
    )
    max_media_body: int | None = _row(
        None,
        "Largest JSON body in bytes if it contains media as data URIs; default: the contract's limit, usually 32 MB.",
        low=1024,
        high=1 << 30,
    )
    max_upload: int | None = _row(
        None, "Largest uploaded file in bytes; default: the contract's limit.", low=1, high=1 << 32
    )
    max_bodies_bytes: int = _row(
        1 << 30, "Most bytes of request bodies that are being received at the same time.", low=1024, high=1 << 50
    )
    max_unread_bytes: int = _row(
        1 << 30,
        "Most bytes of answers that clients leave unread; beyond that, the slowest connections are closed.",
        low=1024,
        high=1 << 50,
    )
    max_tasks: int = _row(1_000_000, "Most tasks in a sandbox.", low=1, high=1_000_000_000)
    max_tasks_bytes: int = _row(1 << 29, "Most bytes of the requests of all tasks in a sandbox.", low=1, high=1 << 50)
    max_files: int = _row(10_000, "Most uploaded files in a sandbox.", low=1, high=1_000_000_000)
    max_files_bytes: int = _row(1 << 30, "Most bytes of all uploaded files in a sandbox.", low=1, high=1 << 50)
    max_media_side: int = _row(
        4096,
        "Most pixels on the longer side of a drawn picture or video; a larger one is drawn smaller, in the same ratio.",
        low=32,
        high=4096,
    )
    max_media_seconds: int = _row(
        480, "Most seconds of a drawn video (at most 60) or sound; a longer one is drawn shorter.", low=1, high=480
    )
    max_in_flight: int | None = _row(
        None,
        "Most tasks that may be queued or running in a sandbox; above that, a submission gets 429. Default: no limit.",
        low=0,
        high=1_000_000_000,
    )
    parallel_posts: int | None = _row(
        None,
        "Most POSTs to a provider in progress in a sandbox; above that, the gateway answers 522. With this limit, each POST "
        "takes half a second.",
        low=1,
        high=100_000,
    )
    max_sandboxes: int = _row(10_000, "Most sandboxes.", low=2, high=10_000_000)
    callback_allow: Sequence[str] = _row(
        (),
        "Host to which callbacks may be sent, in addition to loopback: name, *.domain, address or network; repeatable.",
    )
    callback_ca: Path | None = _row(
        None, "File with further certificate authorities (PEM) for receivers of callbacks, in addition to the system's."
    )
    callback_verify: str = _row(
        "always", "Which receivers need a valid certificate.", choices=("always", "beyond-loopback")
    )
    callback_timeout: float = _row(10.0, "Timeout for the answer to a callback, in seconds.", low=0.01, high=600)
    variants: Mapping[str, Mapping[str, Any]] = _row(dict, "A variant to choose, as PROVIDER.NAME=CHOICE; repeatable.")
    prices: Mapping[str, Mapping[str, Any]] = _row(
        dict, "Price of a task, as PROVIDER.NAME=CREDITS, for a model, a tool or `detection`; repeatable."
    )

    def __post_init__(self) -> None:
        for row in fields(self):
            value = _converted(row.name, str(row.type), getattr(self, row.name))
            _check(row.name, value, row.metadata)
            object.__setattr__(self, row.name, value)
        object.__setattr__(self, "cors", tuple(_origin("cors", text) for text in self.cors))
        object.__setattr__(self, "admin_origin", tuple(_origin("admin_origin", text) for text in self.admin_origin))
        for entry in self.allow_host:
            _check_host(entry)
        if not re.fullmatch(r"memory|sqlite:.+|(redis|rediss|unix)://.+", self.store):
            raise SettingError(f"--store: {self.store!r} is none of memory, sqlite:PATH, redis://HOST")
        if self.workers > 1 and self.store.startswith("sqlite:"):
            raise SettingError(
                "--workers: goes with the stores memory and redis://; one process at a time has a sqlite file open"
            )
        if self.advertise and not _is_base_url(self.advertise):
            raise SettingError(f"--advertise: {self.advertise!r} is no http or https URL of a host")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingError("--tls-cert and --tls-key go together")
        if self.public_url and not _is_base_url(self.public_url):
            raise SettingError(
                f"--public-url: {self.public_url!r} is no http or https URL of a host, perhaps with a port and a path"
            )
        for proxy in self.trusted_proxies:
            if proxy != "unix" and not _is_network(proxy):
                raise SettingError(f"--trusted-proxies: {proxy!r} is no address, no network and not `unix`")

    @classmethod
    def of(cls, **options: Any) -> Settings:
        """Return the settings with these values. Raises SettingError for a name that does not exist, with the
        nearest one."""
        known = [row.name for row in fields(cls)]
        for name in options:
            if name not in known:
                raise SettingError(no_such_setting(name, known))
        return cls(**options)


def no_such_setting(name: str, known: Iterable[str]) -> str:
    """Return one sentence about a setting that does not exist, with the nearest of the `known` names."""
    names = sorted(known)
    guess = nearest(name, names)
    return f"no setting named {name!r}; " + (f"did you mean {guess!r}?" if guess else f"known: {', '.join(names)}")


#: A base URL: RFC 3986 without user, query and fragment.
_BASE_URL = re.compile(
    r"https?://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?"
)


def _is_base_url(text: str) -> bool:
    try:
        return _BASE_URL.fullmatch(text) is not None and urlsplit(text).port != 0
    except ValueError:  # a port above 65535, or brackets without an address
        return False


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _converted(name: str, kind: str, value: Any) -> Any:
    """Return `value` as the type of the setting. Raises SettingError if it has another type."""
    kind, _, optional = kind.partition(" | ")
    if value is None and optional:
        return None
    convert, wanted = _KINDS[kind.partition("[")[0]]
    try:
        return convert(value)
    except (TypeError, ValueError, OverflowError):
        raise SettingError(f"{flag(name)}: {value!r} is not {wanted}") from None


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _path(value: Any) -> Path:
    if not os.fspath(value):
        raise ValueError
    return Path(value)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_split([value] if isinstance(value, str) else [_text(entry) for entry in value]))


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(rows, Mapping) for rows in value.values()):
        raise TypeError
    return value


#: Type of a setting -> the function that reads a value, and a description of valid values.
_KINDS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "int": (_whole, "a whole number"),
    "float": (_number, "a number"),
    "str": (_text, "a text"),
    "bool": (_flag, "True or False"),
    "Path": (_path, "a path"),
    "Sequence": (_texts, "a list of texts"),
    "Mapping": (_mapping, "a mapping of providers to mappings"),
}


def _origin(name: str, text: str) -> str:
    """Return an origin as browsers send it. `*` and `null` (files, sandboxed frames) are allowed for `cors` only.
    Raises SettingError."""
    if name == "cors" and text in ("*", "null"):
        return text
    try:
        parts = urlsplit(text.lower().rstrip("/"))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https") or parts.path or parts.query or "@" in text:
        raise SettingError(f"{flag(name)}: {text!r} is no origin such as http://localhost:3000")
    shown = f"[{host}]" if ":" in host else host
    is_usual = port is None or (parts.scheme, port) in (("http", 80), ("https", 443))
    return f"{parts.scheme}://{shown}" + ("" if is_usual else f":{port}")


def _check_host(text: str) -> None:
    if not re.fullmatch(r"\*|(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|[0-9A-Fa-f:.]+", text):
        raise SettingError(f"--allow-host: {text!r} is no host name (a name goes without scheme and port)")


def _check(name: str, value: Any, rules: Mapping[str, Any]) -> None:
    if "low" in rules and value is not None and not rules["low"] <= value <= rules["high"]:
        raise SettingError(f"{flag(name)}: {value} is not between {rules['low']} and {rules['high']}")
    if "choices" in rules and value not in rules["choices"]:
        raise SettingError(f"{flag(name)}: {value!r} is none of {', '.join(rules['choices'])}")


def _split(entries: str | Iterable[str]) -> Iterator[str]:
    """Yield the entries of a list that may also be joined by commas."""
    for entry in [entries] if isinstance(entries, str) else entries:
        yield from (part.strip() for part in str(entry).split(",") if part.strip())


def flag(name: str) -> str:
    """Return the command-line form of a setting."""
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return "SWAPMOCK_" + name.upper()


def parse_pairs(setting: str, pairs: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Convert `("crun.http_status=always200",)` to `{"crun": {"http_status": "always200"}}`."""
    found: dict[str, dict[str, Any]] = {}
    for pair in _split(pairs) if any(pairs) else pairs:
        name, equals, choice = pair.partition("=")
        provider, dot, row = name.partition(".")
        if not (equals and dot):
            raise SettingError(f"{flag(setting)}: {pair!r} is not of the form {PAIRS[setting]}")
        found.setdefault(provider, {})[row] = choice
    return found


#: Files that may contain settings, in each folder from the current one upward.
CONFIG_FILES = ("swapmock.toml", "pyproject.toml")


def find_config(folder: Path) -> Path | None:
    """Return the nearest `swapmock.toml`, or `pyproject.toml` with a table `tool.swapmock`, in `folder` or a folder
    above it; None if there is none.

    The search ends at the root of a Git repository."""
    for place in (folder, *folder.parents):
        for name in CONFIG_FILES:
            path = place / name
            if path.is_file() and (name != "pyproject.toml" or _has_table(path)):
                return path
        if (place / ".git").exists():
            return None
    return None


def _has_table(path: Path) -> bool:
    """Return whether a `pyproject.toml` has the table `tool.swapmock`. A file that cannot be read is ignored."""
    try:
        tools = tomllib.loads(path.read_text(encoding="utf-8")).get("tool")
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(tools, dict) and "swapmock" in tools


def read_config(path: Path) -> dict[str, Any]:
    """Return the settings of a YAML or TOML file. Raises SettingError with one line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"--config: cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        document = _read_toml(path, text) if path.suffix == ".toml" else _read_yaml(path, text)
    except RecursionError:
        raise SettingError(f"--config: {path} is nested too deep") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingError(f"--config: {path} should hold a mapping of settings")
    known = {row.name for row in fields(Settings)}
    found = {str(name).replace("-", "_"): value for name, value in document.items()}
    unknown = sorted(found.keys() - known)
    if unknown:
        raise SettingError(f"--config: {path}: {no_such_setting(unknown[0], known)}")
    return {name: _as_given(name, value) for name, value in found.items() if value is not None}


def _read_yaml(path: Path, text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise SettingError(f"--config: {path} is not YAML{where}") from None


def _read_toml(path: Path, text: str) -> Any:
    try:
        document = tomllib.loads(text)
    except ValueError as error:
        raise SettingError(f"--config: {path} is not TOML: {error}") from None
    return document.get("tool", {}).get("swapmock", {}) if path.name == "pyproject.toml" else document


def _as_given(name: str, value: Any) -> Any:
    """Return a value of a file in the form of the command line: text, or several texts."""
    if name in PAIRS and isinstance(value, dict):
        return value
    items = value if name in MANY and isinstance(value, list) else [value]
    if any(isinstance(item, (dict, list)) for item in items):
        raise SettingError(f"--config: {name} should hold {'texts' if name in MANY else 'one value'}")
    texts = [str(item) for item in items]
    return texts if name in MANY else texts[0]


def is_private(settings: Settings) -> bool:
    """Return whether only this machine can reach the server: it listens on loopback or on a unix socket."""
    return settings.uds is not None or is_loopback(settings.host)


def with_token(settings: Settings) -> Settings:
    """Return the settings with a token for the admin API, if other machines can reach it and no token is given."""
    is_private = settings.uds is not None and settings.admin_port is None
    if settings.admin_token or is_private or is_loopback(settings.host):
        return settings
    return replace(settings, admin_token=secrets.token_urlsafe(24))


def is_loopback(host: str) -> bool:
    """Return whether `host` is a loopback name or address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
