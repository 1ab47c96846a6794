"""Results on their way to the committer, and what is shown of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvi_ray.project.forecast import remaining_s

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from mvi_ray.cluster.unit import Unit, Voi, VoiResult
    from mvi_ray.project.committing import Committer
    from mvi_ray.project.progress import Progress


@dataclass(slots=True)
class _Bar:
    """What is done of one family; cost in predicted seconds."""

    total: float
    vois: int
    done: float = 0.0
    count: int = 0
    failed: int = 0
    begin: float = 0.0
    before: int = 0

    def start(self) -> None:
        """Work at the family begins, or goes on after others; its rate is that from now on."""
        self.begin, self.before = time.monotonic(), self.count

    @property
    def rate(self) -> float:
        """VOIs in a minute."""
        return 60 * (self.count - self.before) / max(time.monotonic() - self.begin, 1e-9)

    @property
    def note(self) -> str:
        if not self.count:
            return f"0 of {self.vois} VOIs"
        lost = f", {self.failed} failed" if self.failed else ""
        return f"{self.count} of {self.vois} VOIs, {self.rate:.1f}/min{lost}"


class _Queue:
    """What is left of units that share the same cores.

    Args:
        units: all of them.
        cores: that share the work.
    """

    def __init__(self, units: Sequence[Unit], cores: int) -> None:
        self._cores = cores
        self._begin = time.monotonic()
        self._total = sum(unit.cost for unit in units)
        self._done = 0.0
        ordered = sorted(units, key=lambda unit: unit.cost)
        self._largest = [unit.cost for unit in ordered]
        self._at = {(unit.family, voi.key): n for n, unit in enumerate(ordered) for voi in unit.vois}
        self._left = [len(unit.vois) for unit in ordered]

    def ended(self, family: str, voi: Voi) -> None:
        """A VOI has its result."""
        at = self._at.pop((family, voi.key), None)
        if at is not None:
            self._done += voi.cost
            self._left[at] -= 1

    @property
    def left_s(self) -> float | None:
        """Seconds of wall time that are left; None before anything was predicted."""
        while self._largest and not self._left[len(self._largest) - 1]:
            self._largest.pop()
        if not self._largest:
            return None
        elapsed = time.monotonic() - self._begin
        return remaining_s(self._total, self._done, elapsed, self._cores, self._largest[-1])


class Following:
    """Hands results to the committer and tells how far each family is.

    Args:
        units: the plan, by family.
        committer: where results go.
        progress: told after each batch.
    """

    def __init__(
        self,
        units: Mapping[str, Sequence[Unit]],
        committer: Committer,
        progress: Progress,
    ) -> None:
        self._bars = {
            family: _Bar(sum(unit.cost for unit in several), sum(len(unit.vois) for unit in several))
            for family, several in units.items()
        }
        self._units = units
        self._queue = _Queue((), 1)
        self._ended: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
        self._committer = committer
        self._progress = progress

    def begin(self, families: Collection[str], cores: int) -> None:
        """Work at these families begins, in one queue of what has no result yet.

        Args:
            families: computed side by side.
            cores: that share the work.
        """
        units = [unit for family in families for unit in self._units.get(family, ())]
        open_ = [
            (unit, [voi for voi in unit.vois if (unit.family, voi.key) not in self._ended]) for unit in units
        ]
        self._queue = _Queue([unit.of(vois) for unit, vois in open_ if vois], cores)
        for family in [name for name in self._bars if name in families]:
            self._bars[family].start()
            self._show(family)

    def add(self, results: Collection[VoiResult], family: str | None = None) -> None:
        """Take results of one family, or of several that say which they are of.

        Raises:
            StoreError: the store cannot be written.
        """
        sorted_out: dict[str, list[VoiResult]] = {}
        for result in results:
            name = family or result.family
            self._queue.ended(name, result.voi)
            self._ended.add((name, result.voi.key))
            sorted_out.setdefault(name, []).append(result)
        if not results:
            self._committer.commit_if_due()
        for name, some in sorted_out.items():
            self._committer.add(name, some)
            bar = self._bars[name]
            bar.done += sum(result.voi.cost for result in some)
            bar.count += len(some)
            bar.failed += sum(result.failure is not None for result in some)
            self._show(name)

    def commit(self) -> None:
        """Commit what has come so far.

        Raises:
            StoreError: the store cannot be written.
        """
        self._committer.commit()

    def end(self) -> None:
        """Everything is done: sums of shares need not meet their total to the last bit, the bar must."""
        for family, bar in self._bars.items():
            bar.done = bar.total
            self._show(family)

    def _show(self, family: str) -> None:
        bar = self._bars[family]
        counts = {
            "vois": bar.vois,
            "done": bar.count,
            "failed": bar.failed,
            "rate_per_min": round(bar.rate, 2),
        }
        self._progress(
            f"extract {family}",
            min(bar.done, bar.total),
            bar.total,
            bar.note,
            left_s=self._queue.left_s,
            counts=counts,
        )
