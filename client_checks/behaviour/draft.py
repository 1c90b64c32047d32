"""Writes a first declaration from a plain run: values that were seen, and a question for each other value."""

from __future__ import annotations

from dataclasses import replace

from swapmock.client_checks.behaviour.declaration import Declaration, written
from swapmock.client_checks.behaviour.judge import features
from swapmock.client_checks.behaviour.model import Observations, Role

QUESTIONS = {
    "resume": 'How is an interrupted run taken up? "again" for the same command, or the words of another one. Example: resume = "again"',
    "deadline": "After how many seconds does the client give up a job? Example: deadline = 600",
    "smallest_timeout": "What is its smallest time-out of a request, in seconds? Example: smallest_timeout = 30",
    "verdict": 'How does it report its outcome: "claim", "exit", or patterns? Example: verdict = "exit"',
    "faces": "How many faces does it expect in a picture? Example: faces = 2",
}


def draft(plain: Observations) -> str:
    """Return the text of a `conform.toml` for the client of a plain run."""
    does = features([plain])
    declaration: Declaration = plain.declaration
    seen = replace(
        declaration,
        provider=declaration.provider or plain.provider,
        jobs=declaration.jobs or len([task for task in plain.tasks if task.role is Role.CREATE]) or None,
        verdict=declaration.verdict or ("claim" if any(claim.channel == "claim" for claim in plain.claims) else None),
        downloads=does["downloads"],
        callbacks=any(one.reached for one in plain.attempts),
        uploads=does["uploads"],
        effects=True if plain.effects else None,
    )
    open_questions = {name: text for name, text in QUESTIONS.items() if getattr(seen, name) in (None, ())}
    if not does["detection"]:
        open_questions.pop("faces", None)
    head = "# What this client is, for `swapmock conform`. Written from a plain run: check each line.\n\n"
    return head + written(seen, open_questions)
