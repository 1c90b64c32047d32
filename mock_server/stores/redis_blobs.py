"""Uploaded files in Redis."""

from __future__ import annotations

import errno
from operator import methodcaller
from typing import Any

from swapmock.mock_server.core.ports import Blobs, Source
from swapmock.mock_server.core.source import Bytes
from swapmock.mock_server.stores.redis_log import key_of
from swapmock.mock_server.stores.redis_server import RedisServer

#: The largest uploaded file that is stored in Redis, in bytes.
MOST_FILE_BYTES = 1 << 24


class RedisBlobs:
    """Uploaded files in Redis, up to MOST_FILE_BYTES each; larger files are in `folder`, which all processes share.
    The methods are described in `core.ports.Blobs`."""

    def __init__(self, server: RedisServer, folder: Blobs | None = None) -> None:
        self._server = server
        self._folder = folder

    def put(self, key: str, content: bytes) -> None:
        """Store all of `content`. If this fails, raise OSError and store nothing."""
        if len(content) > MOST_FILE_BYTES and self._folder is None:
            raise OSError(
                errno.EFBIG,
                f"a file of more than {MOST_FILE_BYTES} bytes needs a folder that all processes share: --data-dir",
            )
        if self._folder is not None and len(content) > MOST_FILE_BYTES:
            self._folder.put(key, content)
            self._call("hdel", key)
        else:
            self._call("hset", key, content)

    def get(self, key: str) -> bytes | None:
        """Return the bytes under `key`; None if there are none."""
        found = self._call("hget", key)
        if found is not None:
            return bytes(found)
        return None if self._folder is None else self._folder.get(key)

    def open(self, key: str) -> Source | None:
        """Return the current bytes under `key` without reading them; None if there are none. Later changes of the
        key do not affect them."""
        content = self._call("hget", key)
        if content is not None:
            return Bytes(content)
        return None if self._folder is None else self._folder.open(key)

    def remove(self, key: str) -> None:
        """Remove one key, if it exists."""
        self._call("hdel", key)
        if self._folder is not None:
            self._folder.remove(key)

    def drop(self, prefix: str) -> None:
        """Remove every key that starts with `prefix`."""
        self._server.call(methodcaller("delete", key_of(prefix.rstrip("/"), "files")))
        if self._folder is not None:
            self._folder.drop(prefix)

    def _call(self, command: str, key: str, *arguments: object) -> Any:
        sandbox_id, _, name = key.partition("/")
        return self._server.call(methodcaller(command, key_of(sandbox_id, "files"), name, *arguments))
