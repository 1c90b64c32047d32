"""A rule: one judgement on a client, with its level and sources. Each rule is one file in `rules/`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from swapmock.client_checks.behaviour.model import Findings, Level, Observations

Judge = Callable[[Observations], Findings]


@dataclass(frozen=True)
class Rule:
    """One rule of the catalogue.

    `levels` maps a provider to the level; a provider that is not in it does not have the rule. `sources` maps a
    provider to what justifies the rule. `looks_at` names the observations that are judged, `good` what a good
    client does, `bad` the client in `examples/bad` that breaks the rule. `needs` names the parts of the
    declaration that are required."""

    id: str
    title: str
    levels: Mapping[str, Level]
    sources: Mapping[str, str]
    looks_at: str
    good: str
    bad: str
    judge: Judge
    needs: tuple[str, ...] = ()


#: The level of a rule for both providers.
MUST: Mapping[str, Level] = {"crun": Level.MUST, "imgopen": Level.MUST}
SHOULD: Mapping[str, Level] = {"crun": Level.SHOULD, "imgopen": Level.SHOULD}
INFO: Mapping[str, Level] = {"crun": Level.INFO, "imgopen": Level.INFO}
#: A must that depends on a refusal code. Img Open's codes are not documented, so that the rule only warns there.
MUST_BY_CODE: Mapping[str, Level] = {"crun": Level.MUST, "imgopen": Level.SHOULD}


@cache
def all_rules() -> Mapping[str, Rule]:
    """Return every rule by its id, in the order of the catalogue."""
    from swapmock.client_checks.behaviour import rules

    found: dict[str, Rule] = {}
    for module in pkgutil.iter_modules(rules.__path__):
        one: Rule = importlib.import_module(f"{rules.__name__}.{module.name}").RULE
        found[one.id] = one
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def _order(rule: str) -> tuple[int, int, str]:
    letters = "EPLDCRKV"
    digits = "".join(character for character in rule if character.isdigit())
    return letters.index(rule[0]), int(digits), rule
