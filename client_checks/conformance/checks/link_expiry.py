"""A link that states its expiry has not expired yet."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence
from swapmock.client_checks.conformance.pointer import every

#: The query fields that hold the last second at which a link is valid.
FIELDS = ("expires", "Expires")
#: Smaller numbers are not seconds since the epoch.
EPOCH = 1_000_000_000


@check("link.expiry", "a link that had expired when it was returned")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each link that had expired before the answer came."""
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
