"""What a person and a program get at `/` and `/__admin/`, the contracts as files, and what other tools' paths lead to."""

import json

import pytest
import requests
import yaml

from swapmock.contracts import load
from swapmock.mock_server.admin.habits import HABITS
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.server import LiveServer

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
KEY = "ak_swapmock000000000000000000000000"


@pytest.mark.parametrize("path", ["/", "/__admin", "/__admin/"])
def test_a_person_gets_a_page_and_a_program_json(server, path):
    page = requests.get(server.url + path, headers=BROWSER, timeout=10)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "accept" in page.headers["vary"].lower()
    assert "https://api.crun.ai" in page.text
    is_inspector = path != "/"
    assert (KEY in page.text) is not is_inspector
    assert ("<script" in page.text) is is_inspector
    document = requests.get(server.url + path, timeout=10)
    assert document.headers["content-type"] == "application/json"
    found = document.json()
    row = found.get("vendors", found["providers"])["crun"]
    assert row["stands_for"] == ["https://api.crun.ai", "https://api.crunai.com"]
    assert row["base_url"] == server.url
    assert found["keys"]["crun"] == {"x-api-key": KEY}
    for url in row["contract"].values():
        assert requests.get(url, timeout=10).status_code == 200


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/html", True),
        ("application/json, text/html;q=0.5", False),
        ("application/json;q=0.5, text/html", True),
        ("text/html;q=0", False),
        ("text/html;q=x", False),
    ],
)
def test_the_accept_header_chooses(server, accept, is_page):
    answer = requests.get(server.url, headers={"Accept": accept}, timeout=10)
    assert answer.headers["content-type"].startswith("text/html" if is_page else "application/json")


def test_keys_are_shown_only_to_a_client_that_may_use_the_admin_api():
    with LiveServer(build(Settings(admin_token="t0ken")).asgi_app) as server:
        plain = requests.get(server.url, timeout=10)
        assert KEY not in plain.text
        assert KEY not in requests.get(server.url, headers=BROWSER, timeout=10).text
        assert requests.get(f"{server.url}/__admin/", timeout=10).status_code == 401
        shown = requests.get(server.url, headers={"Authorization": "Bearer t0ken"}, timeout=10)
        assert shown.json()["keys"]["crun"] == {"x-api-key": KEY}


@pytest.mark.parametrize("name", ["admin", "crun", "imgopen"])
def test_a_contract_is_served_as_json_and_as_yaml_without_aliases(server, admin, name):
    # 455 is no registered status: its class stands there, for some tools refuse the whole document otherwise.
    whole = json.loads(json.dumps(load(name).document, default=str).replace('"455": {', '"4XX": {'))
    as_json = admin.call("GET", f"/contracts/{name}.json")
    assert as_json.headers["content-type"] == "application/json"
    assert as_json.json() == whole
    as_yaml = admin.call("GET", f"/contracts/{name}.yaml")
    assert as_yaml.headers["content-type"] == "application/yaml"
    tokens = yaml.scan(as_yaml.text, Loader=yaml.CSafeLoader)
    assert not any(isinstance(token, yaml.AliasToken | yaml.AnchorToken) for token in tokens)
    assert json.loads(json.dumps(yaml.load(as_yaml.text, Loader=yaml.CSafeLoader), default=str)) == whole
    assert admin.ok("GET", "/contracts")["contracts"][name]["json"] == f"{server.url}/__admin/contracts/{name}.json"


def test_the_contract_of_the_admin_api_has_its_usual_name(admin):
    assert admin.ok("GET", "/openapi.json") == admin.ok("GET", "/contracts/admin.json")
    assert admin.call("GET", "/openapi.yaml").text == admin.call("GET", "/contracts/admin.yaml").text


@pytest.mark.parametrize("file", ["acme.json", "crun", "crun.xml", ".json"])
def test_an_unknown_contract_is_refused_with_the_known_ones(admin, file):
    assert "crun.json" in admin.refused(404, "GET", f"/contracts/{file}")["detail"]


REDIRECTS = [
    ("GET", "/__admin/mappings", "/__admin"),
    ("GET", "/__admin/mappings/1", "/__admin"),
    ("POST", "/__admin/mappings/reset", "/__admin/reset"),
    ("GET", "/__admin/requests/unmatched", "/__admin/requests?unmatched=1"),
    ("GET", "/__admin/docs", "/__admin/openapi.json"),
    ("DELETE", "/__admin/requests", "/__admin/sandboxes/default/journal"),
]


@pytest.mark.parametrize(("method", "path", "target"), REDIRECTS)
def test_a_habit_that_means_the_same_here_is_redirected(server, method, path, target):
    answer = requests.request(method, server.url + path, timeout=10, allow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, target)
    assert "WireMock" in answer.json()["detail"]
    followed = requests.request(method, server.url + path, timeout=10)
    assert followed.status_code == 200


HINTS = [
    ("POST", "/__admin/mappings", "/faults"),
    ("POST", "/__admin/requests/count", "GET /__admin/requests"),
    ("PUT", "/mockserver/expectation", "/faults"),
    ("PUT", "/mockserver/reset", "POST /__admin/reset"),
    ("PUT", "/mockserver/verify", "/wait"),
    ("GET", "/mockserver/dashboard", "GET /__admin"),
]


@pytest.mark.parametrize(("method", "path", "hint"), HINTS)
def test_another_habit_gets_a_hint(server, method, path, hint):
    answer = requests.request(method, server.url + path, json={}, timeout=10)
    assert answer.status_code == 404
    assert hint in answer.json()["detail"]


def test_every_redirect_leads_to_something(admin):
    for habit in HABITS:
        if habit.moved_to:
            method = habit.methods.split("|")[0]
            assert admin.call(method, habit.moved_to.removeprefix("/__admin")).status_code == 200
