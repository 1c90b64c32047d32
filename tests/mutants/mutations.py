"""The mutants that cosmic-ray makes of the modules, without those that cannot matter."""

from __future__ import annotations

import ast
import difflib
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """One change of one module: the `occurrence`-th place where the cosmic-ray operator `operator` applies."""

    module: str
    operator: str
    occurrence: int
    line: int
    digest: str

    @property
    def key(self) -> str:
        """Names the mutant in the session file; another text of the module gives another key."""
        return f"{self.module} {self.operator} {self.occurrence} {self.digest}"

    def source(self) -> str | None:
        """The text of the module with the change, or None if the operator finds nothing to change there."""
        import cosmic_ray.plugins
        from cosmic_ray.mutating import mutate_code

        text: str | None = mutate_code(
            Path(self.module).read_text(), cosmic_ray.plugins.get_operator(self.operator)(), self.occurrence
        )
        return text


def all_mutants(config: dict[str, Any]) -> list[Mutant]:
    """Every mutant of the modules in `config`, without those in type hints and below `if TYPE_CHECKING`."""
    import cosmic_ray.commands
    import cosmic_ray.modules
    from cosmic_ray.tools.filters.operators_filter import OperatorsFilter
    from cosmic_ray.work_db import WorkDB

    modules = cosmic_ray.modules.find_modules([Path(one) for one in config["module-path"]])
    modules = cosmic_ray.modules.filter_paths(modules, config["excluded-modules"])
    with tempfile.TemporaryDirectory() as folder:
        database = WorkDB(f"{folder}/work.sqlite", WorkDB.Mode.create)
        cosmic_ray.commands.init(modules, database, {})
        OperatorsFilter()._skip_filtered(database, config["filters"]["operators-filter"]["exclude-operators"])
        places = [item.mutations[0] for item in database.pending_work_items]
        database.close()
    found = []
    for module in sorted({str(place.module_path) for place in places}):
        text = Path(module).read_text()
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        tree = ast.parse(text)
        unread, texts = list(never_run(tree)), list(comparisons_with_texts(tree))
        for place in places:
            at = place.start_pos[0] * 10_000 + place.start_pos[1]
            skipped = unread + texts if place.operator_name.endswith(ORDERS) else unread
            if str(place.module_path) == module and not any(at in one for one in skipped):
                found.append(Mutant(module, place.operator_name, place.occurrence, place.start_pos[0], digest))
    return sorted(found, key=lambda one: (one.module, one.line, one.operator, one.occurrence))


#: Operators that ask for an order where the code asks for equality.
ORDERS = ("_Eq_GtE", "_Eq_LtE", "_NotEq_Gt", "_NotEq_Lt")


def span(node: Any) -> range:
    """Where a node of the syntax tree stands, as `line * 10000 + column`."""
    return range(node.lineno * 10_000 + node.col_offset, node.end_lineno * 10_000 + node.end_col_offset)


def comparisons_with_texts(tree: ast.AST) -> Iterator[range]:
    """Comparisons with a word of a closed list, such as a variant's choice: the order of such words means nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides):
                yield span(node)


def never_run(tree: ast.AST) -> Iterator[range]:
    """The parts of a module that are for type checkers only."""
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.AnnAssign | ast.arg):
            parts = [node.annotation]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts = [node.returns]
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            parts = [node]
        yield from map(span, filter(None, parts))


def changed_lines(before: str, after: str) -> list[str]:
    """The lines before and after a mutation, without their indent."""
    diff = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    lines = [line for line in diff if line[:1] in "+-" and line[:3] not in ("+++", "---") and line[1:].strip()]
    return [f"{line[0]} {line[1:].strip()}" for line in lines]
