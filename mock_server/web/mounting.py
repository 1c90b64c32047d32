"""A mounted API: a contract with the handlers of its provider, and the routing of requests."""

from __future__ import annotations

from typing import NamedTuple

from swapmock.contracts import Contract, Operation
from swapmock.contracts.requirements import USUAL_BODY_BYTES
from swapmock.mock_server.core.provider import Provider
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.web.cache import ResponseCache
from swapmock.mock_server.web.long_bodies import length_of_data_uris
from swapmock.mock_server.web.parallel import PostsInProgress


class RouteMatch(NamedTuple):
    """The route of a request: to `operation` of `api` with its path parameters, or (None) to a path that `api`
    refuses.

    `is_public` says that the operation asks for no credential. `limit` is the largest body that is read, in bytes.
    `works_long` says that an answer may take longer than the event loop can wait: a file may have to be drawn first.
    """

    api: MountedApi
    operation: Operation | None
    params: dict[str, str]
    is_public: bool
    limit: int
    works_long: bool

    @property
    def too_long(self) -> str:
        """The error text for a larger body."""
        return f"larger than {self.limit} bytes{self.api.allows_more(self.operation)}"


class MountedApi:
    """A contract with the handlers of its provider.

    `max_body`, `max_upload` and `max_media_body` (bytes) replace the limits of the contract. Raises LookupError
    if the contract has an operation without a handler, or the provider a handler without an operation."""

    def __init__(
        self,
        contract: Contract,
        provider: Provider,
        engine: Engine,
        *,
        is_admin: bool = False,
        max_body: int | None = None,
        max_upload: int | None = None,
        max_media_body: int | None = None,
    ) -> None:
        handled = {name for name, operation in contract.operations.items() if not operation.is_download}
        missing = handled - provider.handlers.keys()
        surplus = provider.handlers.keys() - contract.operations.keys()
        if missing or surplus:
            raise LookupError(f"{contract.name}: operations without a handler {sorted(missing)}, "
                              f"handlers without an operation {sorted(surplus)}")  # fmt: skip
        self.contract = contract
        self.provider = provider
        self.prefix = contract.behaviour.prefix
        #: The path prefixes of the file stores -> the operation that answers there, for any method and any rest of the
        #: path.
        self._stores = {o.path[: o.path.index("{")]: o for o in contract.operations.values() if o.files}
        self._store_starts = tuple(self._stores)
        self.cache = ResponseCache(engine.store)
        #: Bodies that match the contract. This depends only on the bytes, so any entry may be dropped.
        self.valid_bodies: set[tuple[Operation, bytes]] = set()
        self.engine = engine
        self.posts = PostsInProgress()
        self.is_admin = is_admin
        self.json_limit = max_body or contract.behaviour.limit("body_bytes", USUAL_BODY_BYTES)
        self._upload_limit = max_upload or contract.behaviour.limit("upload_bytes", self.json_limit)
        media_limit = max_media_body or contract.behaviour.limit("media_body_bytes", self.json_limit)
        self._media_limit = max(self.json_limit, media_limit)

    def match(self, method: str, path: str) -> RouteMatch | None:
        """Return the route for `method` and `path`; None if the path is outside of this API."""
        found = self.contract.find(method, path)
        if found is not None:
            operation, params = found
            return self._matched(operation, params)
        if self._store_starts and path.startswith(self._store_starts):
            operation = next(o for start, o in self._stores.items() if path.startswith(start))
            link = operation.pattern.fullmatch(path)
            return self._matched(operation, {} if link is None else link.groupdict())
        if path.startswith(self.prefix) or self.contract.knows_path(path):
            return RouteMatch(self, None, {}, False, self.limit_of(None), False)
        return None

    def _matched(self, operation: Operation, params: dict[str, str]) -> RouteMatch:
        works_long = operation.files in ("result", "preview")
        return RouteMatch(self, operation, params, operation.is_public, self.limit_of(operation), works_long)

    def limit_of(self, operation: Operation | None) -> int:
        """Return the largest body of `operation`, in bytes."""
        if operation is not None and operation.takes_data_uris:
            return self._media_limit
        return self._upload_limit if _is_upload(operation) else self.json_limit

    def why_too_long(self, operation: Operation, body: bytes) -> str:
        """Return why a `body` that was read is too long; "" if it is not. Data URIs do not count against the limit
        of JSON."""
        if not operation.takes_data_uris or len(body) - length_of_data_uris(body) <= self.json_limit:
            return ""
        return f"larger than {self.json_limit} bytes; --max-body allows more"

    def allows_more(self, operation: Operation | None) -> str:
        """Return the end of an error text that names the setting for the limit of `operation`; "" if there is none."""
        if self.is_admin:
            return ""
        if operation is not None and operation.takes_data_uris:
            return "; --max-media-body allows more"
        return f"; {'--max-upload' if _is_upload(operation) else '--max-body'} allows more"


def _is_upload(operation: Operation | None) -> bool:
    return operation is not None and operation.body_spec is not None and not operation.takes_json
