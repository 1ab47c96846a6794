"""The clinical table: outcome, centre and the variables that the study declares."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mvi_ray.errors import ManifestError, MviError
from mvi_ray.ingest.problem import Problem
from mvi_ray.ingest.table import read_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mvi_ray.study import Clinical, Variable

_BLANK = frozenset({"", "na", "n/a", "nan", "null", "none", "."})
_NUMBER = re.compile(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_OUTCOME = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}

ClinicalValue = float | int | str | None


@dataclass(frozen=True, slots=True)
class ClinicalTable:
    """Clinical values by patient.

    Args:
        rows: one mapping for each patient, `patient_id` first, then the study's columns that
            the table has. The outcome is 0, 1 or None; categorical values are one of their
            levels; continuous values are finite.
        problems: patients left out, cells that could not be read, columns missing.
    """

    rows: tuple[dict[str, ClinicalValue], ...]
    problems: tuple[Problem, ...]


def read_clinical(
    path: Path, clinical: Clinical, identify: Callable[[str], str] | None = None
) -> ClinicalTable:
    """Read the declared columns; every other column stays outside, for it may name a patient.

    Args:
        path: the CSV file.
        clinical: what the study declares.
        identify: from the patient in the table to the pseudonym; an MviError of it leaves out the line.

    Raises:
        ManifestError: the file as a whole cannot be used.
    """
    table = read_table(path, "clinical table")
    if "patient_id" not in table.columns:
        raise ManifestError(
            "clinical table: column 'patient_id' is missing; name the patients as the manifest does"
        )
    problems = [_missing_column(name, clinical) for name in clinical.columns if name not in table.columns]
    extra = [c for c in table.columns if c not in (*clinical.columns, "patient_id")]
    if extra:
        problems.append(
            Problem(
                "warning",
                f"{len(extra)} columns of the clinical table are not declared and were not stored",
                "name those you need under clinical.variables and ingest the table again: "
                + ", ".join(extra[:10]),
                line=1,
            )
        )
    columns = [name for name in clinical.columns if name in table.columns]
    rows: list[dict[str, ClinicalValue]] = []
    seen: dict[str, int] = {}
    for line, cells in table.rows:
        patient = cells["patient_id"]
        if identify is not None and patient:
            try:
                patient = identify(patient)
            except MviError as error:
                problems.append(Problem.of(error, line=line))
                continue
        fault = _identity_fault(patient, line, seen)
        if fault:
            problems.append(Problem("error", *fault, line=line, patient_id=patient or None))
            continue
        row: dict[str, ClinicalValue] = {"patient_id": patient}
        for name in columns:
            try:
                row[name] = _value(name, cells[name], clinical, table.delimiter)
            except ValueError as error:
                row[name] = None
                reason, _, way_out = str(error).partition("; ")
                problems.append(Problem("error", reason, way_out, line=line, patient_id=patient))
        rows.append(row)
    return ClinicalTable(tuple(rows), tuple(replace(p, table="clinical") for p in problems))


def _missing_column(name: str, clinical: Clinical) -> Problem:
    if name == clinical.outcome:
        return Problem(
            "warning",
            f"the clinical table has no outcome column {name!r}",
            "features can be extracted; `mvi train` will need it",
            line=1,
        )
    return Problem(
        "warning",
        f"the clinical table has no column {name!r}",
        "add it, or take it out of the study file",
        line=1,
    )


def _identity_fault(patient: str, line: int, seen: dict[str, int]) -> tuple[str, str] | None:
    if not patient:
        return "patient_id is blank", "fill in the cell"
    first = seen.setdefault(patient, line)
    if first != line:
        return f"the patient stands in line {first} already", "keep one line for each patient"
    return None


def _value(name: str, text: str, clinical: Clinical, delimiter: str) -> ClinicalValue:
    if text.lower() in _BLANK:
        return None
    if name == clinical.outcome:
        if text not in _OUTCOME:
            raise ValueError(f"outcome {name} is neither 0 nor 1; correct it, or leave it blank")
        return _OUTCOME[text]
    if name == clinical.centre:
        return text
    return _variable(name, text, clinical.variables[name], delimiter)


def _variable(name: str, text: str, variable: Variable, delimiter: str) -> float | str:
    if variable.kind == "categorical":
        if text not in variable.levels:
            raise ValueError(f"{name} is none of its levels; they are {', '.join(variable.levels)}")
        return text
    # A decimal comma is how half of Europe's spreadsheets write numbers, and these separate
    # cells by semicolons; elsewhere 1,234 may as well be more than a thousand.
    if delimiter != ";" and _THOUSANDS.fullmatch(text):
        raise ValueError(f"{name} has a comma that can be read in two ways; write it without")
    number = float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name} is no number; write one, or leave it blank")
    return number
