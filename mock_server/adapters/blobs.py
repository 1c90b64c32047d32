"""Where the bytes of uploaded files are kept: in memory, or in a folder."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path


class MemoryBlobs:
    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def put(self, key: str, content: bytes) -> None:
        self._kept[key] = content

    def get(self, key: str) -> bytes | None:
        return self._kept.get(key)

    def remove(self, key: str) -> None:
        self._kept.pop(key, None)

    def drop(self, prefix: str) -> None:
        for key in [key for key in self._kept if key.startswith(prefix)]:
            del self._kept[key]


class FolderBlobs:
    """One file a key, under a folder for what stands before the key's first slash. Written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def _path(self, key: str) -> Path:
        group, _, name = key.partition("/")
        return self._folder / sha256(group.encode()).hexdigest()[:32] / sha256(name.encode()).hexdigest()[:32]

    def put(self, key: str, content: bytes) -> None:
        path = self._path(key)
        import tempfile  # late: without uploads nobody needs it, nor the archives that it brings along

        path.parent.mkdir(exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise

    def get(self, key: str) -> bytes | None:
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def drop(self, prefix: str) -> None:
        folder = self._path(prefix).parent
        for path in folder.glob("*"):
            path.unlink(missing_ok=True)
        if folder.is_dir():
            folder.rmdir()
