"""Memory is shared out: as much as there is, and to one always."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.project import room
from mvi_ray.project.room import Room, available_memory

if TYPE_CHECKING:
    from pathlib import Path


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 20), st.lists(st.integers(0, 30), max_size=12))
def test_nobody_takes_more_than_there_is_beside_another(size: int, needs: list[int]) -> None:
    """Everybody gets in at last, also who needs more than there is: alone then."""
    shared, lock = Room(size), threading.Lock()
    inside: list[int] = []
    seen: list[tuple[int, ...]] = []

    def work(need: int) -> None:
        with shared.take(need):
            with lock:
                inside.append(need)
                seen.append(tuple(inside))
            with lock:
                inside.remove(need)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, needs))
    assert len(seen) == len(needs)
    assert all(len(together) == 1 or sum(together) <= size for together in seen)


def test_room_is_given_back_by_who_fails() -> None:
    """Else the next one would wait for ever."""
    shared = Room(1)
    with pytest.raises(ValueError, match="failed"), shared.take(1):
        raise ValueError("failed")
    with shared.take(1):
        pass


def test_container_and_machine_bound_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever leaves less; without a limit, or a word of the system, the memory that is built in counts."""
    built_in = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr(room, "_CGROUP", tmp_path)
    monkeypatch.setattr(room, "_MEMINFO", tmp_path / "meminfo")
    assert available_memory() == built_in // 2
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   5 kB\n")
    assert available_memory() == 5 << 10
    (tmp_path / "memory.current").write_text("3000\n")
    # What the container keeps of files it gives back.
    (tmp_path / "memory.stat").write_text("anon 2300\ninactive_file 500\nactive_file 200\n")
    for limit, left in (("max", 5 << 10), ("4000", 1700), ("2000", 0)):
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        assert available_memory() == left
