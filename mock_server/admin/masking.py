"""Secrets, taken out of whatever the admin API shows of a sandbox's past."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swapmock.mock_server.core.sandbox import Sandbox
    from swapmock.mock_server.engine.engine import Engine

_WORDS = r"(?:api[-_]?key|access[-_]?key|secret|token|signature|password|passwd|credential|authorization|cookie)"

#: What a header, a parameter or a field is called that holds a secret.
NAME = re.compile(rf"{_WORDS}|(?:^|[-_.])(?:key|auth|sig)$", re.IGNORECASE)

#: `name=value` of a query or form, `"name": "value"` of JSON text: what stands before the value, and the name in it.
# The possessive quantifiers keep the time linear, whatever a client has sent.
_PAIRS = (
    re.compile(r"((?:^|[?&;\s])([^=&?#\s\"]++)=)[^&#\s\"]++"),
    re.compile(r"(\"([^\"]*+)\"\s{0,9}:\s{0,9}\")[^\"…]++(?=\")"),
)

#: The name and password in a URL.
_USER = re.compile(r"(\bhttps?://)[^/?#@\s\"]++@")

HIDDEN = "…"


def masked(value: str) -> str:
    """Enough of a secret to tell it from another, not enough to use it."""
    if HIDDEN in value:
        return value
    return f"{value[:5]}{HIDDEN}{value[-2:]}" if len(value) > 16 else HIDDEN


class Mask:
    """Hides secrets by the name that they stand under, by the vendors' forms of a key, and by their value: those of
    `sandbox` and the token of the admin API, wherever they were sent."""

    def __init__(self, engine: Engine, sandbox: Sandbox) -> None:
        forms = [contract.behaviour.rest.get("credential_form", {}) for contract in engine.contracts.values()]
        names = {name.lower() for form in forms for name in form.get("headers", ())}
        self._is_secret: Callable[[str], bool] = lambda name: name.lower() in names or NAME.search(name) is not None
        own = {text for c in sandbox.credentials for text in (c.key, c.secret) if text} | engine.secrets
        keys = [re.escape(text) for text in sorted(own, key=len, reverse=True)]
        keys += [
            rf"{re.escape(form['key']['prefix'])}\w{{{form['key']['length']}}}"
            for form in forms
            if form.get("key", {}).get("prefix")
        ]
        self._keys = re.compile("|".join(keys)) if keys else None

    def text(self, text: str) -> str:
        for pair in _PAIRS:
            text = pair.sub(lambda match: match[1] + HIDDEN if self._is_secret(match[2]) else match[0], text)
        text = _USER.sub(rf"\g<1>{HIDDEN}@", text)
        return text if self._keys is None else self._keys.sub(lambda match: masked(match[0]), text)

    def headers(self, pairs: Mapping[str, str] | Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        items = pairs.items() if isinstance(pairs, Mapping) else pairs
        return [(name, self._under(name, value)) for name, value in items]

    def _under(self, name: str, value: str) -> str:
        return masked(value) if self._is_secret(name) else self.text(value)

    def value(self, value: Any) -> Any:
        """A JSON value without secrets, names and pairs `{name, value}` such as HAR's included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            if value.keys() == {"name", "value"} and isinstance(value["value"], str):
                return {"name": value["name"], "value": self._under(str(value["name"]), value["value"])}
            return {
                self.text(name): self._under(name, item) if isinstance(item, str) else self.value(item)
                for name, item in value.items()
            }
        return [self.value(item) for item in value] if isinstance(value, list | tuple) else value
