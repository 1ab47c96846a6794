"""Processes of an own Ray: found by its folder, and gone when it ends."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROC = Path("/proc")
# Workers end by themselves when they miss their node, its agents only after a minute.
_GRACE_S = 0.3
_UNNEEDED = (b"/dashboard/dashboard.py", b"/autoscaler/_private/monitor.py", b"/_private/log_monitor.py")


class Process(NamedTuple):
    """A process, told apart from a later one of the same number by its start."""

    pid: int
    started: str


def processes_of(folder: str) -> tuple[Process, ...]:
    """Children of this process that name a folder in their command, and all below them.

    Empty where the system has no ``/proc``.
    """
    parents: dict[int, int] = {}
    started: dict[int, str] = {}
    for path in _PROC.glob("[0-9]*/stat"):
        with suppress(OSError, IndexError, ValueError):
            # The name of a command may hold blanks and brackets.
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            pid = int(path.parent.name)
            parents[pid], started[pid] = int(fields[1]), fields[19]
    found = [pid for pid, parent in parents.items() if parent == os.getpid() and _names(pid, folder)]
    for one in found:
        found.extend(pid for pid, parent in parents.items() if parent == one)
    return tuple(Process(pid, started[pid]) for pid in found)


def end_unneeded(folder: str) -> None:
    """End what Ray starts for clusters and dashboards, which an own instance has not.

    Its API server, autoscaler and log monitor take 3 s of CPU in two minutes from the workers, and one
    second of each end, for Ray waits for each of them. Work goes on without.
    """
    for one in processes_of(folder):
        with suppress(OSError):
            command = (_PROC / str(one.pid) / "cmdline").read_bytes().split(b"\0")
            if any(part.endswith(_UNNEEDED) for part in command) and _lives(one):
                os.kill(one.pid, signal.SIGKILL)


def end_all(processes: Iterable[Process]) -> None:
    """Wait a moment for processes to end, then end them."""
    left = [one for one in processes if _lives(one)]
    deadline = time.monotonic() + _GRACE_S
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = [one for one in left if _lives(one)]
    for one in left:
        with suppress(OSError):
            os.kill(one.pid, signal.SIGKILL)


def _names(pid: int, folder: str) -> bool:
    try:
        return folder.encode() in (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False


def _lives(one: Process) -> bool:
    try:
        fields = (_PROC / str(one.pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] != "Z" and fields[19] == one.started
