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
