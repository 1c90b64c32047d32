"""`python -m bench`: measure, print, and write bench/RESULTS.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import speed
from bench.report import OURS, WHOLE_PEER, Results, text
from bench.servers import OTHERS, OURS_ALONE, PACKAGES, PEERS, ROOT, SERVERS, chosen


def main() -> None:
    options = _options()
    if options.install:
        _install()
    try:
        wanted = chosen(options.only)
    except LookupError as error:
        raise SystemExit(f"bench: {error.args[0]}") from None
    present = [server for server in wanted if not server.missing]
    left_out = {server.name: server.missing for server in SERVERS if server not in present}
    for name, why in left_out.items():
        print(f"left out: {name}: {why or 'not asked for'}")
    seen = speed.measure(present, options.rounds, options.seconds)
    print("  cold starts", flush=True)
    speed.cold_starts(present, seen, options.rounds)
    print("  other requests", flush=True)
    for server in present:
        if server.name in (OURS, WHOLE_PEER):
            calls = OTHERS | OURS_ALONE if server.name == OURS else OTHERS
            speed.others(server, calls, options.rounds, options.seconds, seen[server.name])
    inside: dict[str, Any] = {}
    if not options.only:
        for what, *arguments in (
            ("stages",), ("growth", str(options.tasks)), ("memory", "100000"), ("sandboxes", "1000"),
        ):  # fmt: skip
            print(f"  {what}", flush=True)
            inside[what] = _inside(what, *arguments)
        inside["tasks_mb"] = speed.after_tasks(SERVERS[0], 100_000)
    results = Results(seen, left_out, inside, options.rounds, options.seconds, _machine())
    print(text(results))
    if not options.only:
        (ROOT / "bench" / "RESULTS.md").write_text(text(results), encoding="utf-8")


def _inside(what: str, *arguments: str) -> Any:
    """A measurement in its own process, because a process never returns all its memory."""
    command = [sys.executable, "-m", "bench.inside", what, *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[1:])} failed")
    return json.loads(done.stdout)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="length of one load")
    parser.add_argument("--tasks", type=int, default=1_000_000, help="up to how many stored tasks polls are measured")
    parser.add_argument("--install", action="store_true", help="fetch the peers that npm has into .bench/")
    parser.add_argument(
        "--only", nargs="*", default=[], help="parts of names of servers, beside ours; writes no RESULTS.md"
    )
    return parser.parse_args()


def _install() -> None:
    """Servers that are not installed are left out of the comparison."""
    PEERS.parent.mkdir(exist_ok=True)
    (PEERS.parent / "package.json").write_text('{"name": "peers", "private": true}')
    for package in PACKAGES:
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", package], cwd=PEERS.parent)
        print(f"{package}: {'installed' if done.returncode == 0 else 'not to be had'}")


def _machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}, Python {platform.python_version()}"


main()
