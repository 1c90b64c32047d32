"""Decides who may see the pages, and which forms may change something.

If the admin API requires a token, a login form exchanges the token for a cookie, because links and server-sent
events carry no header. The cookie does not contain the token: it has a random value, a time and their signature,
and is valid for LOGIN_SECONDS. Each form that changes something carries a value that only our own pages can know."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import NamedTuple

#: How long a login is valid, in seconds.
LOGIN_SECONDS = 12 * 3600

#: The name of the field and of the header that carry the value against forged requests.
FIELD, HEADER = "csrf", "X-CSRF"


class Access(NamedTuple):
    """The secrets of the pages. `token` is that of the admin API, "" for none; `secret` is an unpredictable text of
    this emulator."""

    token: str
    secret: str

    @property
    def needs_login(self) -> bool:
        """Whether pages are shown only after a login."""
        return bool(self.token)

    def accepts_token(self, shown: str) -> bool:
        """Return whether `shown` is the token."""
        return bool(self.token) and hmac.compare_digest(shown.encode(), self.token.encode())

    def accepts_header(self, authorization: str) -> bool:
        """Return whether the header `Authorization` carries the token."""
        scheme, _, shown = authorization.partition(" ")
        return scheme.lower() == "bearer" and self.accepts_token(shown.strip())

    def login(self, nonce: str, now: float) -> str:
        """Return the value of the cookie for a login at the real time `now`. `nonce` is random."""
        text = f"{nonce}.{int(now)}"
        return f"{text}.{self._signature('login', text)}"

    def is_login(self, cookie: str, now: float) -> bool:
        """Return whether `cookie` is a value of `login` that is still valid at the real time `now`."""
        text, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature("login", text).encode()):
            return False
        return 0 <= now - int(text.rpartition(".")[2]) < LOGIN_SECONDS

    def form_value(self, cookie: str) -> str:
        """Return the value that forms carry in a browser with this `cookie` ("" if no login is needed)."""
        return self._signature("form", cookie)

    def accepts_form(self, shown: str, cookie: str) -> bool:
        """Return whether a form carried the right value."""
        return hmac.compare_digest(shown.encode(), self.form_value(cookie).encode())

    def _signature(self, purpose: str, text: str) -> str:
        key = f"{self.secret}\n{self.token}".encode()
        return hmac.new(key, f"{purpose}\n{text}".encode("utf-8", "surrogateescape"), sha256).hexdigest()
