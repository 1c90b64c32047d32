"""Record what the two providers answer, in every variant and scenario; `test_recorded.py` compares.

    python -m tests.providers.recording

writes `recorded/*.jsonl` anew. Look at the difference before you commit it: each line is a change on the wire.

A line is `[sandbox, step, status, document]`. The sandbox `usual` has every line; the others have those that differ from it, and
`[sandbox, step]` for a step that did not come.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from swapmock.contracts import load
from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import System, build
from tests.conftest import START
from tests.providers.direct import Account
from tests.providers.scripts import OTHERS, SHORT, WHOLE, Script

FOLDER = Path(__file__).parent / "recorded"
PROVIDERS = ("crun", "imgopen")

#: Variants that change every answer: a short script shows them.
THROUGHOUT = ("id_prefix", "task_id_form", "credits_number")

#: Step -> status and document as text, so that the order of members counts, too.
Answers = dict[str, str]


class Recorded(NamedTuple):
    """A sandbox with its `settings`, the `script` of calls to it, and the sandbox from which its lines differ: "" where it has all
    of them."""

    name: str
    base: str
    script: Script
    settings: Mapping[str, Any]


def sandboxes(provider: str) -> Iterator[Recorded]:
    """What is recorded of a provider."""
    behaviour = load(provider).behaviour
    whole, short = WHOLE[provider], SHORT[provider]
    yield Recorded("usual", "", whole, {})
    yield Recorded("short", "", short, {})
    yield Recorded("poor", "short", short, {"balance": 2})
    for name, script in OTHERS[provider].items():
        yield Recorded(name, "", script, {})
    for row in behaviour.variants.values():
        base, script = ("short", short) if row.name in THROUGHOUT else ("usual", whole)
        for choice in row.choices:
            if choice != row.default:
                settings = {"variants": {provider: {row.name: choice}}}
                yield Recorded(f"variant {row.name}={choice}", base, script, settings)
    own_statuses = {"402": 200, "404": 410, "501": 500}
    yield Recorded("variant http_status=map", "usual", whole, {"variants": {provider: {"http_status": own_statuses}}})
    for name in behaviour.scenarios:
        if name != "fine":
            yield Recorded(f"scenario {name}", "short", short, {"scenario": name})


def answers(system: System, script: Script, settings: Mapping[str, Any]) -> Answers:
    """What a new sandbox answers. It is deleted, so that the next one with the same seed finds the same ids unused."""
    one = Account(system, **{"id": "recorded", **settings})
    found: Answers = {}
    counts: Counter[str] = Counter()

    def note(step: str, told: tuple[int, Any]) -> None:
        counts[step] += 1
        number = f" #{counts[step]}" if counts[step] > 1 else ""
        found[step + number] = f"{told[0]} {written(told[1])}"

    try:
        script(one, note)
    finally:
        one.admin("DELETE", "")
    return found


def written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def recorded(provider: str) -> dict[str, Answers]:
    """The recording: sandbox -> its answers."""
    found: dict[str, Answers] = {}
    bases = {one.name: one.base for one in sandboxes(provider)}
    for line in (FOLDER / f"{provider}.jsonl").read_text("utf-8").splitlines():
        sandbox, step, *told = json.loads(line)
        if sandbox not in found:
            found[sandbox] = dict(found.get(bases.get(sandbox, ""), {}))
        if told:
            found[sandbox][step] = f"{told[0]} {written(told[1])}"
        else:
            del found[sandbox][step]
    return found


def lines(provider: str, system: System) -> Iterator[str]:
    """The lines of a new recording."""
    made: dict[str, Answers] = {}
    for name, base_name, script, settings in sandboxes(provider):
        made[name] = answers(system, script, settings)
        base = made.get(base_name, {})
        for step, told in made[name].items():
            if base.get(step) != told:
                status, _, document = told.partition(" ")
                yield f"[{written(name)},{written(step)},{status},{document}]"
        for step in base:
            if step not in made[name]:
                yield f"[{written(name)},{written(step)}]"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for provider in PROVIDERS:
        text = "\n".join(lines(provider, build(Settings(), ManualTime(START)))) + "\n"
        (FOLDER / f"{provider}.jsonl").write_text(text, "utf-8")
        sys.stdout.write(f"{provider}: {text.count(chr(10))} lines, {len(text) / 1024:.0f} KiB\n")


if __name__ == "__main__":
    main()
