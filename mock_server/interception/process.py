"""Runs a command as a child process: passes signals to it, and returns its exit status."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

#: The signals that are passed to the command. Signals that stop and continue a process reach the whole group anyway.
FORWARDED = {
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGALRM,
}

#: The `si_code` of a signal from the kernel, such as for Ctrl-C: the terminal sends those to the whole process group.
SI_KERNEL = 0x80

NOT_EXECUTABLE, NOT_FOUND = 126, 127


class CannotStart(Exception):
    """The command cannot be started. `status` is the exit status that a shell would give."""

    def __init__(self, command: str, error: OSError) -> None:
        super().__init__(f"cannot run {command}: {error.strerror}")
        self.status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE


@contextmanager
def signals_held_back() -> Iterator[Callable[[Sequence[str], Mapping[str, str]], int]]:
    """Block signals while threads are started, so that only the function that this yields receives them.

    The function runs a command with an environment to its end and returns its exit status: 128 + n if signal n
    ended it. It raises CannotStart if there is no such command."""
    waited_for = FORWARDED | {signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
    # An ignored signal cannot be waited for, and a shell ignores SIGINT for background processes.
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in waited_for}
    ignored = {number for number, handler in handlers.items() if handler is signal.SIG_IGN}
    try:
        yield lambda command, environment: _run(command, environment, waited_for, before, ignored)
    finally:
        while signal.sigtimedwait(waited_for, 0) is not None:
            pass  # discard signals that came after the command's end
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(
    command: Sequence[str],
    environment: Mapping[str, str],
    waited_for: set[signal.Signals],
    mask: set[int | signal.Signals],
    ignored: set[signal.Signals],
) -> int:
    try:
        child = os.posix_spawnp(
            command[0], list(command), dict(environment), setsigmask=mask, setsigdef=waited_for - ignored
        )
    except OSError as error:
        raise CannotStart(command[0], error) from None
    while True:
        received = signal.sigwaitinfo(waited_for)
        if received.si_signo == signal.SIGCHLD:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid == child and not os.WIFSTOPPED(status):
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
        elif received.si_code != SI_KERNEL:
            os.kill(child, received.si_signo)
