"""What a submission to Img Open costs, how long it takes, and where it calls back."""

import pytest

from swapmock.contracts import load
from swapmock.mock_server.providers.imgopen import makers
from swapmock.mock_server.providers.imgopen.tools import MOST_PICTURES, Tool, tool_codes, tools
from tests.stories.imgopen_jobs import job

CONTRACT = load("imgopen")
TOOLS = tools(CONTRACT)
TIMELINES = CONTRACT.behaviour.timelines


@pytest.mark.parametrize("operation", TOOLS)
def test_the_price_of_each_picture(account, operation):
    one = account()
    path, body = job(operation)
    assert one.imgopen(path, body)[1]["code"] == "200"
    tool = TOOLS[operation]
    count = 2 if operation == "img_expand" else 1
    balance = one.admin("GET", "")["balance"]
    assert balance["reserved"] + balance["spent"] == pytest.approx(tool.price * (count if tool.pictures != 1 else 1))


@pytest.mark.parametrize(
    ("pictures", "body", "count"),
    [
        (1, {}, 1),
        (3, {"n": 5}, 3),
        (("n",), {}, 1),
        (("n",), {"n": "4"}, 4),
        (("n", "m"), {"n": 2, "m": 3}, 6),
        (("n", "m"), {"m": 3}, 3),
    ],
)
def test_how_many_pictures_are_asked_for(pictures, body, count):
    assert TOOLS["roop"]._replace(pictures=pictures).picture_count(body) == count


@pytest.mark.parametrize(
    ("path", "body", "caller"),
    [("a", {"a": 5}, "5"), ("a.b", {"a": {"b": "x"}}, "x"), ("a.b.c", {"a": {"b": {"c": "y"}}}, "y")],
)
def test_where_the_callers_id_stands(path, body, caller):
    assert TOOLS["roop"]._replace(caller_id=path).caller(body) == caller


@pytest.mark.parametrize(("mode", "shown"), [("sync", "sync"), ("async", "async"), ("fusion_mode", "async")])
def test_the_mode_of_a_tool(mode, shown):
    assert TOOLS["roop"]._replace(mode=mode).mode_under({"fusion_mode": "async"}) == shown


def test_only_tools_have_a_code():
    assert {tool.kind for tool in tool_codes(CONTRACT).values()} == {"detection", "tool"}
    assert all(code == tool.code for code, tool in tool_codes(CONTRACT).items())


@pytest.mark.parametrize(
    ("scenario", "mode", "at_once"),
    [
        ("fine", "sync", True),
        ("fine", "async", False),
        ("instant", "sync", True),
        ("slow", "sync", False),
        ("stuck", "sync", False),
    ],
)
def test_whether_a_detection_is_done_at_once(account, scenario, mode, at_once):
    one = account(scenario=scenario, variants={"imgopen": {"detection_mode": mode}})
    path, body = job("face_detection")
    status = one.data(path, body)["status"]
    assert (status == 2) is at_once


@pytest.mark.parametrize(
    ("place", "tool", "refused"),
    [
        ("never", "interrogate", False),
        ("en", "interrogate", True),
        ("zh", "interrogate", False),
        ("zh", "flux_text2image", True),
        ("en", "flux_text2image", False),
        ("en", "roop", False),
    ],
)
def test_where_a_callback_is_required(account, place, tool, refused):
    one = account(variants={"imgopen": {"callback_required": place}})
    path, body = job(tool)
    _, document = one.imgopen(path, body)
    assert (document["code"] == "400") is refused
    assert not refused or document["msg"] == "parameter error: callbackUrl is required"
    assert one.imgopen(path, {**body, "callbackUrl": "http://127.0.0.1:9/"})[1]["code"] == "200"


@pytest.mark.parametrize(("asked", "count"), [(-1, 1), (0, 1), (1, 1), (63, 63), (64, 64), (65, 64), (10**6, 64)])
def test_how_many_pictures_there_are_at_least_and_at_most(asked, count):
    assert TOOLS["roop"]._replace(pictures=("n",)).picture_count({"n": asked}) == count


def test_the_bounds_of_what_is_made_and_the_usual_tool():
    assert (makers.LARGEST_SEED, makers.MOST_PROMPTS, MOST_PICTURES) == (9_999_999_999, 20, 64)
    assert Tool._field_defaults == {"callback": False, "required_in": "", "tool_task": "", "faces": (), "pictures": 1}
