"""The upload store refuses what S3 refuses at a presigned PutObject, in its own words."""

import base64
import re
import socket
from hashlib import md5, sha1, sha256
from http.client import HTTPConnection
from urllib.parse import urlsplit
from zlib import crc32

import pytest
import requests

from swapmock.contracts.store import USUAL, store_refusals
from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.providers.checksums import crc32c, crc64nvme
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.server import LiveServer
from tests.conftest import START, CrunClient, ImgOpenClient
from tests.stories.conftest import Account

CONTENT = b"the bytes of a picture"


def under(**choices):
    """Run the test with these choices of variants."""
    return pytest.mark.parametrize("settings", [{"variants": {"crun": choices}}], indirect=True, ids=[str(choices)])


def encoded(digest):
    return base64.b64encode(digest).decode()


def place(account):
    return account.crun.data("GET", "files/upload-url", params={"content_type": "image/png", "ext": ".png"})


def put(made, content=CONTENT, method="PUT", url=None, **headers):
    sent = {"Content-Type": "image/png", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return requests.request(method, url or made["presigned_url"], data=content, headers=sent, timeout=10)


def code_of(answer):
    assert answer.headers["content-type"] == "application/xml", answer.text
    return answer.status_code, re.findall(r"<Code>(\w+)</Code>", answer.text)[0]


@pytest.mark.parametrize(
    ("headers", "status", "code", "told"),
    [
        ({"Content-Type": "image/png; charset=utf-8"}, 403, "SignatureDoesNotMatch", "calculated does not match"),
        ({"Content-Type": "image/jpeg"}, 403, "SignatureDoesNotMatch", "SignatureProvided"),
        ({"Authorization": "Bearer x"}, 400, "InvalidArgument", "<ArgumentName>Authorization</ArgumentName>"),
        ({"x-amz-acl": "public-read"}, 403, "AccessDenied", "<HeadersNotSigned>x-amz-acl</HeadersNotSigned>"),
        ({"x-amz-meta-a": "b"}, 403, "AccessDenied", "were not signed"),
        ({"Content-MD5": "nonsense"}, 400, "InvalidDigest", "is not valid"),
        ({"Content-MD5": encoded(md5(b"").digest())}, 400, "BadDigest", "<CalculatedDigest>"),
        ({"x-amz-content-sha256": "0" * 64}, 400, "XAmzContentSHA256Mismatch", sha256(CONTENT).hexdigest()),
        ({"x-amz-checksum-crc32": "AAAA"}, 400, "InvalidRequest", "x-amz-checksum-crc32 header is invalid"),
        ({"x-amz-checksum-crc32": "AAAAAA=="}, 400, "BadDigest", "The CRC32 you specified did not match"),
        ({"x-amz-checksum-sha1": encoded(bytes(20))}, 400, "BadDigest", "The SHA1 you specified"),
        ({"x-amz-checksum-sha256": encoded(bytes(32))}, 400, "BadDigest", "The SHA256 you specified"),
        ({"x-amz-checksum-crc64nvme": "x"}, 400, "InvalidRequest", "x-amz-checksum-crc64nvme"),
        ({"x-amz-checksum-crc64nvme": encoded(bytes(8))}, 400, "BadDigest", "The CRC64NVME you specified"),
        ({"x-amz-checksum-crc32c": encoded(bytes(4))}, 400, "BadDigest", "The CRC32C you specified"),
        (
            {"x-amz-checksum-crc32": encoded(bytes(4)), "x-amz-checksum-sha1": encoded(bytes(20))},
            400,
            "InvalidRequest",
            "Multiple checksum Types are not allowed",
        ),
        ({"x-amz-sdk-checksum-algorithm": "CRC32"}, 400, "InvalidRequest", "no corresponding x-amz-checksum-*"),
        ({"x-amz-sdk-checksum-algorithm": "crc7"}, 400, "InvalidRequest", "x-amz-sdk-checksum-algorithm header is"),
        (
            {"x-amz-sdk-checksum-algorithm": "SHA1", "x-amz-checksum-crc32": "AAAAAA=="},
            400,
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm header is",
        ),
        ({"x-amz-content-sha256": "x"}, 400, "InvalidArgument", "<ArgumentName>x-amz-content-sha256</ArgumentName>"),
        ({"If-None-Match": '"x"'}, 501, "NotImplemented", "<Header>If-None-Match</Header>"),
        ({"If-Match": '"x"'}, 404, "NoSuchKey", "does not exist"),
        ({"Transfer-Encoding": "chunked"}, 501, "NotImplemented", "<Header>Transfer-Encoding</Header>"),
    ],
)
def test_a_request_that_s3_refuses(account, headers, status, code, told):
    made = place(account)
    chunked = headers.get("Transfer-Encoding") == "chunked"
    headers = {} if chunked else headers
    refused = put(made, iter([CONTENT]) if chunked else CONTENT, **headers)
    assert code_of(refused) == (status, code)
    assert told in refused.text
    assert requests.get(made["file_url"], timeout=10).status_code == 404
    (noted,) = account.admin("GET", "journal", params={"operation": "put_upload"})["records"]
    assert (noted["status"], store_refusals()[noted["problem"]].code) == (status, code)
    assert noted["transfer"]["length"] == len(CONTENT)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-MD5": encoded(md5(CONTENT).digest())},
        {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"},
        {"x-amz-content-sha256": sha256(CONTENT).hexdigest()},
        {"x-amz-checksum-crc32": encoded(crc32(CONTENT).to_bytes(4, "big"))},
        {"x-amz-checksum-sha1": encoded(sha1(CONTENT).digest())},
        {"x-amz-checksum-sha256": encoded(sha256(CONTENT).digest())},
        {"x-amz-checksum-crc32c": encoded(crc32c(CONTENT).to_bytes(4, "big"))},
        {"x-amz-checksum-crc64nvme": encoded(crc64nvme(CONTENT).to_bytes(8, "big"))},
        {
            "x-amz-sdk-checksum-algorithm": "CRC32",
            "x-amz-checksum-crc32": encoded(crc32(CONTENT).to_bytes(4, "big")),
        },
        {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
        {"If-None-Match": "*"},
    ],
)
def test_right_digests_and_conditions_are_taken(account, headers):
    made = place(account)
    stored = put(made, **headers)
    assert (stored.status_code, stored.headers["ETag"]) == (200, f'"{md5(CONTENT).hexdigest()}"')
    fetched = requests.get(made["file_url"], timeout=10)
    assert (fetched.content, fetched.headers["ETag"]) == (CONTENT, stored.headers["ETag"])


def test_a_file_is_replaced_only_under_its_conditions(account):
    made = place(account)
    etag = put(made).headers["ETag"]
    assert code_of(put(made, b"new", If_None_Match="*")) == (412, "PreconditionFailed")
    assert code_of(put(made, b"new", If_Match='"other"')) == (412, "PreconditionFailed")
    assert put(made, b"new", If_Match=etag).status_code == 200
    assert requests.get(made["file_url"], timeout=10).content == b"new"


@pytest.mark.parametrize(
    ("method", "status", "code"),
    [
        ("GET", 403, "SignatureDoesNotMatch"),
        ("DELETE", 403, "SignatureDoesNotMatch"),
        ("POST", 405, "MethodNotAllowed"),
    ],
)
def test_the_link_is_signed_for_one_method(account, method, status, code):
    assert code_of(put(place(account), method=method)) == (status, code)


def test_a_body_without_a_length(account):
    made = place(account)
    link = urlsplit(made["presigned_url"])
    connection = HTTPConnection(link.netloc, timeout=10)
    connection.putrequest("PUT", f"{link.path}?{link.query}")
    connection.putheader("Content-Type", "image/png")
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, b"<Code>MissingContentLength</Code>" in answer.read()) == (411, True)
    connection.close()


@pytest.mark.parametrize("header", [{"x-api-key": "ak_" + "x" * 32}, {"X-API-Key": "anything"}])
def test_a_key_at_a_store_is_a_violation(account, header):
    made = place(account)
    assert put(made, **header).status_code == 200
    assert (
        requests.get(made["file_url"], headers={**header, "Authorization": "Bearer x"}, timeout=10).status_code == 200
    )
    uploaded, fetched = (
        account.admin("GET", "journal", params={"operation": name})["records"][0]
        for name in ("put_upload", "download_upload")
    )
    assert [(v["place"], v["rule"]) for v in uploaded["violations"]] == [(["headers", "x-api-key"], "credential")]
    assert [v["place"][1] for v in fetched["violations"]] == ["authorization", "x-api-key"]
    why = account.admin("GET", f"why/{fetched['id']}")
    assert "`x-api-key` was sent to another host than the vendor's API" in str(why["violations"])


@under(upload_store="r2")
def test_r2_has_words_of_its_own(crun, time):
    made = crun.data("GET", "files/upload-url", params={"content_type": "image/png", "ext": ".png"})
    refused = put(made, Content_Type="image/jpeg")
    assert "Check your secret access key and signing method." in refused.text
    assert code_of(put(made, iter([CONTENT]))) == (411, "MissingContentLength")
    time.advance(1000)
    assert code_of(put(made)) == (403, "ExpiredRequest")


@under(upload_store="s3")
def test_s3_has_the_usual_words(crun, time):
    made = crun.data("GET", "files/upload-url", params={"content_type": "image/png", "ext": ".png"})
    time.advance(1000)
    expired = put(made)
    assert code_of(expired) == (403, "AccessDenied")
    assert re.search(r"<Expires>\d+</Expires><ServerTime>\d+</ServerTime>", expired.text)


def test_uploads_have_a_window_of_their_own(make_account):
    account = make_account(
        upload_rate_limit={"calls": 1, "seconds": 60, "retry_after": "seconds"}, rate_limit={"calls": 2}
    )
    made = place(account)
    assert put(made).status_code == 200
    refused = put(made)
    assert (code_of(refused), refused.headers["Retry-After"]) == ((503, "SlowDown"), "60")
    assert requests.get(made["file_url"], timeout=10).status_code == 200
    assert account.crun.balance() >= 0  # uploads and downloads did not count
    assert account.crun.call("GET", "account/balance").status_code == 429


def test_a_body_that_ends_too_soon(account):
    link = urlsplit(place(account)["presigned_url"])
    with socket.create_connection((link.hostname, link.port), timeout=10) as connection:
        head = f"PUT {link.path}?{link.query} HTTP/1.1\r\nHost: {link.netloc}\r\nContent-Type: image/png\r\nContent-Length: 90\r\n\r\n"
        connection.sendall(head.encode() + b"half")
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>IncompleteBody</Code>" in answer
    (noted,) = account.admin("GET", "journal", params={"operation": "put_upload"})["records"]
    assert (noted["status"], noted["problem"]) == (400, "body_incomplete")


#: Every refusal of contracts/store.yaml.
REFUSALS = tuple(store_refusals().values())


def noted_put(account):
    """The last PUT in the journal, and in HAR."""
    (record, *_) = account.admin("GET", "journal", params={"operation": "put_upload", "limit": 1000})["records"][-1:]
    entries = account.admin("GET", "har")["log"]["entries"]
    return record, [entry for entry in entries if entry["request"]["method"] == "PUT"][-1]


def check_refusal(account, refused, row, fault):
    """The store's words on the wire, in the journal and in HAR, and nothing stored."""
    assert code_of(refused) == (row.http, row.code)
    record, entry = noted_put(account)
    assert (record["status"], record["fault"], record["problem"]) == (row.http, fault, row.name)
    assert entry["response"]["status"] == row.http


@pytest.fixture(scope="module")
def made_once():
    """One server for the tables below: each row has a sandbox of its own."""
    with LiveServer(build(Settings(), ManualTime(START)).asgi_app) as live:
        yield live


@pytest.fixture
def fresh(made_once):
    def make(**options):
        made = requests.post(
            f"{made_once.url}/__admin/sandboxes", json={"clock": "frozen", **options}, timeout=10
        ).json()
        crun = CrunClient(made_once.url, ManualTime(START), made["credentials"]["crun"]["key"])
        return Account(made["id"], made_once.url, crun, ImgOpenClient(made_once.url, ManualTime(START)))

    return make


@pytest.mark.parametrize("store", ["s3", "r2"])
@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: row.name)
def test_each_refusal_by_a_rule(fresh, row, store):
    account = fresh(variants={"crun": {"upload_store": store}})
    rule = {"match": {"operation": "put_upload"}, "effect": {"refuse": row.name}, "times": 1}
    account.admin("POST", "faults", json=rule)
    made = place(account)
    check_refusal(account, put(made), row.of(store), "fault-1")
    assert requests.get(made["file_url"], timeout=10).status_code == 404
    assert put(made).status_code == 200


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: row.name)
def test_each_refusal_by_a_magic_value(fresh, row):
    """The magic value is the whole content of the file, so that a client needs no change and no set-up."""
    account, magic = fresh(), f"https://errors.invalid/upload_{row.name}"
    made = place(account)
    for _ in range(2):
        check_refusal(account, put(made, magic.encode()), row, f"magic {magic}")
    twice = f"{magic}_twice"
    assert [put(made, f"{twice}\n".encode()).status_code for _ in range(3)] == [row.http, row.http, 200]
    assert requests.get(made["file_url"], timeout=10).content == f"{twice}\n".encode()


@pytest.mark.parametrize(("status", "name"), sorted(USUAL.items()))
def test_each_status_by_a_header(fresh, status, name):
    account = fresh(prefer_header=True)
    row = store_refusals()[name]
    check_refusal(account, put(place(account), Prefer=f"status={status}"), row, "prefer")


@pytest.mark.parametrize(
    ("magic", "status", "code"),
    [
        ("403", 403, "AccessDenied"),
        ("429", 429, "TooManyRequests"),
        ("http_503", 503, "SlowDown"),
        ("500", 500, "InternalError"),
    ],
)
def test_magic_values_of_the_api_hold_for_uploads_too(fresh, magic, status, code):
    account = fresh()
    assert code_of(put(place(account), f"https://errors.invalid/{magic}".encode())) == (status, code)


def test_the_gateway_and_cut_connections_by_a_magic_value(fresh):
    account = fresh()
    refused = put(place(account), b"https://errors.invalid/gateway_502")
    assert (refused.status_code, refused.headers["content-type"].partition(";")[0]) == (502, "text/html")
    with pytest.raises(requests.ConnectionError):
        put(place(account), b"https://errors.invalid/reset")


@pytest.mark.parametrize(
    "content", [b"https://errors.invalid/unheard_of", b"see https://errors.invalid/403", b"\xff.invalid"]
)
def test_other_content_is_a_file(fresh, content):
    account = fresh()
    made = place(account)
    assert put(made, content).status_code == 200
    assert requests.get(made["file_url"], timeout=10).content == content


@pytest.mark.parametrize(
    ("headers", "status", "code", "told"),
    [
        (
            {"Range": "bytes=100-"},
            416,
            "InvalidRange",
            "<RangeRequested>bytes=100-</RangeRequested><ActualObjectSize>22<",
        ),
        ({"If-Match": '"other"'}, 412, "PreconditionFailed", "<Condition>If-Match</Condition>"),
    ],
)
def test_ranges_and_conditions_that_do_not_hold_are_said_in_the_words_of_the_store(fresh, headers, status, code, told):
    account = fresh()
    made = place(account)
    etag = put(made).headers["ETag"]
    refused = requests.get(made["file_url"], headers=headers, timeout=10)
    assert code_of(refused) == (status, code)
    assert told in refused.text
    assert refused.headers["ETag"] == etag
    assert refused.headers.get("Content-Range") == ("bytes */22" if status == 416 else None)
    head = requests.head(made["file_url"], headers=headers, timeout=10)
    assert (head.status_code, head.content) == (200 if status == 416 else status, b"")
    record = account.admin("GET", "journal", params={"operation": "download_upload"})["records"][0]
    assert store_refusals()[record["problem"]].code == code
    assert "drift" not in record


def test_checksums_by_the_vectors_of_their_specifications():
    """RFC 3720 B.4, and the NVM Command Set Specification 1.0, 5.2.1.3.5."""
    assert [crc32c(content) for content in (bytes(32), b"\xff" * 32, bytes(range(32)), bytes(range(31, -1, -1)))] == [
        0x8A9136AA, 0x62A8AB43, 0x46DD794E, 0x113FDB5C,
    ]  # fmt: skip
    assert [crc64nvme(content) for content in (bytes(4096), b"\xff" * 4096, b"123456789", b"")] == [
        0x6482D367EB22B64E, 0xC0DDBA7302ECA3AC, 0xAE8B14860A799888, 0,
    ]  # fmt: skip


def test_a_checksum_of_a_large_file_is_computed_beside_the_event_loop(fresh):
    """The loop of the server answers others meanwhile."""
    account = fresh()
    made, content = place(account), bytes(range(256)) * 20_000
    right = encoded(crc64nvme(content).to_bytes(8, "big"))
    assert put(made, content, **{"x-amz-checksum-crc64nvme": right}).status_code == 200
