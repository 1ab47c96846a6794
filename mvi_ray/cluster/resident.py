"""How much memory this process holds, and held at most."""

from __future__ import annotations

import gc
import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
# Makes Linux forget the highest resident size so far (proc_pid_clear_refs(5)).
_RESET_PEAK = "5"


def resident_bytes() -> int:
    """Resident memory now; 0 where the system does not tell."""
    return _field("VmRSS:") or 0


def peak_bytes() -> int:
    """Most resident memory since `forget_peak`, or since the process began where that fails."""
    peak = _field("VmHWM:")
    if peak is not None:
        return peak
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def forget_peak() -> None:
    """Begin a new measurement of `peak_bytes`, where the system can."""
    with suppress(OSError):
        _CLEAR.write_text(_RESET_PEAK, encoding="ascii")


def give_back() -> None:
    """Return freed memory to the system: the C library keeps what it may need again."""
    import ctypes

    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _field(name: str) -> int | None:
    try:
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
