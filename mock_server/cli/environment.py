"""The environment variables of a command: which are settings, which were set by other programs, and which are
misspelt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields

from swapmock.mock_server.core.suggest import nearest
from swapmock.mock_server.settings import Settings, variable

PREFIX = "SWAPMOCK_"

#: Names, other than settings, that swapmock reads or sets: `check`, `run`, `conform` and the pytest plugin.
OTHERS = frozenset(
    PREFIX + name
    for name in [
        "ADMIN_URL",
        "CALLBACK_PORT",
        "CALLBACK_URL",
        "CASE",
        "CONFIG",
        "EFFECT_URL",
        "FACE_URL",
        "IMAGE_URL",
        "INSPECTOR",
        "OUTCOME_URL",
        "URL",
        "VIDEO_URL",
        "WORK_DIR",
    ]
)

#: Credentials of a provider: SWAPMOCK_CRUN_KEY.
CREDENTIAL = re.compile(r"SWAPMOCK_[A-Z0-9]+_(KEY|SECRET)")

#: What Kubernetes and Docker's links inject for a service that is named swapmock, or begins so:
#: SWAPMOCK_SERVICE_HOST, SWAPMOCK_ADMIN_SERVICE_PORT_HTTP, SWAPMOCK_PORT_4020_TCP_ADDR, SWAPMOCK_ENV_PATH, SWAPMOCK_NAME.
INJECTED_NAME = re.compile(
    r"SWAPMOCK_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
    r"|SWAPMOCK_ENV_\w+|SWAPMOCK_NAME"
)

#: The value of SWAPMOCK_PORT that they inject: tcp://10.0.0.1:4020. No setting has such a value.
INJECTED_VALUE = re.compile(r"(?:tcp|udp|sctp)://\S+:\d+")


def is_injected(name: str, value: str) -> bool:
    """Return whether an orchestrator has set this variable for its own purposes: it is neither a setting nor a
    mistake."""
    return INJECTED_NAME.fullmatch(name) is not None or (
        name.startswith(PREFIX) and INJECTED_VALUE.fullmatch(value) is not None
    )


def unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield one sentence for each variable that begins with SWAPMOCK_ and is unknown, with the nearest known name."""
    known = {variable(row.name) for row in fields(Settings)} | OTHERS
    for name, value in sorted(environment.items()):
        if not name.upper().startswith(PREFIX) or name in known:
            continue
        if not (is_injected(name, value) or CREDENTIAL.fullmatch(name)):
            # Compare without the common prefix, which makes all names similar.
            guess = nearest(name[len(PREFIX) :], (one[len(PREFIX) :] for one in known))
            yield f"the variable {name} is no setting" + (f"; did you mean {PREFIX}{guess}?" if guess else "")
