"""Writes the documentation pages of the rules: `python -m swapmock.client_checks.behaviour.pages docs/rules`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from swapmock.client_checks.behaviour.model import Level
from swapmock.client_checks.behaviour.rule import Rule, all_rules
from swapmock.client_checks.behaviour.rulesets import SETS

NAMES = {"crun": "crun.ai", "imgopen": "Img Open"}
CHAPTERS = {
    "E": "Reading answers",
    "P": "Paying once",
    "L": "Polling",
    "D": "Faces",
    "C": "Callbacks",
    "R": "Results and files",
    "K": "Keys",
    "V": "Variation",
}
VERDICTS = {
    Level.MUST: "Broken, it fails.",
    Level.SHOULD: "Broken, it warns.",
    Level.INFO: "It is shown, and never a finding.",
}


def pages(examples: Path) -> Mapping[str, str]:
    """Return each page by its file name: one for each rule, and the list of all rules. `examples` is the folder of
    the example clients."""
    found = {f"{rule.id}.md": page(rule, examples) for rule in all_rules().values()}
    return {"README.md": index(), **found}


def page(rule: Rule, examples: Path) -> str:
    """Return the page of one rule."""
    levels = ", ".join(f"{NAMES[name]}: {level.value}" for name, level in rule.levels.items())
    worst = min(rule.levels.values(), key=list(Level).index)
    sources = "\n".join(f"- {NAMES[name]}: {source}" for name, source in rule.sources.items())
    sets = ", ".join(name for name, rules in SETS.items() if rule.id in rules) or "none yet"
    needs = f"\nIt needs what the client declares or reports: {', '.join(rule.needs)}.\n" if rule.needs else ""
    client = examples / "bad" / f"{rule.bad}.py"
    code = f"\n```python\n{client.read_text('utf-8')}```\n" if client.exists() else ""
    return (
        f"# {rule.id}: {rule.title}\n\n"
        + f"Level: {levels}. {VERDICTS[worst]} Sets of rules: {sets}.\n\n## Why\n\n{sources}\n\n"
        + f"## What is looked at\n\n{_sentence(rule.looks_at)}\n{needs}\n"
        + f"## How a good client does it\n\n{_sentence(rule.good)}\n\n"
        + f"## A client that breaks it\n\n`examples/bad/{rule.bad}.py`, a good client with one fault:\n{code}"
    )


def index() -> str:
    """Return the page that lists all rules."""
    lines = [
        "# Rules for clients",
        "",
        "Each page is made from the rule's file. `must` fails, `should` warns, `info` is shown.",
        "",
    ]
    for letter, title in CHAPTERS.items():
        lines += [f"## {title}", "", "| rule | crun.ai | Img Open | |", "|---|---|---|---|"]
        for rule in (one for one in all_rules().values() if one.id[0] == letter):
            levels = [rule.levels[name].value if name in rule.levels else "" for name in NAMES]
            lines.append(f"| [{rule.id}]({rule.id}.md) | {levels[0]} | {levels[1]} | {rule.title} |")
        lines.append("")
    return "\n".join(lines)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def write(folder: Path, examples: Path) -> None:
    """Write every page into `folder`, and remove pages of rules that no longer exist."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages(examples)
    for path in folder.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "examples"))
