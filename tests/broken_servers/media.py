"""Defects of files: what is not what was asked for, and what is not whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

from PIL import Image

from tests.broken_servers import CATALOGUE, Ask, Defect, Reply
from tests.broken_servers.harmless import header as header_of
from tests.broken_servers.harmless import with_header, without_conditions

#: From a file's bytes and the ending of its path to other bytes and their type; None leaves the file as it is.
ChangeFile = Callable[[bytes, str], tuple[bytes, str] | None]


def changing(change: ChangeFile) -> Callable[[Ask, Reply, dict[str, Any]], Reply]:
    """An answer that changes files of results, whole and by HEAD alike."""

    def answer(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        if "/media/" not in ask.path and "/Output-Img2/" not in ask.path:
            return reply
        dropped = ("accept-ranges", "etag", "last-modified", "content-range")
        reply = replace(reply, headers={k: v for k, v in reply.headers.items() if k.lower() not in dropped})
        if ask.method == "GET" and reply.status == 200:
            found = change(reply.body, ask.path.rpartition(".")[2])
            memory[ask.path] = found or (reply.body, header_of(reply, "content-type"))
        if ask.path not in memory or reply.status != 200:
            return reply
        content, kind = memory[ask.path]
        reply = with_header(with_header(reply, "Content-Type", kind), "Content-Length", str(len(content)))
        return reply if ask.method == "HEAD" else replace(reply, body=content)

    return answer


def plainly_asked(ask: Ask) -> Ask:
    """A request for a file of a result, as a host without ranges reads it."""
    return without_conditions(ask) if "/media/" in ask.path or "/Output-Img2/" in ask.path else ask


def file_defect(name: str, about: str, finds: str, change: ChangeFile, provider: str = "crun") -> None:
    CATALOGUE[name] = Defect(
        name, about, frozenset(finds.split()), answer=changing(change), pass_on=plainly_asked, provider=provider
    )


def redrawn(content: bytes, change: Callable[[Image.Image], Image.Image], form: str = "", **options: Any) -> bytes:
    """A picture after `change`, in its own format or in another one."""
    with Image.open(BytesIO(content)) as picture:
        kept = form or str(picture.format)
        out = BytesIO()
        changed = change(picture)
        (changed.convert("RGB") if kept == "JPEG" else changed).save(out, kept, **options)
    return out.getvalue()


def of_pictures(change: Callable[[bytes], bytes]) -> ChangeFile:
    """Changes files whose path says that they are pictures."""
    types = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg"}
    return lambda content, ending: (change(content), types[ending]) if ending in types else None


def of_ending(ending: str, kind: str, change: Callable[[bytes], bytes]) -> ChangeFile:
    return lambda content, its: (change(content), kind) if its == ending else None


def square(picture: Image.Image) -> Image.Image:
    return picture.crop((0, 0, min(picture.size), min(picture.size)))


def damaged(content: bytes) -> bytes:
    """A video whose frames are zeros from the middle on; its index is whole."""
    middle = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2
    return content[:middle] + bytes(len(content) - middle)


file_defect("pictures_square", "every picture is a square", "media.asked", of_pictures(lambda c: redrawn(c, square)))
file_defect(
    "pictures_small", "every picture is a quarter as wide as it should be", "media.asked",
    of_pictures(lambda c: redrawn(c, lambda p: p.resize((max(1, p.width // 4), max(1, p.height // 4))))),
)  # fmt: skip
file_defect(
    "picture_is_page", "a page of HTML stands in the place of pictures", "media.kind",
    lambda content, ending: (b"<html><body>soon</body></html>", "text/html") if ending == "png" else None,
)  # fmt: skip
file_defect(
    "page_called_picture", "a page of HTML is called a picture", "media.kind",
    lambda content, ending: (b"<html><body>soon</body></html>", "image/png") if ending == "png" else None,
)  # fmt: skip
file_defect("picture_empty", "pictures have no bytes", "media.kind", of_ending("png", "image/png", lambda c: b""))
file_defect(
    "picture_without_end", "the last chunk of pictures is missing", "media.broken",
    of_ending("png", "image/png", lambda c: c[:-12]),
)  # fmt: skip
file_defect(
    "photo_without_end", "the end marker of JPEG pictures is missing", "media.broken",
    of_ending("jpg", "image/jpeg", lambda c: c[:-2]),
)  # fmt: skip
file_defect(
    "picture_flipped_bit", "a bit of every picture is another one", "media.broken",
    of_ending("png", "image/png", lambda c: c[:-20] + bytes([c[-20] ^ 1]) + c[-19:]),
)  # fmt: skip
file_defect(
    "video_damaged", "the second half of videos is empty", "media.broken", of_ending("mp4", "video/mp4", damaged)
)
file_defect("sound_cut", "sounds break off", "media.broken", of_ending("wav", "audio/wav", lambda c: c[: len(c) // 2]))
file_defect(
    "picture_of_other_size", "pictures are smaller than asked for", "media.asked",
    of_pictures(lambda c: redrawn(c, lambda p: p.resize((p.width // 2, p.height // 2)))), provider="imgopen",
)  # fmt: skip


def ignoring(name: str, about: str, field: str, finds: str = "media.asked") -> None:
    """A server that does not look at an input field of CreateTask, and tells that it did."""

    def pass_on(ask: Ask) -> Ask:
        body = ask.json
        if ask.operation != "create_task" or not isinstance(body, dict) or field not in body.get("input", {}):
            return ask
        less = {key: value for key, value in body["input"].items() if key != field}
        headers = {**ask.headers, "x-asked": json.dumps(body["input"])}
        return replace(ask, headers=headers, body=json.dumps({**body, "input": less}).encode())

    def answer(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
        if ask.operation == "create_task" and reply.is_success and "x-asked" in ask.headers:
            memory[reply.json["data"]["task_id"]] = json.loads(ask.headers["x-asked"])
        if ask.operation != "get_task_info" or not reply.is_success or reply.json["data"]["task_id"] not in memory:
            return reply
        told = memory[reply.json["data"]["task_id"]]
        return reply.with_data(param={**reply.json["data"]["param"], "input": told})

    CATALOGUE[name] = Defect(name, about, frozenset(finds.split()), answer=answer, pass_on=pass_on)


ignoring("ratio_ignored", "pictures and videos have the usual ratio, whatever is asked for", "aspect_ratio")
ignoring("resolution_ignored", "pictures have the usual resolution, whatever is asked for", "resolution")
ignoring("format_ignored", "pictures have the usual format, whatever is asked for", "output_format")
ignoring("length_ignored", "videos have the usual length, whatever is asked for", "duration")
ignoring("rate_ignored", "videos have the usual frame rate, whatever is asked for", "fps")
ignoring("number_ignored", "one picture is made, however many are asked for", "num_outputs")
