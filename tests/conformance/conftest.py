"""Every operation is a test of its own."""

import pytest
from schemathesis.pytest.plugin import SchemathesisFunction


def pytest_itemcollected(item: pytest.Item) -> None:
    # pytest makes the id of what was parametrized elsewhere without its brackets, and pytest-xdist runs of all that share
    # an id one alone.
    if isinstance(item, SchemathesisFunction) and item.parent is not None:
        item._id = item.parent.id.child(item.name)
