"""Forms that change a sandbox. Each calls one operation of the admin API and leads back to the page with the form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request, url_for

from swapmock.mock_server.inspector.ports import Told
from swapmock.mock_server.inspector.site import Said, Site, back_with, gettext, localized, told

#: The function for a form: (site, sandbox) -> the answer of the operation, and the sentence about it.
Action = Callable[[Site, str], tuple[Told, str]]


def register(app: Flask, site: Site) -> None:
    """Add the targets of the forms."""

    @app.post("/__admin/ui/sandboxes")
    def create() -> Response:
        """Make a sandbox, and lead to its page."""
        body: dict[str, Any] = {"clock": _field("clock"), "balance": _number(_field("balance"))}
        if _field("id"):
            body["id"] = _field("id")
        answer = site.call("POST", "/sandboxes", body)
        if answer.is_refusal:
            return back_with(told(answer, ""))
        made = str(answer.document["id"])
        done = gettext("The sandbox %(id)s is ready.") % {"id": made}
        return back_with(Said("good", done), url_for("now", sandbox=made))

    @app.post("/__admin/ui/sandboxes/<sandbox>/<action>")
    def steer(sandbox: str, action: str) -> Response:
        if action not in ACTIONS:
            return back_with(Said("bad", gettext("There is no such action.")))
        answer, done = ACTIONS[action](site, sandbox)
        return back_with(told(answer, done))


def _field(name: str) -> str:
    return request.form.get(name, "").strip()


def _call(site: Site, method: str, sandbox: str, path: str, body: Any = None) -> Told:
    return site.call(method, f"/sandboxes/{sandbox}{path}", body)


def _advance(site: Site, sandbox: str) -> tuple[Told, str]:
    until = _field("until")
    how: dict[str, Any] = {"until": "idle"} if until == "idle" else {"by": _field("by")}
    answer = _call(site, "POST", sandbox, "/clock/advance", how)
    if answer.is_refusal:
        return answer, ""
    happened = len(answer.document["fired"])
    return answer, gettext("The clock shows %(now)s. %(count)d things happened.") % {
        "now": answer.document["now_iso"],
        "count": happened,
    }


def _clock(site: Site, sandbox: str) -> tuple[Told, str]:
    mode, rate = _field("mode"), _field("rate")
    body: dict[str, Any] = {"mode": mode}
    if mode == "scaled":
        body["rate"] = _number(rate)
    answer = _call(site, "PATCH", sandbox, "/clock", body)
    return answer, gettext("The clock is %(mode)s now.") % {"mode": localized(mode)}


def _grant(site: Site, sandbox: str) -> tuple[Told, str]:
    answer = _call(site, "POST", sandbox, "/ledger/grant", {"amount": _number(_field("amount"))})
    return answer, gettext("The credits are granted.")


def _refund(site: Site, sandbox: str) -> tuple[Told, str]:
    answer = _call(site, "POST", sandbox, "/ledger/refund", {"task": _field("task")})
    return answer, gettext("The charge of the task is refunded.")


def _redeliver(site: Site, sandbox: str) -> tuple[Told, str]:
    answer = _call(site, "POST", sandbox, f"/deliveries/{_field('delivery')}/redeliver")
    state = "" if answer.is_refusal else localized(answer.document["state"])
    return answer, gettext("The callback was sent again: it is %(state)s.") % {"state": state}


def _queue(site: Site, sandbox: str) -> tuple[Told, str]:
    provider, _, scenario = _field("scenario").rpartition(":")
    body: dict[str, Any] = {"scenario": scenario, "times": int(_number(_field("times") or "1"))}
    if provider:
        body["provider"] = provider
    answer = _call(site, "POST", sandbox, "/scenarios", body)
    return answer, gettext("The next task takes the scenario %(scenario)s.") % {"scenario": scenario}


def _fault(site: Site, sandbox: str) -> tuple[Told, str]:
    name, _, value = _field("effect").partition("=")
    typed: Any = int(value) if value.lstrip("-").isdecimal() else value
    effect: Any = {name: typed} if value else name
    body: dict[str, Any] = {"effect": effect, "times": int(_number(_field("times") or "1"))}
    provider, _, operation = _field("operation").rpartition(":")
    match = {key: text for key, text in (("provider", provider), ("operation", operation)) if text}
    if match:
        body["match"] = match
    answer = _call(site, "POST", sandbox, "/faults", body)
    fault = "" if answer.is_refusal else answer.document["id"]
    return answer, gettext("The fault %(fault)s waits for its call.") % {"fault": fault}


def _drop_fault(site: Site, sandbox: str) -> tuple[Told, str]:
    return _call(site, "DELETE", sandbox, f"/faults/{_field('fault')}"), gettext("The fault is removed.")


def _clear_queue(site: Site, sandbox: str) -> tuple[Told, str]:
    return _call(site, "DELETE", sandbox, "/scenarios"), gettext("The queue is empty.")


def _clear_journal(site: Site, sandbox: str) -> tuple[Told, str]:
    return _call(site, "DELETE", sandbox, "/journal"), gettext("The journal is empty.")


def _reset(site: Site, sandbox: str) -> tuple[Told, str]:
    return _call(site, "POST", sandbox, "/reset"), gettext("The sandbox is reset.")


def _number(text: str) -> Any:
    """Return a number; any other text stays unchanged, and the operation explains the mistake."""
    try:
        return float(text)
    except ValueError:
        return text


#: The name of an action in the path of its form -> its function.
ACTIONS: dict[str, Action] = {
    "advance": _advance,
    "clock": _clock,
    "grant": _grant,
    "refund": _refund,
    "redeliver": _redeliver,
    "queue": _queue,
    "fault": _fault,
    "drop-fault": _drop_fault,
    "clear-queue": _clear_queue,
    "clear-journal": _clear_journal,
    "reset": _reset,
}
