"""Selects and writes the files of a starter project. A file that exists is never changed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RUNNERS = ("pytest", "vitest")
CI = ("github", "gitlab", "none")
TEMPLATES = Path(__file__).with_name("templates")
#: The providers that there are starters for, the usual one first.
PROVIDERS = tuple(sorted(path.stem.removeprefix("test-pytest-") for path in TEMPLATES.glob("test-pytest-*.txt")))

#: Files that configure Vitest: if one of them exists, no other is written.
VITEST_CONFIGS = re.compile(r"(vitest|vite)\.config\.[cm]?[jt]s|vitest\.workspace\.[cm]?[jt]s")

CI_FILES = {"github": ".github/workflows/swapmock.yml", "gitlab": ".gitlab-ci.yml"}


@dataclass(frozen=True)
class StarterFile:
    """One file of a starter: its path in the project, its text, and why it is left out ("" if it is written)."""

    path: str
    text: str
    left_out: str = ""


def detect(project: Path) -> str:
    """Return the test runner of a project: Vitest if there is a package.json and no Python project, else pytest."""
    is_python = any(
        (project / name).exists() for name in ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")
    )
    return "vitest" if (project / "package.json").exists() and not is_python else "pytest"


#: Runner -> the command that runs a test file.
COMMANDS = {"pytest": "python -m pytest", "vitest": "npx vitest run"}


def path_of_test(project: Path, runner: str, provider: str) -> str:
    """Return the path of the test in `project`. Each provider has a name of its own, so that a project can have both."""
    folder = "test" if (project / "test").is_dir() and not (project / "tests").is_dir() else "tests"
    name = "swapmock" if provider == PROVIDERS[0] else f"swapmock_{provider}"
    return f"{folder}/test_{name}.py" if runner == "pytest" else f"{folder}/{name.replace('_', '-')}.test.ts"


def plan(project: Path, runner: str, ci: str, provider: str = PROVIDERS[0]) -> Iterator[StarterFile]:
    """Yield the files of a starter for `project`, in the order of writing. `runner` is pytest or vitest, `ci` the
    kind of CI file, `provider` the API whose client is tested."""
    test = path_of_test(project, runner, provider)
    yield _file(project, test, f"test-{runner}-{provider}.txt")
    if runner == "pytest":
        yield _file(project, "pytest.ini", f"pytest-ini-{provider}.txt", left_out=_pytest_config(project))
    else:
        yield _file(project, "vitest.config.ts", "vitest-config.txt", left_out=_vitest_config(project))
        yield _file(project, "package.json", "package.json", left_out=_package(project))
    yield _file(project, "swapmock.yaml", "settings.yaml")
    if ci != "none":
        exists = f"it exists; add to it: {COMMANDS[runner]} {test}"
        yield _file(project, CI_FILES[ci], f"{runner}-{ci}.yaml", test=test, exists=exists)


def write(project: Path, file: StarterFile) -> bool:
    """Write one file unless it is left out. Return False if another process has created the file meanwhile."""
    path = project / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as target:
            target.write(file.text)
    except FileExistsError:
        return False
    return True


def _file(
    project: Path, path: str, template: str, *, test: str = "", left_out: str = "", exists: str = "it exists"
) -> StarterFile:
    text = (TEMPLATES / template).read_text("utf-8")
    text = text.replace("TEST", test) if test else text
    return StarterFile(path, text, exists if os.path.lexists(project / path) else left_out)


def _pytest_config(project: Path) -> str:
    """Return why pytest.ini is not written: it would hide the existing configuration."""
    markers = {
        "pyproject.toml": r"^\[tool\.pytest(\.ini_options)?\]",
        "tox.ini": r"^\[pytest\]",
        "setup.cfg": r"^\[tool:pytest\]",
        ".pytest.ini": "",
        "pytest.toml": "",
        ".pytest.toml": "",
    }
    for name, marker in markers.items():
        path = project / name
        if path.is_file() and re.search(marker, path.read_text("utf-8", "replace"), flags=re.MULTILINE):
            return f"{name} configures pytest; its option swapmock_env names the variables of your client"
    return ""


def _vitest_config(project: Path) -> str:
    found = sorted(path.name for path in project.iterdir() if VITEST_CONFIGS.fullmatch(path.name))
    return f"{found[0]} configures Vitest" if found else ""


def _package(project: Path) -> str:
    return (
        "it exists; `npm install --save-dev swapmock vitest` adds what the test needs"
        if (project / "package.json").exists()
        else ""
    )
