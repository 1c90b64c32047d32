"""Runs a page of the documentation as a reader would: every block in its order, pasted into one shell.

- A block `sh` runs in the page's shell; its variables stay. `swapmock serve ...` and `swapmock listen ...` alone in a block run
  in the background until the page ends, on ports of their own.
- A block `python` runs as a program. A block of any language with `title="NAME"` is written to the file NAME instead.
- A block `text` right behind one that runs is its output. `...` in it stands for anything.
- A block `console` is a session: each `$ command` runs in the page's shell, and the lines below it are its output, where there
  are any. A server or receiver whose output ends with `^C` is stopped before what follows.
- `EXCUSED` lists every command that the tests do not run, with the reason.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^```(\w+)(?: ([^\n]*))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BACKGROUND = re.compile(r"\Aswapmock (serve|listen)\b[^\n]*\n\Z")
READY = re.compile(r"[Ll]istening on http://127\.0\.0\.1:\d+")
SERVER, RECEIVER = "127.0.0.1:4020", "127.0.0.1:4030"
INTERRUPT = "^C"

#: What a command begins with or contains -> why the tests do not run it.
EXCUSED: Mapping[str, str] = {
    r"^pip install ": "installs from a package registry; tests/environment and tests/test_packaging.py install the built wheel",
    r"^npm install |^npx vitest ": "installs from a package registry; tests/npm runs the page's blocks in a foreign project",
    r"^(make image|docker |APP_IMAGE=)": "needs a container engine; tests/test_image.py and tests/deploy hold what is built",
    r"^python\n>>> from swapmock\.testing import": "needs a container engine; tests/deploy/test_containers.py has a stand-in",
    r"^kubectl ": "needs a cluster; tests/deploy/test_manifests.py checks the manifest by its schema",
    r"https://api\.crun\.ai|CRUN_API_KEY=\.\.\.": "needs an account of the live service; tests/conformance/test_live.py has a stand-in",
    r" --replay live\.json": "needs the recording of a live account; tests/conformance/test_parity.py records an emulator",
    r"^(redocly |newman |cd bruno)": "needs tools of others; tests/tools runs the same commands",
    r"^swapmock check (emulator|http://127\.0\.0\.1:4020 --provider crun) +#": "takes a minute; tests/conformance/test_emulator.py runs it",
    r"^cd examples/good": "takes minutes; tests/behaviour/test_good_clients.py runs the same command",
    r"conform-shell\.toml --case plain": "needs the folder of the block before, which takes minutes; tests/behaviour holds what the report has",
    r"schemathesis": "takes minutes; tests/conformance/test_schemathesis_run.py runs the same command",
    r"^swapmock compat ": "needs the history of a git checkout; tests/client_checks/test_compat.py makes one",
    r"redis://": "needs a Redis server with that name; tests/stores starts one",
    r"_SWAPMOCK_COMPLETE=": "lines for the start files of three shells; tests/test_cli_terminal.py completes words",
}
LANGUAGES = {"sh", "python", "text", "console", "toml", "yaml", "ts", "json", "mermaid", "ini", "nginx", "js", "html"}


@dataclass
class Block:
    """One fenced block: its language, the file that it is written to ("" for none), its text, and the output shown after it."""

    language: str
    title: str
    text: str
    output: str | None = None


def blocks(markdown: str) -> list[Block]:
    """The blocks of a page, each with the output that stands behind it."""
    found: list[Block] = []
    for language, options, text in FENCE.findall(markdown):
        assert language in LANGUAGES, f"a block of {language!r}"
        titled = re.search(r'title="([^"]+)"', options)
        if language == "text" and found and found[-1].output is None:
            found[-1].output = text
        elif language == "console":
            found += session(text)
        else:
            found.append(Block(language, titled[1] if titled else "", text))
    return found


def session(text: str) -> list[Block]:
    """The commands of a block `console`, each with the output below it."""
    found: list[Block] = []
    is_command = False
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append(Block("sh", "", line[2:]))
            is_command = True
        elif is_command and (found[-1].text.endswith("\\\n") or found[-1].text.startswith("python\n")):
            found[-1].text += line
            continue
        else:
            assert found, f"a block console begins with a command, not with {line!r}"
            found[-1].output = (found[-1].output or "") + line
        is_command = line.startswith("$ ")
    return found


def excuse(command: str) -> str | None:
    """The row of EXCUSED that a command fits, None for one that is run."""
    return next((pattern for pattern in EXCUSED if re.search(pattern, command)), None)


@dataclass
class Page:
    """A page in a folder of its own."""

    folder: Path
    children: list[subprocess.Popen[str]] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    ports: dict[str, str] = field(default_factory=dict)

    def run(self, markdown: str) -> None:
        """Run every block. Raises AssertionError with what a block printed if it fails, or prints something else."""
        try:
            script, shown = self._script(blocks(markdown))
            done = subprocess.run(
                ["bash", "-eu", "-o", "pipefail", "-c", script],
                cwd=self.folder,
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=110,
            )
        finally:
            for child in self.children:
                child.terminate()
                child.communicate(timeout=20)
        parts = done.stdout.split(MARK)
        assert done.returncode == 0, f"block {len(parts) - 1} failed:\n{parts[-1]}"
        for block, printed in zip(shown, parts[1:], strict=True):
            if block.output is not None:
                assert matches(block.output, self._as_shown(printed)), (
                    f"{block.text}\nprinted\n{printed}\nand the page shows\n{block.output}"
                )

    def _script(self, given: list[Block]) -> tuple[str, list[Block]]:
        lines, shown = [], []
        for number, block in enumerate(given):
            text = self._with_places(block.text)
            if block.title:
                (self.folder / block.title).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / block.title).write_text(text)
                continue
            if block.language == "sh" and excuse(block.text) is not None:
                continue
            if BACKGROUND.match(block.text):
                self._start(block)
                continue
            if block.language == "python":
                (self.folder / f"block_{number}.py").write_text(text)
                text = f"python block_{number}.py\n"
            if block.language in ("sh", "python"):
                lines.append(f"printf %s {shlex.quote(MARK)}\n{text}")
                shown.append(block)
        return "\n".join(lines), shown

    def _start(self, block: Block) -> None:
        text = block.text
        words = shlex.split(text, comments=True)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = str(taken.getsockname()[1])
        place = SERVER if words[1] == "serve" else RECEIVER
        if "--port" in words:
            del words[words.index("--port") : words.index("--port") + 2]
        command = [sys.executable, "-u", "-m", *words, "--port", port]
        child = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.children.append(child)
        self.places[place] = f"127.0.0.1:{port}"
        self.ports[f"127.0.0.1:{port}"] = place
        said = ""
        for line in child.stdout or ():
            said += line
            if READY.search(line):
                break
        else:
            raise AssertionError(f"{text} does not listen:\n{said}")
        if block.output is not None and block.output.rstrip().endswith(INTERRUPT):
            child.send_signal(signal.SIGINT)
            said += child.communicate(timeout=20)[0]
            del self.places[place]
            shown = block.output.rstrip().removesuffix(INTERRUPT)
            assert matches(shown, self._as_shown(said)), f"{text}\nprinted\n{said}\nand the page shows\n{shown}"

    def _with_places(self, text: str) -> str:
        for shown, real in self.places.items():
            text = text.replace(shown, real)
        return text

    def _as_shown(self, text: str) -> str:
        for real, shown in self.ports.items():
            text = text.replace(real, shown)
        return text

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("SWAPMOCK_", "PYTEST_", "CRUN_"))
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {
            **kept,
            "PATH": path,
            "HOME": str(self.folder),
            "COLUMNS": "80",
            "NO_COLOR": "1",
            # Only the plugin of swapmock is loaded, as in a project that has no others.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_ADDOPTS": "-p no:cacheprovider -p swapmock.client_checks.testing.plugin",
        }


MARK = "\x01"


def matches(shown: str, printed: str) -> bool:
    """Whether a text is the one that a page shows; `...` stands for anything."""
    pattern = re.escape(shown.strip()).replace(re.escape("..."), ".*?")
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def variables(markdown: str) -> Iterator[str]:
    """The names of SWAPMOCK_ variables that a page mentions."""
    yield from sorted(set(re.findall(r"\bSWAPMOCK_[A-Z_]+\b", markdown)))
