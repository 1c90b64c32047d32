"""The upload store without HTTP: each refusal with its place in the order, and what a right upload leaves behind."""

import base64
from dataclasses import replace
from hashlib import md5, sha1, sha256
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import pytest

from swapmock.contracts.store import store_refusals
from swapmock.mock_server.core.call import Call, Digests, StoreProblem
from swapmock.mock_server.core.journal import File
from swapmock.mock_server.providers.checksums import crc32c, crc64nvme
from swapmock.mock_server.providers.store import CHECKSUMS, digests_of, forget_expired, put

CONTENT = b"the bytes of a picture"
SIGNATURE = "a" * 32
UNTIL, NOW = 1000, 999.5
NAME = "f.png"
LINK = File(NAME, "image/png", SIGNATURE, float(UNTIL), 5000.0, "x1")
STORED = replace(LINK, size=7, etag="e" * 32, digest="d", stored_at=900.0)
RIGHT = {"content-type": "image/png", "content-length": str(len(CONTENT))}
ASKED = {"expires": str(UNTIL), "signature": SIGNATURE}


def text(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


class Box:
    """The files of one sandbox: `held` bytes beside those of `file`."""

    def __init__(self, file: File | None, held: int = 0, expired: tuple[str, ...] = ()) -> None:
        self.kept, self.held, self.expired = file, held, list(expired)
        self.sandbox = SimpleNamespace(id="s1")
        self.clock = SimpleNamespace(rate=1.0)

    def file(self, name: str) -> File | None:
        return self.kept if name == NAME else None

    def files_held(self) -> tuple[int, int, int]:
        size = 0 if self.kept is None else self.kept.size or 0
        return 99, self.held + size, 99

    def put_file(self, file: File) -> None:
        self.kept = file

    def forget_files(self, now: float) -> list[str]:
        gone, self.expired = self.expired, []
        return gone


class Engine:
    """Notes what is stored and removed. `owner` is the sandbox that a file's link leads to."""

    def __init__(self, owner: str | None = "s1", most: int = 10_000) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.max_files_bytes = most
        self.store = SimpleNamespace(
            owner=lambda name: owner, unpublish=lambda name, box: self.done.append(("unpublish", name, box))
        )
        self.blobs = SimpleNamespace(
            put=lambda name, content: self.done.append(("put", name, content)),
            remove=lambda name: self.done.append(("remove", name)),
        )


def call_of(box: Box, headers: Any = None, params: Any = None, **more: Any) -> Call:
    given: dict[str, Any] = {"raw": CONTENT, "now": NOW, "method": "PUT", **more}
    shared: dict[str, Any] = {"operation": "put_upload", "body": None, "variants": {}, "base_url": "", "exchange": "x2"}
    return Call(params=ASKED if params is None else params, headers={**RIGHT, **(headers or {})}, box=box, provider="crun", **shared, **given)  # type: ignore[arg-type]  # fmt: skip


def refused(box: Box, call: Call, engine: Engine | None = None) -> StoreProblem:
    engine = engine or Engine()
    before = box.kept
    with pytest.raises(StoreProblem) as problem:
        put(call, engine, NAME)  # type: ignore[arg-type]
    assert (box.kept, [one for one in engine.done if one[0] == "put"]) == (before, [])
    assert problem.value.name in store_refusals()
    return problem.value


MISMATCH = {"SignatureProvided": SIGNATURE}


@pytest.mark.parametrize(
    ("params", "headers", "file", "now", "name", "details"),
    [
        # The link: both parts missing, one of the two, a moment that is none.
        ({}, {}, LINK, NOW, "access_denied", {}),
        ({}, {"authorization": "Bearer x"}, LINK, NOW, "access_denied", {}),
        ({"expires": "1000"}, {}, LINK, NOW, "link_incomplete", {}),
        ({"expires": "1000"}, {"authorization": "Bearer x"}, LINK, NOW, "link_incomplete", {}),
        ({"signature": SIGNATURE}, {}, LINK, NOW, "link_incomplete", {}),
        ({"signature": SIGNATURE}, {"authorization": "Bearer x"}, LINK, NOW, "two_credentials",
         {"ArgumentName": "Authorization", "ArgumentValue": "Bearer"}),
        (ASKED, {"authorization": "S" * 60 + " x"}, LINK, NOW, "two_credentials",
         {"ArgumentName": "Authorization", "ArgumentValue": "S" * 50}),
        # The moment: before it, at it, after it; another one is a forged link, whenever it is.
        (ASKED, {}, LINK, 1000.0, "link_expired", {"Expires": "1000", "ServerTime": "1000"}),
        (ASKED, {}, LINK, 1234.9, "link_expired", {"Expires": "1000", "ServerTime": "1234"}),
        (ASKED, {}, None, 1000.0, "link_expired", {"Expires": "1000", "ServerTime": "1000"}),
        (ASKED, {}, None, NOW, "signature_mismatch", MISMATCH),
        ({**ASKED, "expires": "998"}, {}, LINK, NOW, "signature_mismatch", MISMATCH),
        ({**ASKED, "expires": "1001"}, {}, LINK, NOW, "signature_mismatch", MISMATCH),
        ({**ASKED, "expires": "1001"}, {}, LINK, 1001.0, "signature_mismatch", MISMATCH),
        ({**ASKED, "expires": "0" * 11 + "1000"}, {}, LINK, 1000.0, "link_expired",
         {"Expires": "0" * 11 + "1000", "ServerTime": "1000"}),
        # The signature and the content type that it covers.
        ({**ASKED, "signature": "b" * 32}, {}, LINK, NOW, "signature_mismatch", {"SignatureProvided": "b" * 32}),
        ({**ASKED, "signature": ""}, {}, LINK, NOW, "signature_mismatch", {"SignatureProvided": ""}),
        ({**ASKED, "signature": "é" * 300}, {}, LINK, NOW, "signature_mismatch", {"SignatureProvided": "é" * 200}),
        ({**ASKED, "signature": "\udc80"}, {}, LINK, NOW, "signature_mismatch", {"SignatureProvided": "\udc80"}),
        ({"expires": "7", "signature": "c" * 300}, {}, LINK, NOW, "signature_mismatch", {"SignatureProvided": "c" * 200}),
        (ASKED, {"content-type": "image/jpeg"}, LINK, NOW, "signature_mismatch", MISMATCH),
        (ASKED, {"content-type": "image/zzz"}, LINK, NOW, "signature_mismatch", MISMATCH),
        (ASKED, {"content-type": "image/png; charset=utf-8"}, LINK, NOW, "signature_mismatch", MISMATCH),
        (ASKED, {"content-type": ""}, LINK, NOW, "signature_mismatch", MISMATCH),
        # Headers that the link does not sign.
        (ASKED, {"x-amz-acl": "x"}, LINK, NOW, "headers_not_signed", {"HeadersNotSigned": "x-amz-acl"}),
        (ASKED, {"x-amz-meta-b": "1", "x-amz-acl": "x", "x-amz-date": "1"}, LINK, NOW, "headers_not_signed",
         {"HeadersNotSigned": "x-amz-acl, x-amz-meta-b"}),
        (ASKED, {f"x-amz-meta-{'n' * 600}": "1"}, LINK, NOW, "headers_not_signed",
         {"HeadersNotSigned": ("x-amz-meta-" + "n" * 600)[:500]}),
        (ASKED, {"transfer-encoding": "chunked"}, LINK, NOW, "chunked", {"Header": "Transfer-Encoding"}),
        # Digests.
        (ASKED, {"content-md5": "nonsense"}, LINK, NOW, "digest_invalid", {"Content-MD5": "nonsense"}),
        (ASKED, {"content-md5": "x" * 150}, LINK, NOW, "digest_invalid", {"Content-MD5": "x" * 100}),
        (ASKED, {"content-md5": text(bytes(15))}, LINK, NOW, "digest_invalid", {"Content-MD5": text(bytes(15))}),
        (ASKED, {"content-md5": text(bytes(17))}, LINK, NOW, "digest_invalid", {"Content-MD5": text(bytes(17))}),
        (ASKED, {"content-md5": text(md5(CONTENT).digest()) + " "}, LINK, NOW, "digest_invalid",
         {"Content-MD5": text(md5(CONTENT).digest()) + " "}),
        (ASKED, {"content-md5": "é" * 22 + "=="}, LINK, NOW, "digest_invalid", {"Content-MD5": "é" * 22 + "=="}),
        *((ASKED, {"content-md5": text(digest)}, LINK, NOW, "digest_mismatch",
           {"ExpectedDigest": text(digest), "CalculatedDigest": text(md5(CONTENT).digest())})
          for digest in (bytes(16), b"\xff" * 16)),
        *((ASKED, {"x-amz-content-sha256": told}, LINK, NOW, "sha256_mismatch",
           {"ClientComputedContentSHA256": told[:100], "S3ComputedContentSHA256": sha256(CONTENT).hexdigest()})
          for told in ("0" * 64, "f" * 64)),
        *((ASKED, {"x-amz-content-sha256": told}, LINK, NOW, "sha256_invalid",
           {"ArgumentName": "x-amz-content-sha256", "ArgumentValue": told[:100]})
          for told in ("", "unsigned-payload", "x" * 150)),
        # Conditional writes.
        (ASKED, {"if-none-match": '"x"'}, STORED, NOW, "condition_unknown", {"Header": "If-None-Match"}),
        (ASKED, {"if-none-match": "*"}, STORED, NOW, "precondition_failed", {"Condition": "If-None-Match"}),
        (ASKED, {"if-none-match": " * "}, STORED, NOW, "precondition_failed", {"Condition": "If-None-Match"}),
        (ASKED, {"if-match": '"other"'}, STORED, NOW, "precondition_failed", {"Condition": "If-Match"}),
        (ASKED, {"if-match": "e" * 32}, STORED, NOW, "precondition_failed", {"Condition": "If-Match"}),
        (ASKED, {"if-match": ""}, STORED, NOW, "precondition_failed", {"Condition": "If-Match"}),
        (ASKED, {"if-match": "*"}, LINK, NOW, "no_such_key", {"Condition": "If-Match"}),
        (ASKED, {"if-match": '"x"'}, LINK, NOW, "no_such_key", {"Condition": "If-Match"}),
        (ASKED, {"if-match": '""'}, LINK, NOW, "no_such_key", {"Condition": "If-Match"}),
    ],
)  # fmt: skip
def test_what_is_refused(params, headers, file, now, name, details):
    box = Box(file)
    problem = refused(box, call_of(box, headers, params, now=now))
    assert (problem.name, problem.details, problem.message) == (name, details, None)


@pytest.mark.parametrize("expires", ["", "x", "-1", "1.5", "1e3", " 1000", "²", "١٠٠٠", "1" * 16, "1" * 17, "z" * 60])
def test_a_moment_that_is_no_number(expires):
    problem = refused(Box(LINK), call_of(Box(LINK), {}, {**ASKED, "expires": expires}, now=1e17))
    assert (problem.name, problem.message) == (
        "access_denied",
        f"Invalid date (should be seconds since epoch): {expires[:50]}",
    )


def test_the_longest_moment():
    """Fifteen digits, which is after the year 31 million."""
    problem = refused(Box(LINK), call_of(Box(LINK), {}, {**ASKED, "expires": "9" * 15}))
    assert problem.name == "signature_mismatch"


@pytest.mark.parametrize(
    ("method", "name", "details", "headers"),
    [
        ("GET", "signature_mismatch", {}, ()),
        ("HEAD", "signature_mismatch", {}, ()),
        ("DELETE", "signature_mismatch", {}, ()),
        *(
            (method, "method_not_allowed", {"Method": method, "ResourceType": "OBJECT"},
             (("allow", "GET, HEAD, PUT, DELETE"),))
            for method in ("POST", "PATCH", "OPTIONS", "put")
        ),
    ],
)  # fmt: skip
def test_the_link_is_for_put(method, name, details, headers):
    problem = refused(Box(LINK), call_of(Box(LINK), method=method))
    assert (problem.name, problem.details, problem.headers) == (name, details, headers)


def test_a_sandbox_that_is_deleted_meanwhile():
    assert refused(Box(LINK), call_of(Box(LINK)), Engine(owner=None)).name == "signature_mismatch"


@pytest.mark.parametrize(("length", "raw", "is_refused"), [(None, b"", True), ("0", b"", False), (None, b"x", False)])
def test_a_body_without_a_length(length, raw, is_refused):
    box = Box(LINK)
    call = call_of(box, raw=raw)
    call.headers = {"content-type": "image/png"} | ({} if length is None else {"content-length": length})
    if is_refused:
        assert refused(box, call).name == "length_missing"
    else:
        put(call, Engine(), NAME)  # type: ignore[arg-type]
        assert box.kept is not None
        assert box.kept.size == len(raw)


SUMS = {
    "crc32": crc32(CONTENT).to_bytes(4, "big"), "sha1": sha1(CONTENT).digest(), "sha256": sha256(CONTENT).digest(),
    "crc32c": crc32c(CONTENT).to_bytes(4, "big"), "crc64nvme": crc64nvme(CONTENT).to_bytes(8, "big"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKSUMS)
def test_checksums(name):
    """The right one is taken. Another length, and what is not base64, has not the form of one."""
    right, header = SUMS[name], f"x-amz-checksum-{name}"
    box = Box(LINK)
    put(call_of(box, {header: text(right)}), Engine(), NAME)  # type: ignore[arg-type]
    for value in (text(right[:-1]), text(right + b"x"), "", "é", f"{text(right)}*", "*" * 8):
        problem = refused(Box(LINK), call_of(Box(LINK), {header: value}))
        assert (problem.name, problem.details) == ("checksum_invalid", {"header": header})
    for wrong in (bytes(len(right)), b"\xff" * len(right)):
        box = Box(LINK)
        problem = refused(box, call_of(box, {header: text(wrong)}))
        assert (problem.name, problem.details) == ("checksum_mismatch", {"algorithm": name.upper()})


@pytest.mark.parametrize("name", CHECKSUMS)
def test_one_checksum_of_the_announced_kind(name):
    other = next(each for each in CHECKSUMS if each != name)
    right = {f"x-amz-checksum-{name}": text(SUMS[name])}
    announced = {"x-amz-sdk-checksum-algorithm": name.upper()}
    put(call_of(Box(LINK), {**right, **announced}), Engine(), NAME)  # type: ignore[arg-type]
    for headers, problem in (
        ({**right, f"x-amz-checksum-{other}": text(SUMS[other])}, "checksums_many"),
        ({**right, "x-amz-sdk-checksum-algorithm": other.upper()}, "checksum_unknown"),
        ({**right, "x-amz-sdk-checksum-algorithm": "md4"}, "checksum_unknown"),
        (announced, "checksum_missing"),
    ):
        assert refused(Box(LINK), call_of(Box(LINK), headers)).name == problem


@pytest.mark.parametrize(
    ("headers", "file"),
    [
        ({}, LINK),
        ({}, STORED),
        ({"content-type": " image/png "}, LINK),
        ({"content-md5": text(md5(CONTENT).digest())}, LINK),
        ({"x-amz-content-sha256": sha256(CONTENT).hexdigest().upper()}, LINK),
        ({"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, LINK),
        ({"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, LINK),
        ({"x-amz-date": "x"}, LINK),
        ({"x-amz": "x", "y-amz-acl": "x"}, LINK),
        ({"if-none-match": "*"}, LINK),
        ({"if-match": "*"}, STORED),
        ({"if-match": f' "{"e" * 32}" '}, STORED),
    ],
)
def test_what_a_right_upload_leaves(headers, file):
    box, engine = Box(file), Engine()
    reply = put(call_of(box, headers), engine, NAME)  # type: ignore[arg-type]
    etag = md5(CONTENT).hexdigest()
    assert (reply.is_empty, reply.status, reply.data) == (True, 200, None)
    assert reply.headers == (("ETag", f'"{etag}"'),)
    assert box.kept == replace(LINK, size=22, etag=etag, digest=sha256(CONTENT).hexdigest(), stored_at=NOW)
    assert engine.done == [("put", "s1/f.png", CONTENT)]


def test_digests_that_are_known_are_not_computed_again():
    box = Box(LINK)
    put(call_of(box, digests=Digests("m", "s")), Engine(), NAME)  # type: ignore[arg-type]
    assert box.kept is not None
    assert (box.kept.etag, box.kept.digest) == ("m", "s")
    assert digests_of(CONTENT)[:2] == (md5(CONTENT).hexdigest(), sha256(CONTENT).hexdigest())


@pytest.mark.parametrize(
    ("rate", "received", "stored_at"),
    [(1.0, 0.0, 0.0), (1.0, 77.5, 77.5), (60.0, 77.5, 77.5), (1.0, NOW, NOW), (1.0, 2e9, NOW), (0.0, 77.5, NOW)],
)
def test_a_file_is_as_old_as_the_earlier_clock_says(rate, received, stored_at):
    """Of a sandbox's clock that runs, and the machine's."""
    box = Box(LINK)
    box.clock.rate = rate
    put(call_of(box, received=received), Engine(), NAME)  # type: ignore[arg-type]
    assert box.kept is not None
    assert box.kept.stored_at == stored_at


@pytest.mark.parametrize(
    ("file", "held", "most", "fits"),
    [
        (LINK, 0, 22, True), (LINK, 0, 21, False), (LINK, 78, 100, True), (LINK, 79, 100, False),
        # The bytes of an earlier upload make room.
        (STORED, 78, 100, True), (STORED, 79, 100, False), (STORED, 1000, 100, False),
    ],
)  # fmt: skip
def test_how_many_bytes_a_sandbox_holds(file, held, most, fits):
    box = Box(file, held)
    if fits:
        put(call_of(box), Engine(most=most), NAME)  # type: ignore[arg-type]
        assert box.kept is not None
        assert box.kept.size == 22
    else:
        problem = refused(box, call_of(box), Engine(most=most))
        more = f"the sandbox holds at most {most} bytes of files; --max-files-bytes allows more"
        assert (problem.name, problem.message) == ("store_full", more)


def test_expired_files_are_gone_before_the_room_is_measured():
    box, engine = Box(LINK, expired=("a.png", "b.png")), Engine()
    put(call_of(box), engine, NAME)  # type: ignore[arg-type]
    gone = [("unpublish", "a.png", "s1"), ("remove", "s1/a.png"), ("unpublish", "b.png", "s1"), ("remove", "s1/b.png")]
    assert engine.done == [*gone, ("put", "s1/f.png", CONTENT)]
    forget_expired(call_of(box), engine)  # type: ignore[arg-type]
    assert len(engine.done) == 5
