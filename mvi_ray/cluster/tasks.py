"""Units as Ray tasks: a window in flight, each VOI as it comes, and a limit on its time."""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError

from mvi_ray.cluster.losses import cause_of, loss_of, lost, memory_of, unable, unending
from mvi_ray.cluster.memory import MemoryClasses, Node
from mvi_ray.cluster.retries import Ended, Job, Loss, after_loss
from mvi_ray.cluster.supply import Supply
from mvi_ray.cluster.unit import Unit, Voi, VoiResult
from mvi_ray.cluster.window import Window
from mvi_ray.cluster.work import Begun, serve
from mvi_ray.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mvi_ray.cluster.claims import Claims
    from mvi_ray.cluster.limits import Limits
    from mvi_ray.cluster.program import Program
    from mvi_ray.cluster.session import Resources

_LOG = logging.getLogger("mvi_ray")

_WAIT_S = 1.0
# A fresh worker costs a second; the C code of some filters does not give all memory back.
_CALLS_OF_ONE_WORKER = 50
_UNBEGUN_IN_A_ROW = 20
_LOOK_AGAIN_S = 10.0
_CANCEL_S = 60.0


@dataclass(eq=False, slots=True)
class _Flight:
    """A job that was sent and has not ended."""

    job: Job
    size: int
    left: list[Voi]
    begun: float | None = None
    pid: int | None = None
    cancelled: float | None = None
    moved: bool = False

    @property
    def seconds(self) -> float | None:
        return None if self.begun is None else time.monotonic() - self.begun


class Tasks:
    """Runs units to their end; `results` may be iterated once, `stop` follows in any case.

    Each task is a stream: it says when it begins, then hands over each VOI. So the time of a
    unit runs from its true start, not from when Ray queued it; and when a worker dies, what it
    had finished is there and the VOI it was at is known.

    Args:
        units: what to compute.
        compute: gives the results of a unit, one by one; second argument is `argument`.
        argument: settings, sent once.
        resources: what the cluster offers.
        claims: who may compute what.
        limits: time and attempts of one unit.
        name: of the tasks, in the list of processes.
        program: what every worker must have; None for any.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        compute: Callable[[Unit, Any], Iterator[VoiResult]],
        argument: Any,
        resources: Resources,
        *,
        claims: Claims,
        limits: Limits,
        name: str,
        program: Program | None = None,
    ) -> None:
        self._own = resources.own
        self._limits = limits
        self._supply = Supply(units, claims, resources.cpus)
        self._window = Window(self._supply, MemoryClasses(Node.alive(ray.nodes())))
        self._compute, self._argument, self._program = ray.put(compute), ray.put(argument), program
        self._task = ray.remote(num_cpus=1, max_retries=0, max_calls=_CALLS_OF_ONE_WORKER)(serve)
        self._name = name
        self._tasks: dict[int, Any] = {}
        self._flying: dict[Any, _Flight] = {}
        self._unbegun = 0
        self._sign = self._looked = time.monotonic()

    def results(self) -> Iterator[list[VoiResult]]:
        """Results as they come, and an empty list about once a second while there are none.

        Raises:
            ClusterError: the cluster was lost; nothing is said about the units that are left.
        """
        told = time.monotonic()
        while self._flying or not self._window.empty:
            results = self._step()
            for result in results:
                self._supply.ended(result.family, result.voi)
            if results or time.monotonic() - told >= _WAIT_S:
                yield results
                told = time.monotonic()

    def stop(self) -> None:
        """Nothing keeps computing, and what did not end is given back; also after all is done."""
        # An own Ray ends as a whole right after this. A forced cancel that meets the end of its
        # task may abort the driver (ray-project/ray issues 54260, 54798).
        try:
            if not self._own:
                for stream in self._flying:
                    with suppress(RayError, ConnectionError, RuntimeError):
                        ray.cancel(stream, force=True)
        finally:
            self._flying.clear()
            self._supply.release()

    def _step(self) -> list[VoiResult]:
        """Send what has a place, wait for news, and take it."""
        self._feed()
        if not self._flying:
            self._look_at_nodes()
            return []
        ready = self._wait()
        results: list[VoiResult] = []
        for stream in ready:
            results.extend(self._advance(stream))
        self._end_late_ones()
        self._look_for_signs()
        return results

    def _feed(self) -> None:
        share = self._window.classes.share
        flying = Counter(flight.size for flight in self._flying.values())
        waiting = any(flight.begun is None and flight.size > share for flight in self._flying.values())
        while (job := self._window.next(flying, waiting=waiting)) is not None:
            size = self._window.classes.size(job.needed)
            try:
                stream = self._sized(size).remote(
                    self._compute, job.unit, self._argument, size, self._program
                )
            except (RayError, ConnectionError) as error:
                raise lost(error) from None
            self._flying[stream] = _Flight(job, size, list(job.unit.vois))
            flying[size] += 1
            waiting = waiting or size > share

    def _sized(self, size: int) -> Any:
        """The task that reserves so many bytes."""
        if size not in self._tasks:
            memory = {"memory": size} if size else {}
            self._tasks[size] = self._task.options(name=self._name, **memory)
        return self._tasks[size]

    def _wait(self) -> list[Any]:
        """Streams with news, after a second at the latest."""
        streams = list(self._flying)
        now = time.monotonic()
        due = [self._due(flight) - now for flight in self._flying.values() if flight.begun is not None]
        timeout = max(0.0, min([_WAIT_S, *due]))
        try:
            ready, _ = ray.wait(streams, num_returns=1, timeout=timeout, fetch_local=False)
            if ready and len(streams) > 1:
                ready, _ = ray.wait(streams, num_returns=len(streams), timeout=0, fetch_local=False)
        except (RayError, ConnectionError) as error:
            raise lost(error) from None
        return list(ready)

    def _advance(self, stream: Any) -> list[VoiResult]:
        """Take one piece of news of a task that has some."""
        flight = self._flying[stream]
        try:
            item = ray.get(next(stream))
        except StopIteration:
            return self._lost(stream, Loss.UNBEGUN if flight.begun is None else Loss.CRASHED, None)
        except RayTaskError as error:
            return self._raised(stream, error)
        except (RayError, ConnectionError) as error:
            return self._lost(stream, self._loss_of(flight, error), error)
        self._sign = time.monotonic()
        if isinstance(item, Begun):
            flight.begun, flight.pid = self._sign, item.pid
            self._unbegun = 0
            if not self._window.classes.nodes:
                self._look_at_nodes()
            return []
        return self._took(flight, item)

    def _took(self, flight: _Flight, result: VoiResult) -> list[VoiResult]:
        flight.left = [voi for voi in flight.left if voi.key != result.voi.key]
        failure = result.failure
        if failure is None or failure.error != "MemoryError":
            return [result]
        ended = Ended(Loss.MEMORY, failure.error, failure.duration_s, failure.memory_bytes, failure.traceback)
        return self._again(flight, [result.voi], ended)

    def _loss_of(self, flight: _Flight, error: Exception) -> Loss:
        if flight.cancelled is not None:
            return Loss.UNBEGUN if flight.moved else Loss.TIME
        loss = loss_of(error)
        if loss is Loss.NODE and self._own:
            raise lost(error) from None
        unbegun = flight.begun is None and loss in (Loss.CRASHED, Loss.MEMORY)
        return Loss.UNBEGUN if unbegun else loss

    def _lost(self, stream: Any, loss: Loss, error: Exception | None) -> list[VoiResult]:
        """A task is over; what it left is tried again or has failed."""
        flight = self._flying.pop(stream)
        if not flight.left:
            return []
        if loss is Loss.UNBEGUN and not flight.moved:
            self._unbegun += 1
            if self._unbegun >= _UNBEGUN_IN_A_ROW:
                raise lost(error or ClusterError("its workers end before they begin"))
        if loss is Loss.NODE:
            self._look_at_nodes()
        ended = Ended(
            loss,
            "TimeoutError" if loss is Loss.TIME else type(error).__name__ if error else "WorkerCrashedError",
            flight.seconds,
            memory_of(error, flight.pid) if error else None,
            limit_s=self._limits.seconds(flight.job.unit.cost),
        )
        return self._again(flight, flight.left, ended)

    def _raised(self, stream: Any, error: RayTaskError) -> list[VoiResult]:
        """What was raised is the end of the VOI that was computed; those behind it go on."""
        flight = self._flying[stream]
        failure = cause_of(error, flight.job.unit.attempts + 1)
        if failure.error == "MemoryError":
            return self._lost(stream, Loss.UNBEGUN if flight.begun is None else Loss.MEMORY, error)
        if flight.begun is None:
            raise unable(error) from None
        del self._flying[stream]
        if not flight.left:
            return []
        suspect, *rest = flight.left
        if rest:
            self._window.add([replace(flight.job, unit=flight.job.unit.of(rest))])
        failure = replace(failure, duration_s=flight.seconds)
        return [VoiResult(suspect, failure=failure, family=flight.job.unit.family)]

    def _again(self, flight: _Flight, left: Sequence[Voi], ended: Ended) -> list[VoiResult]:
        jobs, results = after_loss(flight.job, left, ended, self._window.classes, self._limits)
        self._window.add(jobs)
        return results

    def _due(self, flight: _Flight) -> float:
        """When the time of a task that has begun is over."""
        if flight.cancelled is not None:
            return flight.cancelled + _CANCEL_S
        return (flight.begun or 0.0) + self._limits.seconds(flight.job.unit.cost)

    def _end_late_ones(self) -> None:
        now = time.monotonic()
        for flight_of, flight in list(self._flying.items()):
            if flight.begun is None or now < self._due(flight):
                continue
            if flight.cancelled is not None:
                raise unending(_CANCEL_S)
            flight.cancelled = now
            ray.cancel(flight_of, force=True)

    def _look_for_signs(self) -> None:
        """Nodes come and go; where nothing starts for long, an own Ray is given up."""
        now = time.monotonic()
        if any(flight.begun is not None for flight in self._flying.values()):
            self._sign = max(self._sign, now)
        if now - self._looked < _LOOK_AGAIN_S:
            return
        self._look_at_nodes()
        if now - self._sign >= self._limits.start_s:
            if self._own:
                raise lost(ClusterError(f"no worker started within {self._limits.start_s:.0f} s"))
            _LOG.warning("no worker of the cluster has been free for %.0f s", now - self._sign)

    def _look_at_nodes(self) -> None:
        """Fit the memory classes to the nodes that live."""
        self._looked = time.monotonic()
        try:
            nodes = Node.alive(ray.nodes())
        except (RayError, ConnectionError) as error:
            raise lost(error) from None
        if nodes:
            self._window.classes = MemoryClasses(nodes)
        elif time.monotonic() - self._sign >= self._limits.start_s or self._own:
            raise lost(ClusterError("it has no node with a core"))
        else:
            time.sleep(_WAIT_S)
        largest = self._window.classes.largest
        for stream, flight in self._flying.items():
            if flight.begun is None and flight.size > largest and not flight.moved:
                flight.moved, flight.cancelled = True, time.monotonic()
                ray.cancel(stream, force=True)
