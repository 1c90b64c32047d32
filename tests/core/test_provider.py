"""What every provider has unless it says otherwise."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from swapmock.mock_server.core.provider import Identity, Provider, VendorResponse, forged
from swapmock.mock_server.core.task import Task


def test_a_forged_task_has_another_end_of_its_id():
    task = Task("task-0123456789", "k", "p", "o", "m", b"", 0.0, 1.0, 2.0)
    assert forged(task, "00000000").id == "task-0100000000"
    assert forged(task, "00000000").created_at == task.created_at


def test_a_usual_identity_and_response():
    assert Identity("s") == ("s", None)
    assert VendorResponse(200, None, None) == (200, None, None, (), None)


def test_a_provider_is_frozen_and_plain():
    nothing: Any = None
    plain = Provider("p", {}, nothing, nothing, nothing, nothing, nothing)
    assert (plain.reads_query, plain.callback_body, plain.aliases, plain.sign_callback) == (False, None, None, None)
    assert plain.shape(nothing, nothing, 0) is None
    with pytest.raises(FrozenInstanceError):
        plain.name = "other"  # type: ignore[misc]  # that is the test
