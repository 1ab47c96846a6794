"""Units to Ray tasks and actors: a window in flight, retries owned by the driver."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import (
    ActorDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
    WorkerCrashedError,
)

from mvi_ray.cluster.unit import Failure, Unit, VoiResult
from mvi_ray.cluster.work import EmbeddingWorker, compute_cr
from mvi_ray.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mvi_ray.cluster.session import Resources
    from mvi_ray.extract.weights import WeightsSource
    from mvi_ray.study import ConventionalRadiomics, DeepRadiomics

_LOG = logging.getLogger("mvi_ray")

_LOST = (WorkerCrashedError, NodeDiedError, ObjectLostError, OutOfMemoryError, RayActorError)
_ATTEMPTS = 2
_WAIT_S = 1.0
# A fresh worker costs a second; the C code of some filters does not give all memory back.
_CALLS_OF_ONE_WORKER = 50


def run_cr(
    units: Sequence[Unit], settings: ConventionalRadiomics, resources: Resources
) -> Iterator[list[VoiResult]]:
    """Compute units in tasks of one core each, the largest first; results as they come.

    Ray's own retries are off: it cannot tell a poisoned VOI from a lost machine. A unit whose
    worker dies is tried again VOI by VOI, and a VOI lost again, alone, is reported as a failure. An
    empty list comes about once a second while nothing is ready, so that the caller can commit.
    """
    task = ray.remote(num_cpus=1, max_retries=0, max_calls=_CALLS_OF_ONE_WORKER)(compute_cr)
    queue = deque(sorted(units, key=lambda unit: -unit.cost))
    handle = ray.put(settings)
    running: dict[Any, Unit] = {}
    try:
        while queue or running:
            while queue and len(running) < 2 * resources.cpus:
                unit = queue.popleft()
                running[task.remote(unit, handle)] = unit
            ready, _ = ray.wait(list(running), num_returns=1, timeout=_WAIT_S)
            if not ready:
                yield []
            for reference in ready:
                unit = running.pop(reference)
                try:
                    yield ray.get(reference)
                except _LOST as error:
                    again, results = _after_loss(unit, error)
                    queue.extendleft(again)
                    yield results
                except RayTaskError as error:
                    yield _all_failed(unit, error)
    finally:
        # After Ctrl-C or an error of the caller nothing keeps computing on a shared cluster.
        for reference in running:
            ray.cancel(reference, force=True)


def run_dlr(
    units: Sequence[Unit], settings: DeepRadiomics, source: WeightsSource, resources: Resources
) -> Iterator[list[VoiResult]]:
    """Embed units in long-lived actors: one on each GPU, else one on each core."""
    devices = {"num_gpus": 1} if resources.gpus else {"num_cpus": 1}
    batches = _batches(units, settings.batch_size)
    count = min(resources.gpus or resources.cpus, len(batches))
    actor = ray.remote(max_restarts=0, **devices)(EmbeddingWorker)
    idle = [actor.remote(source, settings) for _ in range(count)]
    queue = deque(batches)
    running: dict[Any, tuple[Any, list[Unit]]] = {}
    try:
        while queue or running:
            while queue and idle:
                worker, batch = idle.pop(), queue.popleft()
                running[worker.compute.remote(batch)] = (worker, batch)
            ready, _ = ray.wait(list(running), num_returns=1, timeout=_WAIT_S)
            if not ready:
                yield []
            for reference in ready:
                worker, batch = running.pop(reference)
                try:
                    results = _collect(reference, batch)
                except _LOST as error:
                    worker = actor.remote(source, settings)
                    results = _requeue(batch, error, queue)
                idle.append(worker)
                yield results
    finally:
        for worker in itertools.chain(idle, (worker for worker, _ in running.values())):
            ray.kill(worker)


def _collect(reference: Any, batch: list[Unit]) -> list[VoiResult]:
    """Results of one batch; losses of the worker are left to the caller."""
    try:
        return list(ray.get(reference))
    except ActorDiedError as error:
        if error.actor_init_failed:
            raise ClusterError(f"the network could not be loaded by its worker: {error}") from None
        raise
    except RayTaskError as error:
        return [result for unit in batch for result in _all_failed(unit, error)]


def _batches(units: Sequence[Unit], size: int) -> list[list[Unit]]:
    """Whole units in order, until a batch of the network is full."""
    batches: list[list[Unit]] = []
    filled = size
    for unit in units:
        if filled >= size:
            batches.append([])
            filled = 0
        batches[-1].append(unit)
        filled += len(unit.vois)
    return batches


def _requeue(batch: list[Unit], error: Exception, queue: deque[list[Unit]]) -> list[VoiResult]:
    results: list[VoiResult] = []
    for unit in batch:
        again, failed = _after_loss(unit, error)
        queue.extendleft([one] for one in again)
        results.extend(failed)
    return results


def _after_loss(unit: Unit, error: Exception) -> tuple[list[Unit], list[VoiResult]]:
    """A lost unit is tried again, one VOI at a time; what is lost again, alone, has failed."""
    tried = unit.tried()
    name = type(error).__name__
    if len(unit.vois) > 1 or tried.attempts < _ATTEMPTS:
        _LOG.warning("%s: its worker was lost (%s); trying again", unit.vois[0].name, name)
        return tried.split(), []
    memory = isinstance(error, OutOfMemoryError)
    failure = Failure(
        "the worker ran out of memory" if memory else "the worker process died",
        "use fewer cores (--cpus) or a larger bin width"
        if memory
        else "look at the VOI: thousands of grey levels or a huge volume kill the engine",
        name,
        attempts=tried.attempts,
    )
    return [], [VoiResult(voi, failure=failure) for voi in unit.vois]


def _all_failed(unit: Unit, error: RayTaskError) -> list[VoiResult]:
    cause = error.cause if isinstance(error.cause, Exception) else error
    failure = Failure.of(cause, unit.attempts + 1)
    return [VoiResult(voi, failure=failure) for voi in unit.vois]
