"""What a client or a foreign page tries against the pages: stored scripts, forged forms, frames, names, credentials."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
import requests

from swapmock import Emulator
from tests.inspector.conftest import HTML, PICTURE, Reader, Story, crun, imgopen
from tests.receivers import RawReceiver, read_request

MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "javascript:alert(1)",
    "{{7*7}}{% if 1 %}x{% endif %}",
    "</pre></script><svg/onload=alert(1)>",
    "<!--<a href=javascript:alert(1)>",
    "\u202e<b>\x00\ufffe",
    "`<i>`",
]


class Active(HTMLParser):
    """Finds what would run: scripts and styles that are not ours, handlers, addresses of another scheme or host."""

    OWN_SCRIPTS = ("/__admin/ui/static/",)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "script" and not given.get("src", "").startswith(self.OWN_SCRIPTS):
            self.found.append(f"script {given}")
        if tag in ("iframe", "object", "embed", "base", "style", "b", "i", "meta") and tag not in ("b", "meta"):
            self.found.append(tag)
        for name, value in given.items():
            if name.startswith("on") or name == "style":
                self.found.append(f"{tag} {name}={value}")
            if name in ("href", "src", "action", "formaction", "xlink:href") and not re.match(
                r"^(/(?!/)|#|\?|$)", value
            ):
                self.found.append(f"{tag} {name}={value}")


def assert_inert(text: str) -> None:
    parser = Active()
    parser.feed(text)
    assert parser.found == []
    assert "49" not in re.sub(r"\d{3,}|[\w.:-]*49[\w.:-]+|[\w.:-]+49[\w.:-]*", "", text) or "7*7" in text


@pytest.fixture(scope="module")
def attacked(emulator: Emulator) -> Any:
    """A sandbox in which every field that a client can send holds markup."""
    sandbox = emulator.sandbox(
        id="attacked", clock="frozen", labels={text[:50]: text for text in MARKUP[:3]}, prefer_header=True
    )
    base = sandbox.base_url
    inbox = emulator.ask("GET", "/sandboxes/attacked/inbox")["url"]
    for text in MARKUP:
        plain = text.encode("latin-1", "ignore").decode("latin-1").replace("\x00", "")
        headers = {
            **sandbox.headers("crun"),
            "x-note": plain,
            "user-agent": plain,
            "referer": plain,
            "cookie": f"a={plain}",
        }
        url = f"http://127.0.0.1:9/{text}"
        requests.get(f"{base}/api/v1/client/{text}", headers=headers, params={text: text}, timeout=10)
        requests.get(f"{base}/api/v1/client/job/TaskInfo", headers=headers, params={"task_id": text}, timeout=10)
        crun(sandbox, "POST", "job/CreateTask", json={"model": text, "input": {text: text}, text: [text]})
        crun(
            sandbox,
            "POST",
            "job/CreateTask",
            json={"model": "image-face-swap", "input": {"image_url": url, "new_face": url}, "callback_url": url},
        )
        crun(
            sandbox,
            "POST",
            "job/CreateTask",
            json={"model": "z-image", "input": {"prompt": text}, "callback_url": f"{inbox}/{text}?{text}"},
        )
        imgopen(
            sandbox,
            "tool/face/fusion",
            {"sourceUrl": [url], "targetUrl": url, "businessTaskId": text, "callbackUrl": url},
        )
        imgopen(sandbox, "tool/face/detection", {"imageUrl": text, "businessTaskId": "10086996"})
        crun(sandbox, "GET", "files/upload-url", params={"ext": text, "content_type": text})
        requests.post(
            f"{base}/api/v1/client/job/CreateTask",
            data=text.encode(),
            headers={**headers, "content-type": plain or "x"},
            timeout=10,
        )
        requests.post(
            f"{inbox}/{text}", data=text.encode(), headers={"x-note": plain, "content-type": plain or "x"}, timeout=10
        )
        sandbox.add_fault(
            {"status": 503, "message": text},
            match={"operation": "list_models", "headers": {"x": text}, "path": {"contains": text}},
        )
        sandbox.queue("fails", code=501, message=text, provider="crun")
    for _ in range(len(MARKUP)):
        crun(sandbox, "POST", "job/CreateTask", json={"model": "image-face-swap", "input": PICTURE})
    emulator.ask(
        "PUT",
        "/sandboxes/attacked/inbox",
        {"answers": [{"status": 200, "body": MARKUP[0], "content_type": "text/html"}]},
    )
    sandbox.advance(300)
    emulator.ask(
        "POST",
        "/runs",
        {
            "kind": "conform",
            "report": {
                "exit": MARKUP[0],
                "command": MARKUP,
                "losses": {MARKUP[1]: MARKUP[2]},
                "verdicts": [
                    {
                        "rule": text,
                        "title": text,
                        "verdict": "fail",
                        "case": text,
                        "text": text,
                        "evidence": [{"target": text, "method": text}],
                        "repeat": text,
                        "source": text,
                        "known": text,
                    }
                    for text in MARKUP
                ],
            },
        },
    )
    emulator.ask(
        "POST",
        "/runs",
        {
            "kind": "check",
            "report": {
                "targets": [
                    {
                        "provider": text,
                        "base_url": text,
                        "findings": [{"id": text, "grade": text, "title": text, "got": text, "curl": text}],
                    }
                    for text in MARKUP
                ]
            },
        },
    )
    return sandbox


def all_pages(sandbox: Any, emulator: Emulator) -> list[str]:
    """Every page that shows something of a sandbox."""
    base = f"/__admin/sandboxes/{sandbox.id}"
    names = [f"/requests/{row['id']}" for row in sandbox.requests(limit=1000)]
    names += [f"/tasks/{row['id']}" for row in sandbox.tasks(limit=1000)]
    names += [f"/deliveries/{row['id']}" for row in sandbox.deliveries(limit=1000)]
    lists = ["", "/requests", "/requests?before=60", "/deliveries", "/media", "/try", "/inbox", "/ledger"]
    runs = [f"/__admin/runs/{run['id']}" for run in emulator.ask("GET", "/runs")["runs"]]
    return ["/__admin", "/__admin/runs", *runs, *(base + one for one in [*lists, *names])]


def test_no_page_runs_what_a_client_sent(attacked: Any, emulator: Emulator, reader: Reader) -> None:
    for path in all_pages(attacked, emulator):
        answer = reader.get(path)
        assert answer.status_code == 200, path
        assert_inert(answer.text)


def exports(sandbox: Any, emulator: Emulator) -> list[str]:
    """Every file that can be saved and every page of texts to copy."""
    base = f"/__admin/ui/sandboxes/{sandbox.id}"
    names = [f"/requests/{row['id']}" for row in sandbox.requests(limit=1000)]
    names += [f"/tasks/{row['id']}" for row in sandbox.tasks(limit=1000)]
    names += [f"/deliveries/{row['id']}" for row in sandbox.deliveries(limit=1000)]
    runs = [f"/__admin/ui/runs/{run['id']}/export" for run in emulator.ask("GET", "/runs")["runs"]]
    return [*runs, *(f"{base}{name}/{what}" for name in names for what in ("export", "copy"))]


def assert_saved_file_is_inert(text: str) -> None:
    """Nothing but our one style, and pictures within the file; its own policy forbids scripts, too."""
    parser = Active()
    parser.feed(text)
    own = [
        one
        for one in parser.found
        if one != "style" and not re.match(r"(img|video|audio) src=data:(image|video|audio)/", one)
    ]
    assert (own, parser.found.count("style")) == ([], 1)
    assert re.search(
        r"<head>\s*<meta charset=\"utf-8\">\s*<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'",
        text,
    )
    assert "<a " not in text


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.long), 9])
def test_no_saved_file_and_no_text_to_copy_runs(attacked: Any, emulator: Emulator, reader: Reader, step: int) -> None:
    paths = exports(attacked, emulator)[::step]
    assert {path.rpartition("/")[2] for path in paths} == {"export", "copy"}
    for path in paths:
        answer = reader.get(path)
        assert answer.status_code == 200, path
        if path.endswith("/export"):
            assert answer.headers["content-disposition"].startswith("attachment;")
            assert_saved_file_is_inert(answer.text)
        else:
            assert_inert(answer.text)


@pytest.mark.long
def test_no_chinese_page_runs_what_a_client_sent(attacked: Any, emulator: Emulator, reader: Reader) -> None:
    for path in all_pages(attacked, emulator):
        assert_inert(reader.get(path, **{"Accept-Language": "zh"}).text)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("text", MARKUP)
def test_no_page_runs_what_a_receiver_answered(emulator: Emulator, reader: Reader, text: str, language: str) -> None:
    """The status line, names and values of headers, the body; and what is no HTTP at all."""
    plain = text.encode()
    answers = [b"HTTP/1.1 500 %b\r\n%b: %b\r\nX-A: %b\r\n\r\n%b" % ((plain,) * 5), plain + b"\r\n\r\n"]

    def serve(connection: Any) -> None:
        read_request(connection)
        connection.sendall(answers.pop(0) if answers else b"HTTP/1.1 204 No\r\n\r\n")

    with emulator.sandbox(clock="frozen", balance=10) as sandbox, RawReceiver(serve) as receiver:
        url = receiver.url()
        crun(
            sandbox, "POST", "job/CreateTask", json={"model": "z-image", "input": {"prompt": "a"}, "callback_url": url}
        )
        sandbox.advance(60)
        (delivery,) = sandbox.deliveries()
        assert len(delivery["attempts"]) == 2
        base = f"/__admin/sandboxes/{sandbox.id}"
        for path in (f"{base}/deliveries", f"{base}/deliveries/{delivery['id']}", f"{base}/tasks/{delivery['task']}"):
            assert_inert(reader.get(path, **{"Accept-Language": language}).text)
        saved = reader.get(f"/__admin/ui/sandboxes/{sandbox.id}/deliveries/{delivery['id']}/export")
        assert_saved_file_is_inert(saved.text)


@pytest.mark.parametrize("text", MARKUP)
def test_no_address_of_a_page_runs(attacked: Any, reader: Reader, text: str) -> None:
    base = f"/__admin/sandboxes/{attacked.id}"
    for path in (
        f"{base}/requests",
        f"{base}/deliveries",
        f"{base}/try",
        f"{base}/nope",
        f"{base}/tasks/x",
        "/__admin",
    ):
        answer = reader.session.get(
            reader.url + path,
            params=dict.fromkeys(("text", "task", "operation", "form", "lang", "from", "result", "status"), text),
            headers=HTML,
            timeout=10,
        )
        assert answer.status_code in (200, 404)
        if "text/html" in answer.headers["content-type"]:
            assert_inert(answer.text)


def test_a_page_loads_nothing_but_its_own_files(story: Story, reader: Reader) -> None:
    answer = reader.get(story.path())
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    for name in ("script-src", "style-src", "connect-src", "img-src", "media-src", "form-action", "worker-src"):
        assert policy[name] == "'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_no_page_shows_a_credential(story: Story, emulator: Emulator, reader: Reader) -> None:
    secrets = {
        text
        for one in story.sandbox.document["credentials"].values()
        for text in (one["key"], one.get("secret"))
        if text
    }
    secrets |= {
        text
        for one in emulator.default.document["credentials"].values()
        for text in (one["key"], one.get("secret"))
        if text
    }
    for path in all_pages(story.sandbox, emulator):
        text = reader.get(path).text
        assert not any(secret in text for secret in secrets), path


STEERING = ["advance", "clock", "grant", "reset", "fault", "queue", "clear-journal", "redeliver"]


@pytest.mark.parametrize("action", STEERING)
@pytest.mark.parametrize("value", ["", "0" * 64, None])
def test_a_forged_form_changes_nothing(story: Story, action: str, value: str | None) -> None:
    before = story.sandbox.snapshot()
    data = {
        "by": "1h",
        "amount": "5",
        "mode": "real",
        "effect": "reset",
        "scenario": "fails",
        **({} if value is None else {"csrf": value}),
    }
    answer = requests.post(f"{story.url}/__admin/ui/sandboxes/demo/{action}", data=data, headers=HTML, timeout=10)
    assert answer.status_code == 403
    assert story.sandbox.snapshot() == before


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_page_of_another_origin_neither_steers_nor_reads(
    story: Story, reader: Reader, headers: dict[str, str]
) -> None:
    value = re.search(r'name="csrf" value="(\w+)"', reader.get(story.path()).text)
    assert value is not None
    sent = {"csrf": value[1], "amount": "5"}
    answer = requests.post(
        f"{story.url}/__admin/ui/sandboxes/demo/grant", data=sent, headers={**HTML, **headers}, timeout=10
    )
    assert answer.status_code == 403
    assert requests.get(story.url + story.path(), headers={**HTML, **headers}, timeout=10).status_code == 403
    assert requests.get(f"{story.url}/__admin/ui/events?sandbox=demo", headers=headers, timeout=10).status_code == 403


def test_a_foreign_name_gets_no_page(story: Story) -> None:
    for path in ("/__admin", story.path(), "/__admin/ui/events", "/__admin/ui/static/inspector.js"):
        answer = requests.get(story.url + path, headers={**HTML, "Host": "evil.example"}, timeout=10)
        assert answer.status_code == 403
        assert "--allow-host" in answer.json()["detail"]


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/",
        "//evil.example/__admin",
        "/__admin\\evil",
        "/__admin/../x",
        "/elsewhere",
        "/__admin\r\nx: y",
    ],
)
def test_a_form_leads_back_to_our_own_pages_only(story: Story, reader: Reader, back: str) -> None:
    found = re.search(r'name="csrf" value="(\w+)"', reader.get(story.path()).text)
    assert found is not None
    answer = reader.session.post(
        f"{story.url}/__admin/ui/sandboxes/demo/grant",
        data={"csrf": found[1], "amount": "0", "back": back},
        headers=HTML,
        timeout=10,
        allow_redirects=False,
    )
    assert answer.status_code == 303
    assert answer.headers["location"] in ("/__admin", "/__admin/../x")
    assert "evil" not in answer.headers["location"]


@pytest.fixture(scope="module")
def guarded() -> Any:
    with Emulator(admin_token="s3cret-token") as emulator:
        yield emulator


class TestLogin:
    @pytest.mark.parametrize(
        "path", ["/__admin", "/__admin/sandboxes/default/requests", "/__admin/ui/events", "/__admin/runs"]
    )
    def test_without_it_no_page_is_shown(self, guarded: Emulator, path: str) -> None:
        answer = requests.get(guarded.url + path, headers=HTML, timeout=10)
        assert answer.status_code == 401
        assert 'type="password"' in answer.text
        assert "default" not in answer.text.replace("default-src", "").partition("<main")[2].partition("</main>")[
            0
        ].replace("/__admin/sandboxes/default", "")

    def test_the_token_opens_the_pages_and_stays_out_of_them(self, guarded: Emulator) -> None:
        reader = Reader(guarded.url)
        wrong = reader.session.post(
            f"{guarded.url}/__admin/ui/login", data={"token": "wrong"}, headers=HTML, timeout=10
        )
        assert (wrong.status_code, "This is not the token" in wrong.text) == (401, True)
        answer = reader.session.post(
            f"{guarded.url}/__admin/ui/login",
            data={"token": "s3cret-token", "back": "/__admin/runs"},
            headers=HTML,
            timeout=10,
            allow_redirects=False,
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/__admin/runs")
        cookie = next(
            text for text in answer.headers["set-cookie"].split(", ") if text.startswith("swapmock_inspector")
        )
        for part in ("HttpOnly", "SameSite=Strict", "Path=/__admin"):
            assert part in answer.headers["set-cookie"]
        assert "s3cret-token" not in cookie
        assert reader.get("/__admin/sandboxes/default").status_code == 200
        done = reader.post("/__admin/ui/sandboxes/default/grant", "/__admin/sandboxes/default", amount="5")
        assert "The credits are granted." in done.text
        assert "s3cret-token" not in reader.get("/__admin").text
        assert reader.post("/__admin/ui/logout", "/__admin").status_code == 401
        assert reader.get("/__admin").status_code == 401

    @pytest.mark.parametrize("cookie", ["", "x", "a.1.b", "0.99999999999.0", "a.b.c", "…"])
    def test_a_made_up_cookie_opens_nothing(self, guarded: Emulator, cookie: str) -> None:
        names = [f"swapmock_inspector_{one}" for one in ("", "0" * 8)]
        headers = {**HTML, "Cookie": "; ".join(f"{name}={cookie}" for name in names).encode().decode("latin-1")}
        assert requests.get(f"{guarded.url}/__admin", headers=headers, timeout=10).status_code == 401

    def test_the_cookie_is_no_key_to_the_json_api(self, guarded: Emulator) -> None:
        reader = Reader(guarded.url)
        reader.session.post(f"{guarded.url}/__admin/ui/login", data={"token": "s3cret-token"}, headers=HTML, timeout=10)
        assert reader.session.get(f"{guarded.url}/__admin/sandboxes", timeout=10).status_code == 401

    def test_the_value_of_another_login_is_refused(self, guarded: Emulator) -> None:
        one, other = Reader(guarded.url), Reader(guarded.url)
        for reader in (one, other):
            reader.session.post(
                f"{guarded.url}/__admin/ui/login", data={"token": "s3cret-token"}, headers=HTML, timeout=10
            )
        value = re.search(r'name="csrf" value="(\w+)"', one.get("/__admin/sandboxes/default").text)
        assert value is not None
        sent = other.session.post(
            f"{guarded.url}/__admin/ui/sandboxes/default/grant",
            data={"csrf": value[1], "amount": "5"},
            headers=HTML,
            timeout=10,
        )
        assert sent.status_code == 403


def test_a_login_ends() -> None:
    from swapmock.mock_server.inspector.access import LOGIN_SECONDS, Access

    access = Access("token", "secret")
    cookie = access.login("nonce", 1000.5)
    assert access.is_login(cookie, 1000.5 + LOGIN_SECONDS - 1)
    assert not access.is_login(cookie, 1001.0 + LOGIN_SECONDS)
    assert not access.is_login(cookie, 0.0)
    assert not Access("other", "secret").is_login(cookie, 1001.0)
    assert not Access("token", "other").is_login(cookie, 1001.0)
