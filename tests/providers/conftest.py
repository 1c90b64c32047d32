"""One emulator for each module of these tests: each case takes a sandbox of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import System, build
from tests.conftest import START
from tests.providers.direct import Account


@pytest.fixture(scope="module")
def shared_system() -> Iterator[System]:
    """An emulator on manual time. An answer that breaks the contract fails the tests of the module."""
    drifted: list[Exchange] = []
    yield build(Settings(), ManualTime(START), drifted.append)
    assert [(x.operation, x.status, x.answer, x.drift) for x in drifted] == []


@pytest.fixture
def account(shared_system: System) -> Callable[..., Account]:
    """`account(scenario=..., variants=...)` makes a sandbox."""

    def make(**settings: Any) -> Account:
        return Account(shared_system, **settings)

    return make
