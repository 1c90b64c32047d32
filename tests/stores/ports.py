"""Free ports for the servers of the tests of this folder."""

import os
import socket
from contextlib import ExitStack, closing

#: Below the ports that Linux gives to whoever asks for any, so that no other test takes one of them meanwhile.
ROWS = range(20_000, 32_000, 20)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def free_ports(count: int) -> int:
    """The first of `count` free ports in a row, at most 20. Each process begins to look at a place of its own."""
    start = os.getpid() % len(ROWS)
    for first in [*ROWS[start:], *ROWS[:start]]:
        try:
            with ExitStack() as stack:
                for number in range(count):
                    stack.enter_context(closing(socket.socket())).bind(("127.0.0.1", first + number))
        except OSError:
            continue
        return first
    raise OSError(f"no {count} free ports in a row")
