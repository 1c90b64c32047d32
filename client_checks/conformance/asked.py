"""Compares a file of a result with what the request asked for, by the rows of `asked` in a profile.

A row has a `form` (one of FORMS), the places in the request that hold the values (`at`), and its evidence. A row
does not apply if the contract's row of the model does not list the place as an input field."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from swapmock.client_checks.conformance.context import Submission
from swapmock.client_checks.conformance.findings import Deviation, Evidence
from swapmock.client_checks.conformance.medium import Medium
from swapmock.client_checks.conformance.pointer import at
from swapmock.contracts import Contract

#: The tolerance of an aspect ratio, as a fraction: sizes in steps of 32 pixels differ by up to 2.8 %.
RATIO_OFF = 0.03
#: The tolerance of a size: in pixels (the step of most encoders), or as a fraction. The larger one counts.
PIXELS_OFF, SIDE_OFF = 16, 0.02
#: The tolerance of a picture's side for a named resolution, as a fraction: 1K is up to 1.5 million pixels.
RESOLUTION_OFF = 0.3
#: The same for a video: for its shorter side, and for the side of a square with the same number of pixels.
SHORTER_OFF, AREA_OFF = 0.05, 0.1
#: The side of a square with the same number of pixels as a 16:9 video with the shorter side 1.
SQUARE_OF_WIDE = 4 / 3
#: The tolerance of a length: in seconds (the last frame, the padding of an encoder), and as a fraction.
SECONDS_OFF, LENGTH_OFF = 0.5, 0.02
#: The tolerance of a frame rate, as a fraction: 29.97 counts as 30.
RATE_OFF = 0.02

RATIO = re.compile(r"\s*(\d{1,4}(?:\.\d{1,3})?)\s*[:/x]\s*(\d{1,4}(?:\.\d{1,3})?)\s*")
SIZE = re.compile(r"\s*(\d{2,5})\s*[x*×]\s*(\d{2,5})\s*", re.IGNORECASE)
LENGTH = re.compile(r"\s*(\d{1,4}(?:\.\d{1,3})?)\s*s?\s*", re.IGNORECASE)

#: The function of a form. Its arguments are the row, the requested values and the file. It returns the expected and the
#: actual value as texts, or None if they agree.
Judge = Callable[[Mapping[str, Any], Sequence[Any], Medium], tuple[str, str] | None]


def deviations(
    rows: Sequence[Mapping[str, Any]], contract: Contract, submission: Submission, medium: Medium
) -> Iterator[Deviation]:
    """Yield a deviation for each property of the file `medium` that differs from what `submission` asked for."""
    if medium.family not in families(contract, submission):
        return  # a cover of a song, the last frame of a video
    for row, values in _wanted(rows, contract, submission):
        judge = FORMS.get(row["form"])
        found = None if judge is None else judge(row, values, medium)
        if found is not None:
            yield Deviation(*found, Evidence(row["evidence"], row["source"]), place=row["form"])


def wrong_count(
    rows: Sequence[Mapping[str, Any]], contract: Contract, submission: Submission, count: int
) -> Deviation | None:
    """Return a deviation if a result does not have the number of files that `submission` asked for, else None.
    `count` is the number of files."""
    for row, values in _wanted(rows, contract, submission):
        if row["form"] == "count" and all(isinstance(value, int) for value in values) and count != math.prod(values):
            evidence = Evidence(row["evidence"], row["source"])
            return Deviation(f"{math.prod(values)} files", f"{count} files", evidence, place="count")
    return None


def families(contract: Contract, submission: Submission) -> Sequence[str]:
    """Return the groups of files (see `medium.FAMILIES`) that `submission` asks for: those of its model; pictures if
    the contract has no models."""
    media = str(_model(contract, submission).get("media", "image"))
    return ("image", "video") if media == "gif-or-video" else (media,)


def _wanted(
    rows: Sequence[Mapping[str, Any]], contract: Contract, submission: Submission
) -> Iterator[tuple[Mapping[str, Any], list[Any]]]:
    """Yield each row for which the request has all values, with these values."""
    model, catalogue = _model(contract, submission), contract.behaviour.catalogue
    # Where a model is named in the request, one that the contract does not know may do as it likes.
    fields = model.get("fields", ()) if catalogue is not None and not catalogue.operation else None
    for row in rows:
        is_waived = any(at(submission.body, place) for place in row.get("unless", ()))
        if is_waived or model.get("name") in row.get("not_for", ()):
            continue
        places = [place for place in row["at"] if fields is None or place.rsplit("/", 1)[-1] in fields]
        values = [at(submission.body, place) for place in places]
        if len(values) == len(row["at"]) and all(value is not None for value in values):
            yield row, values


def _model(contract: Contract, submission: Submission) -> Mapping[str, Any]:
    """Return the contract's row of the requested model; an empty one if there is none."""
    catalogue, body = contract.behaviour.catalogue, submission.body
    if catalogue is None or not catalogue.member or not isinstance(body, Mapping):
        return {}
    return contract.models.get(str(body.get(catalogue.member)), {})


def _ratio(row: Mapping[str, Any], values: Sequence[Any], medium: Medium) -> tuple[str, str] | None:  # noqa: ARG001
    found = RATIO.fullmatch(str(values[0]))
    if found is None or not medium.height or not float(found[2]):
        return None
    wanted = float(found[1]) / float(found[2])
    return _unless(_is_near(medium.width / medium.height, wanted, RATIO_OFF), f"the ratio {values[0]}", _size(medium))


def _pixels(row: Mapping[str, Any], values: Sequence[Any], medium: Medium) -> tuple[str, str] | None:  # noqa: ARG001
    if not all(isinstance(value, int) and not isinstance(value, bool) and value > 0 for value in values):
        return None
    is_so = all(_is_side(got, wanted) for got, wanted in zip((medium.width, medium.height), values, strict=True))
    return _unless(is_so, f"{values[0]} x {values[1]} pixels", _size(medium))


def _resolution(row: Mapping[str, Any], values: Sequence[Any], medium: Medium) -> tuple[str, str] | None:
    exact = SIZE.fullmatch(str(values[0]))
    if exact is not None:
        return _pixels(row, [int(exact[1]), int(exact[2])], medium)
    side = row["sides"].get(medium.family, {}).get(str(values[0]).strip().lower())
    if side is None:
        return None
    square = math.sqrt(medium.width * medium.height)
    if medium.family == "image":
        is_so = _is_near(square, side, RESOLUTION_OFF)
    else:
        shorter = min(medium.width, medium.height)
        is_so = _is_near(shorter, side, SHORTER_OFF) or _is_near(square, side * SQUARE_OF_WIDE, AREA_OFF)
    return _unless(is_so, f"the resolution {values[0]}", _size(medium))


def _seconds(row: Mapping[str, Any], values: Sequence[Any], medium: Medium) -> tuple[str, str] | None:  # noqa: ARG001
    found = None if isinstance(values[0], bool) else LENGTH.fullmatch(str(values[0]))
    if found is None or medium.family == "image":
        return None
    wanted = float(found[1])
    is_so = abs(medium.seconds - wanted) <= SECONDS_OFF + LENGTH_OFF * wanted
    return _unless(is_so or not wanted, f"{wanted:g} s", f"{medium.seconds:.2f} s")


def _rate(row: Mapping[str, Any], values: Sequence[Any], medium: Medium) -> tuple[str, str] | None:  # noqa: ARG001
    wanted = values[0]
    if not isinstance(wanted, int | float) or isinstance(wanted, bool) or wanted <= 0 or not medium.rate:
        return None
    return _unless(_is_near(medium.rate, wanted, RATE_OFF), f"{wanted:g} frames a second", f"{medium.rate:.2f}")


def _kind(row: Mapping[str, Any], values: Sequence[Any], medium: Medium) -> tuple[str, str] | None:
    wanted = row["kinds"].get(str(values[0]).strip().lower())
    return None if wanted is None else _unless(medium.kind == wanted, f"the format {values[0]}", medium.kind)


FORMS: Mapping[str, Judge] = {
    "ratio": _ratio,
    "pixels": _pixels,
    "resolution": _resolution,
    "seconds": _seconds,
    "rate": _rate,
    "format": _kind,
}


def _unless(is_so: bool, expected: str, got: str) -> tuple[str, str] | None:
    return None if is_so else (expected, got)


def _is_near(got: float, wanted: float, off: float) -> bool:
    return abs(got / wanted - 1) <= off


def _is_side(got: int, wanted: int) -> bool:
    return abs(got - wanted) <= max(PIXELS_OFF, SIDE_OFF * wanted)


def _size(medium: Medium) -> str:
    return f"{medium.width} x {medium.height} pixels"
