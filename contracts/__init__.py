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
from swapmock.contracts.common import merge
from swapmock.contracts.derive import complete, with_downloads
from swapmock.contracts.model import Contract, Operation, Violation
from swapmock.contracts.registration import Registration, installed

#: Where the folders of the contracts lie.
HERE = Path(__file__).parent

#: The rows that every provider has unless it says otherwise.
COMMON = HERE / "common.yaml"

__all__ = [
    "Behaviour",
    "Contract",
    "Operation",
    "Registration",
    "Violation",
    "add_folder",
    "folder",
    "installed",
    "kept",
    "load",
    "outside",
    "read",
    "read_yaml",
]


#: Where the folders of contracts lie that are not part of this package, by name. `add_folder` fills it.
_elsewhere: dict[str, Path] = {}


def add_folder(name: str, path: Path) -> None:
    """Let `load(name)` read the contract in the folder `path`. ValueError for the name of a contract of this package."""
    if (HERE / name / "openapi.yaml").is_file() and path.resolve() != (HERE / name).resolve():
        raise ValueError(f"there is a contract named {name!r} in this package")
    if _elsewhere.get(name) != path:
        _elsewhere[name] = path
        load.cache_clear()


def folder(name: str) -> Path:
    """Where the files of contract `name` lie: in this package, in a folder that was added, or in an installed package that
    brings a provider of that name. FileNotFoundError if there is no such contract."""
    path = _elsewhere.get(name, HERE / name)
    if not (path / "openapi.yaml").is_file() and name not in _elsewhere and name in installed():
        path = installed()[name].folder
    if not (path / "openapi.yaml").is_file():
        raise FileNotFoundError(f"no contract named {name!r}: {path / 'openapi.yaml'} is missing")
    return path


def outside() -> tuple[str, ...]:
    """The names of the contracts that are no part of this package: of added folders, then of installed packages."""
    return tuple(dict.fromkeys([*_elsewhere, *installed()]))


def read_yaml(path: Path) -> Any:
    # Imported late: a start that finds all files parsed does not need YAML.
    import yaml

    # libyaml's loader reads the contracts ten times faster than the pure one; wheels carry it, some builds do not.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=loader)


@lru_cache(maxsize=32)
def load(name: str) -> Contract:
    """The contract `name`, read once in a process. Raises FileNotFoundError or ValueError for a folder with a missing or wrong file.

    Beside `openapi.yaml`, every other YAML file of the folder becomes a table: `behaviour.yaml` as `Behaviour`,
    the rest (`models.yaml`, `templates.yaml`) by their stem in `Contract.tables`.
    """
    return read(name, folder(name))


def read(name: str, path: Path) -> Contract:
    """The contract in the folder `path`, under `name`; see `load`."""
    tables = {file.stem: kept(file) for file in sorted(path.glob("*.yaml")) if file.stem != "openapi"}
    own = tables.pop("behaviour", {})
    behaviour = Behaviour.read(own if own.get("is_control_plane") else merge(kept(COMMON), own))
    document = complete(kept(path / "openapi.yaml"), own.get("catalogue"), tables)
    document = with_downloads(document, own)
    return Contract(name, document, behaviour, tables, None if path == HERE / name else path)


def kept(file: Path) -> Any:
    """The parsed content of the YAML `file`. A copy is stored beside Python's bytecode, because parsing takes a quarter of the
    time of a start."""
    stat = file.stat()
    stamp = (
        int(stat.st_mtime),
        stat.st_size,
    )  # whole seconds, as for bytecode: a copy of a folder may lose the fraction
    kept = file.parent / "__pycache__" / f"{file.stem}.{sys.implementation.cache_tag}.data"
    try:
        found, value = marshal.loads(kept.read_bytes())
    except (OSError, ValueError, EOFError, TypeError):
        found, value = None, None
    if found != stamp:
        value = read_yaml(file)
        if not sys.dont_write_bytecode:
            with contextlib.suppress(
                OSError, ValueError
            ):  # a folder without write permission, or a value that is not plain data
                _keep(kept, marshal.dumps((stamp, value)))
    return value


def _keep(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step: another process sees the whole file or none."""
    import tempfile  # late, like YAML: most starts keep nothing

    path.parent.mkdir(exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(temporary).replace(path)
