"""Units in long-lived actors that hold a network: batches in flight, lost actors started again."""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError

from mvi_ray.cluster.losses import cause_of, loss_of, lost, memory_of, unable, unending
from mvi_ray.cluster.memory import MemoryClasses
from mvi_ray.cluster.retries import Ended, Job, Loss, after_loss
from mvi_ray.cluster.supply import Supply
from mvi_ray.cluster.unit import Unit, VoiResult
from mvi_ray.cluster.work import Begun, EmbeddingWorker
from mvi_ray.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mvi_ray.cluster.claims import Claims
    from mvi_ray.cluster.limits import Limits
    from mvi_ray.cluster.program import Program
    from mvi_ray.cluster.session import Resources

_LOG = logging.getLogger("mvi_ray")

_WAIT_S = 1.0
_BATCHES_OF_ONE_ACTOR = 2
_UNBEGUN_IN_A_ROW = 5
# Loading torch and the network takes some seconds.
_UNBORN_S = 20.0
_KILL_S = 60.0


@dataclass(eq=False, slots=True)
class _Actor:
    """A worker with the batches that it was sent, in their order."""

    handle: Any
    flying: list[_Batch] = field(default_factory=list)
    killed: float | None = None
    born: bool = False
    since: float = field(default_factory=time.monotonic)


@dataclass(eq=False, slots=True)
class _Batch:
    """Jobs that go through the network together."""

    jobs: list[Job]
    actor: _Actor
    begun: float | None = None
    pid: int | None = None

    @property
    def cost(self) -> float:
        return sum(job.unit.cost for job in self.jobs)

    @property
    def alone(self) -> bool:
        return any(job.unit.alone for job in self.jobs)

    @property
    def single(self) -> bool:
        """Whether it is of one VOI, which then is the suspect."""
        return len(self.jobs) == 1 and len(self.jobs[0].unit.vois) == 1


class Actors:
    """Runs units of one family to their end; `results` may be iterated once, `stop` follows.

    Args:
        units: what to compute.
        start: makes an actor.
        count: actors, at most.
        size: VOIs of a batch.
        resources: what the cluster offers.
        claims: who may compute what.
        limits: time and attempts of one unit.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        start: Any,
        *,
        count: int,
        size: int,
        resources: Resources,
        claims: Claims,
        limits: Limits,
    ) -> None:
        self._start, self._count, self._size = start, count, size
        self._own = resources.own
        self._limits = limits
        self._supply = Supply(units, claims, count)
        self._jobs: deque[Job] = deque()
        self._last: deque[Job] = deque()
        self._actors: list[_Actor] = []
        self._streams: dict[Any, _Batch] = {}
        self._unbegun = 0
        self._warned = time.monotonic()

    def results(self) -> Iterator[list[VoiResult]]:
        """Results as they come, and an empty list about once a second while there are none.

        Raises:
            ClusterError: the network cannot be loaded, or the cluster was lost.
        """
        told = time.monotonic()
        while self._streams or self._jobs or self._last or not self._supply.exhausted:
            self._feed()
            results = [result for stream in self._wait() for result in self._advance(stream)]
            self._end_late_ones()
            self._take_back_from_unborn()
            for result in results:
                self._supply.ended(result.family, result.voi)
            if results or time.monotonic() - told >= _WAIT_S:
                yield results
                told = time.monotonic()

    def stop(self) -> None:
        """Nothing keeps computing, and what did not end is given back; also after all is done."""
        # An own Ray ends as a whole right after this.
        try:
            if not self._own:
                for actor in self._actors:
                    with suppress(RayError, ConnectionError, RuntimeError):
                        ray.kill(actor.handle)
        finally:
            self._actors.clear()
            self._streams.clear()
            self._supply.release()

    def _feed(self) -> None:
        while (batch := self._next()) is not None:
            actor = self._idlest()
            if actor is None:
                self._jobs.extendleft(reversed(batch))
                return
            self._send(batch, actor)
        if self._last and not self._streams:
            actor = self._idlest()
            if actor is not None:
                self._send([self._last.popleft()], actor)

    def _next(self) -> list[Job] | None:
        """Whole units until a batch is full; what has taken a worker down goes alone."""
        while not self._supply.exhausted and self._vois() < self._size:
            for unit in self._supply.take():
                (self._last if unit.alone else self._jobs).append(Job.of(unit))
        batch: list[Job] = []
        filled = 0
        while self._jobs and filled < self._size:
            suspect = self._jobs[0].crashes > 0
            if suspect and batch:
                break
            job = self._jobs.popleft()
            batch.append(job)
            filled += self._size if suspect else len(job.unit.vois)
        return batch or None

    def _vois(self) -> int:
        return sum(len(job.unit.vois) for job in itertools.islice(self._jobs, self._size))

    def _idlest(self) -> _Actor | None:
        """The actor with the fewest batches, a new one while there may be more."""
        if any(batch.alone for batch in self._streams.values()):
            return None
        actors = [actor for actor in self._actors if actor.killed is None]
        actor = min(actors, key=lambda one: len(one.flying), default=None)
        if (actor is None or actor.flying) and len(self._actors) < self._count:
            actor = _Actor(self._start())
            self._actors.append(actor)
        return actor if actor is not None and len(actor.flying) < _BATCHES_OF_ONE_ACTOR else None

    def _send(self, jobs: list[Job], actor: _Actor) -> None:
        batch = _Batch(jobs, actor)
        try:
            stream = actor.handle.serve.remote([job.unit for job in jobs])
        except (RayError, ConnectionError) as error:
            raise lost(error) from None
        actor.flying.append(batch)
        self._streams[stream] = batch

    def _wait(self) -> list[Any]:
        if not self._streams:
            return []
        now = time.monotonic()
        due = [self._due(batch) - now for batch in self._streams.values() if self._is_computed(batch)]
        try:
            ready, _ = ray.wait(
                list(self._streams), num_returns=1, timeout=max(0.0, min([_WAIT_S, *due])), fetch_local=False
            )
        except (RayError, ConnectionError) as error:
            raise lost(error) from None
        return list(ready)

    def _advance(self, stream: Any) -> list[VoiResult]:
        batch = self._streams[stream]
        try:
            item = ray.get(next(stream))
        except StopIteration:
            self._remove(stream)
            return []
        except RayTaskError as error:
            return self._raised(stream, error)
        except (RayError, ConnectionError) as error:
            return self._lost(stream, error)
        if isinstance(item, Begun):
            batch.begun, batch.pid = time.monotonic(), item.pid
            batch.actor.born = True
            self._unbegun = 0
            return []
        jobs, batch.jobs = batch.jobs, []
        return [result for one in item for result in self._took(jobs, one)]

    def _took(self, jobs: list[Job], result: VoiResult) -> list[VoiResult]:
        """Want of memory may be that of the whole batch: the VOI is tried again alone, once."""
        failure = result.failure
        if failure is None or failure.error != "MemoryError":
            return [result]
        job = next(job for job in jobs if any(voi.key == result.voi.key for voi in job.unit.vois))
        ended = Ended(Loss.MEMORY, failure.error, failure.duration_s, failure.memory_bytes, failure.traceback)
        again, failed = after_loss(job, [result.voi], ended, MemoryClasses(()), self._limits)
        self._put_back(job, again)
        # What the worker said itself knows more, such as whose memory it was.
        return [result] if failed else []

    def _raised(self, stream: Any, error: RayTaskError) -> list[VoiResult]:
        """What was raised outside of any VOI may be the fault of one: each goes on alone."""
        batch = self._remove(stream)
        if batch.begun is None and not batch.actor.born:
            raise unable(error) from None
        failure = replace(cause_of(error), duration_s=_seconds(batch))
        results: list[VoiResult] = []
        for job in reversed(batch.jobs):
            if batch.single:
                (voi,) = job.unit.vois
                of_voi = replace(failure, attempts=job.unit.attempts + 1)
                results.append(VoiResult(voi, failure=of_voi, family=job.unit.family))
            else:
                self._put_back(job, _each_alone(job))
        return results

    def _lost(self, stream: Any, error: Exception) -> list[VoiResult]:
        """An actor is gone: the batch it was at is taken apart, the one behind it goes elsewhere."""
        batch = self._remove(stream)
        if batch.actor in self._actors:
            self._actors.remove(batch.actor)
        if not batch.jobs:
            return []
        loss = Loss.TIME if batch.actor.killed is not None else loss_of(error)
        if loss is Loss.NODE and self._own:
            raise lost(error) from None
        if batch.begun is None:
            # Batches that wait behind another, or on a machine that is gone, tell nothing of the network.
            if loss is not Loss.NODE and not batch.actor.born and batch.actor.killed is None:
                self._unbegun += 1
                if self._unbegun >= _UNBEGUN_IN_A_ROW * _BATCHES_OF_ONE_ACTOR:
                    raise lost(error)
            loss = Loss.UNBEGUN
        ended = Ended(
            loss,
            "TimeoutError" if loss is Loss.TIME else type(error).__name__,
            _seconds(batch),
            memory_of(error, batch.pid),
            limit_s=self._limit_s(batch),
        )
        return self._apart(batch, ended)

    def _apart(self, batch: _Batch, ended: Ended) -> list[VoiResult]:
        """Nobody knows which VOI of a batch it was: each goes on alone."""
        results: list[VoiResult] = []
        for job in reversed(batch.jobs):
            if batch.single or ended.loss in (Loss.UNBEGUN, Loss.NODE):
                again, failed = after_loss(job, job.unit.vois, ended, MemoryClasses(()), self._limits)
                results.extend(failed)
            else:
                again = _each_alone(job)
            self._put_back(job, again)
        return results

    def _put_back(self, job: Job, again: Sequence[Job]) -> None:
        (self._last if job.unit.alone else self._jobs).extendleft(reversed(again))

    def _remove(self, stream: Any) -> _Batch:
        batch = self._streams.pop(stream)
        batch.actor.flying.remove(batch)
        return batch

    def _due(self, batch: _Batch) -> float:
        return (batch.begun or 0.0) + self._limit_s(batch)

    def _limit_s(self, batch: _Batch) -> float:
        return self._limits.seconds(batch.cost, len(batch.jobs))

    @staticmethod
    def _is_computed(batch: _Batch) -> bool:
        """Whether its time runs: it has begun, and neither ended nor been told to."""
        return bool(batch.jobs) and batch.begun is not None and batch.actor.killed is None

    def _end_late_ones(self) -> None:
        now = time.monotonic()
        for batch in list(self._streams.values()):
            if self._is_computed(batch) and now >= self._due(batch):
                batch.actor.killed = now
                ray.kill(batch.actor.handle)
            elif batch.actor.killed is not None and now >= batch.actor.killed + _KILL_S:
                raise unending(_KILL_S)

    def _take_back_from_unborn(self) -> None:
        """Batches of an actor for which the cluster has no place go to one that has nothing to do.

        Its place may have been on a machine that was lost since the cores were counted.
        """
        now = time.monotonic()
        unborn = [one for one in self._actors if not one.born and now - one.since >= _UNBORN_S]
        if not unborn:
            return
        if not any(one.born for one in self._actors):
            waited = now - unborn[0].since
            if waited >= self._limits.start_s:
                if self._own:
                    raise lost(ClusterError(f"no worker got a place within {self._limits.start_s:.0f} s"))
                if now - self._warned >= self._limits.start_s:
                    _LOG.warning("no worker of the cluster has been free for %.0f s", waited)
                    self._warned = now
            return
        if not any(one.born and not one.flying for one in self._actors):
            return
        for actor in unborn:
            for stream in [one for one, batch in self._streams.items() if batch.actor is actor]:
                for job in self._remove(stream).jobs:
                    (self._last if job.unit.alone else self._jobs).append(job)
            self._actors.remove(actor)
            ray.kill(actor.handle)
        self._count = max(1, len(self._actors))


def _each_alone(job: Job) -> list[Job]:
    """Its VOIs, each in a batch of its own."""
    unit = job.unit.tried()
    return [replace(job, unit=unit.of([voi]), crashes=1) for voi in unit.vois]


def _seconds(batch: _Batch) -> float | None:
    return None if batch.begun is None else time.monotonic() - batch.begun


def starter(source: Any, settings: Any, program: Program | None = None, *, gpu: bool) -> Any:
    """What starts an actor with a network, on a GPU or on a core, if it has this program."""
    devices = {"num_gpus": 1} if gpu else {"num_cpus": 1}
    actor = ray.remote(max_restarts=0, **devices)(EmbeddingWorker)
    try:
        held = ray.put(source), ray.put(settings)
    except (RayError, ConnectionError) as error:
        raise ClusterError(str(lost(error))) from None
    return lambda: actor.remote(*held, program)
