"""Which patients belong to training and testing, and their outcome."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from mvi_ray.errors import MatrixError
from mvi_ray.store.statement import check_predicate

if TYPE_CHECKING:
    from mvi_ray.store.store import Store
    from mvi_ray.study import Study


@dataclass(frozen=True, slots=True)
class Cohorts:
    """Patients that models are fitted and judged on.

    Args:
        members: patient to cohort, sorted by patient.
        outcome: patient to 0 or 1.
        clinical: patient to the clinical variables.
        left_out: why patients in no cohort or without an outcome are missing, in words.
    """

    members: dict[str, Literal["train", "test"]]
    outcome: dict[str, int]
    clinical: dict[str, dict[str, Any]]
    left_out: tuple[str, ...]


def read_cohorts(store: Store, study: Study) -> Cohorts:
    """Apply the study's predicates.

    Raises:
        MatrixError: no outcome, no training cohort, a patient in both, or a predicate that
            names what is not there.
        QueryError: a predicate is not one SQL condition.
    """
    outcome = study.clinical.outcome
    if outcome is None:
        raise MatrixError("the study names no outcome; set clinical.outcome to its column")
    predicates = study.cohorts or {"train": "true"}
    if "train" not in predicates:
        raise MatrixError("the study has no training cohort; add cohorts.train")
    found: dict[str, set[str]] = {}
    with store.connect() as connection:
        columns = connection.sql("SELECT * FROM clinical LIMIT 0").columns
        if outcome not in columns:
            raise MatrixError(
                f"the store has no outcome {outcome!r}; run `mvi ingest --clinical` with a table that has it"
            )
        centre = "" if "centre" in [c.lower() for c in columns] else "p.centre,"
        text = files("mvi_ray.matrix").joinpath("sql/members.sql").read_text(encoding="utf-8")
        members = connection.sql(Template(text).substitute(centre=centre))
        rows = {row["patient_id"]: row for row in members.to_arrow_table().to_pylist()}
        for name, predicate in predicates.items():
            condition = check_predicate(predicate, f"cohorts.{name}")
            try:
                chosen = members.filter(condition).to_arrow_table()
            except duckdb.Error as error:
                reason = str(error).splitlines()[0]
                raise MatrixError(
                    f"cohorts.{name} ({predicate}) cannot be applied: {reason}; "
                    f"columns: {', '.join(members.columns)}"
                ) from None
            found[name] = set(chosen.column("patient_id").to_pylist())
    return _assign(found, rows, outcome)


def _assign(found: dict[str, set[str]], rows: dict[str, dict[str, Any]], outcome: str) -> Cohorts:
    both = sorted(found["train"] & found.get("test", set()))
    if both:
        raise MatrixError(
            f"both cohorts hold {both[0]} (such patients: {len(both)}); "
            "make the predicates exclude each other"
        )
    if not found["train"]:
        raise MatrixError("no patient is in the training cohort; check cohorts.train")
    members: dict[str, Literal["train", "test"]] = {}
    unknown, outside = 0, 0
    for patient in sorted(rows):
        name: Literal["train", "test"] | None = next(
            (cohort for cohort in ("train", "test") if patient in found.get(cohort, ())), None
        )
        if name is None:
            outside += 1
        elif rows[patient][outcome] is None:
            unknown += 1
        else:
            members[patient] = name
    left_out = []
    if outside:
        left_out.append(f"patients in no cohort: {outside}")
    if unknown:
        left_out.append(f"patients of the cohorts without an outcome, left out: {unknown}")
    return Cohorts(
        members, {p: int(rows[p][outcome]) for p in members}, {p: rows[p] for p in members}, tuple(left_out)
    )
