"""The rules that requests must pass, and the answers that pages of other origins may read."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
import requests

from swapmock.mock_server.settings import SettingError, Settings
from swapmock.mock_server.web.build import System
from swapmock.mock_server.web.file_headers import headers_for
from swapmock.mock_server.web.server import LiveServer
from tests.conftest import KEY, CrunClient

BALANCE = "/api/v1/client/account/balance"
SANDBOXES = "/__admin/sandboxes"
RESET = "/__admin/sandboxes/default/reset"
FAULTS = "/__admin/sandboxes/default/faults"
RULE = json.dumps({"effect": {"status": 503}})
PAGE = "http://localhost:3000"

Ask = Callable[..., tuple[int, dict[str, str], bytes]]


@pytest.fixture(params=["live", "wsgi"])
def ask(request: pytest.FixtureRequest, system: System, server: LiveServer) -> Ask:
    """`ask(method, path, headers, body)` -> status, headers and body, from the live server and from the WSGI one."""

    def live(method: str, path: str, headers: Any = None, body: str = "") -> tuple[int, dict[str, str], bytes]:
        prepared = requests.Request(method, server.url + path, headers=headers or {}, data=body or None).prepare()
        prepared.url = server.url + path
        with requests.Session() as session:
            answer = session.send(prepared, timeout=10, allow_redirects=False)
        return answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content

    def wsgi(method: str, path: str, headers: Any = None, body: str = "") -> tuple[int, dict[str, str], bytes]:
        host = {"Host": server.url.partition("//")[2]}
        with system.app.test_client() as client:
            answer = client.open(path, method=method, headers={**host, **(headers or {})}, data=body or None)
            return answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.data

    return live if request.param == "live" else wsgi


LOOPBACK = ["localhost", "LOCALHOST:4020", "localhost.", "app.localhost", "127.0.0.1", "127.8.9.1:1", "[::1]:4020"]
ADDRESSES = ["192.168.1.9", "8.8.8.8:80", "[2001:db8::1]:4020", "0.0.0.0", "[::ffff:10.0.0.1]"]
VENDORS = ["api.crun.ai", "api.crunai.com:443", "API.zhiqite.com"]
FOREIGN = ["evil.example", "evil.example:4020", "localhost.evil.example", "127.0.0.1.evil.example", "127.1", "0x7f.1"]


class TestHosts:
    @pytest.mark.parametrize("host", [*LOOPBACK, "[::ffff:127.0.0.1]"])
    def test_loopback_may_ask_for_everything(self, ask: Ask, host: str) -> None:
        assert [ask("GET", path, {"Host": host})[0] for path in (BALANCE, SANDBOXES, "/", "/health")] == [
            401, 200, 200, 200
        ]  # fmt: skip

    @pytest.mark.parametrize("host", [*ADDRESSES, *VENDORS])
    def test_addresses_and_vendors_may_ask_for_what_the_vendors_have(self, ask: Ask, host: str) -> None:
        assert [ask("GET", path, {"Host": host})[0] for path in (BALANCE, "/u/x.png", "/nothing", SANDBOXES, "/")] == [
            401, 404, 404, 403, 403
        ]  # fmt: skip

    @pytest.mark.parametrize("host", FOREIGN)
    def test_foreign_names_get_nothing(self, ask: Ask, host: str) -> None:
        for path in (BALANCE, SANDBOXES, "/", "/media/x/1.png", "/u/x.png", "/r2/x.png", "/health", "/nothing"):
            status, headers, body = ask("GET", path, {"Host": host, "x-api-key": KEY})
            assert status == 403
            assert f"--allow-host {host.partition(':')[0]}" in json.loads(body)["detail"]
            assert headers["content-type"] == "application/problem+json"

    @pytest.mark.parametrize(
        "settings", [{"allow_host": ("Mock.test", "*.ci.test"), "public_url": "https://pub.test/x"}], indirect=True
    )
    def test_named_hosts_may_ask(self, ask: Ask) -> None:
        asked = ["mock.test:1", "a.ci.test", "a.b.ci.test", "pub.test", "ci.test", "xmock.test"]
        assert [ask("GET", SANDBOXES, {"Host": host})[0] for host in asked] == [200, 200, 200, 200, 403, 403]

    @pytest.mark.parametrize("settings", [{"allow_host": ("*",)}], indirect=True)
    def test_every_host_can_be_allowed(self, ask: Ask) -> None:
        assert ask("GET", SANDBOXES, {"Host": "evil.example"})[0] == 200

    @pytest.mark.parametrize("settings", [{"host": "0.0.0.0", "admin_token": "t0ken"}], indirect=True)
    def test_beyond_loopback_the_admin_side_wants_a_known_host_or_the_token(self, ask: Ask) -> None:
        foreign, token = {"Host": "app:4020"}, {"Authorization": "Bearer t0ken"}
        assert ask("GET", BALANCE, foreign)[0] == 401
        assert ask("GET", SANDBOXES, foreign)[0] == 403
        assert ask("GET", SANDBOXES, {**foreign, "Authorization": "Bearer other"})[0] == 403
        assert ask("GET", SANDBOXES, {**foreign, **token})[0] == 200
        assert ask("GET", SANDBOXES)[0] == 401

    @pytest.mark.parametrize("settings", [{"admin_token": "t0ken"}], indirect=True)
    def test_a_token_opens_no_host_for_others(self, ask: Ask) -> None:
        host = {"Host": "evil.example"}
        assert ask("GET", BALANCE, {**host, "Authorization": "Bearer t0ken"})[0] == 401
        assert ask("GET", BALANCE, host)[0] == 403

    @pytest.mark.parametrize("text", ["http://x", "a b", "x:80", "*.*.x", "", "x/y"])
    def test_what_is_no_name_is_refused_at_the_start(self, text: str) -> None:
        if text:
            with pytest.raises(SettingError, match="--allow-host"):
                Settings(allow_host=(text,))


class TestAdminWrites:
    @pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "text/json"])
    def test_a_body_needs_the_type_of_json(self, ask: Ask, content_type: str | None) -> None:
        """The other types are those that a page may send without a preflight."""
        headers = {} if content_type is None else {"Content-Type": content_type}
        assert ask("POST", FAULTS, headers, RULE)[0] == 400
        assert json.loads(ask("GET", FAULTS)[2])["faults"] == []

    @pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
    def test_with_it_it_is_obeyed(self, ask: Ask, content_type: str) -> None:
        assert ask("POST", FAULTS, {"Content-Type": content_type}, RULE)[0] == 201

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 200),
            ({"Sec-Fetch-Site": "same-origin"}, 200),
            ({"Sec-Fetch-Site": "none"}, 200),
            ({"Sec-Fetch-Site": "same-site"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "invented"}, 403),
            ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": ""}, 403),
            ({"Origin": "http://localhost"}, 403),
            ({"Origin": PAGE, "Content-Type": "application/json"}, 403),
        ],
    )
    def test_a_page_of_another_origin_changes_nothing(self, ask: Ask, headers: dict[str, str], status: int) -> None:
        assert ask("POST", RESET, headers)[0] == status

    def test_our_own_pages_may(self, ask: Ask, server: LiveServer) -> None:
        assert ask("POST", RESET, {"Origin": server.url, "Sec-Fetch-Site": "same-origin"})[0] == 200

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
    def test_every_method_that_may_change_something_counts(self, ask: Ask, method: str) -> None:
        assert ask(method, f"{SANDBOXES}/default", {"Origin": "http://evil.example"})[0] == 403

    def test_a_crafted_snapshot_from_a_page_is_refused(self, ask: Ask) -> None:
        taken = ask("GET", f"{SANDBOXES}/default/snapshot")[2].decode()
        for headers in ({"Content-Type": "text/plain"}, {}, {"Content-Type": "application/json", "Origin": PAGE}):
            assert ask("POST", f"{SANDBOXES}/default/restore", headers, taken)[0] in (403, 400)


FETCH = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}
NAVIGATION = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


class TestAdminReads:
    @pytest.mark.parametrize("path", ["/", "/__admin", SANDBOXES])
    def test_a_navigation_may_open_a_page_and_nothing_else_may(self, ask: Ask, path: str) -> None:
        assert ask("GET", path, NAVIGATION)[0] == 200
        assert ask("GET", path, FETCH)[0] == 403
        assert ask("GET", path, {"Origin": PAGE})[0] == 403

    @pytest.mark.parametrize("path", ["/", "/__admin", SANDBOXES, "/nothing", "/__admin/nothing"])
    def test_no_page_is_shown_in_a_frame(self, ask: Ask, path: str) -> None:
        headers = ask("GET", path)[1]
        assert headers["content-security-policy"] == "frame-ancestors 'none'"
        assert headers["x-content-type-options"] == "nosniff"

    def test_no_get_changes_anything(self, ask: Ask, system: System, crun: CrunClient) -> None:
        """Every GET of the admin API and of pages, with the parameters of a real sandbox; HEAD is no other."""
        task = crun.create("z-image", {"prompt": "a"})
        ask("POST", FAULTS, {"Content-Type": "application/json"}, json.dumps({"id": "f1", "effect": {"status": 503}}))
        names = {"sandbox": "default", "task": task, "fault": "f1", "id": task, "delivery": "d1"}
        before = ask("GET", f"{SANDBOXES}/default/snapshot")[2]
        admin = next(api for api in system.pipeline.apis if api.is_admin)
        paths = [o.path for o in admin.contract.operations.values() if o.method == "GET"]
        for path in [*paths, "/", "/health", "/ready"]:
            for name, value in names.items():
                path = path.replace(f"{{{name}}}", value)
            assert ask("GET", path)[0] in (200, 400, 404), path
            ask("HEAD", path)
        assert ask("GET", f"{SANDBOXES}/default/snapshot")[2] == before


def preflight(method: str = "POST", origin: str = PAGE, headers: str = "content-type,x-api-key") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


CREATE = "/api/v1/client/job/CreateTask"


class TestCors:
    def test_by_default_the_vendors_do_not_answer_preflights(self, ask: Ask) -> None:
        status, headers, body = ask("OPTIONS", CREATE, preflight())
        assert (status, json.loads(body)["code"]) == (404, 404)
        assert not [name for name in headers if name.startswith("access-control")]

    @pytest.mark.parametrize("settings", [{"cors": (PAGE, "https://App.test:443/")}], indirect=True)
    def test_named_origins_may_call_them(self, ask: Ask) -> None:
        status, headers, _ = ask("OPTIONS", CREATE, preflight())
        assert status == 204
        assert headers["access-control-allow-origin"] == PAGE
        assert headers["access-control-allow-methods"] == "POST"
        assert headers["access-control-allow-headers"] == "content-type,x-api-key"
        assert "access-control-allow-credentials" not in headers
        status, headers, _ = ask("GET", BALANCE, {"Origin": "https://app.test"})
        assert (status, headers["access-control-allow-origin"], headers["vary"]) == (401, "https://app.test", "Origin")
        for origin in ("http://localhost:3001", "https://localhost:3000", "null"):
            assert ask("OPTIONS", CREATE, preflight(origin=origin))[0] == 404
            assert "access-control-allow-origin" not in ask("GET", BALANCE, {"Origin": origin})[1]

    @pytest.mark.parametrize("settings", [{"cors": ("*",)}], indirect=True)
    def test_or_all_may(self, ask: Ask) -> None:
        assert ask("OPTIONS", CREATE, preflight(origin="null"))[1]["access-control-allow-origin"] == "*"
        headers = ask("GET", BALANCE, {"Origin": "http://any.test", "x-api-key": KEY})[1]
        assert headers["access-control-allow-origin"] == headers["access-control-expose-headers"] == "*"
        assert "access-control-allow-origin" not in ask("GET", BALANCE)[1]
        assert "access-control-allow-origin" not in ask("GET", SANDBOXES)[1]

    @pytest.mark.parametrize("settings", [{"cors": ("*",)}], indirect=True)
    def test_a_preflight_is_in_the_journal_as_one(self, ask: Ask) -> None:
        ask("OPTIONS", CREATE, preflight())
        (record,) = json.loads(ask("GET", f"{SANDBOXES}/default/journal?operation=preflight")[2])["records"]
        assert (record["method"], record["status"], record["unmatched"]) == ("OPTIONS", 204, False)
        assert json.loads(ask("GET", f"{SANDBOXES}/default/journal?unmatched=1")[2])["records"] == []
        why = json.loads(ask("GET", f"{SANDBOXES}/default/why/{record['id']}")[2])
        assert f"for a page of {PAGE}" in why["summary"]
        taken = ask("GET", f"{SANDBOXES}/default/snapshot")[2].decode()
        assert ask("POST", f"{SANDBOXES}/default/restore", {"Content-Type": "application/json"}, taken)[0] == 200

    @pytest.mark.parametrize("settings", [{"cors": (PAGE,)}], indirect=True)
    @pytest.mark.parametrize("path", ["/r2/x.png?expires=1&signature=y", "/u/x.png", "/media/x/1.png"])
    def test_the_upload_store_and_media_are_open_to_all(self, ask: Ask, path: str) -> None:
        method = "PUT" if path.startswith("/r2") else "GET"
        status, headers, _ = ask("OPTIONS", path, preflight(method, "http://any.test", "content-type"))
        assert (status, headers["access-control-allow-origin"]) == (204, "*")
        assert headers["access-control-allow-methods"] == method

    def test_a_page_on_the_internet_may_reach_loopback_for_them(self, ask: Ask) -> None:
        headers = {**preflight("GET"), "Access-Control-Request-Private-Network": "true"}
        assert ask("OPTIONS", "/u/x.png", headers)[1]["access-control-allow-private-network"] == "true"

    @pytest.mark.parametrize("settings", [{"cors": ("*",)}, {"cors": (PAGE,)}], indirect=True)
    def test_the_admin_api_never_answers_them(self, ask: Ask) -> None:
        for path in (FAULTS, SANDBOXES, RESET, "/"):
            status, headers, _ = ask("OPTIONS", path, preflight())
            assert status >= 400
            assert not [name for name in headers if name.startswith("access-control")]

    @pytest.mark.parametrize("settings", [{"admin_origin": (PAGE,)}], indirect=True)
    def test_but_for_a_named_origin(self, ask: Ask) -> None:
        status, headers, _ = ask("OPTIONS", FAULTS, preflight(headers="authorization,content-type"))
        assert (status, headers["access-control-allow-origin"]) == (204, PAGE)
        written = ask("POST", FAULTS, {"Origin": PAGE, "Content-Type": "application/json"}, RULE)
        assert (written[0], written[1]["access-control-allow-origin"]) == (201, PAGE)
        assert ask("GET", SANDBOXES, {"Origin": PAGE, "Sec-Fetch-Site": "same-site"})[0] == 200
        assert ask("POST", RESET, {"Origin": "http://localhost:3001"})[0] == 403

    @pytest.mark.parametrize("name", ["cors", "admin_origin"])
    @pytest.mark.parametrize("text", ["localhost:3000", "http://", "http://x/y", "ftp://x", "http://u@x", "http://x:y"])
    def test_what_is_no_origin_is_refused_at_the_start(self, name: str, text: str) -> None:
        given: Any = {name: (text,)}
        with pytest.raises(SettingError, match="is no origin"):
            Settings(**given)

    def test_the_admin_api_cannot_be_opened_to_all(self) -> None:
        for text in ("*", "null"):
            with pytest.raises(SettingError):
                Settings(admin_origin=(text,))


KEPT_HOST = f"Host: localhost\r\nx-api-key: {KEY}\r\nConnection: close\r\n\r\n"
CHUNKS = "2\r\n{}\r\n0\r\n\r\n"
RAW = [
    ("no host", f"GET {BALANCE} HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
    ("two hosts", f"GET {BALANCE} HTTP/1.1\r\nHost: localhost\r\n{KEPT_HOST}", 400),
    ("two equal hosts elsewhere", f"GET {SANDBOXES} HTTP/1.1\r\nHost: localhost\r\n{KEPT_HOST}", 400),
    ("an empty host", f"GET {BALANCE} HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("a list of hosts", f"GET {BALANCE} HTTP/1.1\r\nHost: localhost, evil\r\n\r\n", 400),
    ("a host that is none", f"GET {BALANCE} HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("a host with a user", f"GET {BALANCE} HTTP/1.1\r\nHost: u@localhost\r\n\r\n", 400),
    ("a host beyond ASCII", f"GET {BALANCE} HTTP/1.1\r\nHost: é\r\n\r\n", 400),
    ("a port that is none", f"GET {BALANCE} HTTP/1.1\r\nHost: localhost:123456\r\n\r\n", 400),
    ("HTTP/1.0 without a host", f"GET {BALANCE} HTTP/1.0\r\nx-api-key: {KEY}\r\n\r\n", 200),
    ("HTTP/1.0 with a host", f"GET {BALANCE} HTTP/1.0\r\nHost: evil.example\r\n\r\n", 403),
    ("HTTP/2.0", f"GET {BALANCE} HTTP/2.0\r\n{KEPT_HOST}", 505),
    ("HTTP/3.0", f"GET {BALANCE} HTTP/3.0\r\n{KEPT_HOST}", 505),
    ("HTTP/0.9", f"GET {BALANCE} HTTP/0.9\r\n{KEPT_HOST}", 505),
    ("another protocol", f"GET {BALANCE} HTCPCP/1.0\r\n{KEPT_HOST}", 400),
    ("two codings", f"POST {CREATE} HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n{KEPT_HOST}{CHUNKS}", 501),
    ("a coding of HTTP/1.0", f"POST {CREATE} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n{KEPT_HOST}{CHUNKS}", 400),
    ("a coding that is not the last", f"POST {CREATE} HTTP/1.1\r\nTransfer-Encoding: gzip\r\n{KEPT_HOST}", 400),
    ("chunks in another case", f"POST {CREATE} HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n{KEPT_HOST}{CHUNKS}", 422),
    ("a path with two slashes", f"GET /{BALANCE} HTTP/1.1\r\n{KEPT_HOST}", 404),
    ("a path with three slashes", f"GET //{SANDBOXES} HTTP/1.1\r\n{KEPT_HOST}", 404),
]


@pytest.mark.parametrize(("raw", "status"), [row[1:] for row in RAW], ids=[row[0] for row in RAW])
def test_http_as_rfc_9112_has_it(server: LiveServer, raw: str, status: int) -> None:
    with socket.create_connection(server.address, 10) as client:
        client.sendall(raw.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 %d " % status)


class TestFiles:
    @pytest.mark.parametrize("content_type", ["image/png", "IMAGE/JPEG", "video/mp4", "audio/wav", "image/png; x=y"])
    def test_pictures_video_and_sound_are_shown(self, content_type: str) -> None:
        headers = dict(headers_for(content_type))
        assert "content-disposition" not in headers
        assert "sandbox" not in headers["content-security-policy"]
        assert "media-src 'self'" in headers["content-security-policy"]

    @pytest.mark.parametrize(
        "content_type",
        ["image/svg+xml", "text/html", "application/xhtml+xml", "text/xml", "application/pdf", "text/javascript", ""],
    )
    def test_everything_else_is_saved(self, content_type: str) -> None:
        headers = dict(headers_for(content_type))
        assert headers["content-disposition"] == "attachment"
        assert headers["content-security-policy"] == "default-src 'none'; sandbox"

    @pytest.mark.parametrize("content_type", ["image/png", "text/html"])
    def test_every_page_may_read_them_and_none_guesses_their_type(self, content_type: str) -> None:
        headers = dict(headers_for(content_type))
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["access-control-allow-origin"] == "*"
        assert headers["cross-origin-resource-policy"] == "cross-origin"

    def test_an_uploaded_script_is_no_page(self, ask: Ask, crun: CrunClient) -> None:
        link = crun.data("GET", "files/upload-url", params={"ext": ".svg", "content_type": "image/svg+xml"})
        sent = requests.put(
            link["presigned_url"], data=b"<svg/>", headers={"Content-Type": "image/svg+xml"}, timeout=10
        )
        assert sent.ok
        status, headers, body = ask("GET", "/u/" + link["file_url"].rpartition("/")[2])
        assert (status, body, headers["content-type"]) == (200, b"<svg/>", "image/svg+xml")
        assert headers["content-disposition"] == "attachment"

    @pytest.mark.parametrize(
        ("wanted", "status", "part", "place"),
        [
            ("bytes=0-1", 206, slice(0, 2), "bytes 0-1/10"),
            ("bytes=0-", 206, slice(0, 10), "bytes 0-9/10"),
            ("bytes=-3", 206, slice(7, 10), "bytes 7-9/10"),
            ("bytes=4-99", 206, slice(4, 10), "bytes 4-9/10"),
            ("bytes=10-", 416, slice(0, 0), "bytes */10"),
            ("lines=0-1", 200, slice(0, 10), None),
        ],
    )
    def test_ranges(self, ask: Ask, crun: CrunClient, wanted: str, status: int, part: slice, place: str | None) -> None:
        """So a video can be sought."""
        link = crun.data("GET", "files/upload-url", params={"ext": ".png", "content_type": "image/png"})
        requests.put(link["presigned_url"], data=b"0123456789", headers={"Content-Type": "image/png"}, timeout=10)
        path = "/u/" + link["file_url"].rpartition("/")[2]
        got, headers, body = ask("GET", path, {"Range": wanted})
        if status == 416:
            assert b"<Code>InvalidRange</Code>" in body
            body = b""
        assert (got, body, headers.get("content-range")) == (status, b"0123456789"[part], place)
        assert headers["accept-ranges"] == "bytes"
        assert headers["x-content-type-options"] == "nosniff"
        assert ask("HEAD", path)[1]["content-length"] == "10"
        assert ask("GET", path, {"If-None-Match": headers["etag"]})[0] == 304
