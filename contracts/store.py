"""The error responses of object stores: what the media host and the upload store answer in place of a file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from swapmock.contracts.parsed import kept

#: HTTP status -> the error response that is used if only a status is named.
USUAL = {
    400: "invalid",
    403: "access_denied",
    404: "no_such_key",
    405: "method_not_allowed",
    409: "conditional_conflict",
    410: "gone",
    411: "length_missing",
    412: "precondition_failed",
    416: "range_not_satisfiable",
    429: "rate_limited",
    500: "server_error",
    501: "chunked",
    503: "slow_down",
}


class StoreRefusal(NamedTuple):
    """An error response: its error `code`, HTTP status and message. `r2` has the values of Cloudflare R2 that
    differ."""

    name: str
    code: str
    http: int
    message: str
    evidence: str
    source: str
    r2: Mapping[str, int | str] = {}

    def of(self, store: str) -> StoreRefusal:
        """Return the error response in the form of `store`: `s3` or `r2`."""
        return self._replace(**self.r2) if store == "r2" and self.r2 else self  # type: ignore[arg-type]  # columns of the row


@lru_cache(1)
def store_refusals() -> Mapping[str, StoreRefusal]:
    """Return the rows of `store.yaml` by name."""
    rows = kept(Path(__file__).with_name("store.yaml"))["refusals"]
    return {row["name"]: StoreRefusal(**row) for row in rows}


def refusal_by_status(status: int) -> StoreRefusal:
    """Return the usual error response with an HTTP `status`; for a status that no store sends, `server_error` with
    that status."""
    rows = store_refusals()
    return rows[USUAL[status]] if status in USUAL else rows["server_error"]._replace(http=status)


def refusal_by_code(code: str) -> StoreRefusal | None:
    """Return the first error response with this error `code` of a store, such as `SlowDown`; None if there is none."""
    rows = (row for row in store_refusals().values() if code in (row.code, row.r2.get("code")))
    return next(rows, None)
