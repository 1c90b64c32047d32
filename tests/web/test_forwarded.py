"""Links in answers behind a reverse proxy: the headers of a named proxy count, everybody else's do not."""

from __future__ import annotations

import json

import pytest
import requests
from werkzeug.test import Client

from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.forwarded import TrustedProxies, forwarded_base_url
from swapmock.mock_server.web.messages import Request
from swapmock.mock_server.web.server import LiveServer
from tests.conftest import KEY

UPLOAD = "/api/v1/client/files/upload-url"
PICTURE = {"content_type": "image/png", "ext": ".png"}
PEER = {"REMOTE_ADDR": "127.0.0.1"}
HTTPS = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "faces.example"}


@pytest.mark.parametrize(
    ("headers", "base_url"),
    [
        ({}, "http://own:4020"),
        ({"x-forwarded-proto": "https"}, "https://own:4020"),
        ({"x-forwarded-proto": "https", "x-forwarded-host": "a.example"}, "https://a.example"),
        ({"x-forwarded-proto": "HTTPS", "x-forwarded-host": "a.example:8443"}, "https://a.example:8443"),
        ({"x-forwarded-host": "a.example", "x-forwarded-port": "8080"}, "http://a.example:8080"),
        ({"x-forwarded-proto": "https", "x-forwarded-port": "443"}, "https://own"),
        ({"x-forwarded-host": "[::1]:80"}, "http://[::1]:80"),
        ({"x-forwarded-prefix": "/mock/"}, "http://own:4020/mock"),
        ({"x-forwarded-prefix": "/"}, "http://own:4020"),
        # each proxy appends: the nearest one has the last word
        ({"x-forwarded-host": "evil.example, a.example"}, "http://a.example"),
        ({"forwarded": "for=10.0.0.1;proto=https;host=a.example"}, "https://a.example"),
        ({"forwarded": 'proto=http;host=evil.example, Proto=HTTPS;Host="a.example:1"'}, "https://a.example:1"),
        # what is not valid is left out
        ({"x-forwarded-proto": "javascript"}, "http://own:4020"),
        ({"x-forwarded-host": "a b"}, "http://own:4020"),
        ({"x-forwarded-host": "a.example/path"}, "http://own:4020"),
        ({"x-forwarded-port": "99999"}, "http://own:4020"),
        ({"x-forwarded-port": "\u00b2"}, "http://own:4020"),
        ({"x-forwarded-port": "-1"}, "http://own:4020"),
        ({"x-forwarded-prefix": "//evil.example"}, "http://own:4020"),
        ({"x-forwarded-prefix": "/a?b"}, "http://own:4020"),
        ({"forwarded": ";;=;host"}, "http://own:4020"),
    ],
)
def test_the_base_url_that_a_proxy_tells(headers, base_url):
    assert forwarded_base_url(Request("GET", "/", "", headers, b"", "http://own:4020")) == base_url


@pytest.mark.parametrize(
    ("entries", "peer", "is_trusted"),
    [
        ((), "127.0.0.1", False),
        (("127.0.0.1",), "127.0.0.1", True),
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "11.0.0.1", False),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", True),
        (("::1",), "::1", True),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("10.0.0.0/8",), "nonsense", False),
        (("unix",), None, True),
        (("unix",), "", True),
        (("127.0.0.1",), None, False),
        (("unix",), "127.0.0.1", False),
    ],
)
def test_who_is_trusted(entries, peer, is_trusted):
    assert TrustedProxies(entries).trusts(peer) is is_trusted


@pytest.mark.parametrize(
    ("trusted", "start"),
    [(["127.0.0.1"], "https://faces.example/"), ([], "http://127"), (["10.0.0.0/8"], "http://127")],
)
def test_links_over_a_live_server(trusted, start):
    system = build(Settings(trusted_proxies=trusted))
    with LiveServer(system.asgi_app) as server:
        sandbox = requests.get(f"{server.url}/__admin/sandboxes/default", headers=HTTPS, timeout=10).json()
        url, headers = f"{server.url}{UPLOAD}", {"x-api-key": KEY, **HTTPS}
        answer = requests.get(url, params=PICTURE, headers=headers, timeout=10)
    assert answer.ok, answer.text
    links = answer.json()["data"]
    assert links["file_url"].startswith(start)
    assert links["presigned_url"].startswith(start)
    assert sandbox["base_url"].startswith(start.rstrip("/"))


@pytest.mark.parametrize(("trusted", "start"), [(["127.0.0.1"], "https://faces.example/"), ([], "http://localhost/")])
def test_links_over_wsgi(trusted, start):
    client = Client(build(Settings(trusted_proxies=trusted)).app)
    answer = client.get(UPLOAD, query_string=PICTURE, headers={"x-api-key": KEY, **HTTPS}, environ_base=PEER)
    assert json.loads(answer.data)["data"]["file_url"].startswith(start)
