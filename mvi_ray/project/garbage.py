"""`mvi store gc`: feature sets that the study no longer names, and files that nothing needs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import StoreError, UsageError
from mvi_ray.project.declarations import declarations
from mvi_ray.project.history import pins
from mvi_ray.store.attempts import forget_old
from mvi_ray.store.erase import end_log
from mvi_ray.store.garbage import check_days, find_garbage, remove_garbage
from mvi_ray.store.place import Bucket
from mvi_ray.store.schemas import ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mvi_ray.project.project import Project
    from mvi_ray.store.declarations import Declarations

KEEP_DAYS = 7.0
"""How long files stay that a commit replaced: for readers, and for `--as-of`."""

_VALUES = ("cr", "dlr", "imported")


@dataclass(frozen=True, slots=True)
class StaleSet:
    """A feature set that neither the study names nor an import made current.

    Args:
        feature_set_id: its name.
        family: CR or DLR, also of their variants, or that of an import.
        image_type: filter of CR.
        rows: that go with it.
    """

    feature_set_id: str
    family: str
    image_type: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class GcSummary:
    """What one clean-up removed, or would remove.

    Args:
        dry_run: whether nothing was removed.
        stale: feature sets.
        counts: files by what they are.
        size: bytes by what they are.
        pinned_runs: trainings whose table versions stay readable.
        kept: why something stale stays, in words.
    """

    dry_run: bool
    stale: tuple[StaleSet, ...]
    counts: Mapping[str, int]
    size: Mapping[str, int]
    pinned_runs: int
    kept: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "dry_run": self.dry_run,
            "stale_feature_sets": [
                {name: getattr(one, name) for name in ("feature_set_id", "family", "image_type", "rows")}
                for one in self.stale
            ],
            "files": dict(self.counts),
            "bytes": dict(self.size),
            "pinned_runs": self.pinned_runs,
            "kept": list(self.kept),
        }


def collect_garbage(project: Project, *, keep_days: float = KEEP_DAYS, dry_run: bool = False) -> GcSummary:
    """Remove stale feature sets, dead table files and orphan volumes.

    Rows of the feature sets that the study names stay, whatever they are called; so do the table
    versions that a training pinned.

    Args:
        project: whose store.
        keep_days: files that died later than so many days ago stay, for readers and `--as-of`.
        dry_run: only tell what would go.

    Raises:
        UsageError: `keep_days` is negative.
        StoreError: nothing was ingested yet, or another command writes to the store.
    """
    if keep_days < 0:
        raise UsageError(f"--keep-days is {keep_days:g}; it must be 0 or more")
    if not project.store.exists:
        raise StoreError("the store is empty; run `mvi ingest` first")
    check_days(project.store, keep_days)
    if dry_run:
        return _collect(project, keep_days, dry_run=True)
    with project.store.locked("store gc"):
        return _collect(project, keep_days, dry_run=False)


def _collect(project: Project, keep_days: float, *, dry_run: bool) -> GcSummary:
    study = declarations(project)
    if dry_run:
        project.refresh()
    else:
        project.store.publish(study)
    stale, kept = _stale(project, study)
    pinned: dict[str, list[int]] = defaultdict(list)
    runs = 0
    for folder, moment in pins(project):
        if not project.store.history.is_readable(moment.versions):
            kept.append(f"nothing of what {folder.name} read: files of that state are gone already")
            continue
        runs += 1
        for name, version in moment.versions.items():
            pinned[name].append(version)
    if not dry_run and stale:
        for name in (*_VALUES, "feature_sets"):
            project.store.tables[name].delete({"feature_set_id": [one.feature_set_id for one in stale]})
    if dry_run:
        found = find_garbage(project.store, keep_days, pinned, project.runs)
    else:
        attempts = project.store.tables[ATTEMPTS.name]
        if isinstance(project.store.place, Bucket):
            # Of runs of other machines nobody here knows more than when they last claimed anything.
            forget_old(attempts)
        elif attempts.exists:
            # An entry for each claim of each extraction, and no state is ever read back.
            end_log(attempts)
        # Statistics first: what they replace can go at once.
        project.settle("store gc")
        found = remove_garbage(project.store, keep_days, pinned, project.runs)
        project.settle("store gc")
    return GcSummary(
        dry_run,
        tuple(stale),
        {kind: len(paths) for kind, paths in found.files.items()},
        found.size,
        runs,
        tuple(kept),
    )


def _stale(project: Project, study: Declarations) -> tuple[Sequence[StaleSet], list[str]]:
    current = {identifier for _, _, _, identifier in study.current}
    query = files("mvi_ray.project").joinpath("sql/feature_set_rows.sql").read_text(encoding="utf-8")
    rows = project.store.query(query).to_pylist()
    stale = [StaleSet(**row) for row in rows if row["feature_set_id"] not in current]
    kept = []
    # Without the file of weights nobody can tell which embeddings are the study's.
    known = {family for family, *_ in study.current}
    if any(family not in known for family in study.dlr_like):
        embeddings = [one for one in stale if one.family == "DLR"]
        stale = [one for one in stale if one.family != "DLR"]
        if embeddings:
            kept.append(
                f"{len(embeddings)} feature sets of family DLR: the study's weights are not here, "
                "so it cannot be told which are current"
            )
    return stale, kept
