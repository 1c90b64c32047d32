"""Any state that requests lead to can be saved, restored elsewhere to the byte, and lived on alike."""

import json
from pathlib import Path

import pytest

from tests.admin.snapshot_machine import run

OLD = Path(__file__).parents[1] / "corpus" / "snapshot-0.1.json"


@pytest.mark.timeout(300)
def test_any_state_is_restored_to_the_byte_and_goes_on_alike():
    run(examples=12, steps=40)


def holds(held, saved):
    """Whether everything of `saved` is in `held`, which may have fields that were added since."""
    if isinstance(saved, dict):
        return all(name in held and holds(held[name], item) for name, item in saved.items())
    if isinstance(saved, list):
        return len(held) == len(saved) and all(map(holds, held, saved))
    return held == saved


def test_a_snapshot_of_version_0_1_is_restored(admin, box):
    saved = json.loads(OLD.read_text("utf-8"))
    assert saved["version"].startswith("0.1")
    box.ok("POST", "/restore", saved)
    held = box.ok("GET", "/snapshot")
    assert [name for name in ("clock", "state", "files") if not holds(held[name], saved[name])] == []
    twin = admin.sandbox(clock="frozen")
    twin.ok("POST", "/restore", held)
    assert box.advance(until="idle") == twin.advance(until="idle")
    assert box.ok("GET", "/ledger", proof=1)["proof"]["holds"]


def test_a_snapshot_of_an_older_version_may_lack_what_was_added_since(box):
    saved = box.ok("GET", "/snapshot")
    del saved["sandbox"]["variants"]["crun"]["callback_events"]
    assert box.pointers("POST", "/restore", saved) == ["/sandbox/variants/crun/callback_events"]
    box.ok("POST", "/restore", {**saved, "version": "0.1.0"})
    assert box.ok("GET", "")["variants"]["crun"]["callback_events"] == "terminal"


@pytest.mark.parametrize("number", [0, 2, "1", None])
def test_another_format_is_refused_by_its_number(box, number):
    saved = {**box.ok("GET", "/snapshot"), "swapmock_snapshot": number}
    assert box.pointers("POST", "/restore", saved) == ["/swapmock_snapshot"]


def test_a_forged_callback_and_then_a_restore(box):
    for provider in ("crun", "imgopen"):
        box.ok("POST", "/scenarios", {"scenario": "callback_forged", "provider": provider})
    url = "http://127.0.0.1:9/"
    box.swapped(callback_url=url)
    box.imgopen(
        "tool/face/fusion",
        {
            "sourceUrl": ["https://a.test/1.png"],
            "targetUrl": "https://a.test/2.png",
            "businessTaskId": "1",
            "callbackUrl": url,
        },
    )
    box.advance(by="20s")
    saved = box.ok("GET", "/snapshot")
    box.ok("POST", "/restore", saved)
    assert box.ok("GET", "/snapshot") == saved


def test_every_fault_is_reported(box):
    box.swapped()
    saved = box.ok("GET", "/snapshot")
    saved["clock"]["mode"] = "warped"
    saved["state"]["numbers"]["exchange"] = "two"
    saved["state"]["recorded"] = None
    del saved["sandbox"]["labels"]
    assert sorted(box.pointers("POST", "/restore", saved)) == [
        "/clock/mode",
        "/sandbox/labels",
        "/state/numbers/exchange",
        "/state/recorded",
    ]
