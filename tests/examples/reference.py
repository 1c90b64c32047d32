"""The pages of docs/reference, made from the contracts, the settings and the checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

from swapmock import Emulator
from swapmock.client_checks.conformance.context import all_checks
from swapmock.client_checks.conformance.generated import STOCK
from swapmock.client_checks.conformance.rules import Rule
from swapmock.contracts import load
from swapmock.mock_server.settings import Settings, flag, variable

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
MADE = "<!-- This page is made from the data: `make docs` writes it anew. -->"
TITLES = {"crun": "crun.ai", "imgopen": "Img Open"}
EVIDENCE = (
    "`evidence` says how far to trust a row: `documented` by the vendor, `observed` in a client or a specification, `inferred` "
    "from other facts, or `invented`. [Evidence](../explanation/evidence.md) explains the levels."
)


def pages() -> Mapping[str, str]:
    """File name -> its text."""
    with Emulator() as emulator:
        tables = {
            "codes": emulator.codes(),
            "magic": emulator.magic(),
            "scenarios": emulator.scenarios(),
            "variants": emulator.variants(),
        }
    return {
        "operations.md": _page("Operations", _operations_about(), _operations()),
        "codes.md": _page("Body codes", CODES, _by_provider(tables["codes"], *CODE_COLUMNS)),
        "magic-values.md": _page("Magic values", MAGIC, _by_provider(tables["magic"], "value", "about")),
        "scenarios.md": _page("Scenarios", SCENARIOS, _scenarios(tables["scenarios"])),
        "variants.md": _page("Variants", VARIANTS, _by_provider(tables["variants"], *VARIANT_COLUMNS)),
        "settings.md": _page("Settings", SETTINGS, [settings_table()]),
        "checks.md": _page("Checks", CHECKS, [_checks()]),
        "admin-api.md": _page("Admin API", ADMIN, [_admin()]),
    }


CODE_COLUMNS = ("code", "meaning", "http", "retryable", "charged", "evidence")
VARIANT_COLUMNS = ("name", "choices", "default", "about", "evidence")
CODES = f"""\
Every answer of the two APIs has a code in its body. The HTTP status may be another one: read the code.

`retryable` says whether the same request may succeed later, `charged` whether the answer means that credits were taken. {EVIDENCE}"""
MAGIC = """\
A magic value is a URL on a reserved host. Put one into any field for a picture or a video, and it chooses the outcome of that
request or task. The hosts end in `.invalid`, so no live service can fetch them. The file extension is free:
`https://errors.invalid/slow.mp4` does what `https://errors.invalid/slow` does."""
SCENARIOS = f"""\
A scenario is a timeline and an outcome. Queue one for the next tasks (`sandbox.queue("fails")`), set one for a whole sandbox
(`scenario="slow"`), or use its magic value. A series is several scenarios, one for each of the next tasks. {EVIDENCE}"""
VARIANTS = f"""\
Where the vendor's sources disagree or say nothing, swapmock has a variant: a name, its choices and a default. Choose with
`--variants crun.http_status=always200`, or `variants={{"crun": {{"http_status": "always200"}}}}` for one sandbox. {EVIDENCE}"""
SETTINGS = """\
Each setting is a flag of `swapmock serve`, an environment variable, and a key of the file that `--config` names. A flag wins over
the environment, and the environment over the file. In Python they are the options of `Emulator(...)`, with `_` in place of `-`.
[The command line](../command-line.md) says where files are looked for."""
CHECKS = """\
What `swapmock check` may find. The ids never change. [Checks](../checks.md) explains a run, its limits and its reports."""
ADMIN = """\
Everything below `/__admin` controls the emulator. Errors are `application/problem+json` (RFC 9457). The contract is served at
`/__admin/openapi.json`; the [file](../../contracts/admin/openapi.yaml) has the schema of every body. [Control the emulator](../control-plane.md)
shows each operation in use."""


def _operations_about() -> str:
    return f"""\
Every operation that swapmock serves. The contracts are OpenAPI documents: [crun.ai](../../contracts/crun/openapi.yaml),
[Img Open](../../contracts/imgopen/openapi.yaml). An operation that may cost takes credits when its task succeeds. {EVIDENCE}"""


def _operations() -> Iterator[str]:
    for provider, title in TITLES.items():
        rows = [
            {
                "operation": operation.id,
                "request": f"`{operation.method} {operation.path}`",
                "what it does": operation.spec.get("summary", ""),
                "may cost": operation.may_cost,
                "evidence": operation.spec["x-evidence"]["level"],
            }
            for operation in load(provider).operations.values()
        ]
        yield f"## {title}\n\n{table(rows, 'operation', 'request', 'what it does', 'may cost', 'evidence')}"


def _admin() -> str:
    rows = [
        {"operation": one.id, "request": f"`{one.method} {one.path}`", "what it does": one.spec.get("summary", "")}
        for one in load("admin").operations.values()
    ]
    return table(rows, "operation", "request", "what it does")


def _by_provider(found: Mapping[str, Any], *columns: str) -> Iterator[str]:
    for provider, title in TITLES.items():
        yield f"## {title}\n\n{table(found[provider], *columns)}"


def _scenarios(found: Mapping[str, Any]) -> Iterator[str]:
    for provider, title in TITLES.items():
        scenarios = table(found[provider]["scenarios"], "name", "about", "evidence")
        series = table(found[provider]["series"], "name", "about")
        yield f"## {title}\n\n{scenarios}\n\nSeries:\n\n{series}"


def _checks() -> str:
    rules = [
        one for one in vars(import_module("swapmock.client_checks.conformance.rules")).values() if isinstance(one, Rule)
    ]
    everything: list[Any] = [*all_checks().values(), *rules, *STOCK.values()]
    return table([{"code": one.id, "what is found": one.title} for one in everything], "code", "what is found")


def settings_table() -> str:
    """The settings, one row each."""
    rows = ["| flag | variable | default | |", "|---|---|---|---|"]
    for row in fields(Settings):
        default = "" if row.default in (None, "", ()) or not isinstance(row.default, str | int | float) else row.default
        shown = f"`{default}`" if default != "" else ""
        rows.append(f"| `{flag(row.name)}` | `{variable(row.name)}` | {shown} | {row.metadata['help']} |")
    return "\n".join(rows)


def _page(title: str, about: str, parts: Any) -> str:
    return "\n\n".join([f"# {title}", MADE, about, *parts]) + "\n"


def table(rows: list[dict[str, Any]], *columns: str) -> str:
    """Rows as a table in Markdown."""
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(_cell(name, row.get(name, '')) for name in columns)} |" for row in rows]
    return "\n".join(lines)


def _cell(name: str, value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"`{item}`" for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value).replace("|", "\\|")
    return f"`{text}`" if name in ("code", "value", "name", "default", "operation") else text


def write() -> None:
    """Write every page anew."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write()
