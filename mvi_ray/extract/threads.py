"""How many threads the numerical libraries of one worker may use."""

from __future__ import annotations

import sys

from mvi_ray.errors import UsageError


def pin_threads(count: int) -> None:
    """Limit SimpleITK, and torch where it is loaded, to a number of threads in this process.

    ITK does not read ``OMP_NUM_THREADS``, so a variable alone would not hold it. BLAS reads
    its variables when it is loaded; who starts the process sets those.

    Raises:
        UsageError: `count` is below 1.
    """
    if count < 1:
        msg = f"a worker cannot run with {count} threads; give at least 1"
        raise UsageError(msg)
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(count)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(count)
