"""The standing credentials: well known where no other machine reaches the emulator, drawn or given elsewhere."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import requests

from swapmock import Emulator
from swapmock.contracts import load
from swapmock.mock_server.settings import SettingError, Settings
from swapmock.mock_server.web.messages import Request
from swapmock.mock_server.web.standing import standing_credentials
from tests.conftest import DISABLED_KEY, KEY, OTHER_KEY
from tests.receivers import Receiver

CONTRACTS = {name: load(name) for name in ("crun", "imgopen")}


def keys(**settings: Any) -> dict[str, list[tuple[str, str]]]:
    numbers = itertools.count()
    rows = standing_credentials(CONTRACTS, Settings(**settings), lambda: f"seed {next(numbers)}")
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        found.setdefault(row.credential.provider, []).append((row.credential.key, row.credential.secret))
    return found


@pytest.mark.parametrize("settings", [{}, {"host": "localhost"}, {"host": "::1"}, {"uds": Path("/tmp/x")}])
def test_where_only_this_machine_asks_they_are_those_of_the_contract(settings: dict[str, Any]) -> None:
    assert [key for key, _ in keys(**settings)["crun"]] == [KEY, OTHER_KEY, DISABLED_KEY]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "mock.test"])
def test_elsewhere_all_are_drawn(host: str) -> None:
    drawn, known = keys(host=host), keys()
    assert [len(rows) for rows in drawn.values()] == [len(rows) for rows in known.values()]
    texts = [text for rows in drawn.values() for row in rows for text in row if text]
    assert len(set(texts)) == len(texts)
    assert not {text for rows in known.values() for row in rows for text in row} & set(texts)
    assert all(key.startswith("ak_") and len(key) == len(KEY) for key, _ in drawn["crun"])


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_given_ones_stand_in_their_place(host: str) -> None:
    entries = ("crun=my-own-key", "imgopen=access-key:secret-key", "crun=second-key")
    found = keys(host=host, credential=entries)
    assert [key for key, _ in found["crun"]][:2] == ["my-own-key", "second-key"]
    assert found["imgopen"][0] == ("access-key", "secret-key")


def test_they_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# of the team\n\ncrun=from-a-file\nimgopen=access-key:secret-key\n")
    assert keys(credential=(f"@{file}",))["crun"][0] == ("from-a-file", "")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("crun", "PROVIDER=KEY"),
        ("other=12345678", "no provider named 'other'"),
        ("crun=12345678:12345678", "a key only"),
        ("imgopen=12345678", "a key and a secret"),
        ("crun=short", "8 to 200"),
        ("crun=with a space", "8 to 200"),
        ("crun=é1234567", "8 to 200"),
        ("imgopen=12345678:", "8 to 200"),
        ("@/nowhere/at/all", "cannot read /nowhere/at/all"),
    ],
)
def test_what_cannot_be_used_is_told_without_the_key(entry: str, said: str) -> None:
    with pytest.raises(SettingError, match=said) as refused:
        keys(credential=(entry,))
    assert "12345678" not in str(refused.value)


def test_there_are_no_more_than_standing_accounts() -> None:
    with pytest.raises(SettingError, match="too many of crun"):
        keys(credential=tuple(f"crun=key-number-{number}" for number in range(3)))


def test_an_emulator_beyond_loopback_knows_no_public_key() -> None:
    with Emulator(host="0.0.0.0", credential=("crun=my-own-key",)) as emulator:
        url = emulator.url.replace("0.0.0.0", "127.0.0.1") + "/api/v1/client/account/balance"
        asked = {
            key: requests.get(url, headers={"x-api-key": key}, timeout=10).status_code for key in (KEY, "my-own-key")
        }
        assert asked == {KEY: 401, "my-own-key": 200}
        assert emulator.default.headers("crun")["x-api-key"] == "my-own-key"


def test_keys_of_sandboxes_do_not_follow_from_the_seed() -> None:
    """Ids and links do."""
    made = []
    for _ in range(2):
        with Emulator(seed=1) as emulator:
            sandbox = emulator.sandbox()
            made.append((sandbox.id, sandbox.headers("crun"), sandbox.headers("imgopen")))
            again = emulator.sandbox(id="x").headers("crun")
            emulator.sandbox(id="y")
            assert again not in (sandbox.headers("crun"), emulator.default.headers("crun"))
    assert made[0][0] == made[1][0]
    assert made[0][1] != made[1][1]
    assert made[0][2] != made[1][2]


@pytest.mark.parametrize(
    ("client", "state"),
    [("127.0.0.1", "acknowledged"), ("", "acknowledged"), ("10.1.2.3", "blocked"), ("::1", "acknowledged")],
)
def test_beyond_loopback_a_stranger_has_nothing_called_here(client: str, state: str) -> None:
    """The receiver is on this machine; the client is not always."""
    with Receiver() as receiver, Emulator(host="0.0.0.0", credential=("crun=my-own-key",)) as emulator:
        body = {"model": "z-image", "input": {"prompt": "a"}, "callback_url": receiver.url()}
        asked = Request(
            "POST", "/api/v1/client/job/CreateTask", "", {"x-api-key": "my-own-key"}, json.dumps(body).encode(),
            emulator.url, client=client,
        )  # fmt: skip
        pipeline = emulator.system.pipeline
        target = pipeline.match("POST", asked.path)
        assert target is not None
        assert pipeline.answer(target, asked).status == 200
        emulator.default.set_clock("frozen")
        emulator.default.advance(60)
        (delivery,) = emulator.default.deliveries()
        assert delivery["state"] == state
        assert bool(receiver.bodies()) == (state == "acknowledged")
