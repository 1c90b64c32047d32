"""The documentation runs as it is shown, says what the data says, and is a site that builds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from swapmock.mock_server.cli.environment import unknown_variables
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.server import LiveServer
from tests.examples import reference
from tests.examples.pages import EXCUSED, Page, blocks, excuse, matches, session, variables

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: Pages with tests of their own for their blocks: test_docs.py and test_add_a_provider.py.
ELSEWHERE = {"control-plane", "add-a-provider"}
TOP = sorted(path.stem for path in DOCS.glob("*.md") if path.stem not in ELSEWHERE)
RUN = [
    *(DOCS / f"{name}.md" for name in TOP),
    *sorted((DOCS / "how-to").glob("*.md")),
    *sorted((DOCS / "explanation").glob("*.md")),
]
#: Pages that take several seconds: they check whole servers, or start many programs.
LONG = {"checks.md", "how-to/compare-with-live.md", "how-to/pytest.md"}
WRITTEN = [*sorted(DOCS.glob("*.md")), *RUN[len(TOP) :], *sorted((DOCS / "reference").glob("*.md"))]


def name_of(path):
    return path.relative_to(DOCS).as_posix()


@pytest.mark.needs("curl")
@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=pytest.mark.long if name_of(path) in LONG else ()) for path in RUN], ids=name_of
)
def test_its_blocks_run_one_after_the_other(path, tmp_path):
    Page(tmp_path).run(path.read_text("utf-8"))


def test_a_block_that_fails_or_prints_something_else_would_be_seen(tmp_path):
    for number, text in enumerate(["```sh\nfalse\n```\n", "```sh\necho a\n```\n\n```text\nb\n```\n"]):
        (tmp_path / str(number)).mkdir()
        with pytest.raises(AssertionError):
            Page(tmp_path / str(number)).run(text)
    assert matches("a ... c", "a b\nb c\n")
    assert not matches("a ... c", "a b c d")
    assert [block.output for block in blocks("```sh\necho a\n```\n\n```text\na\n```\n")] == ["a\n"]


def test_a_session_is_taken_apart():
    found = session("$ one \\\n    two\n$ three\nsays\n  four\n$ python\n>>> 1\n... 2\n")
    assert [(block.text, block.output) for block in found] == [
        ("one \\\n    two\n", None),
        ("three\n", "says\n  four\n"),
        ("python\n>>> 1\n... 2\n", None),
    ]
    with pytest.raises(AssertionError):
        session("no command\n")


@pytest.mark.parametrize("text", ["$ false\n", "$ echo a\nb\n", "$ A=1\n$ echo $A\n2\n"])
def test_a_session_that_fails_or_prints_something_else_would_be_seen(tmp_path, text):
    with pytest.raises(AssertionError):
        Page(tmp_path).run(f"```console\n{text}```\n")


def test_every_excuse_is_needed():
    """A row of EXCUSED that no page needs would hide a command of tomorrow."""
    commands = [block.text for page in WRITTEN for block in blocks(page.read_text("utf-8")) if block.language == "sh"]
    assert {excuse(command) for command in commands} - {None} == EXCUSED.keys()
    assert all(len(reason) > 20 for reason in EXCUSED.values())


@pytest.mark.needs("node")
def test_the_script_of_a_page_runs(tmp_path):
    """`page.js` as Node runs it; tests/web/test_browser.py has a browser and its preflights."""
    (block,) = [one for one in blocks((DOCS / "how-to" / "browser.md").read_text("utf-8")) if one.title == "page.js"]
    with LiveServer(build(Settings()).asgi_app) as server:
        (tmp_path / "page.mjs").write_text(block.text.replace("http://127.0.0.1:4020", server.url))
        done = subprocess.run(["node", "page.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "balance: 1000" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_the_reference_is_made_from_the_data(name):
    assert (DOCS / "reference" / name).read_text("utf-8") == reference.pages()[name], "`make docs` writes it anew"


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_every_variable_is_one(path):
    found = variables(path.read_text("utf-8"))
    assert list(unknown_variables(dict.fromkeys(found, ""))) == []


def test_every_page_is_in_the_navigation():
    text = re.sub(r"!!python/name:\S+", "x", (ROOT / "mkdocs.yml").read_text("utf-8"))
    named = set(re.findall(r"[\w/-]+\.md", str(yaml.safe_load(text)["nav"])))
    pages = {name_of(path) for path in WRITTEN} | {"rules/README.md"}
    assert named == pages, "name the page in mkdocs.yml, in docs/how-to/index.md and in llms.txt"


def test_the_site_builds_without_a_warning(tmp_path):
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # an advertisement of the theme for its successor
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, env=quiet)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "index.html").is_file()
    assert (tmp_path / "rules" / "P1.html").is_file()
    assert (tmp_path / "source" / "contracts" / "admin" / "openapi.yaml").is_file()
    page = (tmp_path / "index.html").read_text("utf-8")
    assert not re.findall(r'(?:src|href)="(https?://(?!127\.0\.0\.1|squidfunk)[^"]+)"', page), (
        "nothing is fetched from elsewhere"
    )
