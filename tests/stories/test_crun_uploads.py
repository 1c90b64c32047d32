"""Uploads: a link to PUT a file to, and the file served back byte for byte."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

CONTENT = bytes(range(256)) * 300 + b"\r\n\x00\xff"
LINK_SECONDS, FILE_SECONDS = 900, 14 * 86_400
MIB = 1 << 20


def place(crun, content_type="image/png", ext=".png"):
    return crun.data("GET", "files/upload-url", params={"content_type": content_type, "ext": ext})


def put(url, content=CONTENT, content_type="image/png"):
    return requests.put(url, data=content, headers={"Content-Type": content_type}, timeout=30)


@pytest.mark.parametrize(
    ("content_type", "ext"),
    [
        ("image/png", ".png"),
        ("video/mp4", ".mp4"),
        ("image/gif", ".gif"),
        ("audio/mpeg", ".mp3"),
        ("image/x-a.b+c", ".x"),
    ],
)
def test_a_file_comes_back_byte_for_byte(crun, content_type, ext):
    made = place(crun, content_type, ext)
    assert set(made) == {"presigned_url", "file_url"}
    assert re.search(rf"/u/[0-9a-f-]{{36}}{re.escape(ext)}$", made["file_url"])
    assert requests.get(made["file_url"], timeout=10).status_code == 404
    stored = put(made["presigned_url"], content_type=content_type)
    assert (stored.status_code, stored.content) == (200, b"")
    assert re.fullmatch(r'"[^"]+"', stored.headers["ETag"])
    fetched = requests.get(made["file_url"], timeout=10)
    assert (fetched.status_code, fetched.headers["Content-Type"]) == (200, content_type)
    assert fetched.content == CONTENT


def test_an_uploaded_file_can_be_swapped(crun, time):
    made = place(crun)
    assert put(made["presigned_url"]).status_code == 200
    found = crun.detected(made["file_url"])
    task_id = crun.create(
        "image-face-swap-multi",
        {
            "detect_id": found["id"],
            "image_url": made["file_url"],
            "faces": [{"face_id": 0, "target": "https://example.com/ann.jpg"}],
        },
    )
    time.advance(60)
    assert crun.info(task_id)["result"]["media_urls"][0].endswith(".png")


def test_the_last_bytes_win(crun):
    made = place(crun)
    assert put(made["presigned_url"], b"first").status_code == 200
    assert put(made["presigned_url"], b"").status_code == 200
    assert requests.get(made["file_url"], timeout=10).content == b""


def test_the_link_ends_before_the_file(crun, time):
    made = place(crun)
    time.advance(LINK_SECONDS - 1)
    assert put(made["presigned_url"]).status_code == 200
    time.advance(2)
    refused = put(made["presigned_url"], b"late")
    assert (refused.status_code, code_of(refused)) == (403, "AccessDenied")
    assert "<Message>Request has expired</Message>" in refused.text
    assert requests.get(made["file_url"], timeout=10).content == CONTENT
    time.advance(FILE_SECONDS)
    assert requests.get(made["file_url"], timeout=10).status_code == 404


def code_of(refused):
    """The error code of the store's XML."""
    return re.findall(r"<Code>(\w+)</Code>", refused.text)[0]


def with_query(url, **changes):
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    query = {name: value for name, value in {**query, **changes}.items() if value is not None}
    return requests.Request("PUT", url.partition("?")[0], params=query).prepare().url


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"signature": "0" * 32}, "SignatureDoesNotMatch"),
        ({"signature": "é"}, "SignatureDoesNotMatch"),
        ({"expires": "9999999999"}, "SignatureDoesNotMatch"),
        ({"signature": None}, "AccessDenied"),
        ({"expires": None}, "AccessDenied"),
        ({"expires": None, "signature": None}, "AccessDenied"),
        ({"expires": "soon"}, "AccessDenied"),
    ],
)
def test_a_changed_link_is_refused(crun, changes, code):
    made = place(crun)
    refused = put(with_query(made["presigned_url"], **changes))
    assert (refused.status_code, code_of(refused)) == (403, code), refused.text
    assert requests.get(made["file_url"], timeout=10).status_code == 404


def test_the_link_of_one_file_does_not_fill_another(crun):
    one, other = place(crun), place(crun)
    name = urlsplit(other["presigned_url"]).path
    refused = put(one["presigned_url"].replace(urlsplit(one["presigned_url"]).path, name))
    assert refused.status_code == 403
    unknown = put(one["presigned_url"].replace(urlsplit(one["presigned_url"]).path, "/r2/nothing.png"))
    assert (unknown.status_code, code_of(unknown)) == (403, "SignatureDoesNotMatch")  # the signature covers the name


@pytest.mark.parametrize("content_type", ["image/jpeg", "application/octet-stream", ""])
def test_the_type_must_be_the_declared_one(crun, content_type):
    made = place(crun)
    assert put(made["presigned_url"], content_type=content_type).status_code == 403
    assert requests.get(made["file_url"], timeout=10).status_code == 404


def test_a_file_may_be_larger_than_a_json_body(crun):
    made = place(crun)
    assert put(made["presigned_url"], bytes(3 * MIB)).status_code == 200
    assert len(requests.get(made["file_url"], timeout=10).content) == 3 * MIB


def test_a_file_has_a_limit(crun):
    made = place(crun)
    refused = put(made["presigned_url"], bytes(50 * MIB + 1))
    assert (refused.status_code, code_of(refused)) == (400, "EntityTooLarge")
    assert f"larger than {50 * MIB} bytes; --max-upload allows more" in refused.text
    assert requests.get(made["file_url"], timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"ext": ".png"}, "content_type"),
        ({"content_type": "image/png"}, "ext"),
        ({"content_type": "text/html", "ext": ".html"}, "content_type"),
        ({"content_type": "image/png\r\nX-Evil: 1", "ext": ".png"}, "content_type"),
        ({"content_type": "image/png", "ext": "png"}, "ext"),
        ({"content_type": "image/png", "ext": ".PNG"}, "ext"),
        ({"content_type": "image/png", "ext": "./../x"}, "ext"),
    ],
)
@pytest.mark.parametrize("settings", [{"variants": {"crun": {"guesses": "refuse"}}}], indirect=True)
def test_what_a_link_is_asked_for_is_checked(crun, params, field):
    refused = crun.refused("GET", "files/upload-url", params=params)
    assert (refused["http"], refused["code"]) == (422, 422)
    assert all(sentence.startswith(f"{field}: ") for sentence in refused["errors"])


def test_two_accounts_share_no_file(crun, other_crun):
    assert place(crun)["file_url"] != place(other_crun)["file_url"]


@pytest.mark.parametrize("path", ["/u/nothing.png", "/u/", "/u/..%2f..%2fetc%2fpasswd", "/media/x/0.png", "/media/"])
def test_what_was_never_given_out_is_not_there(server, path):
    missing = requests.get(server.url + path, timeout=10)
    assert (missing.status_code, code_of(missing)) == (404, "NoSuchKey")
