"""Who computes what, when several runs share one store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mvi_ray.cluster.unit import Unit


class Claims(Protocol):
    """What the scheduler asks before it computes units, and tells about those it left."""

    def take(self, units: Sequence[Unit]) -> list[Unit]:
        """Of these units, those that this run may compute now, with their attempts so far.

        They are recorded as begun before this returns. Units that another run holds, or has
        finished meanwhile, are left out; one that must run alone comes back with `alone` set.
        """
        ...

    def release(self, units: Sequence[Unit]) -> None:
        """Give back what was taken and never ran to an end; that was no attempt."""
        ...


class _Free:
    def take(self, units: Sequence[Unit]) -> list[Unit]:
        return list(units)

    def release(self, units: Sequence[Unit]) -> None:
        pass


FREE: Claims = _Free()
"""Nobody else is there: everything may be computed."""
