"""Tools of others take the contracts and what is made from them; what ran is the matrix of docs/standard-forms.md.

`python -m tests.tools.test_tools` runs everything and writes the matrix anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from schemathesis import openapi

from swapmock import Emulator
from swapmock.client_checks.conformance.profile import profile
from swapmock.client_checks.standard_forms.requests import Source
from swapmock.client_checks.standard_forms.writing import write
from swapmock.contracts import load
from swapmock.contracts.text import written
from tests.tools.programs import ROOT, NotInstalled, Programs, install

pytestmark = [pytest.mark.slow, pytest.mark.needs("node", "npm", "java", "gofmt"), pytest.mark.timeout(300)]

PAGE = ROOT / "docs" / "standard-forms.md"
MATRIX = re.compile(r"(?<=<!-- matrix: begin -->\n).*(?=<!-- matrix: end -->)", re.DOTALL)
PROVIDERS = ("crun", "imgopen")
#: The three documents in the two forms in which they are handed out.
DOCUMENTS = tuple(f"{name}.{form}" for name in (*PROVIDERS, "admin") for form in ("yaml", "json"))


@dataclass(frozen=True)
class Place:
    """Where a tool runs: the programs, a folder of its own, and the file that it is given."""

    programs: Programs
    folder: Path
    file: Path

    def run(self, *command: str, **more: Any) -> str:
        """What a command wrote; AssertionError with its end if it fails."""
        done = self.programs.run(*command, folder=self.folder, **more)
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{' '.join(command)}\n{said[-3000:]}"
        return said


def redocly(place: Place) -> None:
    said = json.loads(
        place.programs.run(
            "redocly", "lint", "--extends", "recommended", "--format", "json", str(place.file), folder=place.folder
        ).stdout
    )
    assert said["problems"] == [], [one["message"] for one in said["problems"][:5]]


def spectral(place: Place) -> None:
    (place.folder / "rules.yaml").write_text('extends: ["spectral:oas"]\n')
    place.run("spectral", "lint", "--fail-severity", "hint", "-r", "rules.yaml", str(place.file))


def generated(language: str) -> Callable[[Place], None]:
    def generate(place: Place) -> None:
        place.run("openapi-generator-cli", "generate", "-i", str(place.file), "-g", language, "-o", "out")
        out = place.folder / "out"
        if language == "python":
            place.run(str(place.programs.venv / "bin" / "python"), "-m", "compileall", "-q", str(out))
        elif language == "go":
            place.run("gofmt", "-l", "-e", str(out))  # it fails where it cannot read a file
        else:
            assert (out / "index.ts").is_file()

    return generate


def openapi_python_client(place: Place) -> None:
    said = place.run(
        "openapi-python-client", "generate", "--path", str(place.file), "--output-path", "out", "--meta", "none"
    )
    assert "will not be generated" not in said, said
    place.run(str(place.programs.venv / "bin" / "python"), "-m", "compileall", "-q", "out")


def datamodel_code_generator(place: Place) -> None:
    place.run(
        "datamodel-codegen", "--input", str(place.file), "--input-file-type", "openapi", "--output", "models.py",
        "--output-model-type", "pydantic_v2.BaseModel", "--formatters", "black",
    )  # fmt: skip
    place.run(str(place.programs.venv / "bin" / "python"), "-c", "import models", PYTHONPATH=str(place.folder))


def openapi_typescript(place: Place) -> None:
    place.run("openapi-typescript", str(place.file), "-o", "types.ts")
    place.run("tsc", "--noEmit", "--strict", "--target", "es2022", "types.ts")


#: A request of each contract that a mock server must answer with a success.
ASKED = {
    "crun": ("GET", "/api/v1/client/account/balance", {"x-api-key": "k"}, None),
    "imgopen": (
        "POST",
        "/AIGCImgOpenServ/saas/sd/v2/queryModelList",
        {"X-Request-req-accessKeyId": "k", "X-Request-req-accessKeySecret": "s"},
        {"pageSize": 1, "pageNum": 1},
    ),
    "admin": ("GET", "/__admin/sandboxes", {"Authorization": "Bearer t"}, None),
}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def answers(place: Place, command: list[str], port: int) -> None:
    """The mock server that `command` starts answers what the contract's operation is asked."""
    method, path, headers, body = ASKED[place.file.stem]
    log = place.folder / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=place.folder, env=place.programs.environment(), stdout=out, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            with requests.Session() as session:
                session.trust_env = False
                for _ in range(600):
                    assert process.poll() is None, log.read_text()[-2000:]
                    try:
                        url = f"http://127.0.0.1:{port}{path}"
                        got = session.request(method, url, headers=headers, json=body, timeout=10)
                    except requests.ConnectionError:
                        with contextlib.suppress(subprocess.TimeoutExpired):
                            process.wait(0.1)
                    else:
                        break
                assert got.status_code == 200, (got.status_code, got.text[:500], log.read_text()[-2000:])
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # a program from npm may have started another one
            process.wait(20)


def prism(place: Place) -> None:
    port = free_port()
    answers(place, ["prism", "mock", str(place.file), "-p", str(port)], port)


def mokapi(place: Place) -> None:
    """Its servers are those of the document: a patch beside it names a free port in their place."""
    port, panel = free_port(), free_port()
    document = json.loads(place.file.read_text()) if place.file.suffix == ".json" else None
    text = place.file.read_text("utf-8")
    if document is not None:
        document["servers"] = [{"url": f"http://127.0.0.1:{port}"}]
        text = json.dumps(document)
    else:
        text = re.sub(r"\nservers:\n((?:[- ].*\n)+)", f"\nservers:\n- url: http://127.0.0.1:{port}\n", text, count=1)
    (place.folder / place.file.name).write_text(text, "utf-8")
    options = [f"--api-port={panel}", f"--providers-file-filename={place.folder / place.file.name}"]
    answers(place, ["mokapi", *options], port)


def schemathesis(place: Place) -> None:
    found: Any = openapi.from_path(str(place.file)).get_all_operations()
    names = [one.ok().definition.raw["operationId"] for one in found]
    assert sorted(names) == sorted(load(place.file.stem).operations)


CONTRACT_TOOLS: dict[str, Callable[[Place], None]] = {
    "Redocly, recommended rules": redocly,
    "Spectral, recommended rules": spectral,
    "openapi-generator, python": generated("python"),
    "openapi-generator, typescript-fetch": generated("typescript-fetch"),
    "openapi-generator, go": generated("go"),
    "openapi-python-client": openapi_python_client,
    "openapi-typescript": openapi_typescript,
    "datamodel-code-generator": datamodel_code_generator,
    "Prism": prism,
    "mokapi": mokapi,
    "Schemathesis": schemathesis,
}


def inputs(provider: str) -> list[str]:
    values = {**Source(load(provider), profile(provider)).inputs(), "unique": f"run-{time.time_ns()}"}
    return [word for name, value in values.items() for word in ("--input", f"{name}={value}")]


def respect(place: Place, provider: str, url: str) -> None:
    servers = [word for name in (provider, "admin") for word in ("--server", f"{name}={url}")]
    said = place.run("redocly", "respect", f"{provider}.arazzo.yaml", *servers, *inputs(provider))
    (count,) = re.findall(r"Workflows: (\d+) passed, \1 total", said)
    assert int(count) == len([flow for flow in Source(load(provider), profile(provider)).flows() if flow.requests])


def arazzo_by_spectral(place: Place, provider: str, url: str) -> None:
    (place.folder / "rules.yaml").write_text('extends: ["spectral:arazzo"]\n')
    place.run("spectral", "lint", "--fail-severity", "hint", "-r", "rules.yaml", f"{provider}.arazzo.yaml")


PARSE = """
import { createRequire } from "node:module";
const { Parser } = createRequire(process.argv[2] + "/")("@asyncapi/parser");
import { readFileSync } from "node:fs";
const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[3], "utf8"));
const bad = diagnostics.filter((one) => one.severity < 2);
if (!document || document.version() !== "3.0.0" || bad.length) { console.error(bad); process.exit(1); }
console.log(document.operations().length);
"""


def asyncapi_parser(place: Place, provider: str, url: str) -> None:
    (place.folder / "parse.mjs").write_text(PARSE)
    said = place.run("node", "parse.mjs", str(place.programs.node_modules), f"{provider}.asyncapi.yaml")
    assert int(said.strip()) == {"crun": 1, "imgopen": 10}[provider]


def newman(place: Place, provider: str, url: str) -> None:
    place.run("newman", "run", f"{provider}.postman_collection.json", "--color", "off", "--delay-request", "50")


def bruno(place: Place, provider: str, url: str) -> None:
    place.run("bru", "run", "-r", "--env", "local", "--delay", "50", "--output", "report.json")
    (report,) = json.loads((place.folder / "report.json").read_text())
    assert report["summary"]["failedTests"] == report["summary"]["failedRequests"] == 0
    assert report["summary"]["passedTests"] > 100


FORM_TOOLS: dict[tuple[str, str], Callable[[Place, str, str], None]] = {
    ("Arazzo 1.0.1", "Redocly Respect"): respect,
    ("Arazzo 1.0.1 ", "Spectral, Arazzo rules"): arazzo_by_spectral,
    ("AsyncAPI 3.0.0", "@asyncapi/parser"): asyncapi_parser,
    ("Postman 2.1", "newman"): newman,
    ("Bruno", "@usebruno/cli"): bruno,
}

#: What ran to its end: (tool, document or form of a provider).
RAN: set[tuple[str, str]] = set()


@pytest.fixture(scope="module")
def programs() -> Programs:
    try:
        return install()
    except NotInstalled as why:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(why))


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(balance=1e9, speed=20) as one:
        yield one


def given(name: str, folder: Path) -> Path:
    """A document as a file, as `swapmock contract` prints it."""
    provider, _, form = name.partition(".")
    place = folder / name
    place.write_text(written(load(provider), form), "utf-8")
    return place


def try_contract(programs: Programs, tool: str, name: str, folder: Path) -> None:
    (folder / "in").mkdir()
    CONTRACT_TOOLS[tool](Place(programs, folder, given(name, folder / "in")))
    RAN.add((tool, name))


def try_form(programs: Programs, tool: tuple[str, str], provider: str, url: str, folder: Path) -> None:
    form = tool[0].split()[0].lower()
    write(provider, form, folder, url, live=False)
    FORM_TOOLS[tool](Place(programs, folder, folder), provider, url)
    RAN.add((label(tool), provider))


def label(tool: tuple[str, str]) -> str:
    return " by ".join(part.strip() for part in tool)


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("tool", CONTRACT_TOOLS)
def test_a_contract_is_taken(programs: Programs, tmp_path: Path, tool: str, name: str) -> None:
    try_contract(programs, tool, name, tmp_path)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("tool", FORM_TOOLS, ids=" ".join)
def test_a_form_is_taken(
    programs: Programs, emulator: Emulator, tmp_path: Path, tool: tuple[str, str], provider: str
) -> None:
    try_form(programs, tool, provider, emulator.url, tmp_path)


def versions() -> dict[str, str]:
    """Package -> its version, by the lock files."""
    found = dict(json.loads((ROOT / "tests/tools/package.json").read_text())["dependencies"])
    found |= dict(
        re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / "tests/tools/requirements.lock").read_text(), re.MULTILINE)
    )
    found |= dict(re.findall(r"^(schemathesis)==([\w.]+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE))
    return found


#: First word of a tool's name -> its package.
PACKAGES = {
    "Redocly": "@redocly/cli", "Spectral": "@stoplight/spectral-cli", "openapi-generator": "openapi-generator-cli",
    "Prism": "@stoplight/prism-cli", "mokapi": "go-mokapi", "Schemathesis": "schemathesis",
}  # fmt: skip


def matrix(ran: set[tuple[str, str]]) -> str:
    known = versions()

    def version(tool: str) -> str:
        first = re.split(r",? ", tool)[0]
        return known[PACKAGES.get(first, first)]

    lines = [f"| tool | version | {' | '.join(DOCUMENTS)} |", "|---" * (len(DOCUMENTS) + 2) + "|"]
    for tool in CONTRACT_TOOLS:
        marks = ("yes" if (tool, name) in ran else "not run" for name in DOCUMENTS)
        lines.append(f"| {tool} | {version(tool)} | {' | '.join(marks)} |")
    lines += ["", f"| form | tool | version | {' | '.join(PROVIDERS)} |", "|---|---|---|---|---|"]
    for form, tool in FORM_TOOLS:
        both = label((form, tool))
        marks = ("yes" if (both, provider) in ran else "not run" for provider in PROVIDERS)
        lines.append(f"| {form.strip()} | {tool} | {version(tool)} | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


def test_the_matrix_is_what_is_tested() -> None:
    """Every "yes" is a test above, and each of these tests has its "yes"."""
    tested = {(tool, name) for tool in CONTRACT_TOOLS for name in DOCUMENTS}
    tested |= {(label(tool), provider) for tool in FORM_TOOLS for provider in PROVIDERS}
    found = MATRIX.search(PAGE.read_text("utf-8"))
    assert found is not None
    assert found[0] == matrix(tested), "python -m tests.tools.test_tools renews it"


def renew() -> None:
    tools = install()
    with Emulator(balance=1e9, speed=20) as one, tempfile.TemporaryDirectory() as base:
        number = 0
        for tool in CONTRACT_TOOLS:
            for name in DOCUMENTS:
                number += 1
                folder = Path(base) / str(number)
                folder.mkdir()
                _tried(lambda t=tool, n=name, f=folder: try_contract(tools, t, n, f), f"{tool}: {name}")  # type: ignore[misc]
        for both in FORM_TOOLS:
            for provider in PROVIDERS:
                number += 1
                folder = Path(base) / str(number)
                folder.mkdir()
                _tried(lambda b=both, p=provider, f=folder: try_form(tools, b, p, one.url, f), f"{both}: {provider}")  # type: ignore[misc]
    PAGE.write_text(MATRIX.sub(lambda _: matrix(RAN), PAGE.read_text("utf-8")), "utf-8")


def _tried(run: Callable[[], None], what: str) -> None:
    start = time.monotonic()
    try:
        run()
    except (AssertionError, subprocess.SubprocessError, ValueError) as error:
        print(f"{what}: {str(error)[-800:]}")  # noqa: T201 - a program
    print(f"{what} {time.monotonic() - start:.0f} s", flush=True)  # noqa: T201 - a program


if __name__ == "__main__":
    renew()
