"""What readers of files say while they read: it quotes headers and paths, so nobody may hear it."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOGGERS = ("pydicom", "highdicom")
_NOWHERE = logging.NullHandler()


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
        self._propagate: list[bool] = []
        self._itk_shown: bool | None = None

    def enter(self) -> None:
        with self._lock:
            self._readers += 1
            if self._readers == 1:
                self._warnings = warnings.catch_warnings()
                self._warnings.__enter__()
                warnings.simplefilter("ignore")
                self._propagate = [logging.getLogger(name).propagate for name in _LOGGERS]
                for logger in map(logging.getLogger, _LOGGERS):
                    # A filter does not see what loggers of single modules hand upwards.
                    logger.addFilter(_drop)
                    logger.addHandler(_NOWHERE)
                    logger.propagate = False
            # Whoever reads with it has loaded it; header readers need not.
            if "SimpleITK" in sys.modules and self._itk_shown is None:
                # The statement waits where another thread is still loading it.
                import SimpleITK as itk

                self._itk_shown = itk.ProcessObject.GetGlobalWarningDisplay()
                itk.ProcessObject.SetGlobalWarningDisplay(False)

    def leave(self) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                self._warnings.__exit__(None, None, None)
                for logger, propagate in zip(map(logging.getLogger, _LOGGERS), self._propagate, strict=True):
                    logger.removeFilter(_drop)
                    logger.removeHandler(_NOWHERE)
                    logger.propagate = propagate
                if self._itk_shown is not None:
                    sys.modules["SimpleITK"].ProcessObject.SetGlobalWarningDisplay(self._itk_shown)
                    self._itk_shown = None


_QUIET = _Quiet()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep remarks of pydicom, highdicom and ITK out of warnings and logs; any number of threads at once."""
    _QUIET.enter()
    try:
        yield
    finally:
        _QUIET.leave()
