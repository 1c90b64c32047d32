"""Couples the client's time to the clock of the case, and detects what libfaketime cannot do."""

from __future__ import annotations

import contextlib
import glob
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

#: The factor by which a scaled case runs faster: 600 seconds take 15.
RATE = 40.0
#: The paths of the library in Debian.
LIBRARIES = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/opt/homebrew/lib/faketime/libfaketimeMT.1.dylib",
)
#: Loads the library first, so that all processes of the command have the same start time.
LAUNCHER = (
    "import ctypes,os,sys,time;time.time();g=ctypes.CDLL(None).getenv;g.restype=ctypes.c_char_p;"
    "s=g(b'FAKETIME_SHARED');e=dict(os.environ);e.update(FAKETIME_SHARED=s.decode()) if s else None;"
    "\nfor left in range(99,-1,-1):"
    "\n try: os.execvpe(sys.argv[1],sys.argv[1:],e)"
    "\n except OSError as error:"
    "\n  if error.errno!=26 or not left: raise"  # ETXTBSY: the program was just copied
    "\n  time.sleep(2)"
)
GO_MARK = b"\xff Go buildinf:"


@dataclass(frozen=True)
class Coupling:
    """How the client's time is coupled to the clock of the case.

    `kind` is `real`, `scaled` (by libfaketime), `on_poll` (each poll moves the sandbox's clock) or `in_process`
    (the caller moves the clock). `rate` is the number of seconds of the case's clock in a real second."""

    kind: str = "real"
    rate: float = 1.0
    library: str = ""

    @property
    def sandbox_clock(self) -> dict[str, Any]:
        """Return the clock option for the case's sandbox."""
        if self.kind == "scaled":
            return {"mode": "scaled", "rate": self.rate}
        return {"mode": "on_poll"} if self.kind == "on_poll" else {"mode": "real"}

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs `command` in this time."""
        return [sys.executable, "-I", "-S", "-c", LAUNCHER, *command] if self.kind == "scaled" else list(command)

    def environment(self, start: datetime) -> dict[str, str]:
        """Return the variables that start a process in this time, at `start`."""
        if self.kind != "scaled":
            return {}
        stamp = start.strftime("%Y-%m-%d %H:%M:%S")
        return {
            "LD_PRELOAD": self.library,
            "FAKETIME": f"@{stamp} x{self.rate:g}",
            "FAKETIME_DONT_RESET": "1",
            "TZ": "UTC",
        }


def library() -> str:
    """Return the path of libfaketime; "" if it is not installed."""
    return next((path for pattern in LIBRARIES for path in sorted(glob.glob(pattern))), "")


def why_not_scaled(command: Sequence[str], search_path: str | None = None, folder: Path = Path()) -> str:
    """Return why libfaketime cannot be used for `command`; "" if it can. It must be installed, and the program must
    be dynamically linked and not written in Go, because other programs do not ask the C library for the time.
    A program with a relative path is looked up in `folder`."""
    if not library():
        return "libfaketime is not installed (Debian: libfaketime)"
    name = str(folder / command[0]) if command and "/" in command[0] else "".join(command[:1])
    program = shutil.which(name, path=search_path) if name else None
    if program is None:
        return ""
    try:
        content = Path(program).read_bytes()
    except OSError:
        return ""
    if content[:4] != b"\x7fELF":
        return ""
    if GO_MARK in content:
        return f"{command[0]} is a Go program, which reads the time past the C library"
    return "" if b"ld-linux" in content[:4096] or b"/ld-" in content[:8192] else f"{command[0]} is a static program"


def stuck_wait(processes: Sequence[int]) -> str:
    """Return a description of a thread in a timed wait that never returns under libfaketime; "" if there is none.

    Linux only: reads the system call of each thread from /proc. 202 is futex; its fourth argument is the
    time-out."""
    found = []
    for process in processes:
        for path in sorted(glob.glob(f"/proc/{process}/task/*/syscall")):
            with contextlib.suppress(OSError, IndexError, ValueError):
                call = Path(path).read_text().split()
                if call[0] == "202" and int(call[4], 16) != 0:
                    found.append(f"{process}:{' '.join(call[:5])}")
    return ";".join(found)


def group_members(group: int) -> list[int]:
    """Return the ids of the processes in a process group."""
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            rest = Path(path).read_text().rsplit(")", 1)[1].split()
            if int(rest[2]) == group:
                found.append(int(path.split("/")[2]))
    return found


def tidy(process: int) -> None:
    """Remove the shared memory that libfaketime leaves when its first process is killed."""
    for name in (f"/dev/shm/faketime_shm_{process}", f"/dev/shm/sem.faketime_sem_{process}"):
        with contextlib.suppress(OSError):
            Path(name).unlink()


def couple(
    kind: str, command: Sequence[str], environment: Mapping[str, str], rate: float = RATE, folder: Path = Path()
) -> tuple[Coupling, str]:
    """Return the coupling for `command`, and why it is not the requested `kind` ("" if it is). `auto` means scaled
    if possible."""
    if kind in ("real", "on_poll"):
        return Coupling(kind), ""
    reason = why_not_scaled(command, environment.get("PATH"), folder)
    if reason:
        return Coupling("real"), f"cases run in real time: {reason}"
    return Coupling("scaled", rate, library()), ""
