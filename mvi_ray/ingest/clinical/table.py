"""The clinical tables of a study: outcome, centre, variables and intervals of each patient."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mvi_ray.ingest.clinical.cells import Measured, allowed, cut_level
from mvi_ray.ingest.clinical.reading import read_part
from mvi_ray.ingest.clinical.sheet import Fault
from mvi_ray.ingest.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mvi_ray.ingest.clinical.reading import Entry, Part, Value
    from mvi_ray.study import Clinical

ClinicalValue = float | int | str | None

# Two tables may give one value in two units, and both conversions round.
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class ClinicalTable:
    """Clinical values by patient.

    Args:
        rows: one mapping for each patient, `patient_id` first, then the study's columns that
            the tables have. The outcome is 0, 1 or None; categorical values are one of their
            levels; continuous values are finite, in the unit of the study. No date is among them.
        problems: patients left out, cells that could not be read, columns missing.
        centres: patient to the hospital that the study says of the whole table.
    """

    rows: tuple[dict[str, ClinicalValue], ...]
    problems: tuple[Problem, ...]
    centres: dict[str, str] = field(default_factory=dict)


def read_clinical(
    paths: Path | Sequence[Path], clinical: Clinical, identify: Callable[[str], str] | None = None
) -> ClinicalTable:
    """Read one table or several, and join what they say of a patient.

    Args:
        paths: CSV, workbooks (.xlsx, .ods) or Parquet.
        clinical: what the study declares.
        identify: from the patient in a table to the pseudonym; an MviError of it leaves out the line.

    Raises:
        ManifestError: a file as a whole cannot be used.
    """
    files = [paths] if isinstance(paths, Path) else list(paths)
    parts = [read_part(path, clinical, identify, several=len(files) > 1) for path in files]
    problems = list(_missing_columns(parts, clinical))
    for part in parts:
        problems.extend(part.problems)
    joined: dict[str, _Joined] = {}
    centres: dict[str, str] = {}
    for part in parts:
        for entry in part.entries:
            found = joined.setdefault(entry.patient, _Joined(entry.patient))
            problems.extend(found.add(entry, clinical))
            if part.centre is not None and centres.setdefault(entry.patient, part.centre) != part.centre:
                problems.append(
                    Problem(
                        "warning",
                        f"the tables of {centres[entry.patient]} and {part.centre} both have the patient",
                        f"one patient belongs to one centre; {centres[entry.patient]} was kept",
                        line=entry.line,
                        patient_id=entry.patient,
                    )
                )
    rows = []
    for found in joined.values():
        row, faults = found.row(clinical)
        rows.append(row)
        problems.extend(faults)
    return ClinicalTable(tuple(rows), tuple(replace(p, table="clinical") for p in problems), centres)


def _missing_columns(parts: list[Part], clinical: Clinical) -> Iterator[Problem]:
    """What no table has; of several each may have a part of the columns."""
    there = {name for part in parts for name in part.columns}
    if clinical.centre is not None and any(part.centre is not None for part in parts):
        there.add(clinical.centre)
    told = {name for part in parts for name in part.absent}
    for name in (*clinical.read_columns, *clinical.dates):
        if name in there or name in told:
            continue
        column = clinical.dates.get(name, name)
        if name == clinical.outcome:
            yield Problem(
                "warning",
                f"the clinical table has no outcome column {name!r}",
                "features can be extracted; `mvi train` will need it",
                line=1,
            )
        else:
            yield Problem(
                "warning",
                f"the clinical table has no column {column!r}",
                "add it, or take it out of the study file",
                line=1,
            )


@dataclass(slots=True)
class _Joined:
    """What the tables say of one patient.

    Args:
        patient: the pseudonym.
    """

    patient: str
    values: dict[str, Value] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    disputed: set[str] = field(default_factory=set)

    def add(self, entry: Entry, clinical: Clinical) -> Iterator[Problem]:
        """Take what another line says; of two values that differ neither is taken."""
        for name, value in entry.values.items():
            before = self.values.get(name)
            if value is None or name in self.disputed:
                self.values.setdefault(name, None)
                continue
            if before is None:
                self.values[name] = value
                self.entries[name] = entry
            elif not _agree(before, value):
                self.disputed.add(name)
                self.values[name] = None
                what = f"the date {name}" if name in clinical.dates else name
                yield Problem(
                    "error",
                    f"{what} in {entry.where} is another than in {self.entries[name].where}; none was stored",
                    "correct one of the two",
                    line=entry.line,
                    patient_id=self.patient,
                )

    def row(self, clinical: Clinical) -> tuple[dict[str, ClinicalValue], list[Problem]]:
        """The values to store, with intervals and cuts, and without dates."""
        found = {name: value for name, value in self.values.items() if name not in clinical.dates}
        problems: list[Problem] = []
        for name, (first, second) in clinical.intervals.items():
            if first in self.values and second in self.values:
                days = _days(self.values[first], self.values[second])
                checked = None if days is None else allowed(days, clinical.variables[name])
                if isinstance(checked, Fault):
                    problems.append(self._problem("error", name, checked))
                    checked = None
                found[name] = checked
        for name, of in clinical.derived.items():
            if of in found:
                number = found[of]
                level = cut_level(number, clinical.variables[of]) if isinstance(number, Measured) else None
                if isinstance(level, Fault):
                    problems.append(self._problem("warning", name, level))
                    level = None
                found[name] = level
        row: dict[str, ClinicalValue] = {"patient_id": self.patient}
        row.update({name: _stored(found[name]) for name in clinical.columns if name in found})
        return row, problems

    def _problem(self, severity: Literal["error", "warning"], name: str, fault: Fault) -> Problem:
        return Problem(severity, f"{name} {fault.reason}", fault.way_out, patient_id=self.patient)


def _agree(one: Value, other: Value) -> bool:
    if isinstance(one, Measured) and isinstance(other, Measured):
        pairs = ((one.value, other.value), (one.limit, other.limit))
        return one.sign == other.sign and all(_close(a, b) for a, b in pairs)
    return one == other


def _close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=_SAME)


def _days(first: Value, second: Value) -> Measured | None:
    if isinstance(first, dt.date) and isinstance(second, dt.date):
        return Measured(float((second - first).days))
    return None


def _stored(value: Value) -> ClinicalValue:
    if isinstance(value, Measured):
        return value.value
    # Dates are left out by their names already.
    return None if isinstance(value, dt.date) else value
