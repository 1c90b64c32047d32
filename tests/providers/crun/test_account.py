"""The balance, and links for uploads."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.contracts import load
from swapmock.mock_server.core.call import Problem
from swapmock.mock_server.providers.crun.account import get_upload_url
from tests.providers.direct import BASE_URL, Account


@pytest.mark.parametrize(
    ("balance", "choice", "shown"),
    [
        (12, "fraction", "12"),
        (12.345, "fraction", "12.345"),
        (12.345, "integer", "13"),
        (12, "integer", "12"),
        (0, "integer", "0"),
    ],
)
def test_the_balance(account, balance, choice, shown):
    one = account(balance=balance, variants={"crun": {"credits_number": choice}})
    assert repr(one.crun("GET", "account/balance")[1]["data"]["balance"]) == shown


def test_a_link_for_an_upload(account):
    """It is good for fifteen minutes of the sandbox's time, which begins at 1767225600."""
    one = account()
    status, document = one.crun("GET", "files/upload-url", query="ext=.png&content_type=image/png")
    assert (status, document["code"]) == (200, 200)
    name = document["data"]["file_url"].removeprefix(f"{BASE_URL}/u/")
    assert re.fullmatch(r"[0-9a-f-]{36}\.png", name)
    link = document["data"]["presigned_url"]
    assert re.fullmatch(rf"{BASE_URL}/r2/{name}\?expires=1767226500&signature=[0-9a-f]{{32}}", link)
    again = one.crun("GET", "files/upload-url", query="ext=.png&content_type=image/png")[1]["data"]
    assert again["file_url"] != document["data"]["file_url"]
    assert again["presigned_url"][-32:] != link[-32:]


@pytest.mark.parametrize("settings", [{"max_files": 2}], indirect=True)
def test_a_sandbox_has_a_limit_of_files(system):
    one = Account(system)
    asked = [one.crun("GET", "files/upload-url", query="ext=.png&content_type=image/png") for _ in range(3)]
    assert [status for status, _ in asked] == [200, 200, 429]
    assert asked[2][1]["message"] == "the sandbox holds 2 files; --max-files allows more"
    one.advance(899)
    assert one.crun("GET", "files/upload-url", query="ext=.png&content_type=image/png")[0] == 429
    one.advance(1)
    assert one.crun("GET", "files/upload-url", query="ext=.png&content_type=image/png")[0] == 200


def test_an_uploaded_file_is_kept_for_its_lifetime(account, shared_system):
    one = account()
    made = one.crun("GET", "files/upload-url", query="ext=.png&content_type=image/png")[1]["data"]
    with shared_system.engine.store.open(one.id) as box:
        file = box.file(made["file_url"].rpartition("/")[2])
    assert file is not None
    assert (file.content_type, file.size, file.etag) == ("image/png", None, "")
    assert file.expires_at - file.link_expires_at == 14 * 86_400 - 900


@pytest.mark.parametrize("held", [2, 3])
def test_a_sandbox_may_have_more_files_than_the_limit(held):
    """A snapshot of an emulator with a higher limit."""
    box: Any = SimpleNamespace(
        files_held=lambda: (held, 0), forget_files=lambda now: [], sandbox=SimpleNamespace(id="s")
    )
    engine: Any = SimpleNamespace(contracts={"crun": load("crun")}, max_files=2)
    with pytest.raises(Problem, match="rate_limited"):
        get_upload_url(SimpleNamespace(box=box, now=0.0), engine)  # type: ignore[arg-type]  # what it needs of a call
