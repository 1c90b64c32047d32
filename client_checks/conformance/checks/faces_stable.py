"""A detection numbers its faces in order, and finds the same number of faces in the same picture each time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence
from swapmock.client_checks.conformance.pointer import at, every
from swapmock.client_checks.conformance.tasks import polled

#: The fields of a request that name the picture.
PICTURES = ("/image_url", "/video_url", "/imageUrl")


@check("faces.stable", "faces that are not numbered in order, or not the same for the same picture")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if the ids are out of order, or if the number of faces differs from an earlier detection."""
    memory = context.history.memory["faces.stable"]
    for kind, word, name in polled(context):
        faces = at(context.body, kind.faces) if kind.faces else None
        if context.phase(kind, word) != "succeeded" or not isinstance(faces, list):
            continue
        yield EXAMINED
        evidence = context.evidence_at(kind.faces)
        numbers = [face.get("id") for face in faces if isinstance(face, Mapping)]
        if any(number is not None for number in numbers) and numbers != list(range(len(faces))):
            yield Deviation(f"ids 0 to {len(faces) - 1} in order", repr(numbers)[:120], evidence, f"{kind.name} ids")
        submission = context.history.submissions.get((kind.name, name))
        if submission is None:
            continue
        for pointer in PICTURES:
            for picture in every(submission.body, pointer):
                before = memory.setdefault((pointer, str(picture)), len(faces))
                if before != len(faces):
                    source = Evidence("inferred", "the same picture has the same faces")
                    yield Deviation(f"{before} faces, as before", f"{len(faces)} faces", source, f"{kind.name} count")
