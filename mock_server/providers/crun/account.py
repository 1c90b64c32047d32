"""The balance, and the two steps of an upload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.credits import rounded_up, to_credits
from swapmock.mock_server.core.journal import File
from swapmock.mock_server.core.seeded import hexadecimal, uuid4
from swapmock.mock_server.providers import store

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine


def get_account_balance(call: Call, engine: Engine) -> Reply:
    """Return the available credits."""
    available = engine.available(call.box)
    whole = call.variants["credits_number"] == "integer"
    return Reply({"balance": to_credits(rounded_up(available) if whole else available)})


def get_upload_url(call: Call, engine: Engine) -> Reply:
    """Return a link to which a file can be uploaded by PUT, and the URL from which it can then be fetched. Raises
    Problem `rate_limited` if the sandbox has reached its limit of files."""
    box, rules = call.box, engine.contracts["crun"].behaviour
    store.forget_expired(call, engine)
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
    """Return a name that no other sandbox has, and publish it for this one: two sandboxes with the same seed must
    not overwrite each other's files."""
    while True:
        number = call.box.next_number("upload")
        name: str = f"{uuid4(call.box.sandbox.seed, 'upload', number)}.{call.params['ext'].removeprefix('.')}"
        if engine.store.claim(name, call.box.sandbox.id):
            return name


def put_upload(call: Call, engine: Engine) -> Reply:
    """Store the bytes, if the link allows that."""
    return store.put(call, engine, str(call.params.get("file_name", "")))
