"""Memory for the images that are converted at once."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNKNOWN = 4 << 30
"""Bytes taken for free where the system does not say."""
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


class Room:
    """Lets work in as long as there is memory for it, and one piece of work always.

    Args:
        size: bytes in all.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken: list[int] = []
        self._changed = Condition()

    @contextmanager
    def take(self, need: int) -> Iterator[None]:
        """Wait until so many bytes are free, or until nobody else is in."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or sum(self._taken) + need <= self._size)
            self._taken.append(need)
        try:
            yield
        finally:
            with self._changed:
                self._taken.remove(need)
                self._changed.notify_all()


def available_memory() -> int:
    """Bytes that may still be taken: of the machine, or of the container around this process."""
    return min(_of_machine(), _of_container())


def _of_machine() -> int:
    try:
        # What the system calls free leaves out the file cache, which gives way.
        for line in _MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN


def _of_container() -> int:
    try:
        limit = int((_CGROUP / "memory.max").read_text(encoding="ascii"))
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii")) - _file_cache()
    except (OSError, ValueError):  # "max": there is no limit
        return 1 << 62
    return max(limit - used, 0)


def _file_cache() -> int:
    """Bytes that the container counts as used and gives back when they are needed."""
    try:
        text = (_CGROUP / "memory.stat").read_text(encoding="ascii")
    except OSError:
        return 0
    counts = dict(line.split() for line in text.splitlines())
    return int(counts.get("inactive_file", 0)) + int(counts.get("active_file", 0))
