"""Starts one broken server, or lists them all."""

from __future__ import annotations

import sys
from threading import Event

from tests.broken_servers import catalogue, running


def main(arguments: list[str]) -> int:
    known = catalogue()
    if not arguments:
        for one in known.values():
            sys.stdout.write(f"{one.name:<24} {one.about}: {' '.join(sorted(one.finds))}\n")
        return 0
    if arguments[0] not in known:
        sys.stderr.write(f"no broken server named {arguments[0]!r}\n")
        return 2
    port = int(arguments[1]) if len(arguments) > 1 else 4030
    with running(known[arguments[0]], port) as url:
        sys.stdout.write(f"Listening on {url}\n")
        sys.stdout.flush()
        try:
            Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


sys.exit(main(sys.argv[1:]))
