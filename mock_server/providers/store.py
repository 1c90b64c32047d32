"""The upload store behind presigned links. It accepts and refuses uploads like S3 at a presigned PutObject.

A provider with uploads makes its own links, and calls `put` for its operation with `x-files: store`. The names of
Problems are those of contracts/store.yaml."""

from __future__ import annotations

import base64
import hmac
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import md5, sha1, sha256
from typing import TYPE_CHECKING

from swapmock.mock_server.core.call import Call, Digests, Reply, StoreProblem
from swapmock.mock_server.core.journal import File
from swapmock.mock_server.providers.checksums import crc32c, crc64nvme

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: Name of a checksum -> the number of bytes of a valid value, and the function that computes it.
CHECKSUMS: Mapping[str, tuple[int, Callable[[bytes], bytes]]] = {
    "crc32": (4, lambda content: zlib.crc32(content).to_bytes(4, "big")),
    "crc32c": (4, lambda content: crc32c(content).to_bytes(4, "big")),
    "crc64nvme": (8, lambda content: crc64nvme(content).to_bytes(8, "big")),
    "sha1": (20, lambda content: sha1(content, usedforsecurity=False).digest()),
    "sha256": (32, lambda content: sha256(content).digest()),
}
CHECKSUM = "x-amz-checksum-"

SHA256 = re.compile(r"[0-9a-f]{64}")

#: Headers `x-amz-*` that a client may send although they are not signed.
UNSIGNED = (
    *(CHECKSUM + name for name in CHECKSUMS),
    "x-amz-content-sha256",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-date",
)

#: Values of x-amz-content-sha256 that are not digests.
NOT_HASHED = (
    "UNSIGNED-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
)

#: The size of an upload, in bytes, above which its digests are computed in a thread: usually, and with a checksum in pure Python.
LARGE, LARGE_FOR_CHECKSUMS = 1 << 20, 1 << 16


def digests_of(content: bytes, headers: Mapping[str, str] | None = None) -> Digests:
    """Return the digests of an upload that every store notes, and the checksums that its `headers` name."""
    made = {name: compute(content) for name, (_, compute) in CHECKSUMS.items() if CHECKSUM + name in (headers or {})}
    return Digests(md5(content, usedforsecurity=False).hexdigest(), sha256(content).hexdigest(), made)


def takes_long(size: int, headers: Mapping[str, str]) -> bool:
    """Return whether the digests of an upload take longer than the event loop can wait."""
    is_slow = CHECKSUM + "crc32c" in headers or CHECKSUM + "crc64nvme" in headers
    return size > (LARGE_FOR_CHECKSUMS if is_slow else LARGE)


def put(call: Call, engine: Engine, name: str) -> Reply:
    """Store the bytes of `call` as the file `name`, if its presigned link allows that, and return an answer with
    their ETag.

    Raises the Problem with which S3 refuses an upload."""
    if call.method != "PUT":
        raise _other_method(call.method)
    file = call.box.file(name)
    _check_link(call, file, engine)
    assert file is not None
    digests = call.digests or digests_of(call.raw, call.headers)
    _check_headers(call)
    _check_digests(call, digests)
    _check_conditions(call, file)
    _check_room(call, file, engine)
    engine.blobs.put(f"{call.box.sandbox.id}/{file.name}", call.raw)
    earlier = call.machine_time_before(call.now)
    call.box.put_file(
        replace(
            file,
            size=len(call.raw),
            etag=digests.md5,
            digest=digests.sha256,
            stored_at=call.now if earlier is None else earlier,
        )
    )
    return Reply(is_empty=True, headers=(("ETag", f'"{digests.md5}"'),))


def _other_method(method: str) -> StoreProblem:
    """Return the error for a link that is signed for PUT and used with another method. The signature covers the
    method."""
    if method in ("GET", "HEAD", "DELETE"):
        return StoreProblem("signature_mismatch")
    details = {"Method": method, "ResourceType": "OBJECT"}
    return StoreProblem("method_not_allowed", details=details, headers=(("allow", "GET, HEAD, PUT, DELETE"),))


def _check_link(call: Call, file: File | None, engine: Engine) -> None:
    expires, signature = call.params.get("expires"), call.params.get("signature")
    if expires is None and signature is None:
        raise StoreProblem("access_denied")
    authorization = call.headers.get("authorization")
    if authorization is not None and signature is not None:
        scheme = authorization.partition(" ")[0][:50]
        raise StoreProblem("two_credentials", details={"ArgumentName": "Authorization", "ArgumentValue": scheme})
    if expires is None or signature is None:
        raise StoreProblem("link_incomplete")
    if not (expires.isascii() and expires.isdigit() and len(expires) < 16):
        raise StoreProblem("access_denied", message=f"Invalid date (should be seconds since epoch): {expires[:50]}")
    if call.now >= int(expires) and (file is None or int(expires) == int(file.link_expires_at)):
        # An unused link is deleted when it expires; the answer still says that it has expired.
        raise StoreProblem("link_expired", details={"Expires": expires, "ServerTime": str(int(call.now))})
    # The owner is missing if the sandbox was deleted during this call.
    is_known = file is not None and engine.store.owner(file.name) is not None
    if file is None or not is_known or int(expires) != int(file.link_expires_at):
        raise StoreProblem("signature_mismatch", details={"SignatureProvided": signature[:200]})
    shown = signature.encode("utf-8", "replace")
    is_right = hmac.compare_digest(shown, file.signature.encode())
    # The link signs the content type, parameters included.
    if not is_right or call.headers.get("content-type", "").strip() != file.content_type:
        raise StoreProblem("signature_mismatch", details={"SignatureProvided": signature[:200]})


def _check_headers(call: Call) -> None:
    unsigned = sorted(name for name in call.headers if name.startswith("x-amz-") and name not in UNSIGNED)
    if unsigned:
        raise StoreProblem("headers_not_signed", details={"HeadersNotSigned": ", ".join(unsigned)[:500]})
    if "transfer-encoding" in call.headers:
        raise StoreProblem("chunked", details={"Header": "Transfer-Encoding"})
    if "content-length" not in call.headers and not call.raw:
        raise StoreProblem("length_missing")


def _check_digests(call: Call, digests: Digests) -> None:
    told = call.headers.get("content-md5")
    if told is not None:
        value = _decoded(told, 16)
        if value is None:
            raise StoreProblem("digest_invalid", details={"Content-MD5": told[:100]})
        if value.hex() != digests.md5:
            right = base64.b64encode(bytes.fromhex(digests.md5)).decode()
            raise StoreProblem("digest_mismatch", details={"ExpectedDigest": told, "CalculatedDigest": right})
    told = call.headers.get("x-amz-content-sha256")
    if told is not None and told not in NOT_HASHED and told.lower() != digests.sha256:
        if not SHA256.fullmatch(told.lower()):
            details = {"ArgumentName": "x-amz-content-sha256", "ArgumentValue": told[:100]}
            raise StoreProblem("sha256_invalid", details=details)
        details = {"ClientComputedContentSHA256": told[:100], "S3ComputedContentSHA256": digests.sha256}
        raise StoreProblem("sha256_mismatch", details=details)
    _check_checksums(call, digests)


def _check_checksums(call: Call, digests: Digests) -> None:
    """At most one checksum, of the announced kind, and right."""
    given = [name for name in CHECKSUMS if CHECKSUM + name in call.headers]
    if len(given) > 1:
        raise StoreProblem("checksums_many")
    announced = call.headers.get("x-amz-sdk-checksum-algorithm")
    if announced is not None:
        if announced.lower() not in CHECKSUMS or (given and given != [announced.lower()]):
            raise StoreProblem("checksum_unknown")
        if not given:
            raise StoreProblem("checksum_missing")
    for name in given:
        value = _decoded(call.headers[CHECKSUM + name], CHECKSUMS[name][0])
        if value is None:
            raise StoreProblem("checksum_invalid", details={"header": CHECKSUM + name})
        if value != digests.checksums[name]:
            raise StoreProblem("checksum_mismatch", details={"algorithm": name.upper()})


def _decoded(text: str, size: int) -> bytes | None:
    """Return the bytes of the base64 text `text`; None if it does not contain `size` bytes."""
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:  # binascii.Error is one, too
        return None
    return value if len(value) == size else None


def _check_conditions(call: Call, file: File) -> None:
    """Check the conditions of a write: only a new file, or only in place of a known one."""
    unless = call.headers.get("if-none-match")
    if unless is not None and unless.strip() != "*":
        raise StoreProblem("condition_unknown", details={"Header": "If-None-Match"})
    if unless is not None and file.size is not None:
        raise StoreProblem("precondition_failed", details={"Condition": "If-None-Match"})
    wanted = call.headers.get("if-match")
    if wanted is not None and (file.size is None or wanted.strip() not in ("*", f'"{file.etag}"')):
        raise StoreProblem(
            "no_such_key" if file.size is None else "precondition_failed", details={"Condition": "If-Match"}
        )


def _check_room(call: Call, file: File, engine: Engine) -> None:
    forget_expired(call, engine)
    if call.box.files_held()[1] - (file.size or 0) + len(call.raw) > engine.max_files_bytes:
        more = f"the sandbox holds at most {engine.max_files_bytes} bytes of files; --max-files-bytes allows more"
        raise StoreProblem("store_full", message=more)


def forget_expired(call: Call, engine: Engine) -> None:
    """Remove the expired files and links, which cannot be used any more."""
    sandbox_id = call.box.sandbox.id
    for name in call.box.forget_files(call.now):
        engine.store.unpublish(name, sandbox_id)
        engine.blobs.remove(f"{sandbox_id}/{name}")
