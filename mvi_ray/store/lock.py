"""The lock of a store: one command alone, or several extractions side by side."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from mvi_ray.errors import StoreBusyError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ALONE, _SHARED = "alone", "shared"
# These hold the store alone for moments: while regions are made, or after an edit of the study.
_BRIEF = frozenset(f"{verb} {_ALONE}" for verb in ("extract", "enrolment", "features"))
_PATIENCE_S, _LOOK_S = 60.0, 0.05
_NOTE_BYTES = 80


@contextmanager
def hold(path: Path, verb: str, *, shared: bool = False, patient: bool = False) -> Iterator[None]:
    """Hold a file of the store by `flock`; the lock ends with its process, also when that is killed.

    Args:
        path: the file; made when it is not there, and never removed.
        verb: the command, noted in the file for those who must wait.
        shared: beside others who share it, instead of alone.
        patient: wait a minute for those who hold it for a moment only.

    Raises:
        StoreBusyError: somebody else holds it.
        StoreError: the file cannot be written.
    """
    import fcntl

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StoreError(
            f"the store cannot be written ({error.strerror}); check the disk's free space and permissions"
        ) from None
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not try_lock(file, shared=shared):
            holder = os.pread(file, _NOTE_BYTES, 0).decode("utf-8", "replace")
            if not patient or holder not in _BRIEF or time.monotonic() > deadline:
                raise StoreBusyError(_busy(holder, verb))
            time.sleep(_LOOK_S)
        # On a full disk the note is lost, and `mvi store gc` must go on.
        with suppress(OSError):
            os.ftruncate(file, 0)
            os.pwrite(file, f"{verb} {_SHARED if shared else _ALONE}".encode(), 0)
        yield
        # Closing alone would leave it to a process that was forked meanwhile.
        fcntl.flock(file, fcntl.LOCK_UN)
    finally:
        os.close(file)


def try_lock(file: int, *, shared: bool = False) -> bool:
    """Lock an open file without waiting; whether nobody stood in the way."""
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _busy(holder: str, verb: str) -> str:
    command = holder.rpartition(" ")[0]
    named = f" (`mvi {command}`)" if command else ""
    return f"another mvi command is writing to this store{named}; wait for it to end before `mvi {verb}`"
