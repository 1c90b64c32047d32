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
    unread: dict[str, list[range]] = {}
    digests: dict[str, str] = {}
    found = []
    for place in places:
        module = str(place.module_path)
        if module not in unread:
            text = Path(module).read_text()
            unread[module] = list(never_run(text))
            digests[module] = hashlib.sha256(text.encode()).hexdigest()[:12]
        line, column = place.start_pos
        if not any(line * 10_000 + column in one for one in unread[module]):
            found.append(Mutant(module, place.operator_name, place.occurrence, line, digests[module]))
    return sorted(found, key=lambda one: (one.module, one.line, one.operator, one.occurrence))


def never_run(text: str) -> Iterator[range]:
    """The parts of a module that are for type checkers only, each as a range of `line * 10000 + column`."""
    for node in ast.walk(ast.parse(text)):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.AnnAssign | ast.arg):
            parts = [node.annotation]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts = [node.returns]
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            parts = [node]
        for part in filter(None, parts):
            place: Any = part
            yield range(
                place.lineno * 10_000 + place.col_offset, place.end_lineno * 10_000 + (place.end_col_offset or 0)
            )


def changed_lines(before: str, after: str) -> list[str]:
    """The lines before and after a mutation, without their indent."""
    diff = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    lines = [line for line in diff if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return [f"{line[0]} {line[1:].strip()}" for line in lines]
