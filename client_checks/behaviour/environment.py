"""What a client receives: environment variables, its own folders, a copy of its project."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from swapmock.client_checks.behaviour.model import SavedFile

#: Folders of dependencies: a copy of the project gets links to them.
LINKED = ("node_modules", ".venv", "venv", "vendor", "target", ".tox", "__pypackages__")
#: Requests to loopback never use a proxy.
NO_PROXY = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
#: The prefixes of variables that the case sets itself. Variables of the proxy for vendor hosts do not replace them.
OURS = ("SWAPMOCK_", "CRUN_", "IMGOPEN_")
#: Variables that a client inherits.
UNTOUCHED = ("PATH", "LANG", "LC_ALL", "TERM")
#: Environment variables with the folders of tools, and the default of each folder, relative to the caller's HOME.
TOOLS = {
    "ASDF_DATA_DIR": ".asdf",
    "BUN_INSTALL": ".bun",
    "CARGO_HOME": ".cargo",
    "COREPACK_HOME": ".cache/node/corepack",
    "DENO_DIR": ".cache/deno",
    "GRADLE_USER_HOME": ".gradle",
    "NUGET_PACKAGES": ".nuget/packages",
    "NVM_DIR": ".nvm",
    "PNPM_HOME": ".local/share/pnpm",
    "POETRY_CACHE_DIR": ".cache/pypoetry",
    "PYENV_ROOT": ".pyenv",
    "PYTHONUSERBASE": ".local",
    "RBENV_ROOT": ".rbenv",
    "RUSTUP_HOME": ".rustup",
    "UV_CACHE_DIR": ".cache/uv",
    "VOLTA_HOME": ".volta",
    "WORKON_HOME": ".local/share/virtualenvs",
    "npm_config_cache": ".npm",
}
#: The same for Go, which creates missing folders. Without these variables `go run` compiles the standard library in
#: each case.
BUILT = {"GOCACHE": ".cache/go-build", "GOPATH": "go"}
#: The prefix of the folders of cases. They are not copied: a project can be in the folder for temporary files itself.
CASE_FOLDER = "swapmock-conform-"
#: Folders that are never copied.
LEFT_OUT = (".git", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache")
#: Larger files, in bytes, are not searched for ids.
LARGEST_TEXT = 1_000_000
PICTURE = "https://faces.invalid/2.png"
FACE = "https://faces.invalid/1.png"
VIDEO = "https://faces.invalid/2.mp4"


@dataclass(frozen=True)
class Folders:
    """The folders of one case. They are kept when the client is killed and started again. `cwd` is the copy of the
    project, or the project itself."""

    root: Path
    cwd: Path
    is_copy: bool

    @property
    def home(self) -> Path:
        """The client's home folder."""
        return self.root / "home"

    @property
    def temporary(self) -> Path:
        """The client's folder for temporary files."""
        return self.root / "tmp"

    @property
    def work(self) -> Path:
        """The client's folder for results."""
        return self.root / "work"


def prepare(root: Path, project: Path, cwd: str, links: Sequence[str] = ()) -> Folders:
    """Make the folders of a case below `root`. If `cwd` is "copy", the project is copied, with links to its
    dependencies."""
    is_copy = cwd == "copy"
    folders = Folders(root, root / "project" if is_copy else project, is_copy)
    for folder in (folders.home, folders.temporary, folders.work):
        folder.mkdir(parents=True, exist_ok=True)
    if is_copy:
        _copy(project, folders.cwd, {*LINKED, *links})
    return folders


def _copy(project: Path, target: Path, linked: set[str]) -> None:
    """Copy `project` to `target`. Folders of dependencies become links, at any depth; `linked` has names and paths."""
    links: list[Path] = []

    def skip(folder: str, names: list[str]) -> list[str]:
        found = []
        for path in (Path(folder, name) for name in names):
            is_linked = path.is_dir() and _is_linked(path, str(path.relative_to(project)), linked)
            if is_linked:
                links.append(path)
            if is_linked or path.name in LEFT_OUT or path.name.startswith(CASE_FOLDER) or _is_special(path):
                found.append(path.name)
        return found

    try:
        shutil.copytree(project, target, ignore=skip, symlinks=True)
    except shutil.Error as error:
        source, _, why = error.args[0][0]
        raise OSError(f"cannot copy {source}: {why}; `--cwd shared` runs in the project itself") from None
    for path in links:
        (target / path.relative_to(project)).symlink_to(path.absolute())


def _is_linked(path: Path, below: str, linked: set[str]) -> bool:
    """Return whether a folder holds dependencies: by its name, by its path `below` the project, or as a Python venv."""
    return path.name in linked or below in linked or (path / "pyvenv.cfg").is_file()


def _is_special(path: Path) -> bool:
    return path.is_socket() or path.is_fifo() or path.is_block_device() or path.is_char_device()


def outside_words(command: Sequence[str], project: Path) -> list[str]:
    """Return the command with absolute paths in place of relative paths that lead out of the project: the copy is in
    another folder."""
    return [
        str((project / word).absolute()) if word.startswith("../") and (project / word).exists() else word
        for word in command
    ]


#: Ports below the system's range for outgoing connections, so that no connection takes one between choice and use.
LOWEST_PORT, PORTS = 20_000, 12_000
_numbers = itertools.count(os.getpid() * 37)


#: Sockets that reserve the ports of this process, so that no other run takes them while a client is not running.
_held: list[int] = []


def free_port() -> int:
    """Return a port of loopback on which nothing listens: another one at each call and in each process."""
    for number in itertools.islice(_numbers, PORTS):
        port = LOWEST_PORT + number % PORTS
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            _hold(port)
            return port
    raise OSError("no free port from 20000 to 31999")


def _hold(port: int) -> None:
    """Reserve a port among the runs on this machine by an abstract socket, which ends with the process (Linux only).
    Raises OSError if another run has it."""
    if sys.platform == "linux":
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0swapmock-conform-port-{port}")
        except OSError:
            lock.close()
            raise
        _held.append(lock.detach())


def variables(
    outer: Mapping[str, str],
    folders: Folders,
    *,
    url: str,
    credentials: Mapping[str, Mapping[str, str]],
    outcome_url: str,
    effect_url: str,
    callback_port: int,
    case: str,
    inputs: Mapping[str, str],
    mapped: Mapping[str, str],
    deadline: float | None,
) -> dict[str, str]:
    """Return the environment of a client: the variables of the caller, without proxies and swapmock's own settings,
    and the variables of the case."""
    kept = {
        name: value
        for name, value in outer.items()
        if not name.lower().endswith("_proxy") and not name.startswith(("SWAPMOCK_", "FAKETIME", "PYTEST_", "COV_"))
    }
    kept = tool_folders(outer) | kept
    crun, imgopen = credentials.get("crun", {}), credentials.get("imgopen", {})
    given = {
        "url": url,
        "key": crun.get("key", ""),
        "access_key_id": imgopen.get("key", ""),
        "secret": imgopen.get("secret", ""),
        "callback_url": f"http://127.0.0.1:{callback_port}/callback",
        "callback_port": str(callback_port),
        "image": inputs.get("image", PICTURE),
        "face": inputs.get("face", FACE),
        "video": inputs.get("video", VIDEO),
        "outcome_url": outcome_url,
        "effect_url": effect_url,
        "case": case,
        "work_dir": str(folders.work),
        "deadline": "" if deadline is None else f"{deadline:g}",
    }
    ours = {
        "SWAPMOCK_URL": given["url"],
        "CRUN_API_KEY": given["key"],
        "IMGOPEN_ACCESS_KEY_ID": given["access_key_id"],
        "IMGOPEN_ACCESS_KEY_SECRET": given["secret"],
        "SWAPMOCK_CALLBACK_URL": given["callback_url"],
        "SWAPMOCK_CALLBACK_PORT": given["callback_port"],
        "SWAPMOCK_IMAGE_URL": given["image"],
        "SWAPMOCK_FACE_URL": given["face"],
        "SWAPMOCK_VIDEO_URL": given["video"],
        "SWAPMOCK_OUTCOME_URL": given["outcome_url"],
        "SWAPMOCK_EFFECT_URL": given["effect_url"],
        "SWAPMOCK_CASE": given["case"],
        "SWAPMOCK_WORK_DIR": given["work_dir"],
        "HOME": str(folders.home),
        "TMPDIR": str(folders.temporary),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return kept | ours | {name: _filled(template, given) for name, template in mapped.items()}


def tool_folders(outer: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that point tools to the folders in the caller's HOME. `outer` is the caller's
    environment. They are needed because the client's HOME is a new folder."""
    home = outer.get("HOME")
    if not home:
        return {}
    found = {name: str(Path(home, below)) for name, below in TOOLS.items() if Path(home, below).is_dir()}
    caches = {name: str(Path(home, below)) for name, below in BUILT.items()}
    return {**found, **caches} if shutil.which("go", path=outer.get("PATH")) else found


def _filled(template: str, given: Mapping[str, str]) -> str:
    for name, value in given.items():
        template = template.replace("{" + name + "}", value)
    return template


def saved_files(folders: Folders, since: Mapping[str, tuple[float, int]]) -> tuple[list[SavedFile], str]:
    """Return the files that a client left in its folders, and the text of all small files together. `since` has the
    files that were there before."""
    found, texts = [], []
    for path in _files(folders):
        try:
            stat = path.stat()
            if since.get(str(path)) == (stat.st_mtime, stat.st_size):
                continue
            content = path.read_bytes()
        except OSError:
            continue
        digest = hashlib.sha256(content).hexdigest()
        found.append(
            SavedFile(
                str(path.relative_to(folders.root) if path.is_relative_to(folders.root) else path),
                stat.st_size,
                digest,
                content[:200],
            )
        )
        if len(content) <= LARGEST_TEXT:
            texts.append(content.decode("utf-8", "replace"))
    return found, "\n".join(texts)


def _files(folders: Folders) -> Iterator[Path]:
    roots = [folders.home, folders.temporary, folders.work, folders.cwd]
    for root in roots:
        for where, names, files in os.walk(root):
            names[:] = [name for name in names if name not in LINKED and name not in LEFT_OUT]
            yield from (Path(where, name) for name in files)


def stamps(folders: Folders) -> dict[str, tuple[float, int]]:
    """Return the modification time and the size of each file now."""
    found = {}
    for path in _files(folders):
        try:
            stat = path.stat()
        except OSError:
            continue
        found[str(path)] = (stat.st_mtime, stat.st_size)
    return found
