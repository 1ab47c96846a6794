"""`mvi extract --dry-run`: what an extraction would do, and how long it would take."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import StoreError
from mvi_ray.project.cores import planned_cores
from mvi_ray.project.declarations import declarations, weights_sources
from mvi_ray.project.planning import chosen_families, largest_first, make_plan, queues
from mvi_ray.project.regions import outdated_regions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mvi_ray.cluster.unit import Unit
    from mvi_ray.project.extraction import Options
    from mvi_ray.project.planning import Plan
    from mvi_ray.project.project import Project

_RAY_S = 6.0
"""Start of a local Ray, measured at 5 s without its dashboard, and its end."""

_PRIOR_S = 30.0
"""Seconds of a run after which its own pace counts as much as the prediction."""


@dataclass(frozen=True, slots=True)
class FamilyForecast:
    """What is to be computed of one family.

    Args:
        family: its name in the study.
        units: tasks.
        vois: VOIs.
        rows: rows to be written: one for each VOI and image type.
        cpu_s: predicted seconds of one core.
        largest: the unit that takes longest, in words.
        largest_s: its predicted seconds.
        memory_bytes: predicted most memory of a worker.
        calibrated_from: stored VOIs that corrected the prediction; 0: it is that of the machine
            with which the formulas were fitted.
    """

    family: str
    units: int
    vois: int
    rows: int
    cpu_s: float
    largest: str
    largest_s: float
    memory_bytes: int
    calibrated_from: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What an extraction would do now.

    Args:
        families: with something to compute, in the order of the study.
        cores: that the wall time is told for; None for a cluster, whose size nobody knows before it
            is reached.
        wall_s: predicted seconds from start to end, Ray's own start included; 0 with nothing to do,
            None where the cores are not known.
        quarantined: VOIs that stay in quarantine.
        outdated: region to the number of masks that would first be made anew, because the study
            defines the region otherwise now. Their VOIs stand in no other figure.
    """

    families: tuple[FamilyForecast, ...]
    cores: int | None
    wall_s: float | None
    quarantined: int
    outdated: Mapping[str, int] = field(default_factory=dict)

    @property
    def cpu_s(self) -> float:
        """Predicted seconds of one core for everything."""
        return sum(one.cpu_s for one in self.families)

    @property
    def memory_bytes(self) -> int:
        """Predicted most memory of one worker."""
        return max((one.memory_bytes for one in self.families), default=0)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "families": [
                {**asdict(one), "cpu_s": round(one.cpu_s, 1), "largest_s": round(one.largest_s, 1)}
                for one in self.families
            ],
            "cores": self.cores,
            "cpu_s": round(self.cpu_s, 1),
            "wall_s": None if self.wall_s is None else round(self.wall_s, 1),
            "memory_bytes": self.memory_bytes,
            "quarantined": self.quarantined,
            "outdated": dict(self.outdated),
        }


def forecast(project: Project, options: Options) -> Forecast:
    """Plan without computing; neither the store nor its catalog is touched, and Ray is not started.

    Args:
        project: its study and store; a store that may only be read will do.
        options: as for `extract`. Without `cpus` and a cluster's address the time is told for
            the cores of this machine that a process may use.

    Raises:
        UsageError: a family is none of the study.
        WeightsError: the weights of family DLR are not there.
        StoreError: the store is empty.
    """
    families = chosen_families(project, options.families)
    if not project.store.exists:
        raise StoreError("the store is empty; run `mvi ingest` first")
    study = declarations(project, weights_sources(project, families, options.weights))
    cores = planned_cores(options.cpus, options.address)
    with TemporaryDirectory(prefix="mvi-") as folder:
        aside = project.store.pinned(Path(folder) / "mvi.duckdb", study)
        plan = make_plan(
            project, study, families, retry_failed=options.retry_failed, cores=cores, store=aside
        )
    return Forecast(
        tuple(_of_family(family, units, plan) for family, units in plan.units.items()),
        cores,
        _wall_seconds(project, plan, cores),
        plan.quarantined,
        Counter(one["region"] for one in outdated_regions(project)),
    )


def _of_family(family: str, units: Sequence[Unit], plan: Plan) -> FamilyForecast:
    vois = [voi for unit in units for voi in unit.vois]
    largest = largest_first(units)[0]
    return FamilyForecast(
        family,
        len(units),
        len(vois),
        sum(len(voi.feature_sets) for voi in vois),
        sum(voi.cost for voi in vois),
        _in_words(largest),
        largest.cost,
        max(voi.memory_bytes for voi in vois),
        plan.calibration.vois.get(family, 0),
    )


def _in_words(unit: Unit) -> str:
    """Its VOI, or its image and the number of VOIs."""
    if len(unit.vois) == 1:
        return unit.vois[0].name
    key = dict(unit.vois[0].key)
    return f"{key['patient_id']} {key['session']} {key['phase']}, {len(unit.vois)} VOIs"


def _wall_seconds(project: Project, plan: Plan, cores: int | None) -> float | None:
    """One queue after the other."""
    if not plan.units:
        return 0.0
    if cores is None:
        return None
    return _RAY_S + sum(
        makespan((unit.cost for family in together for unit in plan.units[family]), cores)
        for together in queues(project.study, plan.units)
    )


def makespan(costs: Iterable[float], cores: int) -> float:
    """Seconds until all work is done, when every free core takes the largest that is left.

    At most 4/3 - 1/(3 cores) of the best order (R. L. Graham, Bounds on multiprocessing timing
    anomalies, SIAM J. Appl. Math. 17 (1969) 416-429).

    Args:
        costs: seconds of one core of each unit.
        cores: at least 1.
    """
    busy = [0.0] * cores
    for cost in sorted(costs, reverse=True):
        heapq.heapreplace(busy, busy[0] + cost)
    return max(busy)


def remaining_s(total_s: float, done_s: float, elapsed_s: float, cores: int, largest_left_s: float) -> float:
    """Seconds of wall time left, told from predicted cost and not from counts.

    At first the prediction alone is heard, later the pace of the run itself. Of the units at work,
    which count as done only at their end, half is taken as behind, and the end is not told earlier
    than that of the largest unit left.

    Args:
        total_s: predicted seconds of one core for the whole queue.
        done_s: the same for what has ended.
        elapsed_s: wall time since the queue began.
        cores: that share the work.
        largest_left_s: predicted seconds of the largest unit that has not ended.
    """
    left = max(total_s - done_s, 0.0)
    if left == 0:
        return 0.0
    at_work = min(left, cores * largest_left_s) / 2
    behind = min(done_s + at_work, max(done_s, cores * elapsed_s))
    # Predicted seconds of one core that pass in a second of wall time.
    pace = (behind + _PRIOR_S * cores) / (elapsed_s + _PRIOR_S)
    largest = largest_left_s * cores / pace
    return max((total_s - behind) / pace, largest - elapsed_s, largest / 2)
