"""A small text table (CSV) as a hospital hands it over."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvi_ray.errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class TextTable:
    """Header and rows of a table; every cell is text without surrounding blanks.

    Args:
        columns: names in the order of the file.
        rows: line number (the header is line 1) and the cells by column.
        delimiter: what separates the cells: comma, semicolon or tab.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    delimiter: str


def read_table(path: Path, what: str) -> TextTable:
    """Read comma, semicolon or tab separated text in UTF-8, with or without a mark at its start.

    Args:
        path: the file.
        what: its role, for messages: "manifest", "clinical table".

    Raises:
        ManifestError: it is missing, not text, has no rows, doubled columns or ragged lines.
    """
    text = _read_text(path, what)
    first = text.lstrip("\n").partition("\n")[0]
    # Spreadsheets write the separator of their locale; a header holds no other punctuation.
    delimiter = max(",;\t", key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    columns: tuple[str, ...] = ()
    try:
        for cells in lines:
            values = [cell.strip() for cell in cells]
            if not any(values):
                continue
            # Spreadsheets fill lines up to the widest one with empty cells.
            while len(values) > len(columns) and not values[-1]:
                values.pop()
            if not columns:
                columns = tuple(values)
                _check_header(columns, what)
                continue
            if len(values) != len(columns):
                raise ManifestError(
                    f"{what}, line {lines.line_num}: {len(values)} cells under {len(columns)} columns; "
                    "quote cells that hold the separator"
                )
            rows.append((lines.line_num, dict(zip(columns, values, strict=True))))
    except csv.Error as error:
        raise ManifestError(f"{what}, line {lines.line_num}: {error}; check its quotes") from None
    if not rows:
        raise ManifestError(f"the {what} {path.name} has no rows; it needs a header and one line per case")
    return TextTable(columns, tuple(rows), delimiter)


def _read_text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ManifestError(f"the {what} {path.name} does not exist; check the path") from None
    except UnicodeDecodeError:
        raise ManifestError(f"the {what} {path.name} is not UTF-8 text; save it as 'CSV UTF-8'") from None
    except OSError as error:
        raise ManifestError(f"the {what} {path.name} cannot be read: {error.strerror}") from None


def _check_header(columns: tuple[str, ...], what: str) -> None:
    doubled = sorted({c for c in columns if columns.count(c) > 1})
    if "" in columns:
        raise ManifestError(f"{what}: column {columns.index('') + 1} has no name; give it one, or delete it")
    if doubled:
        raise ManifestError(f"{what}: column {doubled[0]!r} stands twice; rename one")
