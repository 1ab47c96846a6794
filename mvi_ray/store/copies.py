"""Copies of volumes of a bucket, for ITK, which reads files only; a patient's image each."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mvi_ray.store.lock import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "mvi-copy-"
# One that was made a moment ago, by a process of another container, may not have its lock yet.
_YOUNG_S = 60.0


@contextmanager
def copies_folder() -> Iterator[Path]:
    """A folder that goes again: at the end, or after a kill with the next process that wants one.

    It is locked for as long as its process lives, for only that says the truth where containers share
    a folder for temporary files but count their processes by themselves.
    """
    sweep_once()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    lock = os.open(folder, os.O_RDONLY)
    try:
        try_lock(lock)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@cache
def sweep_once() -> None:
    """`sweep`, once in the life of a process."""
    sweep()


def sweep() -> None:
    """Remove what killed processes of this user left behind."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Gone meanwhile, or not ours to open.
        with suppress(OSError):
            found = left.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
                _remove_dead(left, found.st_mtime)


def _remove_dead(folder: Path, made_at: float) -> None:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        is_old = time.time() - made_at > _YOUNG_S
        if (is_old or not _lives(folder)) and try_lock(lock):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _lives(folder: Path) -> bool:
    """Whether the process that made it goes on, or another one with its number."""
    number = folder.name.removeprefix(_PREFIX).partition("-")[0]
    if not number.isdigit():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
