"""Imports point down only, no module imports itself through others, and time and chance come in from outside.

Each rule is a row of RULES. Names are written without the leading `swapmock.`

Every module is read as a syntax tree and never imported, so an import hidden inside a function counts as well.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("contracts", "mock_server", "client_checks")
ENGINE = ("mock_server.engine",)
LAYER_2 = ("mock_server.stores", "mock_server.adapters", "mock_server.media", *ENGINE)
LAYER_3 = ("mock_server.providers", "mock_server.admin")
WEB_FRAMEWORK = ("flask", "werkzeug", "uvicorn", "httptools")
CHECKS_PACKAGES = (
    *("schemathesis", "hypothesis", "pytest", "pytest_httpserver", "openapi_spec_validator", "rich"),
    *("mcp", "pydantic", "testcontainers", "docker", "av"),
)
CLIENTS = ("PIL", "h11", "jsonpath", "prometheus_client", "requests", "urllib3", "redis", "orjson")
IMPURE = (
    *("asyncio", "concurrent", "http.client", "http.server", "multiprocessing", "os", "random", "secrets", "select"),
    *("selectors", "shutil", "signal", "socket", "socketserver", "sqlite3", "ssl", "subprocess", "tempfile"),
    *("threading", "time", "urllib.request"),
)
CLOCK_READINGS = (
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
    *("time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns"),
)
RANDOM_IDS = ("uuid.uuid1", "uuid.uuid4")


def within(name: str, *roots: str) -> bool:
    """Is this dotted name one of these, or inside one of these?"""
    return any(name == root or name.startswith(root + ".") for root in roots)


def short(name: str) -> str:
    """`mock_server.core` for `swapmock.mock_server.core`; other names as they are."""
    below = name.removeprefix("swapmock.")
    return below if within(below, *OURS) else name


@dataclass(frozen=True)
class Module:
    name: str
    path: str
    tree: ast.Module
    is_package: bool

    @classmethod
    def parse(cls, path: str, source: str) -> "Module":
        *packages, file = path.removesuffix(".py").split("/")
        is_package = file == "__init__"
        return cls(".".join(packages if is_package else [*packages, file]), path, ast.parse(source, path), is_package)


@dataclass(frozen=True)
class Use:
    """One thing that a module imports or names: `swapmock.mock_server.core.model.Task`, `time.monotonic`."""

    name: str
    line: int
    deferred: bool


def imports(module: Module) -> Iterator[Use]:
    """What a module imports, wherever it stands. `from a import b` counts as a.b, for b may be a module."""
    deferred = {
        id(inner)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    }
    for node in ast.walk(module.tree):
        for name in imported_names(module, node):
            yield Use(short(name), node.lineno, id(node) in deferred)  # type: ignore[attr-defined]  # statements have a line


def imported_names(module: Module, node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(names=names):
            origin = origin_of(module, node)
            yield from (f"{origin}.{alias.name}" for alias in names)
        case ast.Call(func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__")):
            match node.args:
                case [ast.Constant(value=str(name)), *_]:
                    yield name


def origin_of(module: Module, node: ast.ImportFrom) -> str:
    """The module after `from`, with leading dots resolved."""
    parts = module.name.split(".")
    up = node.level - 1 if module.is_package else node.level
    base = parts[: len(parts) - up] if node.level else []
    return ".".join([*base, *filter(None, [node.module])])


def references(module: Module) -> Iterator[Use]:
    """Every dotted name in use, spelled in full: after `import time as t`, `t.monotonic` is `time.monotonic`."""
    meaning: dict[str, str] = {}
    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    whole = alias.name if alias.asname else alias.name.partition(".")[0]
                    meaning[alias.asname or whole] = whole
            case ast.ImportFrom(names=names):
                meaning.update(
                    (alias.asname or alias.name, f"{origin_of(module, node)}.{alias.name}") for alias in names
                )
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name | ast.Attribute):
            head, *rest = dotted(node)
            if head in meaning:
                yield Use(short(".".join([meaning[head], *rest])), node.lineno, deferred=False)


def dotted(node: ast.expr) -> list[str]:
    match node:
        case ast.Name(id=name):
            return [name]
        case ast.Attribute(value=value, attr=attr):
            return [*dotted(value), attr]
    return [""]


@dataclass(frozen=True)
class Rule:
    name: str
    holds_for: tuple[str, ...]
    breaks: Callable[[Module, Use], bool]
    look_at: Callable[[Module], Iterator[Use]] = imports
    besides: tuple[str, ...] = ()

    def covers(self, module: Module) -> bool:
        return within(module.name, *self.holds_for) and not within(module.name, *self.besides)

    def violations(self, module: Module) -> list[str]:
        if not self.covers(module):
            return []
        found = [use for use in self.look_at(module) if self.breaks(module, use)]
        return [f"{module.path}:{use.line}: {use.name}: {self.name}" for use in found]


def of_ours_only(*allowed: str) -> Callable[[Module, Use], bool]:
    return lambda _, use: within(use.name, *OURS) and not within(use.name, *allowed)


def any_of(*forbidden: str) -> Callable[[Module, Use], bool]:
    return lambda _, use: within(use.name, *forbidden)


def is_foreign(name: str, *known: str) -> bool:
    top = name.partition(".")[0]
    return top not in sys.stdlib_module_names and not within(name, "swapmock", *OURS, *known)


def own_provider(module: Module) -> str:
    return ".".join(module.name.split(".")[:3]) if within(module.name, "mock_server.providers") else "mock_server.admin"


def other_provider(module: Module, use: Use) -> bool:
    """What providers share lies in files directly under providers/; a folder there is one provider's own."""
    if not within(use.name, *LAYER_3) or within(use.name, own_provider(module)):
        return False
    below = use.name.split(".")[2:3]
    shared = within(use.name, "mock_server.providers") and (
        not below or (ROOT / "mock_server/providers" / f"{below[0]}.py").is_file()
    )
    return not shared


RULES = [
    Rule("contracts import nothing of ours", ("contracts",), of_ours_only("contracts")),
    Rule("contracts know no web framework", ("contracts",), any_of(*WEB_FRAMEWORK, "requests")),
    Rule("core imports only itself", ("mock_server.core",), of_ours_only("mock_server.core")),
    Rule("core needs nothing installed", ("mock_server.core",), lambda _, use: is_foreign(use.name)),
    Rule("core touches no socket, clock, chance or process", ("mock_server.core",), any_of(*IMPURE)),
    Rule("core makes up no ids", ("mock_server.core",), any_of(*RANDOM_IDS), look_at=references),
    Rule(
        "stores import only core",
        ("mock_server.stores",),
        of_ours_only("mock_server.core", "mock_server.stores"),
    ),
    Rule(
        "adapters import only core",
        ("mock_server.adapters",),
        of_ours_only("mock_server.core", "mock_server.adapters"),
    ),
    Rule(
        "the engine imports only core and contracts",
        ENGINE,
        of_ours_only("mock_server.core", *ENGINE, "contracts"),
    ),
    Rule("layer 2 installs only client libraries", LAYER_2, lambda _, use: is_foreign(use.name, *CLIENTS)),
    Rule(
        "providers and admin import core, the engine and contracts",
        LAYER_3,
        of_ours_only("mock_server.core", *ENGINE, "contracts", *LAYER_3),
    ),
    Rule("providers do not know each other", LAYER_3, other_provider),
    Rule(
        "providers know neither web framework nor HTTP client", LAYER_3, any_of(*WEB_FRAMEWORK, "requests", "urllib3")
    ),
    Rule("web knows nothing above it", ("mock_server.web",), any_of("mock_server.cli", "client_checks")),
    Rule(
        "only web and above know the web framework",
        ("mock_server", "contracts"),
        any_of(*WEB_FRAMEWORK),
        besides=("mock_server.web", "mock_server.cli", "mock_server.inspector"),
    ),
    Rule(
        "the inspector reaches the engine as the admin API does",
        ("mock_server.inspector",),
        of_ours_only("mock_server.core", *ENGINE, "contracts", "mock_server.admin", "mock_server.inspector"),
    ),
    Rule(
        "what decides whether a page is asked for needs no web framework",
        ("mock_server.inspector.live", "mock_server.inspector.ports"),
        any_of(*WEB_FRAMEWORK),
    ),
    Rule("web knows nothing of interception", ("mock_server.web",), any_of("mock_server.interception")),
    Rule("web knows nothing of workers", ("mock_server.web",), any_of("mock_server.workers")),
    Rule(
        "workers know neither a provider nor the web framework",
        ("mock_server.workers",),
        any_of(*WEB_FRAMEWORK, "mock_server.providers", "mock_server.cli", "mock_server.interception"),
    ),
    Rule(
        "interception knows no provider and no framework",
        ("mock_server.interception",),
        any_of("flask", "werkzeug", "uvicorn", "mock_server.providers", "mock_server.cli"),
    ),
    Rule("checks see only the emulator's public names", ("client_checks",), any_of("mock_server")),
    Rule(
        "the server runs without the checks",
        ("mock_server", "contracts"),
        any_of(*CHECKS_PACKAGES, "client_checks"),
        besides=("mock_server.cli", "contracts.lint"),
    ),
    Rule(
        "the command line and the lint import the checks only when one is asked for",
        ("mock_server.cli", "contracts.lint"),
        lambda _, use: not use.deferred and within(use.name, *CHECKS_PACKAGES, "client_checks"),
    ),
    Rule(
        "only the clock reads the clock",
        OURS,
        any_of(*CLOCK_READINGS),
        look_at=references,
        besides=("mock_server.adapters.clock", "client_checks.clock"),
    ),
    Rule("no test sleeps", ("tests",), any_of("time.sleep", "asyncio.sleep"), look_at=references),
]

# For each rule, snippets that break it: where, and what.
BREACHES = {
    "contracts import nothing of ours": [("contracts/model.py", "from swapmock.mock_server import core")],
    "contracts know no web framework": [("contracts/__init__.py", "def late():\n    import werkzeug.routing")],
    "core imports only itself": [
        ("mock_server/core/model.py", "from ..engine import Engine"),
        ("mock_server/core/model.py", "import swapmock.contracts"),
        ("mock_server/core/__init__.py", "from .. import stores"),
    ],
    "core needs nothing installed": [("mock_server/core/model.py", "import yaml")],
    "core touches no socket, clock, chance or process": [
        ("mock_server/core/model.py", "import random as dice"),
        ("mock_server/core/model.py", "from urllib import request"),
        ("mock_server/core/model.py", "def late():\n    from os import environ"),
        ("mock_server/core/model.py", "import importlib\nimportlib.import_module('socket')"),
    ],
    "core makes up no ids": [("mock_server/core/model.py", "from uuid import uuid4 as fresh\nname = fresh()")],
    "stores import only core": [("mock_server/stores/memory.py", "import swapmock.mock_server.engine.engine")],
    "adapters import only core": [("mock_server/adapters/blobs.py", "import swapmock.contracts.model")],
    "the engine imports only core and contracts": [
        ("mock_server/engine/engine.py", "from swapmock.mock_server.providers.crun import wire")
    ],
    "layer 2 installs only client libraries": [("mock_server/stores/sqlite.py", "import flask")],
    "providers and admin import core, the engine and contracts": [
        ("mock_server/providers/crun/wire.py", "from swapmock.mock_server.stores.memory import MemoryStore"),
        ("mock_server/admin/handlers.py", "from swapmock.mock_server.web import build"),
    ],
    "providers do not know each other": [
        ("mock_server/providers/crun/wire.py", "from swapmock.mock_server.providers.imgopen import wire"),
        ("mock_server/providers/crun/wire.py", "from ..imgopen.wire import words"),
        ("mock_server/admin/handlers.py", "import swapmock.mock_server.providers.crun"),
        ("mock_server/providers/crun/wire.py", "import swapmock.mock_server.admin"),
    ],
    "providers know neither web framework nor HTTP client": [
        ("mock_server/providers/crun/handlers.py", "import requests"),
        ("mock_server/admin/handlers.py", "from flask import request"),
    ],
    "web knows nothing above it": [("mock_server/web/app.py", "from swapmock.mock_server.cli import main")],
    "only web and above know the web framework": [("mock_server/settings.py", "import uvicorn.config")],
    "the inspector reaches the engine as the admin API does": [
        ("mock_server/inspector/reading.py", "from swapmock.mock_server.stores.memory import MemoryStore"),
        ("mock_server/inspector/site.py", "from swapmock.mock_server.web.pipeline import Pipeline"),
        ("mock_server/inspector/pages/now.py", "import swapmock.mock_server.providers.crun"),
    ],
    "what decides whether a page is asked for needs no web framework": [
        ("mock_server/inspector/live.py", "from flask import request")
    ],
    "web knows nothing of interception": [("mock_server/web/app.py", "import swapmock.mock_server.interception")],
    "web knows nothing of workers": [("mock_server/web/app.py", "from swapmock.mock_server.workers import app")],
    "workers know neither a provider nor the web framework": [
        ("mock_server/workers/app.py", "import uvicorn"),
        ("mock_server/workers/app.py", "from swapmock.mock_server.providers import crun"),
    ],
    "interception knows no provider and no framework": [
        ("mock_server/interception/proxy.py", "from swapmock.mock_server.providers import crun"),
        ("mock_server/interception/proxy.py", "import flask"),
    ],
    "checks see only the emulator's public names": [
        ("client_checks/receiver.py", "from swapmock.mock_server.core.model import Task"),
        ("client_checks/receiver.py", "from swapmock.mock_server import engine"),
    ],
    "the server runs without the checks": [
        ("mock_server/web/app.py", "def late():\n    import rich.table"),
        ("contracts/__init__.py", "from openapi_spec_validator import validate"),
    ],
    "the command line and the lint import the checks only when one is asked for": [
        ("mock_server/cli/serve.py", "import rich"),
        ("contracts/lint.py", "import openapi_spec_validator"),
        ("mock_server/cli/serve.py", "if True:\n    from swapmock.client_checks import conformance"),
    ],
    "only the clock reads the clock": [
        ("mock_server/web/app.py", "from datetime import datetime as dt\nnow = dt.now()"),
        ("mock_server/engine/engine.py", "import datetime\nnow = datetime.datetime.now(datetime.UTC)"),
        ("client_checks/receiver.py", "import time as t\nclock = t.monotonic"),
    ],
    "no test sleeps": [
        ("tests/web/test_app.py", "from time import sleep\nsleep(1)"),
        ("tests/web/test_app.py", "import asyncio as a\nasync def test(): await a.sleep(0)"),
    ],
}

# What the rules must let through.
CLEAN = [
    (
        "contracts/model.py",
        "import yaml, jsonschema_rs\nfrom . import formats\nfrom swapmock.contracts.formats import CHECKER",
    ),
    ("mock_server/core/model.py", "from datetime import datetime, UTC\nfrom .ids import Id\nimport uuid\nuuid.uuid5"),
    ("mock_server/core/__init__.py", "from .model import Task"),
    ("mock_server/stores/redis.py", "import redis, sqlite3, os\nfrom swapmock.mock_server.core import model"),
    (
        "mock_server/adapters/clock.py",
        "import time\nfrom datetime import datetime, UTC\ndatetime.now(UTC), time.time()",
    ),
    (
        "mock_server/providers/crun/wire.py",
        "from swapmock.mock_server.engine.engine import Engine\nfrom swapmock.contracts.model import Operation",
    ),
    (
        "mock_server/providers/crun/wire.py",
        "from swapmock.mock_server.providers.crun import words\nfrom .handlers import swap",
    ),
    (
        "mock_server/web/app.py",
        "import flask, swapmock.contracts\nfrom swapmock.mock_server.providers import crun, imgopen",
    ),
    ("mock_server/cli/serve.py", "def check():\n    import rich\n    from swapmock.client_checks import conformance"),
    ("contracts/lint.py", "def lint():\n    import openapi_spec_validator"),
    ("client_checks/receiver.py", "import swapmock.contracts\nfrom swapmock import Emulator"),
    ("tests/test_x.py", "import time\ntime.monotonic()"),
]


def all_modules() -> list[Module]:
    files = sorted(file for folder in (*OURS, "tests") for file in (ROOT / folder).rglob("*.py"))
    return [Module.parse(file.relative_to(ROOT).as_posix(), file.read_text("utf-8")) for file in files]


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    return all_modules()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_holds(rule: Rule, modules: list[Module]) -> None:
    assert any(map(rule.covers, modules)), "there is no module that this rule looks at: has its package moved?"
    found = [violation for module in modules for violation in rule.violations(module)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_can_fail(rule: Rule) -> None:
    for path, source in BREACHES[rule.name]:
        found = rule.violations(Module.parse(path, source))
        assert len(found) == 1, source
        assert found[0].startswith(f"{path}:{len(source.splitlines())}: ")  # it is the last line of each


@pytest.mark.parametrize(("path", "source"), CLEAN)
def test_lets_through(path: str, source: str) -> None:
    module = Module.parse(path, source)
    assert [violation for rule in RULES for violation in rule.violations(module)] == []


def cycles(modules: list[Module]) -> list[set[str]]:
    """The sets of modules that import each other in a circle, imports for type checkers included."""
    names = {module.name for module in modules}
    graph = {module.name: imported_modules(module, names) for module in modules}
    reach = {name: reachable(name, graph) for name in graph}
    circles = {frozenset(b for b in reach[a] if a in reach[b]) for a in graph}
    return [set(circle) for circle in circles if circle]


def imported_modules(module: Module, names: set[str]) -> set[str]:
    found = {imported_module(use.name, names) for use in imports(module)}
    return {name for name in found if name is not None and name != module.name}


def imported_module(name: str, modules: set[str]) -> str | None:
    """The module that an imported name lies in: the name itself, or what it is a member of."""
    if name in modules:
        return name
    return parent if (parent := name.rpartition(".")[0]) in modules else None


def reachable(start: str, graph: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = list(graph[start])
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += graph[name]
    return found


def test_no_module_imports_itself_through_others(modules: list[Module]) -> None:
    assert [sorted(one) for one in cycles([module for module in modules if within(module.name, *OURS)])] == []


def test_a_circle_is_found() -> None:
    sources = {
        "core/a.py": "if TYPE_CHECKING:\n    from swapmock.core.b import B",
        "core/b.py": "def late():\n    import swapmock.core.a",
        "core/c.py": "from swapmock.core.a import A",
    }
    modules_here = [
        Module.parse(f"mock_server/{path}", text.replace("swapmock.", "swapmock.mock_server."))
        for path, text in sources.items()
    ]
    assert cycles(modules_here) == [{"mock_server.core.a", "mock_server.core.b"}]


def test_nothing_imports_the_bare_names() -> None:
    """`import contracts` would take whatever a user's project has under that name."""
    bare = re.compile(
        r"""(?:^|["';]|\\n)[ \t]*(?:from|import)[ \t]+(?:mock_server|contracts|client_checks)\b""", re.MULTILINE
    )
    tracked = subprocess.run(["git", "ls-files", "*.py", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in tracked.stdout.split()]
    allowed = {ROOT / "tests/test_packaging.py", Path(__file__)}
    assert [
        str(file) for file in files if file not in allowed and file.is_file() and bare.search(file.read_text("utf-8"))
    ] == []
