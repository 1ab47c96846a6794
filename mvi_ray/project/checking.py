"""`mvi store check`: is everything in the store what it should be, and mend what can be mended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import StoreError
from mvi_ray.project.progress import Progress, silent
from mvi_ray.store.check_tables import check_feature_sets, check_files, check_keys, check_values
from mvi_ray.store.check_volumes import check_volumes
from mvi_ray.store.finding import Finding
from mvi_ray.store.statistics import is_current
from mvi_ray.store.upkeep import forget_broken_files, keep_newest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mvi_ray.project.project import Project

# Rows that one commit removes: a condition grows with each, and Delta takes longer over a long one.
_AT_ONCE = 300


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """What one check found.

    Args:
        findings: in the order of the checks.
        repaired: those of them that were mended.
        volumes: images, masks and organ masks that were read; None when they were left out.
    """

    findings: tuple[Finding, ...]
    repaired: tuple[Finding, ...]
    volumes: int | None

    @property
    def errors(self) -> int:
        """Findings that are damage and still there."""
        return sum(one.severity == "error" and one not in self.repaired for one in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "findings": [{**one.to_json(), "repaired": one in self.repaired} for one in self.findings],
            "errors": self.errors,
            "volumes": self.volumes,
        }


def check(
    project: Project, *, repair: bool = False, volumes: bool = True, progress: Progress | None = None
) -> CheckSummary:
    """Check files, keys, values, feature sets, volumes, counts and catalog.

    Args:
        project: whose store.
        repair: mend what can be mended; values that were removed come back with `mvi extract`.
        volumes: read every image and mask, which takes longest.
        progress: told about the volumes.

    Raises:
        StoreError: nothing was ingested yet, a table is of another schema version, or, with
            `repair`, another command writes to the store.
    """
    if not project.store.exists:
        raise StoreError("the store is empty; run `mvi ingest` first")
    if not repair:
        return _check(project, repair=False, volumes=volumes, progress=progress or silent)
    with project.store.locked("store check --repair"):
        return _check(project, repair=True, volumes=volumes, progress=progress or silent)


def _check(project: Project, *, repair: bool, volumes: bool, progress: Progress) -> CheckSummary:
    store = project.store
    findings: list[Finding] = []
    repaired: list[Finding] = []
    read = 0

    def told(done: int, total: int) -> None:
        nonlocal read
        read = done
        progress("check volumes", done, total, f"{done} of {total} images and masks")

    def take(found: Iterator[Finding]) -> None:
        for one in found:
            findings.append(one)
            if repair and one.repair is not None:
                _mend(project, one)
                repaired.append(one)

    # Before anything is asked of the catalog: its views fail on a file that is gone.
    take(check_files(store))
    if findings and not repair:
        return CheckSummary(tuple(findings), (), None)
    for step in (check_keys, check_values, check_feature_sets):
        take(step(store))
    if volumes:
        take(check_volumes(store, told))
    if repaired:
        project.settle("store check --repair")
    take(_catalog(project))
    take(_counts(project))
    return CheckSummary(tuple(findings), tuple(repaired), read if volumes else None)


def _catalog(project: Project) -> Iterator[Finding]:
    if not project.store.is_published(project.study_digest):
        yield Finding(
            "catalog",
            "note",
            "the catalog is behind the tables or the study file",
            "the next `mvi` command publishes it anew",
            repair="publish",
        )
    if not is_current(project.store):
        yield Finding(
            "catalog",
            "note",
            "statistics of features are behind the tables, as after a kill",
            "the next command that writes renews them",
            repair="publish",
        )


def _counts(project: Project) -> Iterator[Finding]:
    """VOIs that have some of their rows only."""
    project.publish()
    rows = project.store.query(
        "SELECT family, count(*) AS vois, sum(expected - present) AS absent FROM coverage "
        "WHERE state = 'partial' OR (state = 'quarantine' AND present > 0) GROUP BY family ORDER BY family"
    )
    for row in rows.to_pylist():
        yield Finding(
            "counts",
            "note",
            f"{row['vois']} VOIs of family {row['family']} lack {row['absent']} of their rows",
            "run `mvi extract`, which computes them",
        )


def _mend(project: Project, finding: Finding) -> None:
    store = project.store
    if finding.repair == "publish" or finding.table is None:
        project.settle("store check --repair")
        return
    table = store.tables[finding.table]
    if finding.repair == "files":
        forget_broken_files(table)
    elif finding.repair == "duplicates":
        keep_newest(table, finding.keys)
    else:
        for start in range(0, len(finding.keys), _AT_ONCE):
            table.delete(*finding.keys[start : start + _AT_ONCE])
