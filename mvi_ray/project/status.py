"""`mvi status`: what is there, what is missing, what failed."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from mvi_ray.project.project import Project
    from mvi_ray.store.store import Store


@dataclass(frozen=True, slots=True)
class Status:
    """State of a project.

    Args:
        study: title.
        synthetic: whether the images are made by a program.
        patients, images: stored.
        with_outcome: patients whose outcome is known; None without an outcome in the study.
        excluded: patients whom the flow chart loses by hand.
        not_enrolled: patients who were screened and left at any step, those by hand included.
        coverage: VOIs by phase, region, family and state, for the modelling reader.
        quarantine: cases and VOIs that failed.
        trial_weights: whether embeddings come from random weights.
    """

    study: str
    synthetic: bool
    patients: int
    images: int
    with_outcome: int | None
    excluded: int
    not_enrolled: int
    coverage: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    trial_weights: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            name: getattr(self, name)
            for name in (
                "study",
                "synthetic",
                "patients",
                "images",
                "with_outcome",
                "excluded",
                "not_enrolled",
                "trial_weights",
                "coverage",
            )
        } | {"quarantine": [{**row, "failed_at": row["failed_at"].isoformat()} for row in self.quarantine]}


def _sql(name: str) -> str:
    return files("mvi_ray.project").joinpath("sql", name).read_text(encoding="utf-8")


def trial_families(store: Store) -> frozenset[str]:
    """Families whose current embeddings come from a network with random weights."""
    return frozenset(store.query(_sql("trial_weights.sql")).column("family").to_pylist())


def has_trial_weights(store: Store, families: Collection[str]) -> bool:
    """Whether current embeddings of some families come from a network with random weights."""
    return not trial_families(store).isdisjoint(families)


def read_status(project: Project) -> Status:
    """Ask the catalog.

    Raises:
        StoreError: nothing was ingested yet.
    """
    # The study file may have changed since the last command: coverage is of what it says now.
    if project.store.exists:
        project.refresh()
    with project.reading() as store:
        return _read(project, store)


def _read(project: Project, store: Store) -> Status:
    study = project.study

    def number(query: str) -> int:
        return int(store.query(query).column(0)[0].as_py())

    outcome = study.clinical.outcome
    columns = store.query("SELECT * FROM clinical LIMIT 0").column_names
    with_outcome = None
    if outcome is not None:
        quoted = '"' + outcome.replace('"', '""') + '"'
        known = outcome in columns
        with_outcome = number(f"SELECT count({quoted}) FROM clinical") if known else 0  # noqa: S608
    coverage = store.query(
        _sql("coverage.sql"), {"phases": list(study.phases), "regions": list(study.region_names)}
    ).to_pylist()
    return Status(
        study.name,
        study.synthetic,
        number("SELECT count(*) FROM patients"),
        number("SELECT count(*) FROM images"),
        with_outcome,
        number("SELECT count(*) FROM enrolment WHERE state = 'excluded'"),
        number("SELECT count(*) FROM enrolment WHERE state <> 'enrolled'"),
        coverage,
        store.query(_sql("quarantine.sql")).to_pylist(),
        bool(trial_families(store)),
    )
