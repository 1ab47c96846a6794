"""`mvi extract`: plan, compute on Ray, commit as results come."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import StoreBusyError, StoreError
from mvi_ray.ingest.problem import Problem
from mvi_ray.project.claims import StoreClaims
from mvi_ray.project.committing import Committer
from mvi_ray.project.cores import planned_cores
from mvi_ray.project.declarations import declarations, feature_sets, weights_sources
from mvi_ray.project.following import Following
from mvi_ray.project.planning import chosen_families, make_plan, queues, settings_digests
from mvi_ray.project.progress import Progress, silent
from mvi_ray.project.regions import derive_again, outdated_regions
from mvi_ray.store.presence import Presence
from mvi_ray.store.statistics import is_current
from mvi_ray.store.tables import now
from mvi_ray.voi import VOI_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from mvi_ray.cluster.session import Resources
    from mvi_ray.cluster.unit import Unit, VoiResult
    from mvi_ray.extract.weights import WeightsSource
    from mvi_ray.project.claims import Sorted
    from mvi_ray.project.planning import Plan
    from mvi_ray.project.project import Project
    from mvi_ray.store.declarations import Declarations


@dataclass(frozen=True, slots=True)
class Options:
    """Flags of one extraction.

    Args:
        families: only these; all of the study when None.
        cpus: cores of a local Ray; all that this process may use when None.
        address: of a running Ray cluster.
        weights: file of weights of family DLR.
        retry_failed: also try what is in quarantine.
        unit_s: seconds after which a unit is given up; by default 600, or 20 times the predicted
            cost where that is more.
    """

    families: Sequence[str] | None = None
    cpus: int | None = None
    address: str | None = None
    weights: Path | None = None
    retry_failed: bool = False
    unit_s: float | None = None


@dataclass(slots=True)
class ExtractSummary:
    """What one extraction did.

    Args:
        planned: VOIs that were missing, counted for each family.
        computed: VOIs committed.
        failed: VOIs put into quarantine in this call.
        quarantined: VOIs that stay there and were not tried, also those that another extraction has
            failed at since this one began.
        elsewhere: VOIs that another extraction holds, or computed since this one began.
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
    elsewhere: int = 0
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
            "elsewhere": self.elsewhere,
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

    Several may run on one store at once: each VOI is computed by one of them.

    Raises:
        UsageError: a family is none of the study.
        WeightsError: the weights of family DLR are not there.
        StoreError: another command writes to the store, or it cannot be written.
        ClusterError: Ray cannot be started or reached.
    """
    begin = time.perf_counter()
    families = chosen_families(project, options.families)
    if not project.store.exists:
        raise StoreError("the store is empty; run `mvi ingest` first")
    weights = weights_sources(project, families, options.weights)
    summary = ExtractSummary(synthetic=project.study.synthetic)
    summary.trial_weights = any(one.trial for one in weights.values())
    summary.problems = _made_again(project, progress or silent)
    run_id = f"extract-{now():%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"
    presence = Presence(project.store.root)
    with project.store.shared("extract"):
        study = declarations(project, weights)
        work = _Work(project, options, weights, study, summary)
        try:
            with presence.entered(run_id):
                claims = StoreClaims(project.store, presence, run_id, settings_digests(study))
                work.do(claims, run_id, families, progress or silent)
        finally:
            if work.committer is not None:
                # After this run has left: of two that end at once the later one sees that it is the last.
                work.committer.settle(is_last=not presence.living())
        _count_coverage(project, families, summary)
    summary.duration_s = time.perf_counter() - begin
    return summary


def failed(project: Project) -> list[dict[str, Any]]:
    """Every failure in quarantine with all that is known of it, the traceback included.

    Returns:
        Rows of the table `quarantine`, in the order of their keys.

    Raises:
        StoreError: nothing was ingested yet.
    """
    if project.store.exists:
        project.refresh()
    with project.reading() as store:
        rows: list[dict[str, Any]] = store.query("SELECT * FROM quarantine ORDER BY ALL").to_pylist()
    return rows


def _made_again(project: Project, progress: Progress) -> tuple[Problem, ...]:
    """Regions by the study's definitions; nobody may compute on the old ones meanwhile."""
    wanted = outdated_regions(project)
    if not wanted:
        return ()
    try:
        with project.store.locked("extract", patient=True):
            return tuple(derive_again(project, progress))
    except StoreBusyError as busy:
        names = tuple(wanted[0])
        rows = project.store.tables["quarantine"].read().to_pylist()
        known = {tuple(row[k] for k in names): row for row in rows if row["stage"] == "ingest"}
        # Another extraction runs, and found already that these cannot be made.
        found = [known.get(tuple(one.values())) for one in wanted]
        if None in found:
            raise StoreBusyError(f"{len(wanted)} regions have to be made first, and {busy.message}") from None
        return tuple(
            Problem("error", row["reason"], row["way_out"], **{k: row[k] for k in names})
            for row in found
            if row is not None
        )


def _count_coverage(project: Project, families: tuple[str, ...], summary: ExtractSummary) -> None:
    query = files("mvi_ray.project").joinpath("sql/totals.sql").read_text(encoding="utf-8")
    (row,) = project.store.query(query, {"families": list(families)}).to_pylist()
    summary.wanted, summary.complete, summary.absent = row["wanted"], row["complete"], row["absent"]


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


@dataclass(slots=True)
class _Work:
    """One extraction from plan to last commit.

    Args:
        project: its study and store.
        options: flags.
        weights: by family.
        study: what is current.
        summary: filled on the way.
        committer: set when there was something to write and the store could be written.
    """

    project: Project
    options: Options
    weights: Mapping[str, WeightsSource]
    study: Declarations
    summary: ExtractSummary
    committer: Committer | None = None

    def do(self, claims: StoreClaims, run_id: str, families: tuple[str, ...], progress: Progress) -> None:
        store, study = self.project.store, self.study
        plan = self._plan(families)
        self.summary.planned, self.summary.quarantined = plan.vois, plan.quarantined
        # Only the very rows that were found solved: another run may have put new ones in their place.
        solved = [
            {**one, "run_id": claims.failures[key]["run_id"]}
            for one in plan.solved
            if (key := (one["family"], *(one[name] for name in VOI_KEY))) in claims.failures
        ]
        if solved:
            store.tables["quarantine"].delete(*solved)
        committer = Committer(self.project, study, self.summary, run_id, claims.failures)
        if not plan.units:
            store.publish(study)
            claims.settle(families)
            if not is_current(store):
                # A run that was killed, or found the disk full, could not.
                self.committer = committer
            return
        _write_feature_sets(self.project, self.weights)
        following = Following(plan.units, committer, progress)
        try:
            self._compute([unit for several in plan.units.values() for unit in several], claims, following)
        except StoreError:
            # What is not stored now is computed again; there may be room for some of it.
            with suppress(StoreError):
                committer.commit()
            raise
        except BaseException:
            # Also after Ctrl-C: what is computed is kept.
            self._end(claims, committer, families)
            raise
        self._end(claims, committer, families)

    def _plan(self, families: tuple[str, ...]) -> Plan:
        """On a catalog of its own: another run, of a study before an edit, may publish at any time."""
        with TemporaryDirectory(prefix="mvi-") as folder:
            return make_plan(
                self.project,
                self.study,
                families,
                retry_failed=self.options.retry_failed,
                cores=planned_cores(self.options.cpus, self.options.address),
                store=self.project.store.pinned(Path(folder) / "mvi.duckdb", self.study),
            )

    def _end(self, claims: StoreClaims, committer: Committer, families: tuple[str, ...]) -> None:
        committer.commit()
        claims.settle(families)
        self.summary.elsewhere = claims.elsewhere
        self.summary.quarantined += claims.failed_elsewhere
        self.committer = committer

    def _compute(self, units: list[Unit], claims: StoreClaims, following: Following) -> None:
        chosen = claims.sorted_out(units)
        _give_up(chosen, following)
        if not (chosen.ordinary or chosen.suspects):
            return
        from mvi_ray.cluster.session import ray_session

        together = queues(self.project.study, {unit.family: None for unit in units})
        cpus = planned_cores(self.options.cpus, self.options.address)
        with ray_session(cpus, self.options.address) as resources:
            while chosen.ordinary or chosen.suspects:
                for families, run in self._engines(together, claims, resources):
                    following.begin(families, resources.cpus)
                    for wave in chosen.of(families).waves(resources.cpus):
                        with _closing(run(wave)) as results:
                            for batch in results:
                                following.add(batch)
                        if wave[0].alone:
                            # What may end the program is kept before the next one begins.
                            following.commit()
                # What others held when they were killed is left to this run.
                chosen = claims.sorted_out(claims.freed())
                _give_up(chosen, following)
            # A SIGTERM is like Ctrl-C only as long as the session lasts.
            following.commit()
        following.end()

    def _engines(
        self, together: Sequence[Sequence[str]], claims: StoreClaims, resources: Resources
    ) -> Iterator[tuple[Collection[str], Callable[[list[Unit]], Iterator[list[VoiResult]]]]]:
        """Families that are computed together, and what computes them."""
        from mvi_ray.cluster.limits import Limits
        from mvi_ray.cluster.scheduler import run_cr, run_dlr

        known = self.project.study.families
        common: dict[str, Any] = {
            "resources": resources,
            "claims": claims,
            "limits": Limits(self.options.unit_s),
        }
        for names in together:
            if names[0] in known.cr_like:
                yield names, partial(run_cr, settings=known.cr_like, **common)
            else:
                network, source = known.dlr_like[names[0]], self.weights[names[0]]
                yield names, partial(run_dlr, settings=network, source=source, **common)


def _give_up(chosen: Sorted, following: Following) -> None:
    for family, result in chosen.given_up:
        following.add([result], family)


@contextmanager
def _closing(results: Any) -> Iterator[Any]:
    """Close a generator on the way out, so that its tasks are cancelled before Ray ends."""
    try:
        yield results
    finally:
        results.close()
