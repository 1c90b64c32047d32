"""The container image is built for real, run for real, and holds what its Dockerfile promises.

No registry is asked: the base image is this machine's own interpreter with the libraries it links to, and the packages
come from a wheelhouse that pip fills from the lock file beforehand. So the Dockerfile is built as it stands, offline.
"""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
VENV = Path("/opt/swapmock")
SHELL = Path("/bin/sh")
# Parts of the standard library and of its folder that no server needs.
UNNEEDED = ("__pycache__", "site-packages", "dist-packages", "test", "idlelib", "lib2to3", "tkinter", "config-*")
COMPILERS = {"cc", "gcc", "c++", "g++", "clang", "ld", "as", "make", "rustc", "cargo"}

# Copies a whole interpreter and installs into it; a minute where all is well.
pytestmark = [pytest.mark.timeout(600), pytest.mark.long]


def require_buildah() -> None:
    missing = None
    if shutil.which("buildah") is None:
        missing = "buildah is not on PATH"
    elif os.geteuid() != 0:
        missing = "building in a chroot takes root"
    if missing and os.environ.get("CI") == "true":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


@dataclass(frozen=True)
class Buildah:
    """buildah with a storage of its own, so that nothing of the machine's images is seen or touched."""

    storage: Path

    def command(self, verb: str, *args: str | Path) -> list[str]:
        places = ["--root", str(self.storage / "root"), "--runroot", str(self.storage / "run")]
        return ["buildah", *places, "--storage-driver", "vfs", verb, *map(str, args)]

    def __call__(self, verb: str, *args: str | Path) -> str:
        done = subprocess.run(self.command(verb, *args), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"buildah {verb} failed:\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()


@dataclass(frozen=True)
class Image:
    buildah: Buildah
    config: dict
    container: str
    files: Path

    def command(self, *argv: str | Path, **environment: str) -> list[str]:
        settings = [f"--env={name}={value}" for name, value in environment.items()]
        return self.buildah.command("run", "--isolation=chroot", *settings, self.container, "--", *argv)

    def run(self, *argv: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        command = self.command(*argv, **environment)
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


def linked_libraries(binaries: list[Path]) -> set[Path]:
    """Every shared library that the dynamic loader would bring in for these, itself included."""
    said = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True).stdout
    return {Path(path) for path in re.findall(r"(?:=>|^)\s*(/\S+) \(0x", said, flags=re.MULTILINE)}


def lay_out_root(root: Path) -> None:
    """A root file system with this interpreter at its own path, a shell, and what the two link to."""

    def place(source: Path) -> None:
        target = root / source.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)

    interpreter = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]  # the only name there is for it
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, root / library.relative_to("/"), ignore=shutil.ignore_patterns(*UNNEEDED))
    bundled = sysconfig.get_config_var("WHEEL_PKG_DIR")  # where Debian keeps the pip that a new venv gets
    if bundled:
        shutil.copytree(bundled, root / Path(bundled).relative_to("/"))

    # The extensions installed here are the ones that the image will install: what they link to has to be there.
    installed = Path(sysconfig.get_path("platlib"))
    extensions = [*library.glob("lib-dynload/*.so"), *installed.rglob("*.so")]
    libraries = linked_libraries([interpreter, SHELL, *extensions])
    for file in [interpreter, SHELL, *(file for file in libraries if not file.is_relative_to(sys.prefix))]:
        place(file)
    if Path("/etc/ld.so.cache").exists():
        place(Path("/etc/ld.so.cache"))

    python = root / "usr/local/bin/python3"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.symlink_to(interpreter)
    (root / "tmp").mkdir(mode=0o777)
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")


def make_base(buildah: Buildah, scratch: Path) -> str:
    lay_out_root(scratch / "base")
    container = buildah("from", "scratch")
    buildah("copy", container, scratch / "base", "/")
    buildah("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container)
    buildah("commit", "--rm", container, "localhost/swapmock-base")
    return "localhost/swapmock-base"


def fill_wheelhouse(wheels: Path) -> None:
    lock = ROOT / "requirements.lock"
    pip_download = [sys.executable, *["-m", "pip", "download", "--only-binary=:all:", "--require-hashes", "--dest"]]
    fetch = [*pip_download, str(wheels), "--requirement", str(lock)]
    done = subprocess.run(fetch, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    require_buildah()
    scratch = tmp_path_factory.mktemp("image")
    buildah = Buildah(scratch / "storage")
    try:
        base = make_base(buildah, scratch)
        fill_wheelhouse(scratch / "wheels")
        (scratch / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        mounts = [f"--volume={scratch}/wheels:/wheels:ro", f"--volume={scratch}/pip.conf:/etc/pip.conf:ro"]
        kind = ["--isolation=chroot", "--format=docker", "--pull-never", f"--build-arg=BASE={base}"]
        buildah("build", *kind, *mounts, "--tag=localhost/swapmock", ROOT)
        config = json.loads(buildah("inspect", "--type=image", "localhost/swapmock"))["Docker"]["config"]
        container = buildah("from", "--pull-never", "localhost/swapmock")
        yield Image(buildah, config, container, Path(buildah("mount", container)))
    finally:
        for container in subprocess.run(
            buildah.command("containers", "-q"), capture_output=True, text=True
        ).stdout.split():
            buildah("rm", container)  # unmounts it too
        shutil.rmtree(scratch)


def descendants(pid: int) -> Iterator[int]:
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            yield child
            yield from descendants(child)


def get_status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_declares_how_to_run_it(image: Image) -> None:
    assert image.config["Entrypoint"] == [f"{VENV}/bin/swapmock"]
    assert image.config["Cmd"] == ["serve"]
    assert image.config["ExposedPorts"] == {"4020/tcp": {}}
    assert image.config["StopSignal"] in {"SIGTERM", "15"}
    assert {"SWAPMOCK_HOST=0.0.0.0", "SWAPMOCK_PORT=4020", "PYTHONDONTWRITEBYTECODE=1"} <= set(image.config["Env"])


def test_has_the_labels_of_oci(image: Image) -> None:
    import swapmock

    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in image.config["Labels"].items()}
    assert labels["version"] == swapmock.__version__
    assert labels["title"] == "swapmock"
    assert labels["licenses"] == "MIT"
    assert {"description", "revision", "base.name"} <= labels.keys()


def test_lists_its_packages_in_an_sbom(image: Image) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = (image.files / VENV.relative_to("/") / "sbom.cdx.json").read_text("utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    document = json.loads(text)
    listed = {(part["name"], part["version"]) for part in document["components"] if part["type"] == "library"}
    folders = [file.name for file in (image.files / VENV.relative_to("/")).rglob("*.dist-info")]
    installed = {name.removesuffix(".dist-info").rsplit("-", 1)[0].lower().replace("_", "-") for name in folders}
    assert {re.sub("[_.]", "-", name) for name, _ in listed} | {"swapmock"} == {
        re.sub("[_.]", "-", name) for name in installed
    }
    assert document["metadata"]["component"]["name"] == "swapmock"


def test_does_not_run_as_root(image: Image) -> None:
    user, _, group = image.config["User"].partition(":")
    assert user.isdigit()
    assert int(user) > 0
    assert group.isdigit()
    assert int(group) > 0
    done = image.run(VENV / "bin/python", "-c", "import os; print(os.getuid(), os.getgid())")
    assert done.stdout.split() == [user, group], done.stderr


def test_health_check_needs_no_shell(image: Image) -> None:
    check = image.config["Healthcheck"]["Test"]
    assert check == ["CMD", f"{VENV}/bin/swapmock", "health"]


def test_carries_no_compiler_and_no_installer(image: Image) -> None:
    programs = {file.name for folder in image.files.rglob("bin") for file in folder.iterdir()}
    assert "swapmock" in programs
    assert programs.isdisjoint(COMPILERS)
    installed = {file.name.partition("-")[0] for file in (image.files / VENV.relative_to("/")).rglob("*.dist-info")}
    assert "swapmock" in installed
    assert installed.isdisjoint({"pip", "setuptools", "wheel", "pytest", "schemathesis"})


def test_tells_its_version(image: Image) -> None:
    import swapmock

    done = image.run(VENV / "bin/swapmock", "version")
    assert done.returncode == 0, done.stderr
    assert swapmock.__version__ in done.stdout


def test_serves_is_healthy_and_stops(image: Image) -> None:
    entry = image.config["Entrypoint"] + image.config["Cmd"]
    # Loopback, and a port that the system picks: what runs in a chroot shares the machine's network.
    command = image.command(*entry, SWAPMOCK_HOST="127.0.0.1", SWAPMOCK_PORT="0")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0) as run:
        try:
            said: list[str] = []
            listening = None
            assert run.stdout is not None
            while listening is None and (line := run.stdout.readline()):
                said.append(line)
                listening = re.search(r"Listening on http://127\.0\.0\.1:(\d+)", line)
            assert listening, f"the server ended before it listened:\n{''.join(said)}"
            port = int(listening[1])
            assert get_status(port, "/health") == 200

            check = image.config["Healthcheck"]["Test"][1:]
            healthy = image.run(*check, SWAPMOCK_PORT=str(port))
            assert healthy.returncode == 0, healthy.stderr

            server = next(pid for pid in descendants(run.pid) if is_server(pid))
            os.kill(server, signal.SIGTERM)
            rest, _ = run.communicate(timeout=30)
            assert run.returncode == 0, "".join(said) + rest

            assert image.run(*check, SWAPMOCK_PORT=str(port)).returncode != 0
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)


def is_server(pid: int) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return words[0].startswith(bytes(VENV)) and b"serve" in words
