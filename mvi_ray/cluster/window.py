"""Which job goes to the cluster next. No Ray in here."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

from mvi_ray.cluster.retries import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mvi_ray.cluster.memory import MemoryClasses
    from mvi_ray.cluster.supply import Supply

# So many claimed jobs may wait for a place of their own size before no more are claimed.
_MOST_JOBS = 256


class Window:
    """Jobs that wait, the largest first; those that must run alone come after all others.

    Args:
        supply: where new units come from.
        classes: memory classes of the cluster; may be set anew when nodes come or go.
    """

    def __init__(self, supply: Supply, classes: MemoryClasses) -> None:
        self.classes = classes
        self._supply = supply
        self._order = itertools.count()
        self._jobs: list[tuple[float, int, Job]] = []
        self._alone: list[Job] = []

    @property
    def empty(self) -> bool:
        """Whether nothing waits any more."""
        return not self._jobs and not self._alone and self._supply.exhausted

    def add(self, jobs: Iterable[Job]) -> None:
        """Put jobs in their place."""
        for job in jobs:
            if job.unit.alone:
                self._alone.append(job)
            else:
                heapq.heappush(self._jobs, (-job.unit.cost, next(self._order), job))

    def next(self, flying: Mapping[int, int], *, waiting: bool) -> Job | None:
        """The next job that the cluster has a place for, or None.

        Args:
            flying: bytes that a job reserves, to the number of those that have not ended.
            waiting: whether one of them that needs more than a core's share has not begun.
        """
        while True:
            job = self._fitting(flying, waiting=waiting)
            if job is not None:
                return job
            if self._supply.exhausted or len(self._jobs) >= _MOST_JOBS or not self._room(flying):
                break
            self.add(Job.of(unit) for unit in self._supply.take())
        if not flying and not self._jobs and self._supply.exhausted and self._alone:
            return self._alone.pop(0)
        return None

    def _room(self, flying: Mapping[int, int]) -> bool:
        """Whether a job of the smallest size could go: only then is it time to claim more."""
        return sum(flying.values()) < max(1, 2 * sum(node.cpus for node in self.classes.nodes))

    def _fitting(self, flying: Mapping[int, int], *, waiting: bool) -> Job | None:
        refused: set[int] = set()
        kept: list[tuple[float, int, Job]] = []
        found: Job | None = None
        while self._jobs and found is None:
            entry = heapq.heappop(self._jobs)
            size = self.classes.size(entry[2].needed)
            if size not in refused and self.classes.admits(size, flying, waiting=waiting):
                found = entry[2]
            else:
                refused.add(size)
                kept.append(entry)
                if len(refused) == max(1, len(self.classes.sizes)):
                    break
        for entry in kept:
            heapq.heappush(self._jobs, entry)
        return found
