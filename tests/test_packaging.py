"""The wheel holds what it must and no more, and the lock files say what pyproject.toml asks for."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import swapmock

# Tests marked `long` build the wheel and the sdist, and install them.
pytestmark = pytest.mark.timeout(600)

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


@pytest.mark.long
def test_wheel_has_every_module_and_every_fact(wheel: zipfile.ZipFile) -> None:
    suffixes = {".py", ".yaml", ".md", ".json", ".txt"}
    files = {file for package in PACKAGES for file in (ROOT / package).rglob("*") if file.suffix in suffixes}
    expected = {f"swapmock/{file.relative_to(ROOT).as_posix()}" for file in files} | {"swapmock/py.typed"}
    assert any(name.startswith("swapmock/contracts/") and name.endswith(".yaml") for name in expected)
    assert sorted(expected - set(wheel.namelist())) == []


@pytest.mark.long
def test_wheel_has_nothing_else(wheel: zipfile.ZipFile) -> None:
    top = {name.partition("/")[0] for name in wheel.namelist()}
    assert top == {"swapmock", f"swapmock-{swapmock.__version__}.dist-info"}
    assert not [name for name in wheel.namelist() if "test_" in name or "__pycache__" in name]


@pytest.mark.long
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
    ("lock", "extras"),
    [
        ("requirements.lock", ["fast", "redis"]),
        ("requirements-dev.lock", ["fast", "redis", "pytest", "checks", "mcp", "containers", "docs", "dev"]),
    ],
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


# --- The wheel in foreign projects


@pytest.fixture(scope="module")
def installed(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a venv outside of this tree that has the wheel; what the wheel needs comes from our own venv."""
    place = tmp_path_factory.mktemp("foreign-venv")
    venv.create(place, with_pip=False)
    python = place / "bin/python"
    (packages,) = place.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    before = {file.name for file in packages.iterdir()}
    assert wheel.filename is not None
    install = [
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--ignore-installed",
    ]
    done = subprocess.run([sys.executable, *install, wheel.filename], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    new = {file.name for file in packages.iterdir()} - before
    assert new == {"swapmock", f"swapmock-{swapmock.__version__}.dist-info"}, "exactly one new top-level package"
    return python


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A project of somebody else with the names that this repository has at its top, PyContracts' among them."""
    files = {
        "contracts/__init__.py": "def contract(function):\n    return function\n\nload = 'theirs'\n",
        "contracts/interface.py": "load = 'theirs'\n",
        "mock_server.py": "Emulator = 'theirs'\n",
        "client_checks/__init__.py": "cli = 'theirs'\n",
        "tests/__init__.py": "",
        "tests/conftest.py": "",
        "settings.py": "Settings = 'theirs'\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def outside(*command: str | Path, cwd: Path, **more: str) -> str:
    """What a command prints that knows nothing of this tree."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SWAPMOCK_", "PYTEST_"))}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env={**environment, **more}, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


THEIRS = """
import contracts, contracts.interface, mock_server, client_checks, tests, settings
assert [contracts.load, mock_server.Emulator, client_checks.cli, settings.Settings] == ["theirs"] * 4
"""
OURS = """
import swapmock
from swapmock import Emulator, RemoteEmulator, Settings, SettingError
assert "site-packages" in swapmock.__file__, swapmock.__file__
with Emulator() as emulator, emulator.sandbox() as sandbox:
    assert sandbox.balance() == 1000
"""


@pytest.mark.long
@pytest.mark.parametrize("program", [THEIRS + OURS, OURS + THEIRS], ids=["theirs first", "ours first"])
def test_a_foreign_project_and_the_wheel_do_not_disturb_each_other(
    installed: Path, foreign: Path, program: str
) -> None:
    outside(installed, "-c", program, cwd=foreign)


@pytest.mark.long
@pytest.mark.parametrize("arguments", [("--version",), ("routes",), ("lint",)])
def test_the_command_works_in_a_foreign_project(installed: Path, foreign: Path, arguments: tuple[str, ...]) -> None:
    by_script = outside(installed.parent / "swapmock", *arguments, cwd=foreign)
    assert by_script
    assert outside(installed, "-m", "swapmock", *arguments, cwd=foreign) == by_script


@pytest.mark.long
def test_pytest_of_a_foreign_project_runs_with_the_plugin(installed: Path, foreign: Path) -> None:
    (foreign / "tests/test_it.py").write_text(
        "import contracts, mock_server\n\ndef test_it(swapmock_sandbox):\n"
        "    assert (contracts.load, mock_server.Emulator) == ('theirs', 'theirs')\n"
        "    assert swapmock_sandbox.balance() == 1000\n"
    )
    assert "1 passed" in outside(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=foreign)


NAMESPACE = """
import client_checks.rules, contracts.rules
assert (client_checks.rules.NAME, contracts.rules.NAME) == ("theirs", "theirs")
assert not hasattr(client_checks, "__file__") or client_checks.__file__ is None
"""


@pytest.mark.long
@pytest.mark.parametrize("program", [NAMESPACE + OURS, OURS + NAMESPACE], ids=["theirs first", "ours first"])
def test_namespace_packages_of_a_foreign_project_stay_its_own(installed: Path, tmp_path: Path, program: str) -> None:
    for name in ("client_checks", "contracts"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rules.py").write_text("NAME = 'theirs'\n")
    outside(installed, "-c", program, cwd=tmp_path)


@pytest.mark.long
def test_fixtures_of_a_foreign_project_may_have_the_names_of_the_package(installed: Path, tmp_path: Path) -> None:
    """Its fixture `swapmock` is its own, and it may replace one of ours and use the one that it replaces."""
    (tmp_path / "conftest.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef swapmock():\n    return 'theirs'\n\n"
        "@pytest.fixture\ndef swapmock_sandbox(swapmock_sandbox, swapmock):\n    return (swapmock, swapmock_sandbox)\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import swapmock as package\n\n\ndef test_it(swapmock, swapmock_sandbox):\n"
        "    name, sandbox = swapmock_sandbox\n    assert (swapmock, name, sandbox.balance()) == ('theirs', 'theirs', 1000)\n"
        "    assert package.Emulator\n"
    )
    assert "1 passed" in outside(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)


TYPED = """
from swapmock import Emulator
from swapmock.contracts import load

with Emulator(speed=2.0) as emulator:
    box: str = emulator.sandbox().id
operations: int = len(load("crun").operations)
wrong: int = emulator.url
Emulator(prot=1)
"""


@pytest.mark.long
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_type_checker_sees_the_installed_package(installed: Path, foreign: Path, checker: str) -> None:
    """Two mistakes are found, and nothing else."""
    (foreign / "typed.py").write_text(TYPED)
    command = {
        "mypy": [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(installed), "typed.py"],
        "pyright": [sys.executable, "-m", "pyright", "--pythonpath", str(installed), "typed.py"],
    }[checker]
    if checker == "pyright":
        try:
            subprocess.run([*command[:3], "--version"], capture_output=True, check=True, timeout=60)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            pytest.skip("pyright fetches its program from npm at its first run, and cannot here")
    done = subprocess.run(command, cwd=foreign, capture_output=True, text=True, timeout=110)
    errors = [line for line in done.stdout.splitlines() if "error:" in line or " - error" in line]
    assert [re.search(r":(\d+)", line)[1] for line in errors] == ["8", "9"], done.stdout  # type: ignore[index]


# --- The repository as it is worked in


@pytest.mark.parametrize("name", PACKAGES)
def test_a_bare_import_from_a_checkout_names_the_new_one(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import {name}"], cwd=ROOT, capture_output=True, text=True)
    assert "ImportError: import swapmock" in done.stderr.splitlines()[-1]


def test_nothing_imports_the_bare_names() -> None:
    bare = re.compile(r"^\s*(?:from|import) (?:mock_server|contracts|client_checks)\b", re.MULTILINE)
    files = [
        file for top in (*PACKAGES, "src/swapmock", "tests", "bench", "examples") for file in (ROOT / top).rglob("*.py")
    ]
    assert len(files) > 200
    assert [str(file) for file in files if file != Path(__file__) and bare.search(file.read_text("utf-8"))] == []


@pytest.mark.long
def test_a_new_module_of_an_editable_install_is_importable_at_once(tmp_path: Path) -> None:
    project, target = copy_of_the_project(tmp_path), tmp_path / "venv"
    venv.create(target, with_pip=False)
    (packages,) = target.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = target / "bin/python"
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
    ]
    outside(*pip, "--ignore-installed", "--no-build-isolation", "-e", project, cwd=tmp_path)
    for package in PACKAGES:
        (project / package / "brand_new.py").write_text("VALUE = 7\n")
        code = f"from swapmock.{package}.brand_new import VALUE; assert VALUE == 7"
        outside(python, "-c", code, cwd=tmp_path)


@pytest.mark.long
def test_a_worktree_of_git_keeps_the_links(tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path)
    git: list[str | Path] = [
        "git",
        "-C",
        project,
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.com",
        "-c",
        "core.hooksPath=/dev/null",
    ]
    outside(*git, "init", "-q", cwd=tmp_path)
    outside(*git, "add", "src", *PACKAGES, "pyproject.toml", cwd=tmp_path)
    outside(*git, "commit", "-q", "-m", "all", cwd=tmp_path)
    outside(*git, "worktree", "add", "-q", tmp_path / "elsewhere", cwd=tmp_path)
    for package in PACKAGES:
        assert (tmp_path / "elsewhere/src/swapmock" / package).readlink() == Path("../..") / package
    code = "import swapmock.mock_server as m; print(m.__file__)"
    found = outside(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(tmp_path / "elsewhere/src"))
    assert Path(found.strip()).is_relative_to(tmp_path / "elsewhere")


def test_the_links_are_ignored_by_the_tools() -> None:
    links = {f"src/swapmock/{package}" for package in PACKAGES}
    assert links <= set(PROJECT["tool"]["ruff"]["extend-exclude"])
    assert links <= set(PROJECT["tool"]["pyright"]["exclude"])
    assert {f"{link}/*" for link in links} <= set(PROJECT["tool"]["coverage"]["run"]["omit"])


@pytest.mark.long
def test_the_sdist_is_whole_and_builds_the_same_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    project = copy_of_the_project(tmp_path)
    outside(sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "dist", project, cwd=tmp_path)
    (sdist,) = (tmp_path / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    written = {
        str(file.relative_to(project)) for file in project.rglob("*") if file.is_file() and not file.is_symlink()
    }
    tracked = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True)
    if tracked.returncode == 0:  # else this is an sdist itself; examples that were run may have left files
        written &= set(tracked.stdout.splitlines())
    scratch = re.compile(r"(^|/)(build|dist|node_modules|[^/]+\.egg-info)/|^\.")
    assert sorted(name for name in written - packed if not scratch.search(name)) == []
    (built,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(built) as from_sdist:
        assert sorted(from_sdist.namelist()) == sorted(wheel.namelist())
    tools: list[list[str | Path]] = [["check_wheel_contents", built], ["twine", "check", "--strict", sdist, built]]
    for tool in tools:
        outside(sys.executable, "-m", *tool, cwd=tmp_path)


def copy_of_the_project(tmp_path: Path) -> Path:
    kept_out = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info", "node_modules")
    shutil.copytree(ROOT, tmp_path / "project", symlinks=True, ignore=kept_out)
    return tmp_path / "project"
