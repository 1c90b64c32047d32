"""Public links to media: a token leads to the sandbox and the task without a credential."""

from __future__ import annotations

from functools import lru_cache

from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.seeded import hexadecimal
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.engine.runtime import Runtime


def link_token(seed: int, task: Task) -> str:
    """Return the token of the public links to the media of a task, in a sandbox with this seed."""
    return _token(seed, task.id, task.request)


@lru_cache(64)  # each key may contain a whole request
def _token(seed: int, task: str, request: bytes) -> str:
    return hexadecimal(20, seed, task, request)


def preview_token(seed: int) -> str:
    """Return the token of the links to previews in a sandbox with this seed."""
    return hexadecimal(20, seed, "previews")


def publish_previews(runtime: Runtime, box: Box) -> str:
    """Return the token of the links to previews. From now on it leads to the sandbox."""
    token = preview_token(box.sandbox.seed)
    if runtime.store.owner(token) != box.sandbox.id:
        runtime.store.publish(token, box.sandbox.id)
    return token


def publish(runtime: Runtime, box: Box, task: Task) -> str:
    """Return the token of the public links to a task's media. It depends only on seed, task and request."""
    token = link_token(box.sandbox.seed, task)
    if runtime.store.owner(token) != box.sandbox.id:
        box.add_alias(token, task.id)
        runtime.store.publish(token, box.sandbox.id)
    return token


def forget_links(runtime: Runtime, box: Box) -> None:
    """Revoke every public link to a sandbox."""
    runtime.store.withdraw(box.sandbox.id)
