"""A link that says until when it is good is good for some time yet."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence
from swapmock.client_checks.conformance.pointer import every

#: The query fields that say the last second of a link.
FIELDS = ("expires", "Expires")
#: Numbers below this are no epoch seconds.
EPOCH = 1_000_000_000


@check("link.expiry", "a link that was dead when it was handed out")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    for place in context.target.profile.links:
        for link in every(context.body, place):
            if not isinstance(link, str):
                continue
            yield EXAMINED
            query = parse_qs(urlsplit(link).query)
            for name in FIELDS:
                last = next(iter(query.get(name, ())), "")
                if last.isdigit() and EPOCH < int(last) <= context.exchange.at - 1:
                    now = int(context.exchange.at)
                    yield Deviation(
                        f"{name} after {now}", last, Evidence("inferred", "a link is made to be used"), place=place
                    )
