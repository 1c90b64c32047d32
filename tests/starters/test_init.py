"""`swapmock init` in foreign folders: what it writes passes at once, and what was there stays as it was."""

import importlib.metadata
import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner

from swapmock.client_checks.starters.command import init

PYTEST_FILES = {"tests/test_swapmock.py", "pytest.ini", "swapmock.yaml", ".github/workflows/swapmock.yml"}
VITEST_FILES = {
    "tests/swapmock.test.ts",
    "vitest.config.ts",
    "package.json",
    "swapmock.yaml",
    ".github/workflows/swapmock.yml",
}


def files_of(folder):
    return {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}


def start(folder, *arguments):
    done = CliRunner().invoke(init, ["--dir", str(folder), *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def run(*command, cwd):
    """A command that knows nothing of this repository but the interpreter."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SWAPMOCK_", "CRUN_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=280, env={**kept, "PATH": path}, check=False
    )


#: Provider -> the name of its test for pytest, and for Vitest.
TESTS = {
    "crun": ("tests/test_swapmock.py", "tests/swapmock.test.ts"),
    "imgopen": ("tests/test_swapmock_imgopen.py", "tests/swapmock-imgopen.test.ts"),
}


@pytest.mark.parametrize("providers", [["crun"], ["imgopen"], ["crun", "imgopen"]], ids="+".join)
def test_pytest_passes_at_once(tmp_path, providers):
    for provider in providers:
        said = start(tmp_path, "pytest", "--provider", provider)
        assert f"next: python -m pytest {TESTS[provider][0]}" in said
    written = {TESTS[provider][0] for provider in providers}
    assert set(files_of(tmp_path)) == PYTEST_FILES - {TESTS["crun"][0]} | written
    is_installed = importlib.metadata.entry_points(group="pytest11", name="swapmock")
    load = () if is_installed else ("-p", "swapmock.client_checks.testing.plugin")
    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *load, cwd=tmp_path)
    assert f"{4 * len(providers)} passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.needs("npm", "node")
@pytest.mark.timeout(300)
def test_vitest_passes_at_once(npm_package, tmp_path):
    """With the npm package of this repository, packed."""
    start(tmp_path, "vitest")
    assert set(files_of(tmp_path)) == VITEST_FILES
    said = start(tmp_path, "vitest", "--provider", "imgopen")
    assert set(files_of(tmp_path)) == VITEST_FILES | {TESTS["imgopen"][1]}
    assert (
        "kept   .github/workflows/swapmock.yml (it exists; add to it: npx vitest run tests/swapmock-imgopen.test.ts)"
        in said
    )
    quiet = ("--no-audit", "--no-fund")
    done = run("npm", "install", *quiet, "--save-dev", str(npm_package.file), "vitest@3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run("npm", "test", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({}, "pytest"),
        ({"package.json": "{}"}, "vitest"),
        ({"package.json": "{}", "pyproject.toml": ""}, "pytest"),
        ({"setup.cfg": ""}, "pytest"),
        ({"requirements.txt": ""}, "pytest"),
    ],
)
def test_the_runner_is_found(tmp_path, there, expected):
    for name, text in there.items():
        (tmp_path / name).write_text(text)
    said = start(tmp_path, "--dry-run")
    assert (f"would write tests/{'test_swapmock.py' if expected == 'pytest' else 'swapmock.test.ts'}") in said
    assert files_of(tmp_path) == there, "a dry run writes nothing"


@pytest.mark.parametrize("runner", ["pytest", "vitest"])
def test_what_is_there_is_never_changed(tmp_path, runner):
    mine = {name: f"mine {name}" for name in (PYTEST_FILES if runner == "pytest" else VITEST_FILES)}
    for name, text in mine.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    said = start(tmp_path, runner)
    assert files_of(tmp_path) == mine
    assert said.count("kept ") == len(mine)
    assert "Nothing was written" in said
    assert start(tmp_path, runner) == said


def test_a_dangling_link_is_kept(tmp_path):
    (tmp_path / "pytest.ini").symlink_to(tmp_path / "elsewhere")
    assert "kept   pytest.ini (it exists)" in start(tmp_path, "pytest")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[tool.pytest.ini_options]\n"),
        ("pyproject.toml", "[tool.pytest]\n"),
        ("tox.ini", "[pytest]\n"),
        ("setup.cfg", "[tool:pytest]\n"),
        (".pytest.ini", "[pytest]\n"),
    ],
)
def test_no_pytest_ini_hides_the_configuration_that_is_there(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert f"kept   pytest.ini ({name} configures pytest" in start(tmp_path, "pytest")
    assert not (tmp_path / "pytest.ini").exists()


@pytest.mark.parametrize("name", ["vite.config.ts", "vitest.config.mjs", "vitest.workspace.ts"])
def test_no_second_configuration_of_vitest(tmp_path, name):
    (tmp_path / name).write_text("export default {}")
    assert f"kept   vitest.config.ts ({name} configures Vitest)" in start(tmp_path, "vitest")
    assert not (tmp_path / "vitest.config.ts").exists()


def test_a_folder_that_is_called_test(tmp_path):
    (tmp_path / "test").mkdir()
    assert "wrote  test/test_swapmock.py" in start(tmp_path)
    assert "pytest test/test_swapmock.py" in (tmp_path / ".github/workflows/swapmock.yml").read_text()


@pytest.mark.parametrize(
    ("ci", "path", "schema"),
    [
        ("github", ".github/workflows/swapmock.yml", "vendor.github-workflows"),
        ("gitlab", ".gitlab-ci.yml", "vendor.gitlab-ci"),
    ],
)
def test_the_ci_files_fit_their_schema(tmp_path, ci, path, schema):
    files = []
    for runner, provider in product(("pytest", "vitest"), ("crun", "imgopen")):
        project = tmp_path / f"{runner}-{provider}"
        project.mkdir()
        start(project, runner, "--ci", ci, "--provider", provider)
        assert TESTS[provider][runner == "vitest"] in (project / path).read_text()
        files.append(str(project / path))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    flags = ["--data-transform", "gitlab-ci"] if ci == "gitlab" else []
    done = run(*command, *flags, *files, cwd=tmp_path)  # one program for all: its start takes most of the time
    assert done.returncode == 0, done.stdout


def test_no_ci_where_none_is_wanted(tmp_path):
    assert "workflows" not in start(tmp_path, "--ci", "none")


def test_the_settings_are_settings(tmp_path):
    start(tmp_path)
    done = run("swapmock", "serve", "--config", "swapmock.yaml", "--port", "nonsense", cwd=tmp_path)
    assert "swapmock.yaml" not in done.stderr
    assert "nonsense" in done.stderr


def test_the_package_is_the_version_of_this_one(tmp_path):
    import swapmock

    start(tmp_path, "vitest")
    wanted = json.loads((tmp_path / "package.json").read_text())["devDependencies"]["swapmock"]
    assert wanted == f"^{swapmock.__version__}"


@pytest.mark.parametrize("arguments", [["--dir", "nowhere"], ["nose"], ["--ci", "jenkins"], ["--provider", "acme"]])
def test_a_mistake_is_one_line(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(init, arguments).exit_code == 2
    assert files_of(tmp_path) == {}
