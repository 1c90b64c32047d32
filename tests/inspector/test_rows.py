"""Lists and objects of a form: rows that write the JSON text, by keyboard alone, and the text itself without scripts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from swapmock import Emulator, Sandbox
from swapmock.contracts import load
from swapmock.mock_server.inspector import forms
from tests.inspector.test_browser import FLAGS

FACES = "input.faces"
FORM = "/try?operation=crun:create_task&form=image-face-swap-multi"


class TestShapes:
    """What the schema says of the rows."""

    def shape(self, provider: str, operation: str, chosen: str, name: str) -> Any:
        found = forms.fields(load(provider).operations[operation], chosen, "http://cb")
        return json.loads(next(field for field in found if field.name == name).shape or "null")

    def test_a_list_of_objects(self) -> None:
        assert self.shape("crun", "create_task", "image-face-swap-multi", "body/input/faces") == {
            "kind": "list",
            "items": {
                "kind": "object",
                "fields": [
                    {"name": "face_id", "required": True, "shape": {"kind": "integer"}},
                    {"name": "target", "required": True, "shape": {"kind": "text"}},
                ],
            },
        }

    def test_a_list_of_texts(self) -> None:
        assert self.shape("imgopen", "face_fusion", "", "body/sourceUrl") == {"kind": "list", "items": {"kind": "text"}}

    def test_an_object_of_anything_has_no_rows(self) -> None:
        assert self.shape("imgopen", "sd_text2image", "", "body/alwayson_scripts/override_settings") is None

    def test_a_schema_within_itself_ends(self) -> None:
        contract = load("crun")
        tree: dict[str, Any] = {"type": "object", "properties": {}}
        tree["properties"]["inner"] = tree
        made = json.dumps(forms.shape_of(contract, tree))
        assert made.count("inner") == forms.DEEPEST_SHAPE
        assert made.count('"any"') == 1

    @pytest.mark.parametrize(
        ("schema", "text", "sent"),
        [
            ({"enum": [0, 1]}, "1", 1),
            ({"enum": ["0", "1"]}, "1", "1"),
            ({"type": "integer"}, "7", 7),
            ({"type": "integer"}, "seven", "seven"),
            ({}, "16:9", "16:9"),
            ({}, '{"a": 1}', {"a": 1}),
            ({"type": ["string", "null"]}, "7", "7"),
        ],
    )
    def test_a_value_is_sent_as_its_schema_says(self, schema: Any, text: str, sent: Any) -> None:
        kind, choices = forms._kind(schema)
        field = forms.FormField("body/a", "a", kind, False, "", "", choices)
        assert forms._value(field, text) == sent


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


@pytest.fixture
def at(emulator: Emulator) -> Iterator[Sandbox]:
    with emulator.sandbox(clock="frozen", balance=100) as sandbox:
        yield sandbox


def url(sandbox: Sandbox, rest: str = FORM) -> str:
    return f"{sandbox.base_url}/__admin/sandboxes/{sandbox.id}{rest}"


def sent(sandbox: Sandbox) -> Any:
    """The body of the newest request."""
    return sandbox.requests()[-1]["request"]["body"]


@pytest.mark.needs("chromium")
@pytest.mark.long
@pytest.mark.timeout(300)
class TestRows:
    def test_rows_are_filled_by_keyboard_alone(self, page: Page, at: Sandbox) -> None:
        page.goto(url(at))
        rows = page.get_by_role("group", name=FACES, exact=False).first
        before = json.loads(page.locator("textarea[name='body/input/faces']").input_value())
        page.get_by_role("button", name=f"Add to {FACES}").focus()
        page.keyboard.press("Enter")
        page.keyboard.type("7")
        page.keyboard.press("Tab")
        page.keyboard.type("https://example.com/own.png")
        expect(rows.get_by_role("listitem")).to_have_count(len(before) + 1)
        page.get_by_role("button", name=f"Remove item 1 of {FACES}").focus()
        page.keyboard.press("Space")
        expect(rows.get_by_role("listitem")).to_have_count(len(before))
        assert page.evaluate("document.activeElement.ariaLabel") == f"Remove item 1 of {FACES}"
        page.get_by_role("button", name="Send", exact=True).focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/requests/x*")
        assert sent(at)["input"]["faces"] == [*before[1:], {"face_id": 7, "target": "https://example.com/own.png"}]

    def test_the_last_row_that_goes_leaves_the_field_out(self, page: Page, at: Sandbox) -> None:
        page.goto(url(at))
        while page.get_by_role("button", name=f"Remove item 1 of {FACES}").count():
            page.get_by_role("button", name=f"Remove item 1 of {FACES}").click()
        assert page.evaluate("document.activeElement.ariaLabel") == f"Add to {FACES}"
        page.get_by_role("button", name="Send", exact=True).click()
        page.wait_for_url("**/requests/x*")
        assert "faces" not in sent(at)["input"]

    def test_text_and_rows_are_the_same(self, page: Page, at: Sandbox) -> None:
        page.goto(url(at))
        text = page.locator("textarea[name='body/input/faces']")
        expect(text).to_be_hidden()
        page.get_by_role("button", name=f"As JSON: {FACES}").click()
        text.fill('[{"face_id": 3, "target": "https://a.example/x", "other": [1]}]')
        page.get_by_role("button", name=f"As rows: {FACES}").click()
        assert page.get_by_label("face_id").input_value() == "3"
        page.get_by_label("face_id").fill("4")
        assert json.loads(text.input_value()) == [{"other": [1], "face_id": 4, "target": "https://a.example/x"}]

    @pytest.mark.parametrize("wrong", ["{", '{"a": 1}', "[1]", "null"])
    def test_a_text_that_has_no_rows_stays_a_text(self, page: Page, at: Sandbox, wrong: str) -> None:
        page.goto(url(at))
        page.get_by_role("button", name=f"As JSON: {FACES}").click()
        text = page.locator("textarea[name='body/input/faces']")
        text.fill(wrong)
        page.get_by_role("button", name=f"As rows: {FACES}").click()
        expect(text).to_be_visible()
        expect(page.get_by_text("This text has no form in rows.")).to_be_visible()
        assert text.input_value() == wrong

    def test_a_list_of_texts(self, page: Page, at: Sandbox) -> None:
        page.goto(url(at, "/try?operation=imgopen:face_fusion"))
        for link in ("https://a.example/1.png", "https://a.example/2.png"):
            page.get_by_role("button", name="Add to sourceUrl").click()
            page.keyboard.type(link)
        page.get_by_label("targetUrl").fill("https://a.example/3.png")
        page.get_by_role("button", name="Send", exact=True).click()
        page.wait_for_url("**/requests/x*")
        assert sent(at)["sourceUrl"][-2:] == ["https://a.example/1.png", "https://a.example/2.png"]

    def test_without_scripts_the_text_is_the_form(self, browser: Browser, at: Sandbox) -> None:
        with browser.new_context(java_script_enabled=False) as context:
            page = context.new_page()
            page.goto(url(at))
            page.get_by_label(FACES).fill('[{"face_id": 1, "target": "https://a.example/x"}]')
            page.get_by_role("button", name="Send", exact=True).click()
            assert sent(at)["input"]["faces"] == [{"face_id": 1, "target": "https://a.example/x"}]
