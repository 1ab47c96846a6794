"""Units on their way from the plan to the cluster: claimed in chunks, given back when left."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mvi_ray.cluster.claims import Claims
    from mvi_ray.cluster.unit import Unit, Voi

# A claim is a commit of 30 to 60 ms. What a killed run had claimed counts against it, begun or not,
# so no more is claimed than pays for that.
_AHEAD_S = 10.0
_MOST_UNITS = 256


class Supply:
    """Hands out units, the largest first, those that run alone last, and knows what has not ended.

    Args:
        units: the plan.
        claims: who may compute what.
        cpus: cores that wait for work.
    """

    def __init__(self, units: Sequence[Unit], claims: Claims, cpus: int) -> None:
        # Equal ones by name, as the plan has them.
        self._waiting = deque(sorted(units, key=lambda unit: (unit.alone, -unit.cost, unit.vois[0].key)))
        self._claims = claims
        self._cpus = cpus
        self._taken: dict[int, Unit] = {}
        self._left: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}

    @property
    def exhausted(self) -> bool:
        """Whether every unit was asked for."""
        return not self._waiting

    def take(self) -> list[Unit]:
        """The next chunk: enough to fill the cluster twice and for some seconds of work behind it."""
        chunk: list[Unit] = []
        ahead = 0.0
        while self._waiting and len(chunk) < _MOST_UNITS:
            if len(chunk) >= 2 * self._cpus:
                if ahead >= _AHEAD_S * self._cpus:
                    break
                ahead += self._waiting[0].cost
            chunk.append(self._waiting.popleft())
        taken = self._claims.take(chunk)
        for unit in taken:
            self._taken[id(unit)] = unit
            self._left.update({(unit.family, voi.key): id(unit) for voi in unit.vois})
        return taken

    def ended(self, family: str, voi: Voi) -> None:
        """A VOI has its result."""
        self._left.pop((family, voi.key), None)

    def release(self) -> None:
        """Give back what has no result."""
        units: dict[int, list[Voi]] = {}
        for number, unit in self._taken.items():
            left = [voi for voi in unit.vois if self._left.get((unit.family, voi.key)) == number]
            if left:
                units[number] = left
        self._left.clear()
        if units:
            self._claims.release([self._taken[number].of(left) for number, left in units.items()])
        self._taken.clear()
