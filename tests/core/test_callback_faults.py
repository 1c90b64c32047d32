"""Callback faults: what is sent, when, and how a body gets codes of another type."""

import pytest

from swapmock.mock_server.core.callback_faults import CALLBACK_FAULTS, SILENT_BEFORE_THE_END, PlannedSend, wrongly_typed


@pytest.mark.parametrize(
    ("name", "sends"),
    [
        ("", [(0.0, "true", "", False, False)]),
        ("duplicate", [(0.0, "true", "", False, False), (1.0, "true", "", True, False)]),
        ("concurrent", [(0.0, "true", "", False, True), (0.0, "true", "", True, True)]),
        ("before_answer", [(0.0, "true", "", False, False)]),
        ("late", [(600.0, "true", "", False, False)]),
        ("out_of_order", [(0.0, "true", "", False, False), (1.0, "started", "", False, False)]),
        ("contradicting", [(0.0, "contradicting", "", False, False)]),
        ("truncated", [(0.0, "true", "truncated", False, False)]),
        ("wrong_code_type", [(0.0, "true", "code_type", False, False)]),
        ("forged", [(0.0, "true", "", False, False), (0.0, "forged", "", True, False)]),
        ("never", []),
    ],
)
def test_what_is_sent_when_a_task_ends(name, sends):
    """Seconds after the end, what the body reports, how it is corrupted, whether it is never retried, whether it waits for none."""
    assert list(CALLBACK_FAULTS[name]) == [PlannedSend(*row) for row in sends]
    assert [tuple(send) for send in CALLBACK_FAULTS[name]] == sends


def test_which_faults_send_nothing_before_the_end():
    assert set(SILENT_BEFORE_THE_END) == {"out_of_order", "never"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"a": 1, "code": 200, "z": 2}, {"a": 1, "code": "200", "z": 2}),
        ({"code": "200", "data": {"code": 5, "list": [{"code": "7"}, 3, "4"]}},
         {"code": 200, "data": {"code": "5", "list": [{"code": 7}, 3, "4"]}}),
        ([{"code": 1}], [{"code": "1"}]),
        ("text", "text"),
        (None, None),
    ],
)  # fmt: skip
def test_only_codes_get_another_type(body, expected):
    assert wrongly_typed(body, "code") == expected
