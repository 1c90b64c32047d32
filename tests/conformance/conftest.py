"""Every operation is a test of its own, whose cases are generated when it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from schemathesis.pytest import _test_builder
from schemathesis.pytest.plugin import SchemathesisFunction

#: What stands for a test until it runs -> how the test is built.
UNBUILT: dict[Callable[[], None], Callable[[], Any]] = {}


def build_later(build: Callable[..., Any], **given: Any) -> Callable[[], None]:
    """Stands in for Schemathesis' own builder, which generates all edge cases of an operation while pytest collects:
    many seconds, in each worker, also for tests that are not chosen."""

    def unbuilt() -> None:
        raise AssertionError("pytest_runtest_setup has not built this test")

    vars(unbuilt)["pytestmark"] = getattr(given["test_func"], "pytestmark", [])
    UNBUILT[unbuilt] = partial(build, **given)
    return unbuilt


_test_builder.build_operation_test = partial(build_later, _test_builder.build_operation_test)


def pytest_itemcollected(item: pytest.Item) -> None:
    # pytest makes the id of what was parametrized elsewhere without its brackets, and pytest-xdist runs of all that share
    # an id one alone.
    if isinstance(item, SchemathesisFunction) and item.parent is not None:
        item._id = item.parent.id.child(item.name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if isinstance(item, SchemathesisFunction) and item.obj in UNBUILT:
        item.obj = UNBUILT.pop(item.obj)()
