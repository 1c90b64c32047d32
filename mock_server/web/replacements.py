"""Answers that a fault sends in place of the provider's: a raw body, a redirect, an error page of a gateway."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from swapmock.mock_server.core.faults import Effect
from swapmock.mock_server.web.messages import Answer


class GatewayError(NamedTuple):
    """What a gateway says about a server that it could not reach normally: a title, and a sentence below it.

    `is_edge` marks a content delivery network (its own statuses, headers `server` and `cf-ray`) in contrast to a
    plain proxy."""

    title: str
    sentence: str
    is_edge: bool


#: Status -> its page. Clients have seen 522 and 502 with HTML from crun.ai; the other statuses belong to the same
#: gateway. The wording is ours.
GATEWAY_ERRORS: Mapping[int, GatewayError] = {
    502: GatewayError("502 Bad Gateway", "The server behind the gateway gave an invalid answer.", is_edge=False),
    503: GatewayError("503 Service Temporarily Unavailable", "No server behind the gateway is ready.", is_edge=False),
    504: GatewayError("504 Gateway Time-out", "The server behind the gateway did not answer in time.", is_edge=False),
    520: GatewayError("520: Web server returned an unknown error", "The origin gave an empty answer.", is_edge=True),
    522: GatewayError("522: Connection timed out", "The connection to the origin was not established.", is_edge=True),
    524: GatewayError("524: A timeout occurred", "The origin accepted the request and did not answer.", is_edge=True),
}


def replacement(effect: Effect, headers: tuple[tuple[str, str], ...]) -> Answer | None:
    """Return the answer that `effect` sends in place of the provider's; None if it sends none. `headers` are added
    to it."""
    if effect.gateway is not None:
        return gateway_answer(effect.gateway, headers)
    if effect.redirect is not None:
        status = effect.status if effect.status is not None and 300 <= effect.status < 400 else HTTPStatus.FOUND
        return Answer(int(status), [("location", effect.redirect), *headers], b"")
    if effect.raw is not None:
        return Answer(effect.status or 200, [("content-type", effect.raw.content_type), *headers], effect.raw.content)
    return None


def gateway_answer(status: int, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Return the HTML error page of a gateway with this `status` and these `headers`."""
    row = GATEWAY_ERRORS[status]
    page = (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><title>{row.title}</title></head>\n'
        f"<body>\n<center><h1>{row.title}</h1></center>\n<p>{row.sentence}</p>\n</body>\n</html>\n"
    )
    own = [("server", "cloudflare"), ("cf-ray", "0000000000000000-SWM")] if row.is_edge else [("server", "nginx")]
    lines = [("content-type", "text/html; charset=UTF-8"), *own, ("cache-control", "no-store"), *headers]
    return Answer(status, lines, page.encode())
