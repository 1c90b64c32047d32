"""General code knows no vendor: no vendor's words, and no row or attribute of a provider that the types do not name."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from swapmock.contracts.requirements import ROW_TYPES, Tables, names
from swapmock.mock_server.admin.wire import PROBLEMS
from swapmock.mock_server.core.provider import Provider

ROOT = Path(__file__).parents[2]
GENERAL = ("contracts", "mock_server", "client_checks")
#: The vendors' own folders, and the rules for clients: each has the vendors' documents as its sources. The clients that
#: `swapmock pains` runs are clients of one vendor.
VENDORS = (
    "client_checks/behaviour/rules/",
    "client_checks/pains/",
    "contracts/crun/",
    "contracts/imgopen/",
    "mock_server/providers/crun/",
    "mock_server/providers/imgopen/",
)
FILES = [
    path
    for folder in GENERAL
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not str(path.relative_to(ROOT)).startswith(VENDORS)
]

#: Names, paths, header names, prefixes of keys and words of the wire that belong to one of the first two vendors.
WORDS = re.compile(
    r"(?i:crun|imgopen|img open|zhiqite)|/api/v1/client|AIGCImgOpenServ|x-api-key|req-accessKey|\bak_|openapi-[A-Za-z0-9]"
    r"|callback_url\b|callbackUrl|businessTaskId|toolCode|detect_task_id|Output-Img2|CreateTask|TaskInfo"
)

#: (file, the whole match in lower case) -> why the word may stand there.
EXCEPTIONS = {
    ("mock_server/web/build.py", "crun"): "the list of this package's own providers",
    ("mock_server/web/build.py", "imgopen"): "the list of this package's own providers",
    ("mock_server/cli/command.py", "crun"): "what the command says it is",
    ("mock_server/cli/command.py", "img open"): "what the command says it is",
}

#: Variables of the test plugin, which its users know by these names.
for _word in ("crun", "imgopen"):
    EXCEPTIONS["client_checks/testing/plugin.py", _word] = "names of variables that the plugin's users already use"

#: The judgement of clients: what a client of one of the two vendors is given, or is told.
for _name, _words in {
    "rule": ("crun", "imgopen"),  # how severe a rule is, by vendor
    "variation": ("crun", "imgopen"),  # variations that rest on one vendor's variants
    "pages": ("crun", "imgopen", "img open"),  # the vendors' columns on the pages of the rules
    "environment": ("crun", "imgopen"),  # names of variables that clients already read
    "attach": ("crun", "imgopen"),  # the same variables
    "warm": ("crun", "/api/v1/client", "createtask", "taskinfo"),  # a call that warms the emulator up
    "command": ("crun",),  # the vendor of an attached client that has sent nothing
}.items():
    for _word in _words:
        EXCEPTIONS[f"client_checks/behaviour/{_name}.py", _word] = "the rules are for clients of these vendors"

#: Lines that only show what a value looks like: docstrings and help texts with an example.
EXAMPLE = re.compile(r'"""|help=|`|^\s*#|e\.g\.|for example', re.IGNORECASE)

#: Attributes of tasks, deliveries and the like that happen to have a word's name.
OWN_NAMES = re.compile(r"\bcallback_url\b")


def found_in(path):
    name = str(path.relative_to(ROOT))
    docstrings = strings_that_explain(path)
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if number in docstrings or EXAMPLE.search(line):
            continue
        for match in WORDS.finditer(OWN_NAMES.sub("", line)):
            if (name, match[0].lower()) not in EXCEPTIONS:
                yield f"{name}:{number}: {match[0]}"


def strings_that_explain(path):
    """The lines of docstrings: they may name an example."""
    lines = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def test_no_vendor_word_stands_in_general_code():
    assert [hit for path in FILES for hit in found_in(path)] == []


def test_every_exception_is_still_needed():
    for (name, word), reason in EXCEPTIONS.items():
        assert reason
        assert word in (ROOT / name).read_text("utf-8").lower()


#: Tables of the contract whose rows general code may ask for by a name of its own, and the calls that ask.
CALLS = {"limit": "limits", "seconds": "lifetimes", "scenario": "scenarios"}

#: Where `behaviour` and `variants` are an old version's plain data, or a provider's helpers are no general code.
NOT_JUDGED = (
    "client_checks/compat/",
    *(f"contracts/{name}.py" for name in ("__init__", "requirements", "behaviour", "rows")),
)


def literals(path):
    """(table, name) for every row of a contract that a module asks for by a name written in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Subscript) and text(node.slice) is not None:
            table = attribute(node.value)
            if table in (*ROW_TYPES, "tables", "lifetimes") or is_rest(node.value):
                yield table, text(node.slice), node.lineno
        elif isinstance(node, ast.Call):
            yield from asked_by_call(node)
        elif isinstance(node, ast.Compare) and text(node.left) is not None:
            table = attribute(node.comparators[0])
            if table in ROW_TYPES:
                yield table, text(node.left), node.lineno


def asked_by_call(node):
    first = text(node.args[0]) if node.args else None
    if first is None:
        return
    if isinstance(node.func, ast.Name) and node.func.id == "Problem":
        yield "refusals", first, node.lineno
    elif isinstance(node.func, ast.Attribute):
        owner = attribute(node.func.value)
        is_table = owner in (*ROW_TYPES, "tables", "lifetimes") or is_rest(node.func.value)
        if node.func.attr in ("get", "pop") and is_table:
            yield owner, first, node.lineno
        elif node.func.attr in CALLS and owner in ("behaviour", "rules"):
            yield CALLS[node.func.attr], first, node.lineno


def is_rest(node):
    """`behaviour.rest`; a variable may be called so, too."""
    return isinstance(node, ast.Attribute) and node.attr == "rest"


def text(node):
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def attribute(node):
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None


#: Rows that general code may name: those of the types, and what belongs to the admin API alone.
ALLOWED: dict[str, frozenset[str]] = {table: names(row_type) for table, row_type in ROW_TYPES.items()}
ALLOWED["rest"] = names(Tables) | {"is_control_plane"}
ALLOWED["tables"] = frozenset({"profile"})
ALLOWED["lifetimes"] = frozenset()


def judged(path):
    name = str(path.relative_to(ROOT))
    return not name.startswith(NOT_JUDGED) and "/stores/" not in name


@pytest.mark.parametrize("path", [p for p in FILES if judged(p)], ids=lambda p: str(p.relative_to(ROOT)))
def test_every_row_that_general_code_names_is_a_field_of_the_requirements(path):
    # The pipeline makes one error response of the admin API itself, where `api.is_admin`.
    is_admin = "/admin/" in str(path) or path.name in ("admin_calls.py", "pipeline.py")
    unknown = [
        f"line {line}: {table} {name}"
        for table, name, line in literals(path)
        if name not in ALLOWED[table] and not (is_admin and table == "refusals" and name in PROBLEMS)
    ]
    assert unknown == []


def test_every_attribute_of_a_provider_is_a_field_of_its_type():
    known = {field.name for field in fields(Provider)}
    used = {
        node.attr
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and attribute_of_provider(node.value)
    }
    assert used
    assert used - known == set()


def attribute_of_provider(node):
    """`api.provider.X`, `provider.X` of a Provider, `runtime.providers[...].X`."""
    if isinstance(node, ast.Subscript):
        return attribute(node.value) == "providers"
    return isinstance(node, ast.Attribute) and node.attr == "provider" and attribute(node.value) == "api"


def test_the_check_itself_sees_a_row_and_an_attribute(tmp_path):
    sample = tmp_path / "sample.py"
    sample.write_text(
        'behaviour.refusals["no_such"]\nProblem("other")\nbehaviour.seconds("links")\nx.variants.get("odd")\n'
    )
    assert [(table, name) for table, name, _ in literals(sample)] == [
        ("refusals", "no_such"),
        ("refusals", "other"),
        ("lifetimes", "links"),
        ("variants", "odd"),
    ]
