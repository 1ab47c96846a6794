"""Ray's errors, told apart: what is the unit's fault, what its machine's, what the cluster's."""

from __future__ import annotations

import re

from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)

from mvi_ray.cluster.retries import Loss
from mvi_ray.cluster.unit import Failure
from mvi_ray.errors import ClusterError, MviError

_NODE = (NodeDiedError, ObjectLostError, ActorUnavailableError)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_OWN_CLASS = re.compile(r"^mvi_ray\.errors\.\w+: ")
_WORKER = (WorkerCrashedError, RayActorError, TaskCancelledError)


def loss_of(error: Exception) -> Loss:
    """How a task was lost.

    Raises:
        ClusterError: not the task but Ray itself has failed.
    """
    if isinstance(error, ActorDiedError) and error.actor_init_failed:
        raise ClusterError(
            f"the network could not be loaded by its worker: {last_line(str(error))}; "
            "check the weights and the memory of the nodes"
        ) from None
    if isinstance(error, OutOfMemoryError):
        return Loss.MEMORY
    if isinstance(error, RayTaskError):
        return Loss.MEMORY if cause_of(error).error == "MemoryError" else Loss.CRASHED
    if isinstance(error, _NODE) or _node_died(error):
        return Loss.NODE
    if isinstance(error, _WORKER):
        return Loss.CRASHED
    raise lost(error) from None


def cause_of(error: RayTaskError, attempts: int = 1) -> Failure:
    """The exception that a worker raised."""
    cause = error.cause if isinstance(error.cause, Exception) else error
    return Failure.of(cause, attempts)


def lost(error: Exception) -> ClusterError:
    """Ray itself has failed: nothing is said about any VOI."""
    kind = "" if isinstance(error, ClusterError) else f" ({type(error).__name__})"
    return ClusterError(
        f"the Ray cluster was lost: {first_sentence(error)}{kind}; "
        "what was committed is kept: check the cluster, or memory and disk space in /tmp, and run it again"
    )


def unable(error: Exception) -> ClusterError:
    """A worker failed before it began with a unit: it has not the program, or another version of it."""
    cause = error.cause if isinstance(error, RayTaskError) and isinstance(error.cause, Exception) else error
    # Ray puts a page of traceback behind its own advice where the program cannot be imported.
    said = cause.reason if isinstance(cause, MviError) else last_line(str(cause))
    return ClusterError(
        f"a worker of the cluster cannot run this program ({said or type(cause).__name__}); "
        "install the same versions on every machine"
    )


def unending(seconds: float) -> ClusterError:
    """A worker was told to end and goes on."""
    return ClusterError(
        f"a worker did not end within {seconds:.0f} s of being told to; "
        "look at the machines, and run it again"
    )


def memory_of(error: Exception, pid: int | None) -> int | None:
    """What Ray's memory monitor says that a process used, in bytes; None when it does not."""
    if pid is None or not isinstance(error, OutOfMemoryError):
        return None
    found = re.search(rf"^\s*{pid}\s+([0-9.]+)\s", str(error), re.MULTILINE)
    return None if found is None else int(float(found[1]) * 1024**3)


def first_sentence(error: Exception) -> str:
    """A text of Ray without its pages of advice; a semicolon would end the reason."""
    lines = str(error).strip().splitlines()
    sentence = lines[0].partition(". ")[0] if lines else type(error).__name__
    return sentence.replace(";", ",").rstrip(".")


def last_line(text: str) -> str:
    """The error at the end of a traceback, without colours; a semicolon would end the reason."""
    lines = _COLOUR.sub("", text).strip().splitlines()
    line = lines[-1].strip() if lines else ""
    return _OWN_CLASS.sub("", line).replace(";", ",").rstrip(".")


def _node_died(error: Exception) -> bool:
    """An actor's error says only in words that its node went with it."""
    return (
        isinstance(error, RayActorError)
        and re.search(r"node (is dead|has died|died)", str(error)) is not None
    )
