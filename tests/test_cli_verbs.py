"""The verbs for a running server, and the contracts as files."""

import json
from collections.abc import Iterator

import pytest
import requests
import yaml

from swapmock import Emulator
from swapmock.contracts import load
from swapmock.mock_server.cli import main
from swapmock.mock_server.cli.output import UsageError
from swapmock.mock_server.cli.remote import read_effect
from tests.test_cli import KEY, run


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(server):
    server.default.clear_faults()
    server.default.clear_queue()
    server.reset()
    return server


@pytest.fixture
def ask(emulator, monkeypatch, capsys):
    """What a verb prints."""
    monkeypatch.setenv("SWAPMOCK_URL", emulator.url)

    def ask(*words):
        main(list(words))
        return capsys.readouterr().out

    return ask


@pytest.fixture
def refused(emulator, monkeypatch, capsys):
    """The one line of a verb that fails."""
    monkeypatch.setenv("SWAPMOCK_URL", emulator.url)

    def refused(*words):
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        assert (ended.value.code, said.out, said.err.count("\n")) == (2, "", 1)
        return said.err

    return refused


def detect(emulator, **body):
    return requests.post(
        f"{emulator.url}/api/v1/client/job/detect-face-image", json=body, headers={"x-api-key": KEY}, timeout=20
    )


IMAGE = "https://example.com/a.png"


def test_requests(ask, emulator):
    assert ask("requests") == ""
    detect(emulator, image_url=IMAGE)
    detect(emulator)
    requests.get(f"{emulator.url}/api/v1/client/nope\x1b", timeout=20)
    lines = ask("requests").splitlines()
    assert [line.split()[-2:] for line in lines] == [
        ["detect_face_image", "200"],
        ["detect_face_image", "422"],
        ["unmatched", "404"],
    ]
    assert ask("requests", "-n", "1").splitlines() == lines[-1:]
    assert ask("requests", "--status", "422").splitlines() == lines[1:2]
    assert ask("requests", "--unmatched").splitlines() == lines[2:]
    assert ask("requests", "--operation", "detect_face_image").splitlines() == lines[:2]
    assert [row["status"] for row in json.loads(ask("requests", "--json"))] == [200, 422, 404]


def test_why(ask, emulator, refused):
    assert "there is no request yet" in refused("why")
    detect(emulator, imageUrl=IMAGE)
    detect(emulator, image_url=IMAGE)
    told = ask("why", emulator.requests()[0]["id"])
    assert told.splitlines()[0].endswith("`image_url` is missing; you sent `imageUrl`")
    assert "matched detect_face_image" in told
    assert "answered HTTP 200" in ask("why").splitlines()[0]
    assert json.loads(ask("why", "--json"))["summary"] in ask("why")
    assert "nothing" in refused("why", "x999") or "no " in refused("why", "x999")


def test_advance(ask, emulator, refused):
    with emulator.sandbox(clock="frozen") as sandbox:
        requests.post(
            f"{emulator.url}/api/v1/client/job/detect-face-image",
            json={"image_url": IMAGE},
            headers=sandbox.headers(),
            timeout=20,
        )
        assert ask("advance", "1h", "--sandbox", sandbox.id).splitlines()[-1].endswith(" event(s)")
        assert isinstance(json.loads(ask("advance", "1h", "--sandbox", sandbox.id, "--json")), list)
        assert "soon" in refused("advance", "soon", "--sandbox", sandbox.id)
    assert sandbox.id in refused("advance", "1h", "--sandbox", sandbox.id)


def test_reset(ask, emulator):
    detect(emulator, image_url=IMAGE)
    assert "1 exchanges" in ask("reset")
    assert emulator.requests() == []
    assert isinstance(json.loads(ask("reset", "--json")), dict)


def test_queue(ask, emulator, refused):
    assert ask("queue") == "0 in the queue\n"
    said = ask("queue", "fails", "--times", "2", "--code", "501", "--message", "GPU on fire")
    assert said.splitlines()[-1] == "2 in the queue"
    assert emulator.default.queued()[0]["code"] == 501
    assert len(json.loads(ask("queue", "--json"))) == 2
    assert ask("queue", "--clear") == "0 in the queue\n"
    told = refused("queue", "failz")
    assert told.count("'failz'") == 1


def test_fault(ask, emulator, refused):
    said = ask("fault", "429", "--operation", "detect_face_image", "--times", "1", "--retry-after", "5")
    assert said.splitlines()[-1] == "1 fault rule(s)"
    answer = detect(emulator, image_url=IMAGE)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    assert detect(emulator, image_url=IMAGE).status_code == 200
    assert json.loads(ask("fault", "--json"))[0]["effect"]["code"] == 429
    assert ask("fault", "reset", "--nth", "1", "--clear").count("fault-") == 1
    assert ask("fault", "--clear") == "0 fault rule(s)\n"
    assert "neither a code" in refused("fault", "maybe")
    assert "/effect" in refused("fault", '{"cod": 1}')


@pytest.mark.parametrize(
    ("text", "effect"),
    [
        ("429", {"code": 429}),
        ("hang-up", {"connection": "hang_up"}),
        ("dribble", {"connection": "dribble"}),
        ('{"delay": 2}', {"delay": 2}),
    ],
)
def test_an_effect(text, effect):
    assert read_effect(text) == effect


@pytest.mark.parametrize("text", ["", "x", "[1]", "{", "4" * 50, "[" * 100_000, "-1", "²"])
def test_no_effect(text):
    with pytest.raises(UsageError):
        read_effect(text)


def test_a_server_that_is_not_there(refused):
    assert "no emulator answers at http://127.0.0.1:1" in refused("requests", "--url", "http://127.0.0.1:1")


def test_a_token_is_sent(monkeypatch, capsys):
    with Emulator(admin_token="s3cret") as emulator:
        monkeypatch.setenv("SWAPMOCK_URL", emulator.url)
        with pytest.raises(SystemExit):
            main(["reset"])
        assert capsys.readouterr().err.startswith("swapmock: ")
        main(["reset", "--token", "s3cret"])
        assert capsys.readouterr().out.startswith("removed: ")


@pytest.mark.parametrize("name", ["crun", "imgopen", "admin"])
def test_a_contract_as_json_and_yaml(name, ask):
    document = json.loads(json.dumps(load(name).document))
    given = json.loads(ask("contract", name, "--format", "json"))
    assert given.keys() == document.keys()
    assert given["components"] == document["components"]
    assert given["paths"].keys() == document["paths"].keys()
    text = ask("contract", name)
    assert json.loads(json.dumps(yaml.load(text, Loader=yaml.CSafeLoader))) == given
    assert not any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.CSafeLoader))


def test_an_unknown_contract(refused):
    assert "did you mean 'crun'?" in refused("contract", "crum")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_of_the_shells(shell):
    done = run(_SWAPMOCK_COMPLETE=f"{shell}_source")
    assert (done.returncode, done.stderr) == (0, "")
    assert "_SWAPMOCK_COMPLETE" in done.stdout


def test_commands_are_completed():
    done = run(_SWAPMOCK_COMPLETE="bash_complete", COMP_WORDS="swapmock re", COMP_CWORD="1")
    assert {"plain,requests", "plain,reset", "plain,record"} == set(done.stdout.split())
