"""Clinical values into the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mvi_ray.ingest.problem import Problem
from mvi_ray.store.tables import now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mvi_ray.ingest.clinical import ClinicalTable
    from mvi_ray.project.project import Project
    from mvi_ray.study import Clinical


@dataclass(frozen=True, slots=True)
class Missing:
    """Patients of the clinical table without a value of one variable.

    Args:
        name: of the variable, or of the outcome.
        missing, patients: how many lack it, and of how many.
        centres: hospital to the same two numbers; "" where none is known.
    """

    name: str
    missing: int
    patients: int
    centres: dict[str, tuple[int, int]]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "name": self.name,
            "missing": self.missing,
            "patients": self.patients,
            "centres": {
                centre: {"missing": missing, "patients": patients}
                for centre, (missing, patients) in self.centres.items()
            },
        }


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
        problems.extend(_drop_other_kinds(patient, row, kinds, clinical))
    names = ["patient_id", *(n for n in clinical.columns if any(n in row for row in rows.values()))]
    arrays = {
        name: pa.array([rows[p].get(name) for p in sorted(rows)], kinds.get(name, pa.string()))
        for name in names
    }
    tables["clinical"].replace_all(pa.table(arrays))
    problems.extend(_store_centres(project, table))
    return {str(row["patient_id"]) for row in table.rows}, problems


def missing_values(project: Project) -> tuple[Missing, ...]:
    """Variables that some of the patients with clinical values lack, in the order of the study."""
    clinical = project.study.clinical
    tables = project.store.tables
    rows = tables["clinical"].read().to_pylist()
    centres = {row["patient_id"]: row["centre"] or "" for row in tables["patients"].read().to_pylist()}
    found = []
    for name in clinical.columns:
        counts: dict[str, tuple[int, int]] = {}
        for row in rows:
            centre = centres.get(row["patient_id"], "")
            missing, patients = counts.get(centre, (0, 0))
            counts[centre] = (missing + (row.get(name) is None), patients + 1)
        lacking = sum(missing for missing, _ in counts.values())
        if lacking:
            found.append(Missing(name, lacking, len(rows), dict(sorted(counts.items()))))
    return tuple(found)


def _drop_other_kinds(
    patient: str, row: dict[str, Any], kinds: dict[str | None, pa.DataType], clinical: Clinical
) -> Iterator[Problem]:
    """Forget values of an earlier table that the study now reads otherwise."""
    for name, value in row.items():
        kind = kinds.get(name)
        if kind is None or value is None:
            continue
        variable = clinical.variables.get(name)
        # An outcome is 0 or 1; any other number would not even fit into its column.
        no_outcome = name == clinical.outcome and value not in (0, 1)
        if isinstance(value, str) != pa.types.is_string(kind) or no_outcome:
            what = "was stored as another kind of variable and is dropped"
        elif variable is not None and variable.levels and value not in variable.levels:
            what = "was stored under levels or cuts that the study has no longer, and is dropped"
        else:
            continue
        row[name] = None
        yield Problem(
            "warning",
            f"{name} {what}",
            "ingest the clinical table again with all patients",
            patient_id=patient,
        )


def _store_centres(project: Project, table: ClinicalTable) -> Iterator[Problem]:
    column = project.study.clinical.centre
    counts = (
        "the one in the store is kept"
        if column is None
        else f"clinical.{column} holds the first, patients.centre the second"
    )
    patients = project.store.tables["patients"]
    known = {row["patient_id"]: row["centre"] for row in patients.read().to_pylist()}
    fresh = []
    for row in table.rows:
        patient = str(row["patient_id"])
        centre = row.get(column) if column is not None else table.centres.get(patient)
        before = known.get(patient)
        if centre is not None and before is not None and before != centre:
            yield Problem(
                "error",
                f"centre is {centre!r} in the clinical table and {before!r} in the store",
                f"one patient belongs to one centre: correct one of them; until then {counts}",
                patient_id=patient,
            )
        elif patient not in known or (centre is not None and before is None):
            fresh.append({"patient_id": patient, "centre": centre, "ingested_at": now()})
    patients.write(fresh)
