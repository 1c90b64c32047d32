"""Writes one standard format of a provider's contract into a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from swapmock.client_checks.conformance.profile import profile
from swapmock.client_checks.standard_forms import arazzo, asyncapi, bruno, postman
from swapmock.client_checks.standard_forms.requests import Source
from swapmock.contracts import load
from swapmock.contracts.text import as_yaml, written


def _arazzo(source: Source, base_url: str) -> dict[str, str]:  # noqa: ARG001 - every form has one signature
    name = source.contract.name
    places = {one: f"{one}.openapi.yaml" for one in dict.fromkeys((name, "admin"))}
    made = arazzo.document(source, places)
    used = [row["name"] for row in made["sourceDescriptions"]]
    return {
        f"{name}.arazzo.yaml": as_yaml(made),
        **{places[one]: written(source.contract if one == name else load(one), "yaml") for one in used},
    }


def _asyncapi(source: Source, base_url: str) -> dict[str, str]:  # noqa: ARG001 - every form has one signature
    return {f"{source.contract.name}.asyncapi.yaml": as_yaml(asyncapi.document(source))}


def _postman(source: Source, base_url: str) -> dict[str, str]:
    text = json.dumps(postman.document(source, base_url), indent=2, ensure_ascii=False)
    return {f"{source.contract.name}.postman_collection.json": text + "\n"}


#: Name of a format -> the function that returns its files by their paths.
FORMS: Mapping[str, Callable[[Source, str], dict[str, str]]] = {
    "arazzo": _arazzo,
    "asyncapi": _asyncapi,
    "bruno": bruno.files,
    "postman": _postman,
}


def write(provider: str, form: str, folder: Path, base_url: str, *, live: bool) -> list[Path]:
    """Write `form` (a key of FORMS) of `provider` into `folder`, and return the files.

    `base_url` is the server in the files; `live` leaves out what needs an emulator. Raises FileNotFoundError for
    a provider without a profile, and OSError for a folder that cannot be written."""
    source = Source(load(provider), profile(provider), live)
    made = []
    for name, text in FORMS[form](source, base_url).items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        made.append(place)
    return made
