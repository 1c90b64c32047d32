"""Which task a query finds, by id, tool, month and variant."""

import pytest

from tests.providers.direct import Account
from tests.stories.imgopen_jobs import job

OWN = "own-7"
#: 2026-01-31 at 15:59:59 and 23:59:59 UTC: a second before the month ends in China, and in UTC.
IN_CHINA, IN_UTC = 1_769_875_199 - 1_767_225_600, 1_769_903_999 - 1_767_225_600


def sent(one: Account, operation: str, own_id: str = OWN) -> str:
    path, body = job(operation, own_id=own_id)
    data = one.data(path, body)
    return str(next(data[name] for name in ("taskId", "task_id") if name in data))


def code_of(one: Account, path: str, name: str) -> tuple[str, bool]:
    """The code of the answer, and whether it has data."""
    _, document = one.imgopen(path, {"businessTaskId": name})
    return document["code"], document["data"] is not None


@pytest.mark.parametrize(
    ("choice", "found"), [("refuse", ("404", False)), ("null", ("200", False))]
)  # fmt: skip
@pytest.mark.parametrize("path", ["tool/face/fusion/queryTask", "sd/queryTaskInfo", "sd/v2/queryTaskInfo"])
def test_an_unknown_id(account, choice, found, path):
    one = account(variants={"imgopen": {"unknown_task": choice}})
    assert code_of(one, path, "nowhere") == found


def test_an_unknown_tool(account):
    assert code_of(account(), "tool/no/such/queryTask", OWN)[0] == "404"


@pytest.mark.parametrize("choice", ["refuse", "answer"])
def test_the_id_of_another_tools_task(account, choice):
    one = account(variants={"imgopen": {"tool_mismatch": choice}})
    task, generation = sent(one, "face_fusion"), sent(one, "sd_text2image", "own-8")
    one.advance(100)
    for name in (OWN, task):
        assert code_of(one, "tool/face/fusion/queryTask", name) == ("200", True)
        found = code_of(one, "tool/roop/queryTask", name)
        assert found == (("200", True) if choice == "answer" else ("404", False))
    for name in ("own-8", generation):
        assert code_of(one, "tool/roop/queryTask", name) == ("404", False)
    if choice == "answer":
        asked = one.data("tool/roop/queryTask", {"businessTaskId": task})
        assert asked == one.data("tool/face/fusion/queryTask", {"businessTaskId": task})


def test_generations_and_tools_do_not_find_each_other(account):
    one = account()
    task, generation = sent(one, "face_fusion"), sent(one, "sd_text2image", "own-8")
    for path in ("sd/queryTaskInfo", "sd/v2/queryTaskInfo"):
        assert [code_of(one, path, name)[0] for name in (task, OWN, generation, "own-8")] == [
            "404",
            "404",
            "200",
            "200",
        ]


@pytest.mark.parametrize(
    ("zone", "last"), [("china", IN_CHINA), ("utc", IN_UTC)]
)  # fmt: skip
@pytest.mark.parametrize("reach", ["all", "archived"])
def test_where_a_month_ends(account, zone, last, reach):
    """V2.0 finds the tasks of this month, V1.0 the others or all."""
    one = account(variants={"imgopen": {"month_zone": zone, "v1_reach": reach}})
    task = sent(one, "sd_text2image")
    one.advance(last)
    assert code_of(one, "sd/v2/queryTaskInfo", task) == ("200", True)
    assert code_of(one, "sd/queryTaskInfo", task)[0] == ("200" if reach == "all" else "404")
    one.advance(1)
    assert code_of(one, "sd/v2/queryTaskInfo", task)[0] == "404"
    assert code_of(one, "sd/queryTaskInfo", task) == ("200", True)


def test_the_callers_id_leads_to_its_newest_task(account):
    one = account()
    first, second = sent(one, "face_fusion"), sent(one, "face_fusion")
    assert first != second
    assert one.data("tool/face/fusion/queryTask", {"businessTaskId": OWN})["taskId"] == second
    assert one.data("tool/face/fusion/queryTask", {"businessTaskId": first})["taskId"] == first


@pytest.mark.parametrize(("rule", "code"), [("new_task", "200"), ("refuse", "409"), ("same_task", "200")])
def test_an_id_that_comes_again(account, rule, code):
    one = account(variants={"imgopen": {"repeated_id": rule}})
    first = sent(one, "face_fusion")
    path, body = job("face_fusion", own_id=OWN)
    _, document = one.imgopen(path, body)
    assert document["code"] == code
    if rule == "same_task":
        assert document["data"]["taskId"] == first
    sent(one, "roop")  # an id is known to its own tool
    sent(one, "submit_training")
    path, body = job("submit_training", own_id=OWN)
    assert one.imgopen(path, body)[1]["code"] == "409"


@pytest.mark.parametrize("prefix", ["pre", "test", "pro"])
def test_the_form_of_an_id(account, prefix):
    one = account(variants={"imgopen": {"id_prefix": prefix}})
    one.advance(1.234)
    task = sent(one, "face_fusion")
    assert task.startswith(f"{prefix}1767225601234")
    assert len(task) == len(prefix) + 22
    assert task[len(prefix) :].isdigit()


@pytest.mark.parametrize("choice", ["refuse", "answer"])
def test_an_id_that_two_tools_know_is_that_of_the_tool_asked(account, choice):
    one = account(variants={"imgopen": {"tool_mismatch": choice}})
    fusion, roop = sent(one, "face_fusion"), sent(one, "roop")
    assert one.data("tool/face/fusion/queryTask", {"businessTaskId": OWN})["taskId"] == fusion
    assert one.data("tool/roop/queryTask", {"businessTaskId": OWN})["taskId"] == roop


@pytest.mark.parametrize("name", ["imgopen:face/fusion:own-7", "imgopen:tool:own-7", "", "0", "zzz"])
def test_the_names_that_the_store_keeps_are_no_ids(account, name):
    one = account()
    sent(one, "face_fusion")
    assert code_of(one, "tool/face/fusion/queryTask", name or "own-")[0] == "404"


def test_a_task_of_the_other_vendor_is_unknown(account):
    one = account()
    task = one.created("z-image", {"prompt": "x"})
    for path in ("tool/face/fusion/queryTask", "sd/queryTaskInfo", "sd/v2/queryTaskInfo"):
        assert code_of(one, path, task)[0] == "404"
