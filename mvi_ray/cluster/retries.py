"""What becomes of a unit that did not end: tried again, or a failure. No Ray in here."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from mvi_ray.cluster.unit import Failure, Unit, Voi, VoiResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mvi_ray.cluster.limits import Limits
    from mvi_ray.cluster.memory import MemoryClasses

_LOG = logging.getLogger("mvi_ray")
_GIB = 1024**3


class Loss(Enum):
    """Why a task ended without its results."""

    CRASHED = "its worker process died"
    MEMORY = "its worker ran out of memory"
    NODE = "its machine was lost"
    TIME = "it did not end in time"
    UNBEGUN = "its worker was gone before it began"


@dataclass(frozen=True, slots=True)
class Job:
    """A unit on its way through the cluster.

    Args:
        unit: what to compute, with its attempts so far.
        needed: bytes that it is to have; 0 when nobody knows.
        crashes: how often its worker died.
        nodes: how often its machine was lost.
    """

    unit: Unit
    needed: int = 0
    crashes: int = 0
    nodes: int = 0

    @classmethod
    def of(cls, unit: Unit) -> Job:
        """A unit that was not tried yet in this run."""
        return cls(unit, unit.memory_bytes)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a task was lost.

    Args:
        loss: why.
        error: class of Ray's error, for the record.
        seconds: how long it had run.
        memory_bytes: most memory of its worker, as far as it is known.
        traceback: of an error that Python raised.
        limit_s: how long it might have run.
    """

    loss: Loss
    error: str
    seconds: float | None = None
    memory_bytes: int | None = None
    traceback: str = ""
    limit_s: float | None = None


def after_loss(
    job: Job, left: Sequence[Voi], ended: Ended, classes: MemoryClasses, limits: Limits
) -> tuple[list[Job], list[VoiResult]]:
    """What to try again, and what has failed.

    VOIs are computed in their order, so the first one without a result is the suspect: it goes
    on alone, and those behind it go on without it and unblamed.

    Args:
        job: what was lost.
        left: its VOIs without a result, in their order; at least one.
        ended: how it was lost.
        classes: memory classes of the cluster.
        limits: how often to try.
    """
    suspect, rest = left[0], left[1:]
    if ended.loss is not Loss.UNBEGUN:
        _LOG.warning("%s %s: %s (%s)", suspect.name, job.unit.family, ended.loss.value, ended.error)
    if ended.loss is Loss.UNBEGUN:
        return [replace(job, unit=job.unit.of(left))], []
    if ended.loss is Loss.NODE and job.nodes + 1 < limits.nodes:
        return [replace(job, unit=job.unit.of(left), nodes=job.nodes + 1)], []
    others = [replace(job, unit=job.unit.of(rest), crashes=0, nodes=0)] if rest else []
    again = _again(job, suspect, ended, classes, limits)
    if again is not None:
        return [again, *others], []
    failure = _failure(job, ended, classes)
    return others, [
        VoiResult(
            suspect,
            failure=failure,
            duration_s=ended.seconds or 0.0,
            memory_bytes=ended.memory_bytes,
            family=job.unit.family,
        )
    ]


def _again(job: Job, suspect: Voi, ended: Ended, classes: MemoryClasses, limits: Limits) -> Job | None:
    """The suspect's next attempt, alone; None when it had its last."""
    alone = len(job.unit.vois) == 1
    unit = job.unit.tried().of([suspect])
    if ended.loss is Loss.MEMORY and classes.sizes:
        size = classes.size(job.needed)
        if size < classes.largest:
            return replace(job, unit=unit, needed=max(size + 1, ended.memory_bytes or 0))
        return None if alone else replace(job, unit=unit)
    if ended.loss in (Loss.CRASHED, Loss.MEMORY):
        last = alone and job.crashes + 1 >= limits.crashes
        return None if last else replace(job, unit=unit, crashes=job.crashes + 1)
    if ended.loss is Loss.TIME and not alone:
        return replace(job, unit=unit)
    return None


def _failure(job: Job, ended: Ended, classes: MemoryClasses) -> Failure:
    reason, way_out = _words(job, ended, classes)
    return Failure(
        reason,
        way_out,
        ended.error,
        ended.traceback,
        attempts=job.unit.attempts + 1,
        duration_s=ended.seconds,
        memory_bytes=ended.memory_bytes,
    )


def _words(job: Job, ended: Ended, classes: MemoryClasses) -> tuple[str, str]:
    ran = "" if ended.seconds is None else f" after {ended.seconds:.0f} s"
    if ended.loss is Loss.MEMORY:
        way_out = "use a larger spacing or bin width, or a machine with more memory"
        if not classes.sizes:
            return f"the worker ran out of memory{ran}", way_out
        needs = _needs(job, ended, classes.largest)
        return f"the worker ran out of memory{ran}: {needs}", way_out
    if ended.loss is Loss.TIME:
        return (
            f"it did not end within {_duration(ended.limit_s or ended.seconds or 0.0)}",
            "look at the VOI, or use a larger spacing or bin width",
        )
    if ended.loss is Loss.NODE:
        return (
            f"its machine was lost {job.nodes + 1} times while it was computed",
            "look at the machines, and at the size of the VOI",
        )
    return (
        f"the worker process died{ran}",
        "look at the VOI: thousands of grey levels or a huge volume kill the engine",
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 2 * 60 else f"{seconds / 60:.3g} minutes"


def _needs(job: Job, ended: Ended, largest: int) -> str:
    held = ended.memory_bytes or 0
    if max(job.needed, held) > largest:
        needs = f"it needs about {max(job.needed, held) / _GIB:.1f} GiB"
    elif held:
        # The node may be full of what others hold.
        needs = f"it held {held / _GIB:.1f} GiB when no more was to be had"
    else:
        needs = f"it needs more than {largest / _GIB:.1f} GiB"
    return f"{needs}, and the largest node offers {largest / _GIB:.1f} GiB"
