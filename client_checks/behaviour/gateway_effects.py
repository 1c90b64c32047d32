"""Changes of an answer that a gateway can make and the emulator cannot: error pages, changed values, faults of the
media host."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from swapmock.client_checks.behaviour.model import Meaning, Role
from swapmock.client_checks.behaviour.providers import parsed


@dataclass
class GatewayFault:
    """A fault at the gateway. It applies to requests of `role` (and of `meaning`, once the answer is known), from
    the `nth` on, `times` times. `effect` is one of `EFFECTS`; `value` is its parameter."""

    role: Role
    effect: str
    value: Any = None
    nth: int = 1
    times: int | None = None
    meaning: Meaning | None = None
    matched: int = 0
    applied: int = 0

    def takes_turn(self) -> bool:
        """Count one matching request, and return whether the fault applies to it."""
        self.matched += 1
        if self.matched < self.nth or (self.times is not None and self.applied >= self.times):
            return False
        self.applied += 1
        return True


@dataclass
class Answer:
    """An answer on its way to the client.

    `cut` is the number of body bytes that are sent before the connection ends or, with `stall`, before it is kept
    open without sending. `lost` is reset, hang_up or garbage (bytes that are not HTTP), in place of an answer; `stall` seconds pass before it."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    cut: int | None = None
    stall: float = 0.0
    lost: str = ""
    chunked: bool = False

    def header(self, name: str) -> str:
        """Return the value of the header `name`; "" without one."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def set_header(self, name: str, value: str) -> None:
        """Set the header `name` to `value`."""
        self.headers = [(key, old) for key, old in self.headers if key.lower() != name.lower()] + [(name, value)]

    def replace(self, status: int, kind: str, body: bytes) -> None:
        """Replace status, content type and body."""
        self.status, self.body = status, body
        self.headers = [("content-type", kind)]


PAGE = "<html>\r\n<head><title>{code} {text}</title></head>\r\n<body>\r\n<center><h1>{code} {text}</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
EXPIRED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'

#: A grey picture of one pixel, as PNG.
PLACEHOLDER = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)


def _html(answer: Answer, value: Any) -> None:
    status = int(value or 502)
    text = http.client.responses.get(status, "Connection timed out")
    answer.replace(status, "text/html; charset=UTF-8", PAGE.format(code=status, text=text).encode())
    answer.set_header("server", "cloudflare")


def _set(answer: Answer, value: Any) -> None:
    document = parsed(answer.body)
    for pointer, wanted in dict(value).items():
        _put(document, [step for step in pointer.split("/") if step], wanted)
    answer.body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _put(document: Any, steps: list[str], wanted: Any) -> None:
    for step in steps[:-1]:
        document = document.get(step) if isinstance(document, dict) else None
    if isinstance(document, dict) and steps[-1] in document:
        document[steps[-1]] = wanted


def _reverse(answer: Answer, value: Any) -> None:
    document = parsed(answer.body)
    holder = document
    for step in str(value).strip("/").split("/")[:-1]:
        holder = holder.get(step) if isinstance(holder, dict) else None
    name = str(value).rsplit("/", 1)[1]
    if isinstance(holder, dict) and isinstance(holder.get(name), list):
        holder[name] = holder[name][::-1]
        answer.body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _expired(answer: Answer, value: Any) -> None:
    answer.replace(int(value or 403), "application/xml", EXPIRED.encode())


def _plain_status(answer: Answer, value: Any) -> None:
    answer.replace(int(value), "text/plain", b"try again later\n")


def _page_as_media(answer: Answer, _: Any) -> None:
    answer.replace(200, "text/html; charset=UTF-8", PAGE.format(code=200, text="OK").encode())


def _placeholder(answer: Answer, value: Any) -> None:
    answer.replace(int(value or 404), "image/png", PLACEHOLDER)


def _empty(answer: Answer, _: Any) -> None:
    answer.body = b""


def _cut(answer: Answer, _: Any) -> None:
    answer.cut = len(answer.body) // 2


def _stall(answer: Answer, value: Any) -> None:
    answer.cut, answer.stall = len(answer.body) // 2, float(value)


def _redirect(answer: Answer, value: Any) -> None:
    answer.replace(307, "text/plain", b"moved\n")
    answer.set_header("location", str(value))


#: The functions that change an answer, by name.
EFFECTS: Mapping[str, Callable[[Answer, Any], None]] = {
    "html": _html,
    "set": _set,
    "reverse": _reverse,
    "expired": _expired,
    "status": _plain_status,
    "page_as_media": _page_as_media,
    "placeholder": _placeholder,
    "empty_body": _empty,
    "cut": _cut,
    "stall": _stall,
    "redirect": _redirect,
}
