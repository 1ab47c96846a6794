"""Clinical values into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mvi_ray.ingest.problem import Problem
from mvi_ray.store.tables import now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mvi_ray.ingest.clinical import ClinicalTable
    from mvi_ray.project.project import Project


def store_clinical(project: Project, table: ClinicalTable) -> tuple[set[str], list[Problem]]:
    """Join the rows to those that are there, patient by patient.

    Returns:
        Patients of the table, and what is worth a look.
    """
    problems: list[Problem] = []
    clinical = project.study.clinical
    tables = project.store.tables
    rows = {row["patient_id"]: row for row in tables["clinical"].read().to_pylist()}
    for row in table.rows:
        patient = str(row["patient_id"])
        rows[patient] = {**rows.get(patient, {}), **row}
    kinds = {clinical.outcome: pa.int64(), clinical.centre: pa.string()}
    for name, variable in clinical.variables.items():
        kinds[name] = pa.float64() if variable.kind == "continuous" else pa.string()
    for patient, row in rows.items():
        problems.extend(_drop_other_kinds(patient, row, kinds))
    names = ["patient_id", *(n for n in clinical.columns if any(n in row for row in rows.values()))]
    arrays = {
        name: pa.array([rows[p].get(name) for p in sorted(rows)], kinds.get(name, pa.string()))
        for name in names
    }
    tables["clinical"].replace_all(pa.table(arrays))
    problems.extend(_store_centres(project, table))
    return {str(row["patient_id"]) for row in table.rows}, problems


def _drop_other_kinds(
    patient: str, row: dict[str, Any], kinds: dict[str | None, pa.DataType]
) -> Iterator[Problem]:
    """Forget values of an earlier table that the study now reads as another kind."""
    for name, value in row.items():
        kind = kinds.get(name)
        if kind is None or value is None or isinstance(value, str) == pa.types.is_string(kind):
            continue
        row[name] = None
        yield Problem(
            "warning",
            f"{name} was stored as another kind of variable and is dropped",
            "ingest the clinical table again with all patients",
            patient_id=patient,
        )


def _store_centres(project: Project, table: ClinicalTable) -> Iterator[Problem]:
    column = project.study.clinical.centre
    patients = project.store.tables["patients"]
    known = {row["patient_id"]: row["centre"] for row in patients.read().to_pylist()}
    fresh = []
    for row in table.rows:
        patient = str(row["patient_id"])
        centre = row.get(column) if column is not None else None
        before = known.get(patient)
        if centre is not None and before is not None and before != centre:
            yield Problem(
                "error",
                f"centre is {centre!r} in the clinical table and {before!r} in the manifest",
                "one patient belongs to one centre; the manifest's was kept",
                patient_id=patient,
            )
        elif patient not in known or (centre is not None and before is None):
            fresh.append({"patient_id": patient, "centre": centre, "ingested_at": now()})
    patients.write(fresh)
