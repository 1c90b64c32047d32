"""`make fuzz`: a long attack on a server of its own. Exit code 1 if anything unfit was seen.

python -m tests.hostile.fuzz [--requests 100000] [--seconds 600] [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from time import monotonic

from tests.admin.snapshot_machine import run
from tests.hostile.garbage import KEY, Attacker, Unfit, send

ROOT = Path(__file__).resolve().parents[2]
CLIENTS, BATCH = 4, 200

#: Bytes by which memory may grow once a tenth of the requests has been sent.
MOST_GROWTH = 50_000_000


def main() -> None:
    options = _options()
    with tempfile.TemporaryFile() as log:
        # So little may be kept that all of it is soon full, and what grows then should not.
        command = [
            sys.executable, "-m", "swapmock", "serve", "--port", "0", "--read-timeout", "2",
            "--journal-size", "200", "--max-sandboxes", "20", "--max-tasks", "1000",
        ]  # fmt: skip
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log) as server:
            try:
                url = _url(server)
                problems = _storm(server.pid, url, options.requests, options.seconds * 0.5, options.seed)
                problems += _schemathesis(url, options.seconds * 0.25, options.seed)
            finally:
                server.terminate()
        log.seek(0)
        said = log.read().decode("utf-8", "replace")
    problems += _snapshots(options.seconds * 0.25, options.seed)
    if "Traceback" in said or "ERROR" in said:
        problems.append(f"the server said: {said[-3000:]}")
    for problem in problems:
        print(problem)
    print("nothing unfit" if not problems else f"{len(problems)} problem(s)")
    sys.exit(bool(problems))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _url(server: subprocess.Popen[bytes]) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        if found := re.match(rb"Listening on (\S+)", line):
            return found[1].decode()
    raise RuntimeError("the server did not start")


def _used(pid: int) -> tuple[int, int, int]:
    """Resident bytes, descriptors, threads."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    counts = (len(list(Path(f"/proc/{pid}/{what}").iterdir())) for what in ("fd", "task"))
    return pages * os.sysconf("SC_PAGE_SIZE"), *counts  # type: ignore[return-value]  # two of them


def _storm(pid: int, url: str, requests: int, seconds: float, seed: int) -> list[str]:
    host, port = url.removeprefix("http://").split(":")
    address, end = (host, int(port)), monotonic() + seconds
    problems: list[str] = []
    seen: Counter[str] = Counter()

    def batch(number: int) -> None:
        for attack in islice(Attacker(seed * 1_000_003 + number).attacks(), BATCH):
            try:
                answers = send(address, attack)
            except (Unfit, TimeoutError) as problem:
                problems.append(f"{type(problem).__name__}: {problem} {attack.kind}")
                continue
            seen["sent"] += max(1, len(answers))
            seen.update(f"{status // 100}xx" for status, _ in answers)

    def storm(first: int, count: int) -> int:
        number = first
        with ThreadPoolExecutor(CLIENTS) as clients:
            while seen["sent"] < count and monotonic() < end and len(problems) < 20:
                list(clients.map(batch, range(number, number + CLIENTS)))
                number += CLIENTS
        return number

    after_tenth = storm(0, requests // 10)
    before = _used(pid)
    storm(after_tenth, requests)
    after = _used(pid)
    print(f"garbage: {dict(seen)}; memory {before[0] / 1e6:.0f} -> {after[0] / 1e6:.0f} MB, "
          f"descriptors {before[1]} -> {after[1]}, threads {before[2]} -> {after[2]}")  # fmt: skip
    if after[0] - before[0] > MOST_GROWTH or after[1] > before[1] + 20 or after[2] > before[2] + 20:
        problems.append(f"the server has grown: {before} -> {after}")
    return problems


def _schemathesis(url: str, seconds: float, seed: int) -> list[str]:
    problems = []
    for name, headers in (("crun", [f"x-api-key:{KEY}"]), ("imgopen", []), ("admin", [])):
        command = [
            str(Path(sys.executable).parent / "schemathesis"), "run", str(ROOT / "contracts" / name / "openapi.yaml"),
            "--url", url, "--checks", "not_a_server_error", "--max-time", str(max(5, round(seconds / 3))), "--seed", str(seed),
            *(part for header in headers for part in ("-H", header)),
        ]  # fmt: skip
        done = subprocess.run(command, cwd=tempfile.gettempdir(), capture_output=True, text=True)
        counted = re.findall(r"(\d+ generated|\d+ passed|\d+ failures?)", done.stdout)
        print(f"schemathesis, {name}: {', '.join(counted[-3:]) or 'exit code ' + str(done.returncode)}")
        own = re.search(r"Test Execution Error.*?^ +(\w+Error: [^\n]*)$", done.stdout, re.DOTALL | re.MULTILINE)
        if own is not None:
            print(f"  ended early by an error of Schemathesis itself: {own[1]}")
        if "Server error" in done.stdout or (done.returncode not in (0, 1) and own is None):
            problems.append(done.stdout[-3000:])
    return problems


def _snapshots(seconds: float, seed: int) -> list[str]:
    """States that requests lead to, saved and restored elsewhere: as in `make test`, but longer and with other steps."""
    end, runs = monotonic() + seconds, 0
    try:
        while runs == 0 or monotonic() < end:
            run(examples=20, steps=80, seed=seed * 1_000_003 + runs)
            runs += 1
    except (AssertionError, ExceptionGroup) as problem:
        notes = "\n".join(getattr(problem, "__notes__", ()))
        return [f"snapshots: {problem}\n{notes}"[-3000:]]
    finally:
        print(f"snapshots: {runs * 20} lives restored")
    return []


if __name__ == "__main__":
    main()
