"""The skill and llms.txt are true: their tools, commands, links and snippets exist."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from swapmock.client_checks.agents.catalogue import TOPICS
from swapmock.client_checks.agents.tools import NAMES
from swapmock.contracts import load
from swapmock.mock_server.cli.command import cli

ROOT = Path(__file__).resolve().parents[2]
SKILL = (ROOT / "skills/swapmock/SKILL.md").read_text("utf-8")
LLMS = (ROOT / "llms.txt").read_text("utf-8")


def test_the_skill_has_a_name_and_says_when_to_use_it():
    _, head, _ = SKILL.split("---\n", 2)
    about = yaml.safe_load(head)
    assert about["name"] == "swapmock"
    assert 50 < len(about["description"]) <= 1024


def test_the_skill_names_every_tool_and_topic_rightly():
    section = SKILL.partition("## The MCP tools")[2].partition("##")[0]
    assert set(re.findall(r"^\d\. `(\w+)`|\. `(\w+)`:", section, flags=re.MULTILINE))
    named = set(re.findall(r"`(\w+)`", section))
    assert set(NAMES) <= named
    assert named - set(NAMES) <= {"environment", "body", "effect", "scenario"}
    assert "evidence" in TOPICS


@pytest.mark.parametrize("text", [SKILL, LLMS], ids=["SKILL.md", "llms.txt"])
def test_every_command_exists(text):
    commands = set(re.findall(r"`(?:uvx |uvx --from '\S+' )?swapmock (\w+)", text)) - {"SWAPMOCK"}
    assert commands
    assert commands <= set(cli.list_commands(click.Context(cli)))


def test_every_magic_value_of_the_skill_is_one():
    for url in re.findall(r"https://(?:faces|errors)\.invalid/[\w.]+", SKILL):
        assert load("crun").behaviour.magic_for(url) is not None


def test_the_skills_test_passes(tmp_path):
    (block,) = re.findall(r"^```python\n(.*?)^```$", SKILL, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "test_it.py").write_text(block)
    plugin = ("-p", "swapmock.client_checks.testing.plugin")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:swapmock", *plugin]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "1 passed" in done.stdout, done.stdout


def test_llms_txt_has_the_form_and_its_links_lead_somewhere():
    """llmstxt.org: one title, a quoted summary, sections with lists of links."""
    lines = LLMS.splitlines()
    assert lines[0] == "# swapmock"
    assert lines[2].startswith("> ")
    links = re.findall(r"\[[^\]]+\]\(([^)]+)\)", LLMS)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).is_file()] == []
    for line in LLMS.partition("\n## ")[2].splitlines()[1:]:
        assert not line or line.startswith(("- [", "## ")), line


def test_every_page_for_users_is_in_llms_txt():
    pages = {page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md")}
    alone = {name for name in pages if name.startswith(("docs/rules/", "docs/explanation/"))} | {
        "docs/reference/index.md"
    }
    assert pages - alone <= set(re.findall(r"\(([^)]+)\)", LLMS))
