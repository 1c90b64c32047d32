"""Balance, and the two steps of an upload."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING

from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.credits import rounded_up, to_credits
from swapmock.mock_server.core.journal import File
from swapmock.mock_server.core.seeded import hexadecimal, uuid4

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine


def get_account_balance(call: Call, engine: Engine) -> Reply:
    available = engine.available(call.box)
    whole = call.variants["credits_number"] == "integer"
    return Reply({"balance": to_credits(rounded_up(available) if whole else available)})


def get_upload_url(call: Call, engine: Engine) -> Reply:
    """A link to PUT a file to, and the URL under which it can then be fetched; Problem `rate_limited` if the sandbox
    has reached its limit of files."""
    box, rules = call.box, engine.contracts["crun"].behaviour
    _forget_expired(call, engine)
    if box.files_held()[0] >= engine.max_files:
        raise Problem("rate_limited", message=f"the sandbox holds {engine.max_files} files; --max-files allows more")
    name = _free_name(call, engine)
    expires = int(call.now + rules.seconds("upload_link"))
    signature = hexadecimal(32, box.sandbox.seed, "signature", name, expires)
    box.put_file(
        File(
            name=name,
            content_type=call.params["content_type"],
            signature=signature,
            link_expires_at=float(expires),
            expires_at=call.now + rules.seconds("uploaded_file"),
            cause=call.exchange,
        )
    )
    presigned = f"{call.base_url}/r2/{name}?expires={expires}&signature={signature}"
    return Reply({"presigned_url": presigned, "file_url": f"{call.base_url}/u/{name}"})


def _free_name(call: Call, engine: Engine) -> str:
    """A name that no other sandbox has, published for this one: two sandboxes with the same seed must not overwrite each
    other's files."""
    while True:
        number = call.box.next_number("upload")
        name: str = uuid4(call.box.sandbox.seed, "upload", number) + call.params["ext"]
        if engine.store.claim(name, call.box.sandbox.id):
            return name


def _forget_expired(call: Call, engine: Engine) -> None:
    """Delete the expired files and links, which nobody can use."""
    sandbox_id = call.box.sandbox.id
    for name in call.box.forget_files(call.now):
        engine.store.unpublish(name, sandbox_id)
        engine.blobs.remove(f"{sandbox_id}/{name}")


def put_upload(call: Call, engine: Engine) -> Reply:
    """Take the bytes, if the link's signature, its time and the content type are those that were given out, and if the
    sandbox's limits allow them."""
    file = call.box.file(call.params["file_name"])
    # The owner is missing if the sandbox was deleted during this call.
    if file is None or engine.store.owner(file.name) is None:
        # An unused link is deleted when it expires; the answer still says that it has expired.
        raise Problem("upload_refused" if call.now >= call.params["expires"] else "file_not_found")
    shown = call.params["signature"].encode("utf-8", "replace")
    right = hmac.compare_digest(shown, file.signature.encode()) and call.params["expires"] == int(file.link_expires_at)
    sent_type = call.headers.get("content-type", "").split(";")[0].strip().lower()
    if not right or call.now >= file.link_expires_at or sent_type != file.content_type.lower():
        raise Problem("upload_refused")
    _forget_expired(call, engine)
    held = call.box.files_held()[1] - (file.size or 0) + len(call.raw)
    if held > engine.max_files_bytes:
        more = f"the sandbox holds at most {engine.max_files_bytes} bytes of files; --max-files-bytes allows more"
        raise Problem("too_large", errors=[f"body: {more}"])
    engine.blobs.put(f"{call.box.sandbox.id}/{file.name}", call.raw)
    call.box.put_file(replace(file, size=len(call.raw)))
    etag = hexadecimal(32, call.raw)
    return Reply(is_empty=True, headers=(("ETag", f'"{etag}"'),))
