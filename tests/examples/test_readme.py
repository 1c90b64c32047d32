"""The README is true: its example runs line by line, its table of settings is the settings, its links lead somewhere."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from swapmock.contracts import load
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.server import LiveServer
from tests.examples import reference

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")
FIRST_SCREEN, _, REST = README.partition("\n## crun.ai\n")


def blocks(text, language="bash"):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.needs("curl")
def test_the_example_runs_line_by_line(tmp_path):
    """In a shell that finds nothing but what the example may ask of a user."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(Path(sys.executable).resolve())
    for name in ("curl", "tee", "grep", "sleep"):
        (programs / name).symlink_to(shutil.which(name) or name)
    system = build(Settings(speed=100))
    with LiveServer(system.asgi_app) as server:
        lines = "".join(blocks(FIRST_SCREEN)).replace("http://127.0.0.1:4020", server.url)
        command = [shutil.which("bash") or "bash", "-euo", "pipefail", "-c", lines]
        only = {"PATH": str(programs)}
        done = subprocess.run(command, cwd=tmp_path, env=only, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    found, task = (json.loads((tmp_path / name).read_text())["data"] for name in ("found.json", "task.json"))
    assert len(found["result"]["faces"]) == 3
    assert [face["face_id"] for face in task["param"]["input"]["faces"]] == [0, 2]
    with Image.open(tmp_path / "swapped.png") as picture:
        assert (picture.format, picture.width) == ("PNG", 3 * picture.height)
    assert json.loads(done.stdout.splitlines()[-1])["data"] == {"balance": 1000 - task["credits"]}


@pytest.mark.needs("curl")
def test_the_other_lines_run_too(tmp_path):
    """Those after the example: each prints one JSON document, none of them a refusal."""
    system = build(Settings())
    with LiveServer(system.asgi_app) as server:
        lines = "".join(f"{block}echo\n" for block in blocks(REST)).replace("http://127.0.0.1:4020", server.url)
        lines = re.sub(r"^((?:open|admin) .*)$", r"\1; echo", lines, flags=re.MULTILINE)
        done = subprocess.run(["bash", "-euc", lines], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    answers = [json.loads(line) for line in done.stdout.splitlines() if line]
    assert len(answers) == len(re.findall(r"^(?:open|admin) ", lines, flags=re.MULTILINE)) == 6
    detection, sandbox, fault, advanced, ledger, deleted = answers
    assert (detection["code"], len(detection["data"]["faceUrls"])) == ("200", 2)
    assert (sandbox["id"], fault["effect"]["code"], deleted) == ("mine", 429, {"deleted": "mine"})
    assert advanced["now"] - advanced["before"] == 3600
    assert ledger["proof"]["holds"]


def test_the_python_runs(capsys):
    for block in blocks(REST, "python"):
        exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out.endswith("True\n")


def test_the_first_test_is_one(tmp_path):
    """The block on the first screen, as a file of a foreign project."""
    (block,) = blocks(FIRST_SCREEN, "python")
    (tmp_path / "test_it.py").write_text(block)
    is_installed = importlib.metadata.entry_points(group="pytest11", name="swapmock")
    load_plugin = () if is_installed else ("-p", "swapmock.client_checks.testing.plugin")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *load_plugin, "test_it.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "1 passed" in done.stdout, done.stdout


def test_every_host_that_it_replaces_is_the_contracts():
    rows = re.findall(r"^\| `(https://[^`]+)`.*\| `http://127.0.0.1:4020` \|$", FIRST_SCREEN, flags=re.MULTILINE)
    assert rows == [load(name).document["servers"][0]["url"] for name in ("crun", "imgopen")]


def test_the_two_commands_exist():
    verbs = [
        line.removeprefix("make ") for line in "".join(blocks(README, "sh")).splitlines() if line.startswith("make ")
    ]
    assert verbs[:2] == ["serve", "test"]
    for verb in verbs:
        done = subprocess.run(["make", "--dry-run", verb], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_every_key_that_it_names_is_a_standing_one():
    known = {row["key"] for row in load("crun").behaviour.credentials.values()}
    assert set(re.findall(r"\bak_\w+", README)) == known


@pytest.mark.parametrize("url", sorted(set(re.findall(r"https://(?:faces|errors)\.invalid/\w+", README))))
def test_every_magic_value_that_it_names_is_one(url):
    assert load("crun").behaviour.magic_for(url) is not None


def test_the_chinese_page_says_the_same():
    """Its code, links, hosts, magic values and commands are those of the English page, part by part."""
    chinese = (ROOT / "README.zh-CN.md").read_text("utf-8")
    for language in ("bash", "sh", "python", "yaml"):
        assert blocks(chinese, language) == blocks(README, language)
    english_parts, chinese_parts = README.split("\n## "), chinese.split("\n## ")
    assert len(english_parts) == len(chinese_parts)
    for english, other in zip(english_parts, chinese_parts, strict=True):
        for pattern in (r"\]\(([^)]+)\)", r"https?://[^\s`>)]+", r"`[^`\n]+`", r"^\|"):
            found = [sorted(set(re.findall(pattern, part, flags=re.MULTILINE))) for part in (english, other)]
            differing = set(found[0]) ^ set(found[1])
            assert differing <= {"README.md", "README.zh-CN.md"}, (english.splitlines()[0], differing)


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, heading = target.partition("#")
        assert (ROOT / file).is_file(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", (ROOT / file).read_text("utf-8"), flags=re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


if __name__ == "__main__":
    reference.write()
