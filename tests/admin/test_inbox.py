"""The admin operations of the callback inbox: the answers that are told."""

import pytest
import requests


@pytest.mark.parametrize(
    ("told", "status", "body"),
    [
        (204, 204, ""),
        (299.0, 299, "{"),
        (503, 503, ""),
        (503.0, 503, ""),
        ({"status": 418.0, "body": "no"}, 418, "no"),
        ({"body": "yes"}, 200, "yes"),
    ],
)
def test_a_whole_number_is_a_status_in_each_of_its_spellings(box, told, status, body):
    shown = box.ok("PUT", "/inbox", {"answers": [told]})
    assert [(type(one["status"]), one["status"]) for one in shown["answers"]] == [(int, status)]
    answer = requests.post(shown["url"], data=b"{}", timeout=30)
    assert answer.status_code == status
    assert answer.text.startswith(body)
    assert [one["answered"] for one in box.ok("GET", "/inbox")["received"]] == [status]


@pytest.mark.parametrize("told", [True, 100.0, 600, 299.5, "204", {"status": 199}])
def test_what_is_no_status_is_refused(box, told):
    assert box.pointers("PUT", "/inbox", {"answers": [told]})
    assert box.ok("GET", "/inbox")["answers"] == []
