"""Reports a run of the checks to an emulator, whose inspector shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from swapmock import AdminError, Control, RemoteEmulator


def report_run(
    kind: str,
    report: Mapping[str, Any],
    url: str | None,
    own: Control | None,
    environment: Mapping[str, str],
    tell: Callable[[str], object],
) -> str:
    """Post `report` to the emulator at `url`, and to `own`, the emulator that the run has started.

    Returns the address of the page about the run at `url`, "" if there is none. `environment` may have SWAPMOCK_ADMIN_TOKEN, the token that the admin API demands. `tell` gets one line: where the page
    is, or why there is none. A report that cannot be posted does not make the run fail."""
    if own is not None:
        with suppress(AdminError):  # the report is too large
            own.add_run(kind, report)
    if url is None:
        return ""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it should begin with http:// or https:// and a host")
        base = f"{parts.scheme}://{parts.netloc}{parts.path.partition('/__admin')[0]}".rstrip("/")
        with RemoteEmulator(base, token=environment.get("SWAPMOCK_ADMIN_TOKEN", "")) as emulator:
            page = str(emulator.add_run(kind, report)["url"])
    except (AdminError, OSError, ValueError) as error:
        tell(f"--inspector: the report was not taken by {url}: {error}")
        return ""
    tell(f"inspector: {page}")
    return page
