"""Each panel over HTTP, without scripts: what it shows, and what its forms change."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import requests

from swapmock import Emulator
from tests.inspector.conftest import HTML, Reader, Story

PAGES = {
    "/__admin": ["demo", "crun.ai", "Sandboxes"],
    "/__admin/": ["demo"],
    "{}": ["suite: checkout", "stands still", "video-face-swap", "face/fusion", "GPU on fire"],
    "{}/requests": ["detect_face_image", "You sent <code>imageUrl</code>", "face_fusion"],
    "{}/requests/{violation}": ["<code>image_url</code> is missing", "The contract says", "http or https URL of a media file"],
    "{}/requests/{download}": ["download_media", "10 of ", "bytes 0-9/", "89 50 4e 47", "sha256"],
    "{}/requests/{cut}": ["No answer", "cut the connection on purpose"],
    "{}/requests/{unmatched}": ["No operation has this path", "account/balance"],
    "{}/requests/{imgopen violation}": ["businessTaskId"],
    "{}/tasks/{swap}": ["Succeeded.", "answered HTTP 500", "acknowledged", "reserve 3"],
    "{}/tasks/{failed}": ["Failed with 501", "GPU on fire", "connection was refused"],
    "{}/deliveries": ["dead" , "acknowledged", "No attempt is left"],
    "{}/deliveries/{delivery}": ["HTTP 500", "HTTP 200", "Send it again now", "POST /__inbox/demo HTTP/1.1",
                                  "User-Agent: swapmock/", "HTTP/1.1 500 Internal Server Error"],
    "{}/media": ["Source input.image_url", "<video", "Face 1"],
    "{}/try": ["CreateTask", "https://faces.invalid/0.png", "Queue it"],
    "{}/inbox": ["/__inbox/demo", "answered 500"],
    "{}/ledger": ["available → reserved", "settle"],
    "/__admin/runs": ["swapmock conform --inspector"],
}  # fmt: skip


def path_of(story: Story, template: str) -> str:
    return template.replace("{}", story.path()).format(**story.ids) if "{" in template else template


@pytest.mark.parametrize("template", PAGES)
def test_a_page_says_what_happened(story: Story, reader: Reader, template: str) -> None:
    answer = reader.get(path_of(story, template))
    assert answer.status_code == 200
    for text in PAGES[template]:
        assert text in answer.text, text


@pytest.mark.parametrize("template", [one for one in PAGES if not one.endswith(("/media", "/try"))])
def test_a_program_gets_json_at_the_same_place(story: Story, template: str) -> None:
    answer = requests.get(story.url + path_of(story, template), timeout=30)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()


LINKS = [
    "{}/tasks",
    "{}/why",
    "{}/why/{swap}",
    "{}/why/task/{swap}",
    "{}/why/{violation}",
    "{}/why/{dead}",
    "/__admin/sandboxes",
]


@pytest.mark.parametrize("template", LINKS)
def test_another_link_leads_to_the_page(story: Story, reader: Reader, template: str) -> None:
    assert reader.get(path_of(story, template)).status_code == 200


MISSING = ["/__admin/sandboxes/nobody", "{}/tasks/none", "{}/requests/x999", "{}/deliveries/none", "/__admin/runs/77"]


@pytest.mark.parametrize("template", MISSING)
def test_what_is_not_there_is_one_clear_page(story: Story, reader: Reader, template: str) -> None:
    answer = reader.get(path_of(story, template))
    assert answer.status_code == 404
    assert "here" in answer.text


FILTERS = {
    "operation=face_fusion": ("face_fusion", "create_task"),
    "result=fault": ("busy", "face_fusion"),
    "result=unmatched": ("No operation has this path", "create_task"),
    "status=422": ("imageUrl", "list_models"),
    "text=balanse": ("balanse", "create_task"),
    "provider=imgopen": ("face_fusion", "create_task"),
    "code=429&result=": ("busy", "create_task"),
}


@pytest.mark.parametrize("query", FILTERS)
def test_filters_are_in_the_url(story: Story, reader: Reader, query: str) -> None:
    shown, hidden = FILTERS[query]
    text = reader.get(f"{story.path('/requests')}?{query}").text.partition('id="live"')[2]
    assert shown in text
    assert hidden not in text


def test_only_the_part_that_changes_is_given_to_a_live_page(story: Story, reader: Reader) -> None:
    answer = reader.get(story.path("/requests"), **{"HX-Request": "true", "HX-Target": "live", "Accept": "*/*"})
    assert answer.text.lstrip().startswith('<div id="live"')
    assert "<html" not in answer.text


class TestForms:
    """Steering, each on a sandbox of its own."""

    @pytest.fixture
    def at(self, emulator: Emulator) -> Any:
        with emulator.sandbox(clock="frozen", balance=10) as sandbox:
            yield sandbox

    def steer(self, reader: Reader, at: Any, action: str, **fields: str) -> requests.Response:
        answer = reader.post(f"/__admin/ui/sandboxes/{at.id}/{action}", f"/__admin/sandboxes/{at.id}", **fields)
        assert answer.status_code == 200, answer.text
        return answer

    def test_the_clock_moves(self, reader: Reader, at: Any) -> None:
        before = at.clock()["now"]
        assert "things happened" in self.steer(reader, at, "advance", by="90s").text
        assert at.clock()["now"] == before + 90

    def test_a_wrong_span_is_refused_in_words(self, reader: Reader, at: Any) -> None:
        assert 'class="said bad"' in self.steer(reader, at, "advance", by="soon").text

    @pytest.mark.parametrize(
        ("fields", "mode"), [({"mode": "real"}, "real"), ({"mode": "scaled", "rate": "60"}, "scaled")]
    )
    def test_the_clock_runs(self, reader: Reader, at: Any, fields: dict[str, str], mode: str) -> None:
        self.steer(reader, at, "clock", **fields)
        assert at.clock()["mode"] == mode

    def test_credits_are_granted(self, reader: Reader, at: Any) -> None:
        self.steer(reader, at, "grant", amount="5.5")
        assert at.balance() == 15.5

    def test_a_fault_is_added_and_removed(self, reader: Reader, at: Any) -> None:
        self.steer(reader, at, "fault", effect="code=429", operation="crun:create_task", times="2")
        (fault,) = at.faults()
        assert (fault["effect"], fault["match"]["operation"], fault["times"]) == ({"code": 429}, "create_task", 2)
        self.steer(reader, at, "drop-fault", fault=fault["id"])
        assert at.faults() == []

    def test_a_scenario_is_queued(self, reader: Reader, at: Any) -> None:
        self.steer(reader, at, "queue", scenario="crun:fails", times="2")
        assert [(row["scenario"], row["provider"]) for row in at.queued()] == [("fails", "crun")] * 2
        self.steer(reader, at, "clear-queue")
        assert at.queued() == []

    def test_a_sandbox_starts_over(self, reader: Reader, at: Any) -> None:
        at.grant(1)
        self.steer(reader, at, "reset")
        assert at.balance() == 10

    def test_a_callback_is_sent_again(self, reader: Reader, story: Story) -> None:
        before = len(story.sandbox.delivery(story.ids["delivery"])["attempts"])
        path = f"/__admin/ui/sandboxes/{story.sandbox.id}/redeliver"
        answer = reader.post(path, story.path(f"/deliveries/{story.ids['delivery']}"), delivery=story.ids["delivery"])
        assert "acknowledged" in answer.text
        assert len(story.sandbox.delivery(story.ids["delivery"])["attempts"]) == before + 1

    def test_a_sandbox_is_made(self, emulator: Emulator, reader: Reader) -> None:
        made = reader.post("/__admin/ui/sandboxes", "/__admin", id="made-here", clock="frozen", balance="7")
        assert made.url == f"{emulator.url}/__admin/sandboxes/made-here"
        assert (emulator.get("made-here").balance(), emulator.get("made-here").clock()["mode"]) == (7, "frozen")
        again = reader.post("/__admin/ui/sandboxes", "/__admin", id="made-here", clock="frozen", balance="7")
        assert "exist already" in again.text
        emulator.get("made-here").delete()

    def test_the_inbox_answers_as_told(self, emulator: Emulator, reader: Reader, at: Any) -> None:
        reader.post(
            f"/__admin/ui/sandboxes/{at.id}/inbox/answers", f"/__admin/sandboxes/{at.id}/inbox", statuses="503, 201"
        )
        address = emulator.ask("GET", f"/sandboxes/{at.id}/inbox")["url"]
        assert [requests.post(address, json={"a": 1}, timeout=10).status_code for _ in range(3)] == [503, 201, 201]
        received = emulator.ask("GET", f"/sandboxes/{at.id}/inbox")["received"]
        assert [(row["number"], row["body"], row["answered"]) for row in received] == [
            (3, {"a": 1}, 201), (2, {"a": 1}, 201), (1, {"a": 1}, 503),
        ]  # fmt: skip
        reader.post(f"/__admin/ui/sandboxes/{at.id}/inbox/clear", f"/__admin/sandboxes/{at.id}/inbox")
        assert emulator.ask("GET", f"/sandboxes/{at.id}/inbox")["received"] == []

    @pytest.mark.parametrize("operation", ["crun:create_task", "crun:get_account_balance", "imgopen:face_detection"])
    def test_an_operation_is_sent_as_its_form_is_made(self, reader: Reader, at: Any, operation: str) -> None:
        page = f"/__admin/sandboxes/{at.id}/try?operation={operation}"
        text = reader.get(page).text
        fields = dict(_fields(text))
        sent = reader.post(f"/__admin/ui/sandboxes/{at.id}/send/{operation.replace(':', '/')}", page, **fields)
        (exchange,) = at.requests()
        assert (exchange["operation"], exchange["status"]) == (operation.partition(":")[2], 200), exchange
        assert f"/requests/{exchange['id']}" in sent.url

    def test_every_operation_has_a_form(self, emulator: Emulator, reader: Reader, at: Any) -> None:
        for provider in ("crun", "imgopen"):
            for path, item in emulator.contract(provider)["paths"].items():
                for operation in (
                    one["operationId"] for one in item.values() if isinstance(one, dict) and "operationId" in one
                ):
                    answer = reader.get(f"/__admin/sandboxes/{at.id}/try?operation={provider}:{operation}")
                    assert path in answer.text

    def test_a_wrong_body_is_sent_as_it_is(self, reader: Reader, at: Any) -> None:
        page = f"/__admin/sandboxes/{at.id}/try?operation=crun:create_task"
        reader.post(f"/__admin/ui/sandboxes/{at.id}/send/crun/create_task", page, raw='{"model": ')
        (exchange,) = at.requests()
        assert exchange["status"] == 422
        assert exchange["request"]["body"] == '{"model":'


def _fields(text: str) -> Any:
    """The fields of the form that sends, with the values that a browser would send."""
    from html import unescape

    form = text.partition('enctype="multipart/form-data"')[2].partition("</form>")[0]
    for name, value in re.findall(r'<input(?: id="[^"]*")? (?:type="hidden" )?name="([^"]+)" value="([^"]*)"', form):
        if name not in ("csrf", "back"):
            yield name, unescape(value)
    for name, options in re.findall(r'<select(?: id="[^"]*")? name="([^"]+)">(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r"<option[^>]* selected>([^<]*)<", options)
        yield name, "" if chosen is None else unescape(chosen[1])
    for name, value in re.findall(r'<textarea id="[^"]*" name="([^"]+)"[^>]*>([^<]*)</textarea>', form):
        yield name, unescape(value)


def test_pages_know_where_the_admin_api_has_a_port_of_its_own() -> None:
    with Emulator(admin_port=0) as emulator:
        reader = Reader(emulator.admin_url)
        home = reader.get("/__admin").text
        assert f"{emulator.url}/api/v1/client" in home
        page = "/__admin/sandboxes/default/try?operation=crun:get_account_balance"
        sent = reader.post("/__admin/ui/sandboxes/default/send/crun/get_account_balance", page)
        assert sent.url == f"{emulator.admin_url}/__admin/sandboxes/default/requests/x1"
        inbox = emulator.default.inbox()["url"]
        assert inbox.startswith(emulator.url)
        assert requests.post(inbox, json={}, timeout=10).status_code == 200
        assert requests.get(f"{emulator.url}/__admin", headers=HTML, timeout=10).status_code == 404


def test_behind_a_proxy_with_a_prefix_every_link_has_it() -> None:
    with Emulator(trusted_proxies=("127.0.0.1",)) as emulator:
        forwarded = {**HTML, "X-Forwarded-Prefix": "/emulator", "X-Forwarded-Host": "127.0.0.1"}
        text = requests.get(f"{emulator.url}/__admin/sandboxes/default/requests", headers=forwarded, timeout=10).text
        links = re.findall(r'(?:href|src|action|hx-get|data-events|data-worker)="(/[^"]*)"', text)
        assert len(links) > 10
        assert [link for link in links if not link.startswith("/emulator/")] == []


CONFORM = {
    "format": "swapmock-conform/1", "exit": 1, "command": ["python", "client.py"], "losses": {"results_lost": 2.0},
    "verdicts": [
        {"rule": "R-POLL-1", "title": "polls at a sane pace", "verdict": "fail", "case": "slow", "provider": "crun",
         "text": "polled 40 times", "evidence": [{"exchange": 3, "method": "GET", "target": "/x", "status": 200}],
         "source": "docs", "scored": True, "known": "", "repeat": "swapmock conform --case slow"},
        {"rule": "R-2", "title": "b", "verdict": "pass", "case": "", "provider": "crun", "text": "", "evidence": []},
    ],
}  # fmt: skip
CHECK = {
    "format": "swapmock-check/1", "exit_code": 1,
    "targets": [{"provider": "crun", "base_url": "http://127.0.0.1:1", "calls": 7, "checks": [{"id": "C1"}], "findings": [
        {"id": "C1", "grade": "fail", "title": "a 200 has a body", "operation": "create_task", "place": "/data",
         "expected": "an object", "got": "null", "source": "docs", "where": "flow", "count": 2, "repeat": "curl x"}]}],
}  # fmt: skip


def test_the_last_runs_are_kept_with_their_evidence(emulator: Emulator, reader: Reader) -> None:
    for _ in range(25):
        emulator.ask("POST", "/runs", {"kind": "check", "report": CHECK})
    run = emulator.ask("POST", "/runs", {"kind": "conform", "report": CONFORM})
    assert len(emulator.ask("GET", "/runs")["runs"]) == 20
    page = requests.get(run["url"], headers=HTML, timeout=10).text
    for text in ("R-POLL-1", "polled 40 times", "exit code 1", "results lost", "swapmock conform --case slow"):
        assert text in page
    listed = reader.get("/__admin/runs").text
    assert "swapmock conform" in listed
    other = emulator.ask("GET", "/runs")["runs"][1]
    assert "a 200 has a body" in requests.get(other["url"], headers=HTML, timeout=10).text


@pytest.mark.parametrize("report", [{}, {"verdicts": 3, "targets": "x"}, {"verdicts": [{"evidence": {}}], "exit": []}])
@pytest.mark.parametrize("kind", ["conform", "check"])
def test_a_report_of_another_form_is_shown_as_far_as_it_goes(emulator: Emulator, kind: str, report: Any) -> None:
    run = emulator.ask("POST", "/runs", {"kind": kind, "report": report})
    assert requests.get(run["url"], headers=HTML, timeout=10).status_code == 200
    assert json.loads(requests.get(run["url"], timeout=10).text)["report"] == report
