"""Put the code of a mutant into functions that are already imported.

A function keeps its identity when its `__code__` changes, so every module that has imported the function runs the mutant.
Code that runs while a module is imported cannot be exchanged in this way; then `plan` says so.
"""

from __future__ import annotations

import functools
import gc
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType

#: Names a function: the real path of its file, its qualified name, its first line.
Place = tuple[str, str, int]

#: Compiler flag of a function body; bodies of modules and classes do not have it.
OPTIMIZED = 0x1


@dataclass
class Plan:
    """What differs between a module and its mutant."""

    #: pairs of a function's code and the code to put in its place
    swaps: list[tuple[CodeType, CodeType]] = field(default_factory=list)
    #: the functions whose own instructions differ
    changed: set[Place] = field(default_factory=set)
    #: whether code differs that runs at import
    at_import: bool = False


def place_of(code: CodeType) -> Place:
    return real_path(code.co_filename), code.co_qualname, code.co_firstlineno


@functools.cache
def real_path(name: str) -> str:
    return str(Path(name).resolve())


def plan(path: str, before: str, after: str) -> Plan:
    """Compare the module at `path` before and after the mutation. An empty plan: both compile to the same."""
    found = Plan()
    compare(compile(before, path, "exec"), compile(after, path, "exec"), found)
    return found


def compare(before: CodeType, after: CodeType, found: Plan) -> bool:
    """Whether two code objects, or the functions within them, differ. Adds what differs to `found`."""
    inner, inner_after = nested(before), nested(after)
    own = own_part(before) != own_part(after) or len(inner) != len(inner_after)
    below = [compare(one, other, found) for one, other in zip(inner, inner_after, strict=False)]
    is_function = bool(before.co_flags & OPTIMIZED)
    if own and is_function:
        found.changed.add(place_of(before))
    if own and not is_function:
        found.at_import = True
    if is_function and (own or any(below)):
        found.swaps.append((before, after))
    return own or any(below)


def nested(code: CodeType) -> list[CodeType]:
    return [one for one in code.co_consts if isinstance(one, CodeType)]


def own_part(code: CodeType) -> tuple[object, ...]:
    """What a code object does, without the functions within it and without line numbers."""
    constants = [repr(one) for one in code.co_consts if not isinstance(one, CodeType)]
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    arguments = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return code.co_name, code.co_code, constants, names, arguments, code.co_exceptiontable


class LiveFunctions:
    """Every function in memory that was defined in one of `files`, by where its code stands in the source."""

    def __init__(self, files: set[str]):
        self.by_position: dict[tuple[Place, int], list[FunctionType]] = {}
        self.caches = []
        for one in gc.get_objects():
            if isinstance(one, FunctionType) and real_path(one.__code__.co_filename) in files:
                self.by_position.setdefault(self._position(one.__code__), []).append(one)
            elif isinstance(one, functools._lru_cache_wrapper):
                inner = getattr(one, "__wrapped__", None)
                if isinstance(inner, FunctionType) and real_path(inner.__code__.co_filename) in files:
                    self.caches.append(one)

    @staticmethod
    def _position(code: CodeType) -> tuple[Place, int]:
        """Tells apart two lambdas on one line."""
        return place_of(code), hash(tuple(code.co_positions()))

    def put(self, swaps: list[tuple[CodeType, CodeType]]) -> bool:
        """Exchange the code. False if a function cannot take its new code, such as with other closure variables."""
        try:
            for before, after in swaps:
                for one in self.by_position.get(self._position(before), ()):
                    one.__code__ = after
        except ValueError:
            return False
        self.forget()
        return True

    def forget(self) -> None:
        """Empty the caches of the functions, so that they are called again."""
        for one in self.caches:
            one.cache_clear()
