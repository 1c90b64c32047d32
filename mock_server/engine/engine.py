"""The engine: everything that a handler may use, as one object."""

from __future__ import annotations

from swapmock.mock_server.engine import dispatcher as dispatching
from swapmock.mock_server.engine import links, sandboxes, tasks
from swapmock.mock_server.engine.runtime import Runtime


class Engine(Runtime):
    """The runtime, with the functions of this package as methods. It holds no state."""

    dispatcher: dispatching.CallbackDispatcher

    submit = tasks.submit
    polled = tasks.polled
    cancel = tasks.cancel
    run_due = tasks.run_due
    run_due_in_batches = tasks.run_due_in_batches
    catch_up = tasks.catch_up
    advance = tasks.advance
    clock_moved = tasks.clock_moved
    available = tasks.available

    publish = links.publish
    publish_previews = links.publish_previews
    forget_links = links.forget_links

    claim_before_reply = dispatching.claim_before_reply
    redeliver = dispatching.redeliver

    sweep = sandboxes.sweep
    drop = sandboxes.drop
