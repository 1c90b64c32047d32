"""What counts as a secret, what is left of it, and that no text takes long."""

from time import process_time

import pytest

from swapmock.mock_server.admin.masking import Mask, masked
from swapmock.mock_server.core.sandbox import Credential


@pytest.fixture
def mask(system) -> Mask:
    own = (Credential("crun", "my-own-key-0123456789"), Credential("imgopen", "my-access-id-0", "my-own-secret"))
    box = system.engine.store.open("default")
    return Mask(system.engine, type(box.sandbox)("a", 1, own, {}, 0, 0.0))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/a?x=1&token=abc&y=2", "/a?x=1&token=…&y=2"),
        ("/a?X-Request-req-accessKeySecret=abc", "/a?X-Request-req-accessKeySecret=…"),
        ("/a?x-api-key=abc#f", "/a?x-api-key=…#f"),
        ("/a?key=abc&monkey=1&sig=2", "/a?key=…&monkey=1&sig=…"),
        ("api_key=abc&z=1", "api_key=…&z=1"),
        ('{"api_key": "abc", "a": "b"}', '{"api_key": "…", "a": "b"}'),
        ('{"a":{"password":"abc"}}', '{"a":{"password":"…"}}'),
        ("http://user:pass@example.com/", "http://…@example.com/"),
        ("see my-own-key-0123456789 there", "see my-ow…89 there"),
        ("/models/my-own-secret", "/models/…"),
        ("ak_" + "x" * 32, "ak_xx…xx"),
        ("nothing to hide: a=b, keyboard", "nothing to hide: a=b, keyboard"),
        ("/hooks/token/abc/d?e=f", "/hooks/token/…/d?e=f"),
        ("https://a.test/secret/abc", "https://a.test/secret/…"),
        ("/api%2Dkey/abc", "/api%2Dkey/…"),
        ("/tokens", "/tokens"),
        ("/a//b/monkey/c", "/a//b/monkey/c"),
        ("?api%5Fkey=abc", "?api%5Fkey=…"),
        (r'{"api\u005fkey": "abc", "a": "b"}', r'{"api\u005fkey": "…", "a": "b"}'),
        (r'{"\u0074oken":"abc"}', r'{"\u0074oken":"…"}'),
        (r'{"api_key": "a\"bc", "a": "b"}', r'{"api_key": "…", "a": "b"}'),
        (r'{"text": "{\"api_key\": \"abc\"}"}', r'{"text": "{\"api_key\": \"…\"}"}'),
        (r'"{\\\"token\\\":\\\"abc\\\"}"', r'"{\\\"token\\\":\\\"…\\\"}"'),
        (
            '--b\r\nContent-Disposition: form-data; name="api_key"\r\n\r\nabc\r\ndef\r\n--b\r\n'
            'Content-Disposition: form-data; name="a"; filename="token"\r\nContent-Type: text/plain\r\n\r\nb\r\n--b--',
            '--b\r\nContent-Disposition: form-data; name="api_key"\r\n\r\n…\r\n--b\r\n'
            'Content-Disposition: form-data; name="a"; filename="token"\r\nContent-Type: text/plain\r\n\r\nb\r\n--b--',
        ),
        (
            '--b\nContent-Disposition: form-data; name="token"; filename="x"\nContent-Type: a/b\n\nabc',
            '--b\nContent-Disposition: form-data; name="token"; filename="x"\nContent-Type: a/b\n\n…',
        ),
    ],
)
def test_texts(mask, text, shown):
    assert mask.text(text) == shown
    assert mask.text(shown) == shown


def test_headers_and_fields(mask):
    headers = {"Authorization": "Bearer abcdefghijklmnop", "X-Auth-Token": "short", "Accept": "*/*"}
    assert dict(mask.headers(headers)) == {"Authorization": "Beare…op", "X-Auth-Token": "…", "Accept": "*/*"}
    value = {"a": [{"secret": "x", "n": 1, "token": {"deep": "id"}}], "name": "cookie", "value": "v"}
    assert mask.value(value) == {
        "a": [{"secret": "…", "n": 1, "token": {"deep": "id"}}],
        "name": "cookie",
        "value": "v",
    }
    assert mask.value({"input": {"my-own-secret": 1, "b": 2}}) == {"input": {"…": 1, "b": 2}}
    assert mask.value({"name": "cookie", "value": "v"}) == {"name": "cookie", "value": "…"}


@pytest.mark.parametrize(
    ("head", "shown"),
    [
        (b"HTTP/1.1 200 OK\r\nA:b \r\n\r\n", b"HTTP/1.1 200 OK\r\nA:b \r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nA:b\r\nSet-Cookie: id=7\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\nSet-Cookie: …\r\n\r\n".encode()),
        (b"POST /hook?token=abc HTTP/1.1\r\n\r\n", "POST /hook?token=… HTTP/1.1\r\n\r\n".encode()),
        (b"", b""),
        (b"\xff", b"\xff"),
    ],
)  # fmt: skip
def test_heads(mask, head, shown):
    assert mask.head(head) == shown
    assert mask.head(shown) == shown


@pytest.mark.parametrize("settings", [{"admin_token": "a-token-of-the-admin"}], indirect=True)
def test_the_admin_token(mask):
    assert mask.text("/x/a-token-of-the-admin/y") == "/x/a-tok…in/y"


def test_masked():
    assert masked("short") == "…"
    assert masked("0123456789abcdefgh") == "01234…gh"
    assert masked(masked("0123456789abcdefgh")) == "01234…gh"


@pytest.mark.parametrize(
    "text",
    ["token" * 13_000, '"' + "token" * 13_000, "&token" * 11_000, '"token"' + " " * 65_000, "http://" * 9000, "=" * 65_000,
     '"token":' * 8000, "https://" + "a" * 65_000, "?" * 65_000, "/" * 65_000, "/token" * 11_000, '\\"' * 32_000, "\\u0061" * 11_000,
     '"' + "\\u0061" * 11_000, '"token":"' + '\\"' * 32_000, 'name="token"\n' * 5000, 'name="token"\n\n' + "\n" * 60_000],
    ids=lambda text: text[:10],
)  # fmt: skip
def test_no_text_takes_long(mask, text):
    start = process_time()
    mask.text(text)
    assert process_time() - start < 1
