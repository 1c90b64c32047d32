"""Record what an emulator says on the wire, to show later that it still says the same.

    python -m tests.corpus.record --out FILE (--serve-command "CMD ..." | --url URL) [--contracts DIR]

The server is started by the command, to which a port is added (`--port N`), or it is one that runs already: one that was
just started with `--seed 0 --callback-timeout 2`, for counts of the process are recorded, too. All is asked through real
sockets, one request after the other, in sandboxes with a seed and a frozen clock. Nothing of the emulator is imported.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.corpus import walk_admin, walk_callbacks, walk_crun, walk_faults, walk_http, walk_imgopen, walk_magic
from tests.corpus.book import PROVIDERS, Book, Contracts
from tests.corpus.receiver import Receiver
from tests.corpus.wire import Wire

#: Seconds that the server has to start.
START_PATIENCE = 30.0


def main() -> None:
    asked = _arguments()
    receiver = Receiver()
    began = time.monotonic()
    with _server(asked) as (host, port), asked.out.open("w", encoding="utf-8") as out:
        book = Book(out, Wire(host, port), receiver, Contracts(asked.contracts))
        snapshot = walk(book)
        book.wire.close()
    receiver.close()
    if asked.snapshot:
        asked.snapshot.write_text(json.dumps(snapshot, indent=1, ensure_ascii=False) + "\n", "utf-8")
    sys.stdout.write(f"{book.count} records in {time.monotonic() - began:.1f} s\n")
    missing = uncovered(book)
    for line in missing:
        sys.stdout.write(f"not covered: {line}\n")
    sys.exit(1 if missing else 0)


def walk(book: Book) -> dict[str, object]:
    walk_admin.settle(book)
    for part in (walk_crun, walk_imgopen, walk_magic, walk_callbacks, walk_faults, walk_http):
        began, before = time.monotonic(), book.count
        part.walk(book)
        name = part.__name__.rpartition("_")[2]
        sys.stdout.write(f"{name}: {book.count - before} records in {time.monotonic() - began:.1f} s\n")
    snapshot = walk_admin.walk(book)
    walk_admin.metrics(book)
    return snapshot


def uncovered(book: Book) -> list[str]:
    """Operations that never succeeded, body codes that never came."""
    wanted = [f"{provider}.{row[2]}" for provider, rows in book.contracts.operations.items() for row in rows]
    missing = [f"operation {name}" for name in wanted if name not in book.succeeded]
    for provider in PROVIDERS:
        for row in book.contracts.behaviours[provider]["body_codes"]:
            name = f"{provider}.{row['code']}"
            missing += [f"body code {name}"] if name not in book.codes else []
    return missing


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the recording, JSON Lines")
    server = parser.add_mutually_exclusive_group(required=True)
    server.add_argument("--serve-command", help='such as ".venv/bin/swapmock serve"')
    server.add_argument("--url", help="of a server that runs and was asked nothing yet")
    parser.add_argument(
        "--contracts", type=Path, default=Path("contracts"), help="folder of the contracts to walk through"
    )
    parser.add_argument("--snapshot", type=Path, help="where to keep a sandbox's snapshot, if anywhere")
    return parser.parse_args()


@contextlib.contextmanager
def _server(asked: argparse.Namespace) -> Iterator[tuple[str, int]]:
    if asked.url:
        parts = urlsplit(asked.url)
        yield parts.hostname or "127.0.0.1", parts.port or 80
        return
    port = _free_port()
    more = ["--port", str(port), "--seed", "0", "--callback-timeout", "2"]
    process = subprocess.Popen([*shlex.split(asked.serve_command), *more], stdout=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        threading.Event().wait(0.05)
    raise SystemExit("the server did not start")


if __name__ == "__main__":
    main()
