"""Reads YAML files, and stores the parsed content beside Python's bytecode."""

from __future__ import annotations

import contextlib
import marshal
import os
import sys
from pathlib import Path
from typing import Any


def read_yaml(path: Path) -> Any:
    """Return the parsed content of the YAML file at `path`."""
    # Imported late: if all parsed files are in the cache, a start does not need YAML.
    import yaml

    # libyaml's loader is ten times faster than the pure Python one. Wheels contain it, some builds do not.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=loader)


def kept(file: Path) -> Any:
    """Return the parsed content of the YAML `file`. A copy is stored beside Python's bytecode, because parsing takes
    a quarter of the time of a start. Raises ValueError with file and line if the file is not YAML."""
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
        value = _parsed(file)
        if not sys.dont_write_bytecode:
            with contextlib.suppress(
                OSError, ValueError
            ):  # a folder without write permission, or a value that is not plain data
                _keep(kept, marshal.dumps((stamp, value)))
    return value


def _parsed(file: Path) -> Any:
    try:
        return read_yaml(file)
    except Exception as error:
        import yaml  # imported late, as in read_yaml

        if isinstance(error, yaml.YAMLError):
            raise ValueError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
        raise


def _keep(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step, so that another process sees the whole file or none."""
    import tempfile  # imported late, like YAML: most starts store nothing

    path.parent.mkdir(exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(temporary).replace(path)
