"""The page "Try it": a form for every operation, buttons for scenarios and faults, and magic values to copy."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from swapmock.mock_server.admin.inbox import address
from swapmock.mock_server.core.codec import encode
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.engine.sandboxes import credential_headers
from swapmock.mock_server.inspector import forms, reading
from swapmock.mock_server.inspector.ports import HttpRequest
from swapmock.mock_server.inspector.site import Said, Site, back_with, gettext, vendor_url

#: The effects of faults that a button adds, and their descriptions.
EFFECTS = (
    "code=429", "status=503", "gateway=502", "maintenance", "reset", "hang_up", "garbage", "malformed", "truncated", "empty",
    "delay=2", "delay=30", "code_type=string", "extra_fields",
)  # fmt: skip


def register(app: Flask, site: Site) -> None:
    """Add the page and the target of its form."""

    @app.get("/__admin/sandboxes/<sandbox>/try")
    def try_it(sandbox: str) -> Response:
        values = _values(site, site.box(sandbox))
        return site.page("try.html", panel="try", sandbox=sandbox, watch=[], **values)

    @app.post("/__admin/ui/sandboxes/<sandbox>/send/<provider>/<operation>")
    def send(sandbox: str, provider: str, operation: str) -> ResponseReturnValue:
        box = site.box(sandbox)
        contract = site.engine.contracts.get(provider)
        if contract is None or operation not in contract.operations:
            return back_with(Said("bad", gettext("There is no such operation.")))
        try:
            made = forms.filled(contract.operations[operation], request.form, request.form.get("form", ""))
        except forms.FieldError as error:
            told = {"field": error.label, "text": error.text}
            return back_with(Said("bad", gettext("%(field)s: “%(text)s” is no JSON.") % told))
        upload = request.files.get("file")
        body = upload.read() if upload is not None and upload.filename else made.body
        asked = HttpRequest(
            contract.operations[operation].method,
            made.path,
            made.query,
            _headers(site, box, provider, contract.operations[operation].takes_json),
            body,
            vendor_url(),
        )
        answer = site.ports.send(asked)
        found = _newest(site, box, asked)
        if found is None:
            return back_with(
                Said(
                    "note",
                    gettext("Answered HTTP %(status)d. The journal does not hold it.") % {"status": answer.status},
                )
            )
        return redirect(url_for("exchange", sandbox=box.sandbox.id, name=found), 303)


def _headers(site: Site, box: Box, provider: str, takes_json: bool) -> dict[str, str]:
    """Return the headers of a request: with the credential of the sandbox, unless the form leaves it out."""
    headers = {"host": forms.host_of(vendor_url()), "user-agent": "swapmock inspector"}
    typed = request.form.get("content_type", "").strip()
    if takes_json or typed:
        headers["content-type"] = typed if typed.isascii() and typed else "application/json"
    if request.form.get("credential") != "none":
        usable = (one for one in box.sandbox.credentials if one.provider == provider and not one.disabled)
        credential = next(usable, None)
        if credential is not None:
            shown = credential_headers(site.engine.contracts[provider], credential)
            headers |= {name.lower(): value for name, value in shown.items()}
    return headers


def _newest(site: Site, box: Box, asked: HttpRequest) -> str | None:
    """Return the id of the request's exchange in the journal; None if there is none."""
    target = f"{asked.path}?{asked.query}" if asked.query else asked.path
    held = reading.journal(box, site.engine)
    return next(
        (r.id for _, r in held.numbered if isinstance(r, Exchange) and r.method == asked.method and r.target == target),
        None,
    )


def _values(site: Site, box: Box) -> dict[str, Any]:
    contracts = site.engine.contracts
    provider, _, name = request.args.get("operation", "").partition(":")
    if provider not in contracts or name not in contracts[provider].operations:
        provider = next(iter(contracts))
        submits = (one.id for one in contracts[provider].operations.values() if variant_count(one))
        name = next(submits, next(iter(contracts[provider].operations)))
    operation = contracts[provider].operations[name]
    member, choices = forms.variants_of(operation)
    chosen = request.args.get("form", "")
    chosen = chosen if chosen in choices else (choices[0] if choices else "")
    inbox = address(vendor_url(), box.sandbox.id)
    return {
        "providers": {one: list(contract.operations.values()) for one, contract in contracts.items()},
        "provider": provider,
        "operation": operation,
        "member": member,
        "choices": choices,
        "chosen": chosen,
        "fields": forms.fields(operation, chosen, inbox),
        "inbox_url": inbox,
        "scenarios": {one: _scenarios(contract) for one, contract in contracts.items()},
        "effects": EFFECTS,
        "magic": {
            one: [encode(row) for row in contract.behaviour.magic.values()] for one, contract in contracts.items()
        },
        "summary": str(operation.spec.get("summary", "")),
    }


def variant_count(operation: Any) -> int:
    """Return how many forms the body of an operation has."""
    return len(forms.variants_of(operation)[1])


def _scenarios(contract: Any) -> list[tuple[str, str]]:
    rules = contract.behaviour
    return [(row.name, row.about) for row in (*rules.scenarios.values(), *rules.series.values())]
