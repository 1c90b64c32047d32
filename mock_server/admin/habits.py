"""Hints for requests to the paths of WireMock's and MockServer's admin APIs: what to use here instead."""

from __future__ import annotations

import re
from typing import NamedTuple

from swapmock.mock_server.core.call import Problem


class Habit(NamedTuple):
    """A path of another tool, the operation that does the same here, and a hint. With `moved_to` (a path) the client
    is redirected, because the request means the same there."""

    tool: str
    methods: str
    path: str
    instead: str
    moved_to: str = ""


WIREMOCK, MOCKSERVER = "WireMock", "MockServer"
FAULTS, QUEUE = "POST /__admin/sandboxes/SANDBOX/faults", "POST /__admin/sandboxes/SANDBOX/scenarios"
ANSWERS = f"{FAULTS} changes answers, {QUEUE} chooses how tasks end; the answers themselves follow from the contracts"

HABITS = (
    Habit(WIREMOCK, "GET", "/__admin/mappings(/.*)?", "GET /__admin lists the operations and the contracts", "/__admin"),
    Habit(WIREMOCK, "POST", "/__admin/mappings/reset", "POST /__admin/reset", "/__admin/reset"),
    Habit(WIREMOCK, "POST|PUT|DELETE", "/__admin/mappings(/.*)?", ANSWERS),
    Habit(WIREMOCK, "GET", "/__admin/requests/unmatched(/.*)?", "GET /__admin/requests?unmatched=1",
          "/__admin/requests?unmatched=1"),
    Habit(WIREMOCK, "POST", "/__admin/requests/(count|find|remove)", "GET /__admin/requests with filters in the query"),
    Habit(WIREMOCK, "DELETE", "/__admin/requests", "DELETE /__admin/sandboxes/default/journal",
          "/__admin/sandboxes/default/journal"),
    Habit(WIREMOCK, "POST", "/__admin/requests/reset", "DELETE /__admin/sandboxes/default/journal"),
    Habit(WIREMOCK, "GET", "/__admin/requests/[^/]+", "GET /__admin/sandboxes/default/why/ID explains one request"),
    Habit(WIREMOCK, "POST", "/__admin/scenarios/reset", "DELETE /__admin/sandboxes/default/scenarios"),
    Habit(WIREMOCK, "GET", "/__admin/(docs|swagger-ui)(/.*)?", "GET /__admin/openapi.json", "/__admin/openapi.json"),
    Habit(WIREMOCK, "GET", "/__admin/(health|version)", "GET /__admin, GET /health", "/__admin"),
    Habit(WIREMOCK, "GET|POST|PUT", "/__admin/settings", "PATCH /__admin/sandboxes/SANDBOX changes options; " + FAULTS),
    Habit(WIREMOCK, "GET|POST|PUT|DELETE", "/__admin/(recordings|near-misses|files|shutdown)(/.*)?", "GET /__admin"),
    Habit(MOCKSERVER, "PUT", "/mockserver/reset", "POST /__admin/reset"),
    Habit(MOCKSERVER, "PUT", "/mockserver/clear", "DELETE /__admin/sandboxes/default/journal, or POST /__admin/reset"),
    Habit(MOCKSERVER, "PUT", "/mockserver/(verify|verifySequence)", "POST /__admin/sandboxes/default/wait"),
    Habit(MOCKSERVER, "PUT", "/mockserver/retrieve", "GET /__admin/requests"),
    Habit(MOCKSERVER, "PUT", "/mockserver/expectation", ANSWERS),
    Habit(MOCKSERVER, "GET|PUT", "/mockserver/status", "GET /health"),
    Habit(MOCKSERVER, "GET|PUT|POST|DELETE", "/mockserver(/.*)?", "GET /__admin"),
)  # fmt: skip


def habit_of(method: str, path: str) -> Habit | None:
    """Return the first row that matches a request; None for a path of no other tool."""
    for habit in HABITS:
        if method in habit.methods.split("|") and re.fullmatch(habit.path, path):
            return habit
    return None


def problem_for(method: str, path: str) -> Problem | None:
    """Return a redirect or an error response with a hint, for a request that another tool would understand; else
    None."""
    habit = habit_of(method, path)
    if habit is None:
        return None
    message = f"{method} {path[:100]} is a path of {habit.tool}; here: {habit.instead}"
    if habit.moved_to:
        return Problem("moved", message=message, headers=(("location", habit.moved_to),))
    return Problem("endpoint_not_found", message=message)
