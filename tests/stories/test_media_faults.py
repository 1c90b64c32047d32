"""Faults of the media host and of the upload store: by rule, by header and by magic value, seen by a client and in the journal."""

import re
from http.client import HTTPConnection, IncompleteRead
from time import monotonic
from urllib.parse import urlsplit

import pytest
import requests

SWAP = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}
DOWNLOADS = {"operation": "download_media"}


def under(**choices):
    """Run the test with these choices of variants."""
    return pytest.mark.parametrize("settings", [{"variants": {"crun": choices}}], indirect=True, ids=[str(choices)])


@pytest.fixture
def picture(account):
    """The link to the result of a swap."""
    return result_of(account)


def result_of(account, image="https://example.com/a.png"):
    task = account.crun.create("image-face-swap", {**SWAP, "image_url": image})
    account.advance(by="60s")
    return account.crun.info(task)["result"]["media_urls"][0]


def fault(account, match=DOWNLOADS, times=None, **effect):
    account.admin("POST", "faults", json={"match": match, "effect": effect, "times": times})


def fetch(url, method="GET", **headers):
    """Status, headers and body, and whether the body broke off."""
    link = urlsplit(url)
    connection = HTTPConnection(link.netloc, timeout=10)
    connection.request(method, link.path, headers=headers)
    answer = connection.getresponse()
    try:
        return answer.status, dict(answer.getheaders()), answer.read(), False
    except IncompleteRead as broken:
        return answer.status, dict(answer.getheaders()), broken.partial, True
    finally:
        connection.close()


def code_of(body):
    return re.findall(rb"<Code>(\w+)</Code>", body)[0].decode()


REFUSALS = [
    ({"refuse": "link_expired"}, 403, "AccessDenied"),
    ({"status": 403}, 403, "AccessDenied"),
    ({"status": 404}, 404, "NoSuchKey"),
    ({"status": 410}, 410, "NoSuchKey"),
    ({"status": 429, "retry_after": 7}, 429, "TooManyRequests"),
    ({"status": 503}, 503, "SlowDown"),
    ({"status": 500}, 500, "InternalError"),
    ({"code": "SlowDown"}, 503, "SlowDown"),
    ({"code": "SignatureDoesNotMatch"}, 403, "SignatureDoesNotMatch"),
    ({"code": "OwnCode", "message": "own words", "status": 418}, 418, "OwnCode"),
]


@pytest.mark.parametrize(("effect", "status", "code"), REFUSALS)
def test_a_rule_refuses_downloads_in_the_words_of_the_store(account, picture, effect, status, code):
    fault(account, **effect)
    got, headers, body, _ = fetch(picture)
    assert (got, code_of(body), headers["content-type"]) == (status, code, "application/xml")
    assert headers.get("retry-after") == ("7" if status == 429 else None)
    (noted,) = account.admin("GET", "journal", params={"operation": "download_media"})["records"]
    assert (noted["status"], noted["fault"]) == (status, "fault-1")
    assert fetch(picture, "HEAD")[0] == status


@pytest.mark.parametrize(("effect", "status", "code"), [r for r in REFUSALS if r[1] in (403, 503)])
def test_the_upload_store_is_refused_the_same_way(account, effect, status, code):
    fault(account, {"operation": "put_upload"}, **effect)
    made = account.crun.data("GET", "files/upload-url", params={"content_type": "image/png", "ext": ".png"})
    refused = requests.put(made["presigned_url"], data=b"x", headers={"Content-Type": "image/png"}, timeout=10)
    assert (refused.status_code, code_of(refused.content)) == (status, code)
    assert requests.get(made["file_url"], timeout=10).status_code == 404


def test_a_fault_is_no_drift(server, caplog):
    """Neither a refusal by a rule nor one by the window of a sandbox is taken for an answer that breaks the contract."""
    caplog.set_level("ERROR", "swapmock")
    made = requests.post(
        f"{server.url}/__admin/sandboxes", json={"clock": "frozen", "upload_rate_limit": {"calls": 1}}, timeout=10
    ).json()
    base = f"{server.url}/__admin/sandboxes/{made['id']}"
    key = {"x-api-key": made["credentials"]["crun"]["key"]}
    link = requests.get(
        f"{server.url}/api/v1/client/files/upload-url",
        params={"content_type": "image/png", "ext": ".png"},
        headers=key,
        timeout=10,
    ).json()["data"]["presigned_url"]

    def put():
        return requests.put(link, data=b"x", headers={"Content-Type": "image/png"}, timeout=10).status_code

    assert [put(), put()] == [200, 503]
    for status in (400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503):
        requests.post(f"{base}/faults", json={"effect": {"status": status}, "times": 1}, timeout=10)
        assert put() == status
    assert "drift" not in caplog.text


def test_an_empty_match_applies_to_files_too(account, picture):
    fault(account, {}, times=1, status=503)
    assert [fetch(picture)[0], fetch(picture)[0]] == [503, 200]


def test_a_match_knows_path_token_and_range(account, picture):
    path = urlsplit(picture).path
    fault(account, {"path": path, "headers": {"range": {"exists": True}}}, status=404)
    fault(account, {"params": {"token": path.split("/")[2], "number": "0"}}, status=410)
    assert fetch(picture, Range="bytes=0-1")[0] == 404
    assert fetch(picture)[0] == 410


@under(media_errors="json")
def test_a_refusal_as_json(crun, server):
    refused = requests.get(f"{server.url}/media/x/0.png", timeout=10)
    assert (refused.status_code, refused.headers["content-type"]) == (404, "application/json")
    assert refused.json()["error"]["code"] == "NoSuchKey"


@under(media_errors="html")
def test_a_refusal_as_a_page(crun, server):
    refused = requests.get(f"{server.url}/media/x/0.png", timeout=10)
    assert (refused.headers["content-type"], "<h1>404 Not Found</h1>" in refused.text) == ("text/html", True)


@under(media_errors="xml")
def test_a_refusal_as_xml(crun, server):
    assert code_of(requests.get(f"{server.url}/media/x/0.png", timeout=10).content) == "NoSuchKey"


def expired(crun, time):
    task = crun.create("image-face-swap", SWAP)
    time.advance(60)
    link = crun.info(task)["result"]["media_urls"][0]
    assert fetch(link)[0] == 200
    time.advance(1_209_600)
    return fetch(link)


@under(expired_media=403)
def test_an_expired_link_is_refused(crun, time):
    status, _, body, _ = expired(crun, time)
    assert (status, b"Request has expired" in body) == (403, True)


@under(expired_media=404)
def test_an_expired_file_is_not_there(crun, time):
    status, _, body, _ = expired(crun, time)
    assert (status, code_of(body)) == (404, "NoSuchKey")


@under(expired_media=410)
def test_an_expired_file_is_gone(crun, time):
    assert expired(crun, time)[0] == 410


def test_a_redirect(account, picture):
    fault(account, redirect="https://elsewhere.invalid/x.png", status=307)
    status, headers, _, _ = fetch(picture)
    assert (status, headers["location"]) == (307, "https://elsewhere.invalid/x.png")


def test_a_wrong_content_type_on_the_right_bytes(account, picture):
    whole = fetch(picture)[2]
    fault(account, content_type="text/html")
    _, headers, body, _ = fetch(picture)
    assert (headers["content-type"], body) == ("text/html", whole)


def test_an_empty_file(account, picture):
    fault(account, body="empty")
    status, headers, body, _ = fetch(picture)
    assert (status, headers["content-length"], body) == (200, "0", b"")


def test_stale_bytes_have_their_own_older_validators(make_account):
    account = make_account(clock={"mode": "frozen", "start": "2025-01-02T00:00:00Z"})
    picture = result_of(account)
    _, headers, body, _ = fetch(picture)
    fault(account, body="stale")
    _, stale, old, _ = fetch(picture)
    assert (old[:4], old != body) == (b"\x89PNG", True)
    assert stale["etag"] != headers["etag"]
    assert headers["last-modified"] == "Thu, 02 Jan 2025 00:00:06 GMT"
    assert stale["last-modified"] == "Wed, 01 Jan 2025 00:00:06 GMT"
    assert fetch(picture)[2] == old


@pytest.mark.parametrize("word", ["truncated", {"body": "truncated"}])
def test_a_body_breaks_off_under_its_full_length(account, picture, word):
    whole = fetch(picture)[2]
    account.admin("POST", "faults", json={"match": DOWNLOADS, "effect": word})
    _, headers, body, is_broken = fetch(picture)
    assert (int(headers["content-length"]), body, is_broken) == (len(whole), whole[: len(whole) // 2], True)
    noted = account.admin("GET", "journal", params={"fault": "fault-1"})["records"][0]
    assert noted["transfer"]["sent"] == len(whole) // 2
    assert noted["transfer"]["length"] == len(whole)


def test_a_body_that_is_cut_or_malformed(account, picture):
    whole = fetch(picture)[2]
    fault(account, times=1, body="cut")
    fault(account, times=1, body="malformed")
    assert fetch(picture)[2] == whole[: len(whole) // 2]
    assert fetch(picture)[2] == b"<" + whole + b"}"


def test_a_stall_after_some_bytes(account, picture):
    whole = fetch(picture)[2]
    fault(account, stall={"after": 1000, "seconds": 0.8})
    seen = []
    for _ in range(4):  # a busy machine may hold the reader up before the first bytes, but not each time
        connection = HTTPConnection(urlsplit(picture).netloc, timeout=10)
        connection.request("GET", urlsplit(picture).path)
        answer = connection.getresponse()
        began = monotonic()
        first = answer.read(1000)
        before = monotonic() - began
        rest = answer.read()
        connection.close()
        assert (first + rest, len(first)) == (whole, 1000)
        seen.append((before, monotonic() - began))
        if before < 0.7 < seen[-1][1]:
            return
    pytest.fail(f"no answer stalled behind its first bytes: {seen}")


def test_a_limited_bandwidth(account, picture):
    whole = fetch(picture)[2]
    fault(account, bandwidth=len(whole) * 3)
    began = monotonic()
    assert fetch(picture)[2] == whole
    assert 0.25 < monotonic() - began < 5


def test_ranges_are_ignored(account, picture):
    assert fetch(picture, Range="bytes=0-1")[:1] + fetch(picture, Range="bytes=0-1")[2:3] == (
        206,
        fetch(picture)[2][:2],
    )
    fault(account, ranges="ignore")
    status, headers, body, _ = fetch(picture, Range="bytes=0-1")
    assert (status, len(body), "content-range" in headers) == (200, int(headers["content-length"]), False)


@pytest.mark.parametrize("connection", ["reset", "hang_up", "garbage"])
def test_the_connection_ends(account, picture, connection):
    fault(account, connection=connection, times=1)
    with pytest.raises((ConnectionError, OSError, requests.RequestException, ValueError)):
        requests.get(picture, timeout=10).raise_for_status()
    assert fetch(picture)[0] == 200


def test_a_download_asks_for_a_fault_on_itself(make_account):
    account = make_account(prefer_header=True)
    link = result_of(account)
    assert fetch(link, Prefer="status=503")[0] == 503
    assert fetch(link, Prefer="body=truncated")[3]
    assert fetch(link, Prefer="content_type=text/html")[1]["content-type"] == "text/html"
    assert fetch(link, Prefer="ranges=ignore", Range="bytes=0-1")[0] == 200
    assert fetch(link, Prefer="body=stale")[2] != fetch(link)[2]
    assert fetch(link, Prefer="refuse=link_expired")[0] == 403
    assert fetch(link, Prefer="bandwidth=nonsense")[0] == 400
    began = monotonic()
    assert fetch(link, Prefer="stall=300ms, stall_after=10")[0] == 200
    assert monotonic() - began > 0.25


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("media_expired", (403, "AccessDenied")), ("media_refused", (403, "AccessDenied")), ("media_404", (404, "NoSuchKey")),
        ("media_410", (410, "NoSuchKey")), ("media_429", (429, "TooManyRequests")), ("media_503", (503, "SlowDown")),
    ],
)  # fmt: skip
def test_a_magic_value_makes_links_that_are_refused(account, name, seen):
    link = result_of(account, f"https://errors.invalid/{name}")
    status, _, body, _ = fetch(link)
    assert (status, code_of(body)) == seen
    (noted,) = account.admin("GET", "journal", params={"operation": "download_media"})["records"]
    assert noted["fault"] == f"scenario {name}"
    assert noted["task"]


def test_magic_values_for_bytes(account):
    def got(name, **headers):
        return fetch(result_of(account, f"https://errors.invalid/media_{name}"), **headers)

    assert got("redirect")[0] == 302
    assert got("html")[1]["content-type"].startswith("text/html")
    assert got("empty")[2] == b""
    assert got("breaks_off")[3]
    assert got("ignores_ranges", Range="bytes=0-1")[0] == 200
    assert got("stale")[0] == 200


def test_magic_values_that_clear(account):
    link = result_of(account, "https://errors.invalid/media_503_twice")
    assert [fetch(link)[0] for _ in range(4)] == [503, 503, 200, 200]
    link = result_of(account, "https://errors.invalid/media_breaks_off_once")
    assert [fetch(link)[3] for _ in range(2)] == [True, False]


def test_a_queued_scenario_faults_downloads_of_img_open(account):
    account.admin("POST", "scenarios", json={"scenario": "media_404"})
    faces = account.imgopen.detect("https://faces.invalid/1.png")["faceUrls"]
    assert fetch(faces[0])[0] == 404
