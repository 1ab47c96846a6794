"""What the parsers of DICOM say while they read: it quotes headers, so nobody may hear it."""

from __future__ import annotations

import logging
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGERS = ("pydicom", "highdicom")


def _drop(_: logging.LogRecord) -> bool:
    return False


class _Quiet:
    """Filters of the whole process, set by the first thread that reads and taken back by the last.

    Each thread setting and restoring them for itself would restore them while another still reads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = 0
        self._warnings = warnings.catch_warnings()

    def enter(self) -> None:
        with self._lock:
            self._readers += 1
            if self._readers == 1:
                self._warnings = warnings.catch_warnings()
                self._warnings.__enter__()
                warnings.simplefilter("ignore")
                for name in _LOGGERS:
                    logging.getLogger(name).addFilter(_drop)

    def leave(self) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                self._warnings.__exit__(None, None, None)
                for name in _LOGGERS:
                    logging.getLogger(name).removeFilter(_drop)


_QUIET = _Quiet()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep remarks of pydicom and highdicom out of warnings and logs; any number of threads at once."""
    _QUIET.enter()
    try:
        yield
    finally:
        _QUIET.leave()
