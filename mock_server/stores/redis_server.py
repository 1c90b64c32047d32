"""The connection to Redis that all sandboxes of a process share: scripts, time limits, and whether Redis can be
reached.

Every call ends within CALL_SECONDS. After a failure, calls are refused at once until a background thread has
reached Redis again, so that no request waits for a server that cannot be reached."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)
from redis.retry import Retry

from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.stores.logged import Fenced

log = logging.getLogger("swapmock")

#: The timeout of one call, in seconds. In a cluster, a call may ask other nodes after the first one.
CALL_SECONDS, CLUSTER_CALL_SECONDS = 0.6, 0.3

#: The seconds between two checks whether Redis can be reached: while it can, and while it cannot.
LOOK_SECONDS, TRY_SECONDS = 0.25, 0.1

#: The error of a script if another process has taken the sandbox. The fencing number is in the sandbox's keys: KEYS[1] is
#: its hash `meta`.
FENCED = "FENCED"

_CHECK_FENCE = f"""
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return redis.error_reply('{FENCED}') end
"""

#: A commit: the fencing number, the number of the batch, its bytes, when the sandbox ends in milliseconds ("" for never).
APPEND = (
    _CHECK_FENCE
    + """
local covers = tonumber(redis.call('HGET', KEYS[1], 'covers'))
if covers + redis.call('LLEN', KEYS[2]) + 1 ~= tonumber(ARGV[2]) then return redis.error_reply('ORDER') end
redis.call('RPUSH', KEYS[2], ARGV[3])
for i = 1, #KEYS do
  if ARGV[4] ~= '' then redis.call('PEXPIREAT', KEYS[i], ARGV[4]) else redis.call('PERSIST', KEYS[i]) end
end
return 1
"""
)

#: Makes a snapshot current: the fencing number, its generation, the number of the last batch in it, a further batch or
#: "".
ADOPT = (
    _CHECK_FENCE
    + """
local before = tonumber(redis.call('HGET', KEYS[1], 'covers'))
redis.call('HSET', KEYS[1], 'generation', ARGV[2], 'covers', ARGV[3])
redis.call('LTRIM', KEYS[2], tonumber(ARGV[3]) - before, -1)
if ARGV[4] ~= '' then redis.call('RPUSH', KEYS[2], ARGV[4]) end
return 1
"""
)

#: Makes a sandbox with its first batch: the process that holds it, the batch. Returns 0 if it exists already.
CREATE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'fence', 1, 'holder', ARGV[1], 'generation', 0, 'covers', 0)
redis.call('DEL', KEYS[2])
redis.call('RPUSH', KEYS[2], ARGV[2])
return 1
"""

#: Takes a sandbox: the process that held it, the process that takes it. Returns the new fencing number; 0 if another
#: process was quicker.
TAKE = """
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'holder', ARGV[2])
return redis.call('HINCRBY', KEYS[1], 'fence', 1)
"""

#: Releases a sandbox, if its fencing number is still this one.
RELEASE = _CHECK_FENCE + "return redis.call('HSET', KEYS[1], 'holder', '')"

#: Removes all keys of a sandbox.
REMOVE = _CHECK_FENCE + "return redis.call('DEL', unpack(KEYS))"

#: Publishes a token that no sandbox has.
CLAIM = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
return 1
"""


#: What a server answers that does not carry out the call now.
REFUSING = (BusyLoadingError, ReadOnlyError, ClusterDownError, TryAgainError)


class RedisServer:
    """`url` is redis://, rediss:// or unix://. A cluster is noticed; `?cluster=true` or `false` says it where the server must not be
    asked. Raises StoreError if it cannot be reached."""

    def __init__(self, url: str) -> None:
        self.url = url
        #: Called when Redis cannot be reached any more, and when it can be reached again.
        self.on_absence: Callable[[], object] = lambda: None
        self.on_return: Callable[[], object] = lambda: None
        self.open()

    def open(self) -> None:
        """Connect; also again after `close`, in a process that was forked meanwhile."""
        self._client = _client(self.url)
        self._scripts: dict[str, Any] = {}
        self._is_away = False
        self._stopping = Event()
        self._watcher = Thread(target=self._watch, name="swapmock-redis", daemon=True)
        self._watcher.start()

    @property
    def is_away(self) -> bool:
        """Whether Redis cannot be reached."""
        return self._is_away

    def call(self, work: Callable[[Any], Any]) -> Any:
        """Return the result of `work(client)`. Raises StoreError if Redis cannot be reached, or did not answer."""
        if self._is_away:
            raise StoreError(f"{shown(self.url)} cannot be reached", is_away=True)
        try:
            return work(self._client)
        except (ConnectionError, TimeoutError, RedisClusterException, *REFUSING) as error:
            self._note_absence(error)
            # A refused call was not sent. A call that was sent may have been executed: this is unknown.
            was_sent = not isinstance(error, REFUSING) and not is_refusal(error)
            raise StoreError(f"{shown(self.url)}: {error}", is_away=not was_sent) from error
        except RedisError as error:
            if FENCED in str(error):
                raise Fenced("another process holds the sandbox now") from None
            raise StoreError(f"{shown(self.url)}: {error}") from error

    def read(self, work: Callable[[Any], Any]) -> Any:
        """Return the result of `call` for work that changes nothing: without an answer, Redis counts as not
        reachable."""
        try:
            return self.call(work)
        except Fenced:
            raise
        except StoreError as error:
            raise StoreError(str(error), is_away=True) from error

    def run(self, script: str, keys: Sequence[str], arguments: Sequence[object]) -> Any:
        """Return the result of a script, in one call."""
        prepared = self._scripts.get(script)
        if prepared is None:
            prepared = self._scripts[script] = self._client.register_script(script)
        return self.call(lambda _: prepared(keys=list(keys), args=list(arguments)))

    def _note_absence(self, error: Exception) -> None:
        if not self._is_away:
            self._is_away = True
            log.error("%s cannot be reached: %s", shown(self.url), error)
            self.on_absence()

    def _watch(self) -> None:
        """Check in the background whether Redis can be reached."""
        while not self._stopping.wait(TRY_SECONDS if self._is_away else LOOK_SECONDS):
            try:
                _ping(self._client)
            except (RedisError, RedisClusterException) as error:
                self._note_absence(error)
                continue
            if self._is_away:
                self._is_away = False
                log.warning("%s is there again", shown(self.url))
                self.on_return()

    def close(self) -> None:
        """Close the connections."""
        self._stopping.set()
        self._watcher.join()
        self._client.close()


def is_refusal(error: Exception) -> bool:
    """Return whether the error means that no connection was made."""
    return isinstance(error.__cause__ or error.__context__, ConnectionRefusedError | FileNotFoundError)


def _client(url: str) -> Any:
    """A client that has reached Redis. StoreError if it could not."""
    address, wanted = _without_cluster(url)
    try:
        if not wanted:
            single = redis.Redis.from_url(address, **_limits(CALL_SECONDS))
            single.ping()
            if wanted is False or not _is_cluster(single):
                return single
            single.close()
        cluster = redis.RedisCluster.from_url(address, **_limits(CLUSTER_CALL_SECONDS))
        _ping(cluster)
    except (ValueError, RedisError, RedisClusterException) as error:
        raise StoreError(f"{shown(url)}: {error}", is_away=True) from None
    return cluster


def _limits(seconds: float) -> dict[str, Any]:
    return {
        "socket_timeout": seconds,
        "socket_connect_timeout": CALL_SECONDS / 2,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
    }


def _without_cluster(url: str) -> tuple[str, bool | None]:
    """The URL for a client, and what its parameter `cluster` says; None if it has none."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    said = [value.lower() for name, value in pairs if name == "cluster"]
    if any(value not in ("true", "false") for value in said):
        raise StoreError(f"{shown(url)}: cluster is true or false")
    query = urlencode([pair for pair in pairs if pair[0] != "cluster"])
    return parts._replace(query=query).geturl(), said[-1] == "true" if said else None


def _is_cluster(single: Any) -> bool:
    """Whether a server is a node of a cluster. One that does not let us ask is taken for none."""
    try:
        return bool(int(single.info("cluster").get("cluster_enabled", 0)))
    except ResponseError:
        return False


def _ping(client: Any) -> None:
    """Reach the server; of a cluster, every node that holds keys."""
    if isinstance(client, redis.RedisCluster):
        client.ping(target_nodes=redis.RedisCluster.PRIMARIES)
    else:
        client.ping()


def shown(url: str) -> str:
    """Return the URL without its password."""
    head, at, rest = url.rpartition("@")
    return f"{head.partition('://')[0]}://{rest}" if at else url
