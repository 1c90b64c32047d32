"""The contracts of the emulated APIs as data, and the functions that read this data."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

if __name__ == "contracts":
    raise ImportError("import swapmock.contracts in place of contracts")

from swapmock.contracts.behaviour import Behaviour
from swapmock.contracts.common import merge
from swapmock.contracts.derive import complete, with_downloads
from swapmock.contracts.model import Contract, Operation, Violation
from swapmock.contracts.parsed import kept, read_yaml
from swapmock.contracts.registration import Registration, installed

#: The folder that contains the folders of the contracts.
HERE = Path(__file__).parent

#: The file with the rows that every provider has, unless its own file changes or drops them.
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


#: The folders of contracts outside this package, by name. `add_folder` fills it.
_elsewhere: dict[str, Path] = {}


def add_folder(name: str, path: Path) -> None:
    """Let `load(name)` read the contract in the folder `path`. Raises ValueError for the name of a contract of this
    package."""
    if (HERE / name / "openapi.yaml").is_file() and path.resolve() != (HERE / name).resolve():
        raise ValueError(f"there is a contract named {name!r} in this package")
    if _elsewhere.get(name) != path:
        _elsewhere[name] = path
        load.cache_clear()


def folder(name: str) -> Path:
    """Return the folder with the files of contract `name`: in this package, a folder that was added, or a folder of
    an installed package that provides it. Raises FileNotFoundError if there is no such contract."""
    path = _elsewhere.get(name, HERE / name)
    if not (path / "openapi.yaml").is_file() and name not in _elsewhere and name in installed():
        path = installed()[name].folder
    if not (path / "openapi.yaml").is_file():
        raise FileNotFoundError(f"no contract named {name!r}: {path / 'openapi.yaml'} is missing")
    return path


def outside() -> tuple[str, ...]:
    """Return the names of the contracts outside this package: of added folders, then of installed packages."""
    return tuple(dict.fromkeys([*_elsewhere, *installed()]))


@lru_cache(maxsize=32)
def load(name: str) -> Contract:
    """Return the contract `name`, read once in a process. Raises FileNotFoundError or ValueError for a folder with a
    missing or wrong file.

    Beside `openapi.yaml`, every other YAML file of the folder becomes a table: `behaviour.yaml` becomes a
    `Behaviour`, the others (`models.yaml`, `templates.yaml`) are in `Contract.tables` under their file name
    without extension."""
    return read(name, folder(name))


def read(name: str, path: Path) -> Contract:
    """Return the contract in the folder `path` under `name`; see `load`."""
    tables = {file.stem: kept(file) for file in sorted(path.glob("*.yaml")) if file.stem != "openapi"}
    own = tables.pop("behaviour", {})
    behaviour = Behaviour.read(own if own.get("is_control_plane") else merge(kept(COMMON), own))
    document = complete(kept(path / "openapi.yaml"), own.get("catalogue"), tables)
    document = with_downloads(document, own)
    return Contract(name, document, behaviour, tables, None if path == HERE / name else path)
