"""Cells of a foreign table, from CSV, Parquet or Arrow: exact doubles and untouched text."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mvi_ray.errors import ManifestError, MissingTableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

UNNAMED = "(first column)"
"""What the first column is called when it has no name, as pandas and FAE write the names of rows."""

_MISSING = frozenset({"", "na", "n/a", "null", "none", "."})
_COMMA = re.compile(r"[+-]?(?:[0-9]+,[0-9]*|,[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BLOCK = 1 << 16
_FOREIGN = {
    b"PK\x03\x04": "is a spreadsheet or an archive; save the sheet as 'CSV UTF-8'",
    b"\xd0\xcf\x11\xe0": "is an Excel file; save the sheet as 'CSV UTF-8'",
    b"\x1f\x8b": "is compressed; unpack it first",
    b"\x80": "is a pickle, which can run code when it is opened; save it as Parquet or CSV",
}


class Cell(IntEnum):
    """What stands in a cell that should hold a number."""

    NULL = 0
    NUMBER = 1
    NAN = 2
    INFINITE = 3
    TEXT = 4


@dataclass(frozen=True, slots=True)
class Cells:
    """The columns asked for.

    Args:
        lines: line of each row, the header being line 1.
        texts: cells by column, as text without surrounding blanks.
        values: rows × columns; NaN wherever no finite number stands.
        states: rows × columns, a `Cell` for each value.
        decimal_comma: whether numbers are written as 1,5.
    """

    lines: NDArray[np.int64]
    texts: dict[str, list[str]]
    values: NDArray[np.float64]
    states: NDArray[np.uint8]
    decimal_comma: bool = False


class Source(Protocol):
    """An opened table: its columns are known, its cells are read once it is known which."""

    columns: tuple[str, ...]

    def read(self, texts: Sequence[str], numbers: Sequence[str]) -> Cells:
        """Read some columns as text and some as numbers."""


def open_source(path: Path) -> Source:
    """Open a table; what it is shows in its first bytes, not in its name.

    Raises:
        ManifestError: it is missing, of another kind, or has no usable header.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except FileNotFoundError:
        raise MissingTableError(f"the table {path.name} does not exist; check the path") from None
    except OSError as error:
        raise ManifestError(f"the table {path.name} cannot be read: {error.strerror}") from None
    for magic, message in _FOREIGN.items():
        if start.startswith(magic):
            raise ManifestError(f"the table {path.name} {message}")
    if start.startswith((b"PAR1", b"ARROW1")):
        from mvi_ray.ingest.features.arrow import ArrowSource

        return ArrowSource(path)
    return TextSource(path)


class TextSource:
    """A CSV: separated by comma, semicolon or tab, in UTF-8."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._delimiter = ","
        self._rows = self._lines()
        header = next(self._rows, (0, []))[1]
        if header and not header[0]:
            header[0] = UNNAMED
        while header and not header[-1]:
            header.pop()
        check_header(header)
        self.columns = tuple(header)

    def read(self, texts: Sequence[str], numbers: Sequence[str]) -> Cells:
        """Read every line; columns asked for as text are kept, all others only as numbers."""
        position = {name: at for at, name in enumerate(self.columns)}
        text_at = [(position[name], list[str](), dict[str, str]()) for name in texts]
        number_at = [position[name] for name in numbers]
        parser = _Parser(self._delimiter)
        lines: list[int] = []
        width = len(self.columns)
        for line, cells in self._rows:
            # Spreadsheets fill lines up to the widest one with empty cells.
            while len(cells) > width and not cells[-1]:
                cells.pop()
            if len(cells) != width:
                raise ManifestError(
                    f"the table, line {line}: {len(cells)} cells under {width} columns; "
                    "quote cells that hold the separator"
                )
            lines.append(line)
            for at, kept, same in text_at:
                # A long table repeats every word thousands of times: one copy is enough.
                kept.append(same.setdefault(cells[at], cells[at]))
            parser.add([cells[at] for at in number_at])
        if not lines:
            raise ManifestError(
                f"the table {self._path.name} has no rows; it needs a header and a line per case"
            )
        values, states = parser.finish(len(lines), len(number_at))
        return Cells(
            np.array(lines, dtype=np.int64),
            {name: kept for name, (_, kept, _) in zip(texts, text_at, strict=True)},
            values,
            states,
            parser.commas,
        )

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                first = next((line for line in file if line.strip()), "")
                file.seek(0)
                # Spreadsheets write the separator of their locale; names of features hold none of them.
                self._delimiter = max(",;\t", key=first.count)
                reader = csv.reader(file, delimiter=self._delimiter, strict=True)
                for cells in reader:
                    values = [cell.strip() for cell in cells]
                    if any(values):
                        yield reader.line_num, values
        except UnicodeDecodeError:
            raise ManifestError(
                f"the table {self._path.name} is not UTF-8 text; save it as 'CSV UTF-8'"
            ) from None
        except csv.Error as error:
            raise ManifestError(f"the table, line {reader.line_num}: {error}; check its quotes") from None


class _Parser:
    """Collects the cells of numbers and turns them to doubles in blocks."""

    def __init__(self, delimiter: str) -> None:
        # Where commas separate cells, 1,234 in quotes may be more than a thousand.
        self._may_comma = delimiter == ";"
        self._waiting: list[str] = []
        self._blocks: list[tuple[NDArray[np.float64], NDArray[np.uint8]]] = []
        self.commas = False
        self._points = False

    def add(self, cells: list[str]) -> None:
        self._waiting += cells
        if len(self._waiting) >= _BLOCK:
            self._flush()

    def finish(self, rows: int, columns: int) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        self._flush()
        if self.commas and self._points:
            raise ManifestError(
                "some numbers of the table have a decimal comma and some a decimal point; "
                "write all of them in one way"
            )
        values = np.concatenate([block for block, _ in self._blocks]).reshape(rows, columns)
        states = np.concatenate([block for _, block in self._blocks]).reshape(rows, columns)
        return values, states

    def _flush(self) -> None:
        values, states, commas, points = parse(self._waiting, may_comma=self._may_comma)
        self._waiting = []
        self._blocks.append((values, states))
        self.commas, self._points = self.commas or commas, self._points or points


def parse(
    cells: Sequence[str], *, may_comma: bool
) -> tuple[NDArray[np.float64], NDArray[np.uint8], bool, bool]:
    """Doubles (correctly rounded) and their `Cell` states; whether decimal commas, and points, were seen."""
    commas = points = False
    values = np.full(len(cells), np.nan)
    states = np.zeros(len(cells), dtype=np.uint8)
    numbers = _all_numbers(cells)
    if numbers is not None:
        values[:] = numbers
        states[:] = states_of(values)
        points = any("." in cell for cell in cells)
    else:
        for at, cell in enumerate(cells):
            if cell.lower() in _MISSING:
                continue
            comma = may_comma and _COMMA.fullmatch(cell) is not None
            number = _number(cell.replace(",", ".") if comma else cell)
            commas, points = commas or comma, points or ("." in cell and number is not None)
            values[at] = math.nan if number is None else number
            states[at] = _state(number)
    values[states == Cell.INFINITE] = np.nan
    return values, states, commas, points


def _all_numbers(cells: Sequence[str]) -> list[float] | None:
    """The cells as numbers, if all of them are: nearly always, and much quicker than one by one."""
    try:
        return [float(cell) for cell in cells] if _plain("".join(cells)) else None
    except ValueError:
        return None


def _number(text: str) -> float | None:
    try:
        return float(text) if _plain(text) else None
    except ValueError:
        return None


def _state(number: float | None) -> Cell:
    if number is None:
        return Cell.TEXT
    if math.isnan(number):
        return Cell.NAN
    return Cell.INFINITE if math.isinf(number) else Cell.NUMBER


def _plain(text: str) -> bool:
    """Whether `float` sees no more in a text than a clinician would: it also takes 1_000 and ١٢."""
    return text.isascii() and "_" not in text


def states_of(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Number, NaN or infinite."""
    return np.select(
        [np.isnan(values), np.isinf(values)], [Cell.NAN, Cell.INFINITE], default=Cell.NUMBER
    ).astype(np.uint8)


def check_header(columns: Sequence[str]) -> None:
    """ManifestError when a column has no name, or shares it with another."""
    if not columns:
        raise ManifestError("the table has no header; its first line names the columns")
    if "" in columns:
        raise ManifestError(
            f"the table: column {columns.index('') + 1} has no name; give it one, or delete it"
        )
    seen: dict[str, int] = {}
    for at, name in enumerate(columns, start=1):
        # A header that was forgotten is a line of a patient, so no name is shown.
        if seen.setdefault(name, at) != at:
            raise ManifestError(
                f"the table: columns {seen[name]} and {at} have the same name; rename one, or delete it"
            )
