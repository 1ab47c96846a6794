"""Which patients belong to training and testing, and their outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mvi_ray.errors import MatrixError
from mvi_ray.matrix.criteria import choose, judge, relation
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
        left_out: why patients are missing who were excluded, are not eligible, in no cohort or
            without an outcome, in words.
        without_outcome: patients of the cohorts whose outcome is not known.
    """

    members: dict[str, Literal["train", "test"]]
    outcome: dict[str, int]
    clinical: dict[str, dict[str, Any]]
    left_out: tuple[str, ...]
    without_outcome: frozenset[str] = frozenset()


def read_cohorts(store: Store, study: Study) -> Cohorts:
    """Apply the study's criteria of enrolment, then its predicates, to who was not excluded by hand.

    Raises:
        MatrixError: no outcome, no training cohort, a patient in both, a predicate that names
            what is not there, or values under levels that the study has no longer.
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
        members = relation(connection, "members")
        rows = {row["patient_id"]: row for row in members.to_arrow_table().to_pylist()}
        excluded = connection.sql("FROM patients SEMI JOIN raw.current_exclusions USING (patient_id)")
        notes = _told("patients excluded by hand", len(excluded))
        if study.enrolment.criteria:
            verdicts = judge(connection, study.enrolment)
            out = {patient for patient in rows if verdicts[patient].criterion is not None}
            unknown = sum(bool(verdicts[patient].unknown) for patient in rows.keys() - out)
            notes += _told("patients who do not meet the criteria of enrolment", len(out))
            notes += _told("patients kept though a criterion of enrolment cannot be judged", unknown)
            rows = {patient: row for patient, row in rows.items() if patient not in out}
        for name, predicate in predicates.items():
            condition = check_predicate(predicate, f"cohorts.{name}")
            found[name] = choose(members, condition, f"cohorts.{name}", predicate) & rows.keys()
    _check_levels(rows, study)
    return _assign(found, rows, outcome, notes)


def _told(what: str, number: int) -> list[str]:
    return [f"{what}: {number}"] if number else []


def _check_levels(rows: dict[str, dict[str, Any]], study: Study) -> None:
    """A value under no level would count as the reference: it is of an earlier study file."""
    for name in dict.fromkeys(n for spec in study.models.fit.values() for n in spec.clinical):
        levels = study.clinical.variables[name].levels
        unknown = sum(row.get(name) is not None and row[name] not in levels for row in rows.values())
        if levels and unknown:
            raise MatrixError(
                f"{name} of {unknown} patients was stored under levels or cuts that the study has no longer; "
                "ingest the clinical table again"
            )


def _assign(
    found: dict[str, set[str]], rows: dict[str, dict[str, Any]], outcome: str, notes: list[str]
) -> Cohorts:
    both = sorted(found["train"] & found.get("test", set()))
    if both:
        raise MatrixError(
            f"both cohorts hold {both[0]} (such patients: {len(both)}); "
            "make the predicates exclude each other"
        )
    if not found["train"]:
        raise MatrixError("no patient is in the training cohort; check cohorts.train")
    members: dict[str, Literal["train", "test"]] = {}
    unknown, outside = set[str](), 0
    for patient in sorted(rows):
        name: Literal["train", "test"] | None = next(
            (cohort for cohort in ("train", "test") if patient in found.get(cohort, ())), None
        )
        if name is None:
            outside += 1
        elif rows[patient][outcome] is None:
            unknown.add(patient)
        else:
            members[patient] = name
    notes += _told("patients in no cohort", outside)
    notes += _told("patients of the cohorts without an outcome, left out", len(unknown))
    return Cohorts(
        members,
        {p: int(rows[p][outcome]) for p in members},
        {p: rows[p] for p in members},
        tuple(notes),
        frozenset(unknown),
    )
