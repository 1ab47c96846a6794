"""How long a unit may take, and how often it is tried."""

from __future__ import annotations

from dataclasses import dataclass

_LEAST_S = 600.0
_TIMES_PREDICTED = 20.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one unit may cost before it is given up.

    Args:
        unit_s: seconds of one image from its true start; by default 600, or 20 times the
            predicted cost where that is more.
        crashes: how often a VOI may take its worker down, the last time alone.
        nodes: how often its machine may be lost while a VOI is computed.
        start_s: seconds without any worker that starts, before an own Ray is given up, or a
            cluster that has no node with a core; of any other the log tells.
    """

    unit_s: float | None = None
    crashes: int = 2
    nodes: int = 5
    start_s: float = 300.0

    def seconds(self, cost: float, units: int = 1) -> float:
        """How long so many units, of this predicted cost together, may run one after the other."""
        return max(_LEAST_S, _TIMES_PREDICTED * cost) if self.unit_s is None else units * self.unit_s
