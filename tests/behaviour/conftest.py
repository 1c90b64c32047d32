"""One emulator for all tests of a module that run clients, warmed up as the command does it."""

import logging
from collections.abc import Iterator

import pytest

from swapmock import Control, Emulator
from swapmock.client_checks.behaviour.warm import warm


@pytest.fixture(scope="module")
def control() -> Iterator[Control]:
    log = logging.getLogger("swapmock")
    before = log.level
    log.setLevel(logging.CRITICAL)  # what fails on purpose is no news
    with Emulator(journal_size=5000) as emulator:
        warm(emulator)
        yield emulator
    log.setLevel(before)  # other tests of this worker read the log
