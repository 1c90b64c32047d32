"""The catalogues are whole and compiled, and a reader gets the language that the browser prefers or the reader chose.

`python -m tests.inspector.test_languages` adds new texts to the catalogues, for a translator, and compiles them.
"""

from __future__ import annotations

import gettext
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from swapmock.mock_server.inspector.languages import LANGUAGES, best_language
from tests.inspector.conftest import Reader, Story

INSPECTOR = Path(__file__).resolve().parents[2] / "mock_server" / "inspector"
TRANSLATED = [name for name in LANGUAGES if name != "en"]
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
OPTIONS = {"templates/**.html": {"newstyle_gettext": "true", "trim_blocks": "true"}}
KEYWORDS: dict[str, Any] = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}


def texts() -> dict[str, Any]:
    """Every text of the pages: the English one, or a pair for one and many."""
    found = extract_from_dir(str(INSPECTOR), METHODS, OPTIONS, KEYWORDS)
    return {(message if isinstance(message, str) else message[0]): message for _, _, message, _, _ in found}


def path_of(language: str, ending: str) -> Path:
    return INSPECTOR / "locale" / language / "LC_MESSAGES" / f"inspector.{ending}"


def read(language: str) -> Catalog:
    with path_of(language, "po").open("rb") as file:
        return read_po(file, locale=language)


def compiled(catalogue: Catalog) -> bytes:
    into = BytesIO()
    write_mo(into, catalogue)
    return into.getvalue()


def entries(raw: bytes) -> dict[Any, str]:
    found: dict[Any, str] = dict(gettext.GNUTranslations(BytesIO(raw))._catalog)  # type: ignore[attr-defined]  # it has no public form
    found.pop("", None)
    return found


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated_and_none_is_left_over(language: str) -> None:
    known: dict[str, Any] = {
        (one.id if isinstance(one.id, str) else one.id[0]): one.string for one in read(language) if one.id
    }
    assert known.keys() == texts().keys(), "python -m tests.inspector.test_languages"
    assert [
        name for name, text in known.items() if not (text if isinstance(text, str) else bool(text) and all(text))
    ] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_the_compiled_catalogue_is_that_of_the_texts(language: str) -> None:
    assert entries(path_of(language, "mo").read_bytes()) == entries(compiled(read(language)))


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_same_places(language: str) -> None:
    for one in read(language):
        ids = [one.id] if isinstance(one.id, str) else list(one.id)
        strings = [one.string] if isinstance(one.string, str) else list(one.string or ())
        wanted = {place for text in ids for place in re.findall(r"%\(\w+\)[sd]", text)}
        assert all(set(re.findall(r"%\(\w+\)[sd]", text)) == wanted for text in strings if text), one.id


PREFERENCES = [
    ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-GB", "en"), ("", "en"), ("fr, zh;q=0.3", "zh"), ("zh;q=0, en;q=0.1", "en"),
    ("*", "en"), ("zh;q=x", "en"), ("en;q=0.5, zh-Hant-TW", "zh"), (";;,,=", "en"),
]  # fmt: skip


@pytest.mark.parametrize(("accept", "language"), PREFERENCES)
def test_the_browser_chooses(accept: str, language: str) -> None:
    assert best_language(accept) == language


def test_a_page_is_chinese_for_a_chinese_browser(story: Story, reader: Reader) -> None:
    text = reader.get(story.path(f"/requests/{story.ids['violation']}"), **{"Accept-Language": "zh-CN"}).text
    assert '<html lang="zh-Hans">' in text
    assert "缺少 <code>image_url</code>。您发送的是 <code>imageUrl</code>。" in text


def test_the_reader_chooses_and_it_stays(story: Story, reader: Reader) -> None:
    assert "回调投递" in reader.get(story.path("?lang=zh")).text
    assert "回调投递" in reader.get(story.path("/ledger")).text
    assert "Deliveries" in reader.get(story.path("?lang=en")).text
    assert "Deliveries" in reader.get(story.path("/ledger"), **{"Accept-Language": "zh"}).text


def update() -> None:
    """Add new texts to each catalogue without a translation, drop old ones, and compile."""
    for language in TRANSLATED:
        known = {(one.id if isinstance(one.id, str) else one.id[0]): one.string for one in read(language) if one.id}
        made = Catalog(locale=language, charset="utf-8")
        for name, message in sorted(texts().items()):
            pair = message if isinstance(message, tuple) else None
            made.add(message, known.get(name, ("",) if pair else ""))
        body = BytesIO()
        write_po(body, made, omit_header=True, sort_output=True, width=0)
        head = path_of(language, "po").read_text("utf-8").partition("\n\n")[0]
        path_of(language, "po").write_text(f"{head}\n\n{body.getvalue().decode()}", "utf-8")
        path_of(language, "mo").write_bytes(compiled(read(language)))


if __name__ == "__main__":
    update()
