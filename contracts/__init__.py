"""The contracts of the emulated APIs, as data, and the one reader of that data."""

from __future__ import annotations

import contextlib
import marshal
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

if __name__ == "contracts":
    raise ImportError("import swapmock.contracts in place of contracts")

from swapmock.contracts.behaviour import Behaviour
from swapmock.contracts.model import Contract, Operation, Violation

#: Where the folders of the contracts lie.
HERE = Path(__file__).parent

__all__ = ["Behaviour", "Contract", "Operation", "Violation", "folder", "load", "read_yaml"]


def folder(name: str) -> Path:
    """Where the files of contract `name` lie; FileNotFoundError if there is no such contract."""
    path = HERE / name
    if not (path / "openapi.yaml").is_file():
        raise FileNotFoundError(f"no contract named {name!r}: {path / 'openapi.yaml'} is missing")
    return path


def read_yaml(path: Path) -> Any:
    # Late: a start that finds everything parsed does without it.
    import yaml

    # libyaml's loader reads the contracts ten times faster than the pure one; wheels carry it, some builds do not.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=loader)


@lru_cache(maxsize=8)
def load(name: str) -> Contract:
    """The contract `name` (`crun`, `admin`), read once a process.

    Beside `openapi.yaml`, every other YAML file of the folder becomes a table: `behaviour.yaml` as `Behaviour`,
    the rest (`models.yaml`, `templates.yaml`) by their stem in `Contract.tables`.
    """
    path = folder(name)
    tables = {file.stem: _kept(file) for file in sorted(path.glob("*.yaml")) if file.stem != "openapi"}
    behaviour = Behaviour.read(tables.pop("behaviour", {}))
    return Contract(name, _kept(path / "openapi.yaml"), behaviour, tables)


def _kept(file: Path) -> Any:
    """A YAML file of ours, parsed. It is kept where Python keeps its bytecode, and as it does: parsing is a quarter of
    what a start costs."""
    stat = file.stat()
    stamp = (int(stat.st_mtime), stat.st_size)  # as for bytecode: a copy may lose the rest of the second
    kept = file.parent / "__pycache__" / f"{file.stem}.{sys.implementation.cache_tag}.data"
    try:
        found, value = marshal.loads(kept.read_bytes())
    except (OSError, ValueError, EOFError, TypeError):
        found, value = None, None
    if found != stamp:
        value = read_yaml(file)
        if not sys.dont_write_bytecode:
            with contextlib.suppress(OSError, ValueError):  # a folder of others, or a value that is no plain data
                _keep(kept, marshal.dumps((stamp, value)))
    return value


def _keep(path: Path, content: bytes) -> None:
    """Whole or not at all, whoever else does the same."""
    import tempfile  # late, like YAML: most starts keep nothing

    path.parent.mkdir(exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(temporary).replace(path)
