"""The admin API over real HTTP, on manual time."""

import pytest

from tests.control import Admin, Box


@pytest.fixture
def admin(server) -> Admin:
    return Admin(server.url)


@pytest.fixture
def box(admin) -> Box:
    """A sandbox with a still clock."""
    return admin.sandbox(clock="frozen")
