"""The wire formats of the two vendors stay byte for byte, in every variant and scenario, unless a change is meant."""

from functools import cache

import pytest

from swapmock.contracts import load
from tests.providers.recording import PROVIDERS, answers, recorded, sandboxes, written

CASES = [(provider, one) for provider in PROVIDERS for one in sandboxes(provider)]


@cache
def recording(provider):
    return recorded(provider)


@pytest.mark.parametrize(("provider", "one"), CASES, ids=[f"{provider} {one.name}" for provider, one in CASES])
def test_the_answers_are_those_recorded(shared_system, provider, one):
    """A sandbox without a line of its own answers as the one does from which it differs."""
    kept = recording(provider)
    now = answers(shared_system, one.script, one.settings)
    assert now == (kept[one.name] if one.name in kept else kept[one.base])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_code_is_in_the_recording(provider):
    """Else the contract has one that the scripts do not ask for."""
    text = "\n".join(recording(provider)["usual"].values())
    assert [code for code in load(provider).behaviour.body_codes if f'"code":{written(code)}' not in text] == []
    assert set(recording(provider)) <= {one.name for _, one in CASES}
