"""The wheel holds what it must and no more, and the lock files say what pyproject.toml asks for."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import swapmock

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES = ("contracts", "mock_server", "client_checks")
LOCKS = ("requirements.lock", "requirements-dev.lock")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy, for setuptools leaves its scratch in the folder that it builds."""
    scratch = tmp_path_factory.mktemp("wheel")
    kept_out = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info")
    shutil.copytree(ROOT, scratch / "project", symlinks=True, ignore=kept_out)
    pip_wheel = [
        sys.executable,
        *["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir"],
    ]
    build = [*pip_wheel, str(scratch), str(scratch / "project")]
    done = subprocess.run(build, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = scratch.glob("*.whl")
    return zipfile.ZipFile(file)


def pins(lock: str) -> dict[str, str]:
    """Name to version, from the lines of a lock file that are neither hash nor comment."""
    found = re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", (ROOT / lock).read_text("utf-8"), flags=re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def asked_for(*extras: str) -> list[Requirement]:
    project = PROJECT["project"]
    lines = project["dependencies"] + [line for extra in extras for line in project["optional-dependencies"][extra]]
    return [wanted for wanted in map(Requirement, lines) if wanted.name != "swapmock"]


def test_wheel_has_every_module_and_every_fact(wheel: zipfile.ZipFile) -> None:
    suffixes = {".py", ".yaml", ".md", ".json"}
    files = {file for package in PACKAGES for file in (ROOT / package).rglob("*") if file.suffix in suffixes}
    expected = {f"swapmock/{file.relative_to(ROOT).as_posix()}" for file in files} | {"swapmock/py.typed"}
    assert any(name.startswith("swapmock/contracts/") and name.endswith(".yaml") for name in expected)
    assert sorted(expected - set(wheel.namelist())) == []


def test_wheel_has_nothing_else(wheel: zipfile.ZipFile) -> None:
    top = {name.partition("/")[0] for name in wheel.namelist()}
    assert top == {"swapmock", f"swapmock-{swapmock.__version__}.dist-info"}
    assert not [name for name in wheel.namelist() if "test_" in name or "__pycache__" in name]


def test_wheel_brings_command_and_licence(wheel: zipfile.ZipFile) -> None:
    about = f"swapmock-{swapmock.__version__}.dist-info"
    assert "swapmock = swapmock.mock_server.cli:main" in wheel.read(f"{about}/entry_points.txt").decode()
    assert wheel.read(f"{about}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert "License-Expression: MIT" in wheel.read(f"{about}/METADATA").decode()


def test_command_is_installed() -> None:
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="swapmock")
    assert callable(command.load())


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_place(lock: str) -> None:
    """Neither an index nor a folder: whoever installs decides where packages come from."""
    places = re.compile(r"://|(?:^|\s)/|\\\\|--(?:extra-)?index-url|--find-links|--trusted-host|\.whl\b")
    lines = (ROOT / lock).read_text("utf-8").splitlines()
    assert [line for line in lines if places.search(line)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_and_hashes_everything(lock: str) -> None:
    entries = (ROOT / lock).read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in entries.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert lines
    whole = re.compile(r"[a-z0-9._-]+==[^\s;]+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*")
    assert [line for line in lines if not whole.fullmatch(line)] == []


@pytest.mark.parametrize(
    ("lock", "extras"), [("requirements.lock", ["fast"]), ("requirements-dev.lock", ["fast", "checks", "dev"])]
)
def test_lock_covers_what_the_project_asks_for(lock: str, extras: list[str]) -> None:
    pinned = pins(lock)
    wanted = [*asked_for(*extras), *map(Requirement, PROJECT["build-system"]["requires"])]
    unmet = [str(one) for one in wanted if not one.specifier.contains(pinned.get(canonicalize_name(one.name), "0"))]
    assert unmet == [], "make lock renews the lock files"


def test_locks_agree() -> None:
    small, large = (set(pins(lock).items()) for lock in LOCKS)
    assert sorted(small - large) == []


def test_server_lock_has_no_checks() -> None:
    assert pins("requirements.lock").keys().isdisjoint({"pytest", "schemathesis", "rich", "openapi-spec-validator"})


def test_one_version_everywhere() -> None:
    version = PROJECT["project"]["version"]
    assert swapmock.__version__ == version
    newest = re.search(r"^## \[?v?(\d[^\s\]]*)", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    assert newest, "CHANGELOG.md has no heading of a version"
    assert newest[1] == version


def test_neither_an_answer_nor_a_refusal_needs_more_than_it_uses():
    """What is slow to load is loaded by the first request that needs it."""
    code = """
import sys
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.messages import Request
from swapmock.mock_server.web.server import LiveServer
pipeline = build().pipeline
path, key = "/api/v1/client/job/detect-face-image", "ak_swapmock000000000000000000000000"
headers = {"x-api-key": key, "content-type": "application/json"}
for body, code in ((b'{"image_url": "https://example.com/a.png"}', 200), (b'{"image_url": 5}', 422)):
    answer = pipeline.answer(pipeline.match("POST", path), Request("POST", path, "", headers, body, "http://x.test"))
    assert b'"code":%d' % code in answer.body, answer
slow = {"flask", "werkzeug", "jsonschema", "PIL", "requests", "prometheus_client", "jsonpath", "harfile", "hypothesis"}
sys.exit(", ".join(sorted(slow & set(sys.modules))) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
