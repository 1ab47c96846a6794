"""One clinical table, line by line: values in the terms of the study, and what could not be read."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from mvi_ray.errors import ManifestError, MviError
from mvi_ray.ingest.clinical.cells import (
    Measured,
    decode,
    is_missing,
    read_level,
    read_number,
    read_outcome,
    read_text,
)
from mvi_ray.ingest.clinical.dates import read_date
from mvi_ray.ingest.clinical.sheet import WHAT, Fault, Sheet, open_sheet
from mvi_ray.ingest.problem import Problem
from mvi_ray.study import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mvi_ray.ingest.clinical.sheet import Cell
    from mvi_ray.study import Clinical

Value = Measured | str | int | dt.date | None

_CONTROL = frozenset(map(chr, range(32)))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a table.

    Args:
        where: "line 3", or "line 3 of hospital_a.csv" when there are several tables.
        line: its number.
        patient: pseudonym.
        values: what the line says, by the study's names of variables and dates; None: missing, or
            not read.
    """

    where: str
    line: int
    patient: str
    values: dict[str, Value]


@dataclass(slots=True)
class Part:
    """What one table gave.

    Args:
        name: of its file.
        centre: hospital of all of its patients, if the study says so.
        columns: the study's names that it has.
        absent: names that the study looks for under another column, which is not there.
        entries: patients, each once.
        problems: lines and cells that were not read, and remarks.
    """

    name: str
    centre: str | None
    columns: frozenset[str]
    absent: frozenset[str]
    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_part(
    path: Path, clinical: Clinical, identify: Callable[[str], str] | None, *, several: bool
) -> Part:
    """Read the declared columns of one table; every other column stays outside, for it may name a patient.

    Args:
        path: CSV, workbook or Parquet.
        clinical: the study's.
        identify: from the patient in the table to the pseudonym.
        several: whether other tables are read with it, so that messages must name this one.

    Raises:
        ManifestError: the file as a whole cannot be used.
    """
    source = _source_of(path, clinical)
    sheet = open_sheet(path, source)
    work = _Reading(clinical, source or Source(file="*"), sheet, path.name if several else "")
    part = work.part(path.name)
    for line, cells in sheet.rows:
        work.take(line, cells, part, identify)
    work.end(part)
    if several:
        part.problems = [replace(one, reason=f"{path.name}: {one.reason}") for one in part.problems]
    return part


def _source_of(path: Path, clinical: Clinical) -> Source | None:
    found = [name for name, one in clinical.sources.items() if fnmatchcase(path.name, one.file)]
    if len(found) > 1:
        raise ManifestError(
            f"the {WHAT} {path.name} is meant by clinical.sources {' and '.join(found)}; "
            "let only one of their patterns fit it"
        )
    return clinical.sources[found[0]] if found else None


@dataclass(slots=True)
class _Reading:
    """Reads the lines of one table.

    Args:
        clinical: the study's.
        source: how this table differs.
        sheet: its cells.
        label: the name of its file, where messages must tell it.
    """

    clinical: Clinical
    source: Source
    sheet: Sheet
    label: str
    columns: Mapping[str, str] = field(init=False)
    seen: dict[str, int] = field(init=False, default_factory=dict)
    censored: Counter[str] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        named = {**{name: name for name in self.clinical.read_columns}, **self.clinical.dates}
        named = {"patient_id": "patient_id", **named, **self.source.columns}
        if self.source.centre is not None and self.clinical.centre is not None:
            # The hospital is that of the study file, whatever a column of this name says.
            del named[self.clinical.centre]
        self.columns = {name: column for name, column in named.items() if column in self.sheet.columns}
        if "patient_id" not in self.columns:
            raise ManifestError(
                f"{WHAT}{f' {self.label}' if self.label else ''}: column {named['patient_id']!r} is missing; "
                "name the patients as the manifest does"
            )

    def part(self, name: str) -> Part:
        """The table without its lines, and what its header and file are worth a look for."""
        absent = {of: column for of, column in self.source.columns.items() if of not in self.columns}
        problems = [
            Problem(
                "warning",
                f"the {WHAT} has no column {column!r}, which the study reads as {of}",
                "correct clinical.sources, or the header",
                line=1,
            )
            for of, column in absent.items()
        ]
        used = set(self.columns.values())
        extra = [column for column in self.sheet.columns if column not in used]
        if extra:
            problems.append(
                Problem(
                    "warning",
                    f"{len(extra)} columns of the {WHAT} are not declared and were not stored",
                    "name those you need under clinical.variables and ingest the table again: "
                    + ", ".join(extra[:10]),
                    line=1,
                )
            )
        problems.extend(Problem("warning", reason, way_out) for reason, way_out in self.sheet.remarks)
        return Part(name, self.source.centre, frozenset(self.columns), frozenset(absent), problems=problems)

    def take(
        self, line: int, cells: dict[str, Cell], part: Part, identify: Callable[[str], str] | None
    ) -> None:
        """Read one line."""
        patient = self._patient(line, cells[self.columns["patient_id"]], identify)
        if isinstance(patient, Problem):
            part.problems.append(patient)
            return
        values: dict[str, Value] = {}
        for name, column in self.columns.items():
            if name == "patient_id":
                continue
            found = self._value(name, cells[column])
            if isinstance(found, Fault):
                part.problems.append(
                    Problem(
                        "error",
                        f"{self._title(name)} {found.reason}",
                        found.way_out,
                        line=line,
                        patient_id=patient,
                    )
                )
                found = None
            elif isinstance(found, Measured) and found.sign:
                self.censored[name] += 1
            values[name] = found
        if self.source.centre is not None and self.clinical.centre is not None:
            values[self.clinical.centre] = self.source.centre
        where = f"line {line}{f' of {self.label}' if self.label else ''}"
        part.entries.append(Entry(where, line, patient, values))

    def end(self, part: Part) -> None:
        """After the last line."""
        part.problems.extend(
            Problem(
                "warning",
                f"{name}: values beyond a limit of the laboratory: {count}",
                f"they were taken by the rule of clinical.variables.{name}.censored",
            )
            for name, count in self.censored.items()
        )

    def _patient(self, line: int, cell: Cell, identify: Callable[[str], str] | None) -> str | Problem:
        text = "" if cell is None else read_text(cell)
        if isinstance(text, Fault):
            return Problem("error", f"patient_id {text.reason}", text.way_out, line=line)
        if not text:
            return Problem("error", "patient_id is blank", "fill in the cell", line=line)
        if identify is not None:
            try:
                text = identify(text)
            except MviError as error:
                return Problem.of(error, line=line)
        if not _CONTROL.isdisjoint(text):
            return Problem(
                "error",
                "patient_id holds a control character",
                "take line breaks and tabs out of it",
                line=line,
            )
        first = self.seen.setdefault(text, line)
        if first != line:
            return Problem(
                "error",
                f"the patient stands in line {first} already",
                "keep one line for each patient",
                line=line,
                patient_id=text,
            )
        return text

    def _value(self, name: str, cell: Cell) -> Value | Fault:
        cell = decode(cell, self.source.values.get(name, {}))
        if is_missing(cell):
            return None
        if isinstance(cell, Fault):
            return cell
        if name in self.clinical.dates:
            return read_date(cell, self.source.date_format or self.clinical.date_format)
        variable = self.clinical.variables.get(name)
        if variable is None:
            return read_outcome(cell) if name == self.clinical.outcome else read_text(cell)
        if variable.kind == "categorical":
            return read_level(cell, variable)
        decimal = self.source.decimal or self.sheet.decimal
        return read_number(cell, variable, name, decimal, self.source.units.get(name))

    def _title(self, name: str) -> str:
        if name in self.clinical.dates:
            return f"the date {name}"
        return f"outcome {name}" if name == self.clinical.outcome else name
