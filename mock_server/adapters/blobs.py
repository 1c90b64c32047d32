"""Stores the bytes of uploaded files: in memory, or in a folder."""

from __future__ import annotations

import fcntl
import os
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from swapmock.mock_server.core.source import Bytes

#: The bytes of an open file that are read at once.
IN_FILE = 1 << 18


class OpenFile:
    """A file that stays open as long as this object exists, by its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        self.size = os.fstat(descriptor).st_size

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start` to `stop`, in pieces."""
        end = self.size if stop is None else min(stop, self.size)
        while start < end and (piece := os.pread(self.descriptor, min(IN_FILE, end - start), start)):
            yield piece
            start += len(piece)


#: Uploads from this size on, in bytes, are sent from a file in memory (memfd), so that they are not copied again. The
#: second number is how many bytes may be in memory twice because of that.
LARGE, MOST_TWICE = 1 << 20, 1 << 26


class MemoryBlobs:
    """Uploaded files in memory. The methods are described in `core.ports.Blobs`."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._files: OrderedDict[str, OpenFile] = OrderedDict()

    def put(self, key: str, content: bytes) -> None:
        """Store all of `content`. If this fails, raise OSError and store nothing."""
        self._kept[key] = content
        self._files.pop(key, None)

    def get(self, key: str) -> bytes | None:
        """Return the bytes under `key`; None if there are none."""
        return self._kept.get(key)

    def open(self, key: str) -> Bytes | OpenFile | None:
        """Return the current bytes under `key` without reading them; None if there are none. Later changes of the
        key do not affect them."""
        content = self._kept.get(key)
        if content is None:
            return None
        if not LARGE <= len(content) <= MOST_TWICE or not hasattr(os, "memfd_create"):
            return Bytes(content)
        return self._files.get(key) or self._as_file(key, content)

    def _as_file(self, key: str, content: bytes) -> Bytes | OpenFile:
        """Return the bytes in a file in memory. To make place for it, the files that were opened longest ago are
        closed."""
        try:
            descriptor = os.memfd_create("swapmock-upload")
        except OSError:  # no file descriptor is left
            return Bytes(content)
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        opened = OpenFile(descriptor)
        self._files[key] = opened
        while sum(file.size for file in self._files.values()) > MOST_TWICE:
            self._files.popitem(last=False)
        return opened

    def remove(self, key: str) -> None:
        """Remove one key, if it exists."""
        self._kept.pop(key, None)
        self._files.pop(key, None)

    def drop(self, prefix: str) -> None:
        """Remove every key that starts with `prefix`."""
        for key in [key for key in self._kept if key.startswith(prefix)]:
            self.remove(key)


#: The prefix of a process's own folder; random characters follow.
OWN = "server-"


class FolderBlobs:
    """One file for each key, in a folder for the part of the key before its first slash. Each is written whole or
    not at all. The methods are described in `core.ports.Blobs`.

    Each process has its own folder, which it locks while it runs. Folders of killed processes are removed,
    because nothing refers to their files any more."""

    def __init__(self, folder: Path) -> None:
        import tempfile  # imported late: it is slow to import, and only such a folder needs it

        folder.mkdir(parents=True, exist_ok=True)
        _remove_left(folder)
        self._folder = Path(tempfile.mkdtemp(prefix=OWN, dir=folder))
        self._lock = _locked(self._folder)
        weakref.finalize(self, _unlock, self._lock)

    def _path(self, key: str) -> Path:
        group, _, name = key.partition("/")
        return self._folder / sha256(group.encode()).hexdigest()[:32] / sha256(name.encode()).hexdigest()[:32]

    def put(self, key: str, content: bytes) -> None:
        """Store all of `content`. If this fails, raise OSError and store nothing."""
        path = self._path(key)
        import tempfile

        path.parent.mkdir(parents=True, exist_ok=True)  # another program may have removed the whole folder
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise

    def get(self, key: str) -> bytes | None:
        """Return the bytes under `key`; None if there are none."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def open(self, key: str) -> OpenFile | None:
        """Return the current bytes under `key` without reading them; None if there are none. Later changes of the
        key do not affect them."""
        try:
            return OpenFile(os.open(self._path(key), os.O_RDONLY))
        except FileNotFoundError:
            return None

    def remove(self, key: str) -> None:
        """Remove one key, if it exists."""
        self._path(key).unlink(missing_ok=True)

    def drop(self, prefix: str) -> None:
        """Remove every key that starts with `prefix`."""
        folder = self._path(prefix).parent
        for path in folder.glob("*"):
            path.unlink(missing_ok=True)
        if folder.is_dir():
            folder.rmdir()


class LastingBlobs(FolderBlobs):
    """The same for a store that outlives its process: the folder has a fixed name, and the files stay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "stored"
        self._folder.mkdir(parents=True, exist_ok=True)


def _locked(folder: Path) -> int | None:
    """Return a descriptor that locks the folder for this process; None if another process has locked it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _unlock(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _remove_left(folder: Path) -> None:
    """Remove the folders of processes that no longer run."""
    import shutil

    for left in folder.glob(f"{OWN}*"):
        lock = _locked(left)
        if lock is not None:
            shutil.rmtree(left, ignore_errors=True)
            _unlock(lock)
