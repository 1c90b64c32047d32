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

from swapmock.contracts.store import store_refusals

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
