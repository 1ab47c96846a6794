"""`mvi extract`: plan, compute on Ray, commit as results come."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import StoreError, UsageError
from mvi_ray.project.declarations import declarations, feature_sets, weights_sources
from mvi_ray.project.planning import Plan, make_plan, settings_digests
from mvi_ray.project.progress import Progress, silent
from mvi_ray.project.regions import derive_again
from mvi_ray.store.history import Event
from mvi_ray.store.tables import now
from mvi_ray.store.upkeep import compact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from mvi_ray.cluster.unit import Unit, VoiResult
    from mvi_ray.extract.weights import WeightsSource
    from mvi_ray.ingest.problem import Problem
    from mvi_ray.project.project import Project
    from mvi_ray.store.declarations import Declarations

# A commit takes half a second; a kill costs at most what was computed since the last one.
_COMMIT_S = 15.0
_COMMIT_VOIS = 64
# Files of one partition; a long run joins them now and then, so that its commits stay quick.
_PILED_UP = 64


@dataclass(frozen=True, slots=True)
class Options:
    """Flags of one extraction.

    Args:
        families: only these; all of the study when None.
        cpus: cores of a local Ray; all when None.
        address: of a running Ray cluster.
        weights: file of weights of family DLR.
        retry_failed: also try what is in quarantine.
    """

    families: Sequence[str] | None = None
    cpus: int | None = None
    address: str | None = None
    weights: Path | None = None
    retry_failed: bool = False


@dataclass(slots=True)
class ExtractSummary:
    """What one extraction did.

    Args:
        planned: VOIs that were missing, counted for each family.
        computed: VOIs committed.
        failed: VOIs put into quarantine in this call.
        quarantined: VOIs that stay there and were not tried.
        values: numbers committed.
        trial_weights: whether embeddings come from random weights.
        synthetic: whether the images are made by a program.
        duration_s: seconds from plan to last commit.
        problems: regions that could not be made.
        failures: VOI in words, reason and way out of each failure.
        wanted, complete, absent: VOIs of the modelling reader that the study wants, that have
            every value, and that have no image or mask; counted for each family asked for.
    """

    planned: int = 0
    computed: int = 0
    failed: int = 0
    quarantined: int = 0
    values: int = 0
    trial_weights: bool = False
    synthetic: bool = False
    duration_s: float = 0.0
    problems: tuple[Problem, ...] = ()
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    wanted: int = 0
    complete: int = 0
    absent: int = 0

    @property
    def left_out(self) -> int:
        """VOIs without values: failed now or before, or never made."""
        return self.failed + self.quarantined + len(self.problems)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "planned": self.planned,
            "computed": self.computed,
            "failed": self.failed,
            "quarantined": self.quarantined,
            "wanted": self.wanted,
            "complete": self.complete,
            "absent": self.absent,
            "values": self.values,
            "trial_weights": self.trial_weights,
            "synthetic": self.synthetic,
            "duration_s": round(self.duration_s, 3),
            "problems": [p.to_json() for p in self.problems],
            "failures": [{"voi": v, "reason": r, "way_out": w} for v, r, w in self.failures],
        }


def extract(project: Project, options: Options, progress: Progress | None = None) -> ExtractSummary:
    """Compute what is missing; what is there already is never computed again.

    Raises:
        UsageError: a family is none of the study.
        WeightsError: the weights of family DLR are not there.
        StoreError: another command writes to the store.
        ClusterError: Ray cannot be started or reached.
    """
    begin = time.perf_counter()
    families = _families(project, options.families)
    if not project.store.root.is_dir():
        raise StoreError("the store is empty; run `mvi ingest` first")
    weights = weights_sources(project, families, options.weights)
    summary = ExtractSummary(synthetic=project.study.synthetic)
    summary.trial_weights = any(one.trial for one in weights.values())
    with project.store.locked("extract"):
        summary.problems = tuple(derive_again(project, progress or silent))
        study = declarations(project, weights)
        project.store.publish(study)
        plan = make_plan(project, study, families, retry_failed=options.retry_failed)
        summary.planned, summary.quarantined = plan.vois, plan.quarantined
        for failure in plan.solved:
            project.store.tables["quarantine"].delete(failure)
        if plan.solved:
            project.store.publish(study)
        if plan.units:
            _write_feature_sets(project, weights)
            committer = _Committer(project, study, summary)
            try:
                _run(project, plan, options, weights, committer, progress or silent)
            finally:
                # Also after Ctrl-C: what is computed is kept.
                committer.close()
        _count_coverage(project, families, summary)
    summary.duration_s = time.perf_counter() - begin
    return summary


def _count_coverage(project: Project, families: tuple[str, ...], summary: ExtractSummary) -> None:
    query = files("mvi_ray.project").joinpath("sql/totals.sql").read_text(encoding="utf-8")
    (row,) = project.store.query(query, {"families": list(families)}).to_pylist()
    summary.wanted, summary.complete, summary.absent = row["wanted"], row["complete"], row["absent"]


def _families(project: Project, asked: Sequence[str] | None) -> tuple[str, ...]:
    known = project.study.families.names
    if asked is None:
        return known
    chosen = tuple(name.upper() for name in asked)
    for name in chosen:
        if name not in known:
            raise UsageError(f"the study has no family {name!r}; it has {', '.join(known)}")
    return chosen


def _write_feature_sets(project: Project, weights: Mapping[str, WeightsSource]) -> None:
    """Before the first value: a row never points to a feature set that is not there."""
    table = project.store.tables["feature_sets"]
    known = set(table.read(["feature_set_id"]).column(0).to_pylist())
    fresh = {
        one.id: {
            "feature_set_id": one.id,
            "family": one.family,
            "image_type": one.image_type,
            "settings": one.canonical,
            "created_at": now(),
        }
        for _, _, one in feature_sets(project.study, weights)
        if one.id not in known
    }
    table.write(list(fresh.values()))


def _run(
    project: Project,
    plan: Plan,
    options: Options,
    weights: Mapping[str, WeightsSource],
    committer: _Committer,
    progress: Progress,
) -> None:
    from mvi_ray.cluster.scheduler import run_cr, run_dlr
    from mvi_ray.cluster.session import ray_session

    settings = project.study.families
    with ray_session(options.cpus, options.address) as resources:
        for family, units in plan.units.items():
            results: Iterator[list[VoiResult]]
            if family in settings.cr_like:
                results = run_cr(units, {family: settings.cr_like[family]}, resources)
            else:
                results = run_dlr(units, settings.dlr_like[family], weights[family], resources)
            with _closing(results):
                _follow(family, units, results, committer, progress)


@contextmanager
def _closing(results: Any) -> Iterator[None]:
    """Close a generator on the way out, so that its tasks are cancelled before Ray ends."""
    try:
        yield
    finally:
        results.close()


def _follow(
    family: str,
    units: list[Unit],
    results: Iterator[list[VoiResult]],
    committer: _Committer,
    progress: Progress,
) -> None:
    total = sum(unit.cost for unit in units)
    vois = sum(len(unit.vois) for unit in units)
    task = f"extract {family}"
    done, count, failed = 0.0, 0, 0
    note = f"0 of {vois} VOIs"
    begin = time.monotonic()
    progress(task, 0.0, total, note)
    for batch in results:
        committer.add(family, batch)
        done += sum(result.voi.cost for result in batch)
        count += len(batch)
        failed += sum(result.failure is not None for result in batch)
        rate = 60 * count / max(time.monotonic() - begin, 1e-9)
        note = f"{count} of {vois} VOIs, {rate:.1f}/min" + (f", {failed} failed" if failed else "")
        progress(task, min(done, total), total, note)
    # Sums of shares need not meet their total to the last bit; the bar must.
    progress(task, total, total, note)


class _Committer:
    """Gathers results and commits them by count and by time.

    Args:
        project: where to.
        study: what is current.
        summary: counts as rows are committed, so that it never claims more than is stored.
    """

    def __init__(self, project: Project, study: Declarations, summary: ExtractSummary) -> None:
        self._project = project
        self._study = study
        self._summary = summary
        self._digests = settings_digests(study)
        self._run = f"extract-{now():%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"
        self._event = Event("extract", self._run)
        self._rows: dict[str, list[dict[str, Any]]] = {"cr": [], "dlr": []}
        self._solved: list[tuple[str, VoiResult]] = []
        self._failed: list[dict[str, Any]] = []
        self._since = time.monotonic()
        recorded = project.store.tables["quarantine"].read(["stage"]).column(0).to_pylist()
        self._had_failures = "extract" in recorded

    def add(self, family: str, results: list[VoiResult]) -> None:
        """Take results; commit when enough have come or enough time has passed."""
        time_now = now()
        for result in results:
            key = dict(result.voi.key)
            run = {"run_id": self._run, "computed_at": time_now, "duration_s": result.duration_s}
            if result.failure is None:
                self._rows["dlr" if family in self._study.dlr_like else "cr"].extend(
                    {**key, "input_digest": result.voi.input_digest, **row, **run} for row in result.rows
                )
                self._solved.append((family, result))
            else:
                self._fail(family, result)
        pending = len(self._solved) + len(self._failed)
        if pending >= _COMMIT_VOIS or (pending and time.monotonic() - self._since >= _COMMIT_S):
            self.commit()

    def _fail(self, family: str, result: VoiResult) -> None:
        failure, key = result.failure, dict(result.voi.key)
        if failure is None:
            return
        self._summary.failures.append((f"{result.voi.name} {family}", failure.reason, failure.way_out))
        self._failed.append(
            {
                **key,
                "stage": "extract",
                "family": family,
                "input_digest": result.voi.input_digest,
                "settings_digest": self._digests[family, key["phase"]],
                "reason": failure.reason,
                "way_out": failure.way_out,
                "error": failure.error,
                "traceback": failure.traceback,
                "attempts": failure.attempts,
                "duration_s": failure.duration_s,
                "memory_bytes": failure.memory_bytes,
                "run_id": self._run,
                "failed_at": now(),
            }
        )

    def commit(self) -> None:
        """Values first; what failed and what is no longer failed follows."""
        tables = self._project.store.tables
        for name, rows in self._rows.items():
            tables[name].write(rows)
            self._summary.values += _values(rows)
            rows.clear()
        if self._had_failures:
            for family, result in self._solved:
                tables["quarantine"].delete({**dict(result.voi.key), "stage": "extract", "family": family})
        tables["quarantine"].write(self._failed)
        self._summary.computed += len(self._solved)
        self._summary.failed += len(self._failed)
        self._solved.clear()
        self._failed.clear()
        for name in ("cr", "dlr", "snapshots"):
            compact(tables[name], _PILED_UP)
        self._project.store.publish(self._study, self._event)
        self._since = time.monotonic()

    def close(self) -> None:
        """Commit what is left, join small files, renew statistics."""
        self.commit()
        self._project.store.settle(self._study, self._event)


def _values(rows: list[dict[str, Any]]) -> int:
    """Numbers in rows of either family."""
    from mvi_ray.features import CR_FEATURES

    return sum(
        len(row["embedding"]) if "embedding" in row else sum(row[name] is not None for name in CR_FEATURES)
        for row in rows
    )
