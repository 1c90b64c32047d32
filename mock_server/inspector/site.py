"""What every page of the inspector uses: its ports, the sandbox of the request, texts, rendering."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from flask import Response, g, make_response, redirect, render_template, request, url_for
from markupsafe import Markup, escape

from swapmock.mock_server.admin import HANDLERS
from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.admin.wire import not_found
from swapmock.mock_server.core.call import Call, Reply
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.engine.sandboxes import DEFAULT_SANDBOX
from swapmock.mock_server.inspector.access import FIELD, Access
from swapmock.mock_server.inspector.languages import translations
from swapmock.mock_server.inspector.live import EVERYTHING, Live
from swapmock.mock_server.inspector.ports import OWN_URL, VENDOR_URL, Ports, Told
from swapmock.mock_server.inspector.sentences import translated

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: The cookie with the sentence that the next page shows.
SAID = "swapmock_said"

#: The most characters of such a sentence.
LONGEST_SAID = 600

#: The pages to which a form may lead back: only our own.
BACK = re.compile(r"/__admin(?:/[\w.~%@:+-]+)*/?(?:\?[\w.~%@:+=&-]*)?")


class Said(NamedTuple):
    """A sentence about the last action. `tone` is one of `words.SIGNS`."""

    tone: str
    text: str


class Site:
    """The ports of the inspector, and what the pages of one emulator share."""

    def __init__(self, ports: Ports, live: Live) -> None:
        self.ports = ports
        self.live = live
        self.access = Access(ports.token, ports.secret)

    @property
    def engine(self) -> Engine:
        """The engine of the emulator."""
        return self.ports.engine

    @property
    def engine_handlers(self) -> Mapping[str, Callable[[Call, Engine], Reply]]:
        """The handlers of the admin API by operation."""
        return HANDLERS

    def box(self, sandbox: str) -> Box:
        """Return the closed box of the sandbox with this id. Raises Problem `not_found`."""
        try:
            return self.engine.store.open(sandbox)
        except KeyError:
            raise not_found("sandbox", sandbox) from None

    def mask(self, box: Box) -> Mask:
        """Return the mask that hides the secrets of a sandbox."""
        return Mask(self.engine, box.sandbox)

    @cached_property
    def cookie(self) -> str:
        """The name of the login's cookie. Cookies are shared between ports, so each emulator has its own name."""
        return f"swapmock_inspector_{self.access.form_value('name')[:8]}"

    def versions(self, sandbox: str) -> dict[str, str]:
        """Return the version of everything that a page about `sandbox` ("" for a page about several) shows. It is
        read before the page is made."""
        names = [EVERYTHING, sandbox or DEFAULT_SANDBOX]
        return {name: self.live.version(name) for name in names}

    def call(self, method: str, path: str, body: Any = None) -> Told:
        """Call an operation of the admin API with `method`, `path` and a JSON `body`, for the client of this
        request."""
        return self.ports.admin(method, path, body, base_url=own_url())

    def page(self, template: str, *, panel: str = "", sandbox: str = "", status: int = 200, **values: Any) -> Response:
        """Return a page, or only its changing part if the request asks for that. `panel` is the open one."""
        is_part = request.headers.get("HX-Request") == "true" and request.headers.get("HX-Target") == "live"
        said = None if is_part else read_said()
        shown = {
            "panel": panel,
            "sandbox": sandbox,
            "said": said,
            "versions": g.get("versions", {}),
            "exporting": False,
            **values,
        }
        text = render_template(template, layout="part.html" if is_part else "layout.html", **shown)
        answer = make_response(text, status)
        if said is not None:
            answer.delete_cookie(SAID, path=cookie_path())
        return answer


def own_url() -> str:
    """Return the base URL by which the client reached the admin API."""
    return str(request.environ.get(OWN_URL, ""))


def vendor_url() -> str:
    """Return the base URL of the vendors' APIs for this client."""
    return str(request.environ.get(VENDOR_URL, ""))


def cookie_path() -> str:
    """Return the path of our cookies."""
    return f"{request.script_root}/__admin"


def set_cookie(answer: Response, name: str, value: str, seconds: int) -> None:
    """Set the cookie `name` to `value` for `seconds`, so that scripts cannot read it and pages of other sites do not
    send it."""
    answer.set_cookie(
        name, value, max_age=seconds, path=cookie_path(), httponly=True, samesite="Strict", secure=request.is_secure
    )


def gettext(text: str) -> str:
    """Return `text` in the language of the reader."""
    return str(translations(g.language).gettext(text))


def ngettext(one: str, many: str, count: int) -> str:
    """Return `one` or `many`, depending on `count`, in the language of the reader."""
    return str(translations(g.language).ngettext(one, many, count))


def localized(text: Any) -> str:
    """Return a sentence or a word that comes from elsewhere, in the language of the reader."""
    return str(text) if g.language == "en" else translated(str(text), gettext)


def read_said() -> Said | None:
    """Return the sentence about the last action; None if there is none."""
    try:
        tone, text = json.loads(urlsafe_b64decode(request.cookies.get(SAID, "")))
        return Said(str(tone)[:10], str(text)[:LONGEST_SAID])
    except (ValueError, TypeError):
        return None


def back_with(said: Said, to: str | None = None) -> Response:
    """Lead the browser from a form to a page that shows `said`: to the page `to`, else to the page of the form."""
    given = request.form.get("back", "")
    place = to or (request.script_root + given if BACK.fullmatch(given) else url_for("home"))
    answer = make_response(redirect(place, 303))
    shown = json.dumps([said.tone, said.text[:LONGEST_SAID]], ensure_ascii=False).encode("utf-8", "replace")
    set_cookie(answer, SAID, urlsafe_b64encode(shown).decode(), 60)
    return answer


def told(answer: Told, done: str) -> Said:
    """Return the sentence about an operation's answer: `done`, or why it was refused."""
    return Said("bad", localized(answer.detail)) if answer.is_refusal else Said("good", done)


def number(name: str, low: int, high: int, default: int) -> int:
    """Return a whole number from the query parameter `name`, between `low` and `high`; `default` for anything else."""
    text = request.args.get(name, "")
    return min(high, max(low, int(text))) if re.fullmatch(r"\d{1,9}", text) else default


def segment(text: str) -> str:
    """Return `text` as a part of a path."""
    return quote(text, safe="")


def here(**changes: Any) -> str:
    """Return the URL of this page with other parameters; None removes one."""
    values: dict[str, Any] = {**request.args.to_dict(), **changes}
    kept = {name: value for name, value in values.items() if value not in (None, "") and name != "lang"}
    return url_for(request.endpoint or "home", **(request.view_args or {}), **kept)


def ticked(text: str) -> Markup:
    """Return a sentence with names in backticks as HTML."""
    parts = str(text).split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>%s</code>") % part if index % 2 else escape(part) for index, part in enumerate(parts)
    )


def context() -> Mapping[str, Any]:
    """Return the names that all templates have."""
    return {"here": here, "form_field": FIELD, "own_url": own_url(), "vendor_url": vendor_url(), "segment": segment}
