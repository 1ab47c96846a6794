"""How many cores an extraction is planned for."""

from __future__ import annotations

import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_QUOTA_1, _PERIOD_1 = (Path(f"/sys/fs/cgroup/cpu/cpu.cfs_{name}_us") for name in ("quota", "period"))


def planned_cores(cpus: int | None = None, address: str | None = None) -> int | None:
    """Cores of a local Ray; None for a cluster, whose size is not known before it is reached.

    Args:
        cpus: of the flag; all that this process may use when None.
        address: of the flag; `RAY_ADDRESS` when None.
    """
    if (address or os.environ.get("RAY_ADDRESS") or "local") != "local":
        return None
    return cpus or usable_cores()


def usable_cores() -> int:
    """Cores that this process may use: less than the machine has in a job or a container.

    The lesser of the cores that it is bound to (`taskset`, Slurm) and of a container's share in whole
    cores, at least 1. Ray itself looks at the share only.
    """
    # Only Linux binds processes to cores.
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(bound, int(_share(bound))))


def _share(otherwise: float) -> float:
    """Cores that the control group allows (version 2, then 1)."""
    try:
        if _QUOTA.exists():
            quota, period = _QUOTA.read_text(encoding="ascii").split()
        else:
            quota, period = (file.read_text(encoding="ascii") for file in (_QUOTA_1, _PERIOD_1))
        share = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # "max", or no control groups
        return otherwise
    # Of version 1 a negative one means no limit.
    return share if share > 0 else otherwise
