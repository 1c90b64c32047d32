"""The languages of the pages. Texts are in catalogues (`locale/`), which Babel makes and the standard library reads."""

from __future__ import annotations

import gettext
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

#: Translates a text; texts with placeholders are completed by `%`.
Translate = Callable[[str], str]


def N_(text: str) -> str:  # noqa: N802 - the name by which Babel finds texts that are translated later
    """Return `text` unchanged. Babel finds the text by this name; it is translated later."""
    return text


#: Language -> its own name, and the value of the attribute `lang`.
LANGUAGES: Mapping[str, tuple[str, str]] = {"en": ("English", "en"), "zh": ("中文", "zh-Hans")}

FOLDER = Path(__file__).with_name("locale")


@lru_cache(len(LANGUAGES))
def translations(language: str) -> gettext.NullTranslations:
    """Return the texts of `language`, a key of LANGUAGES; the English texts are in the templates."""
    if language == "en":
        return gettext.NullTranslations()
    return gettext.translation("inspector", FOLDER, [language])


def best_language(accept: str) -> str:
    """Return the language that the header Accept-Language prefers (RFC 9110 12.5.4); English if it names none of
    ours."""
    weights: dict[str, float] = {}
    for part in accept[:500].split(","):
        tag, *parameters = (text.strip().lower() for text in part.split(";"))
        weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        try:
            weights.setdefault(tag.partition("-")[0], float(weight))
        except ValueError:
            continue
    known = {name: weight for name, weight in weights.items() if name in LANGUAGES and weight > 0}
    return max(known, key=lambda name: known[name]) if known else "en"
