"""A clinical table as cells, whatever kind of file it is: text, a workbook or Parquet."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mvi_ray.errors import ManifestError
from mvi_ray.ingest.table import read_table

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.study import Source

WHAT = "clinical table"


@dataclass(frozen=True, slots=True)
class Fault:
    """A cell without a value: what stands there instead, after "NAME …".

    Args:
        reason: for example "holds an error of a formula".
        way_out: what to do about it.
    """

    reason: str
    way_out: str


Cell = str | int | float | bool | dt.date | Fault | None
"""Text has no surrounding blanks; a time of day is dropped from a date; None: nothing stands there."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of patients.

    Args:
        columns: names in the order of the file, unique.
        rows: line of the file, or of the sheet, and the cells by column.
        decimal: sign before the fraction of numbers that are text; None: not known.
        remarks: what is worth a look, each with its way out.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, Cell]], ...]
    decimal: Literal[".", ",", "either"] | None = None
    remarks: tuple[tuple[str, str], ...] = ()


_ZIP, _OLE, _PARQUET, _GZIP = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PAR1", b"\x1f\x8b"


def open_sheet(path: Path, source: Source | None) -> Sheet:
    """Read a table; what it is shows in its first bytes, not in its name.

    Raises:
        ManifestError: the file as a whole cannot be used.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError:
        start = b""
    if start.startswith((_ZIP, _OLE)):
        from mvi_ray.ingest.clinical.workbook import read_workbook

        return read_workbook(path, source)
    if start.startswith(_PARQUET):
        from mvi_ray.ingest.clinical.parquet import read_parquet

        return read_parquet(path)
    if start.startswith(_GZIP):
        raise ManifestError(f"the {WHAT} {path.name} is compressed; unpack it first")
    encoding, delimiter = (None, None) if source is None else (source.encoding, source.delimiter)
    table = read_table(path, WHAT, encoding=encoding, delimiter=delimiter)
    # Spreadsheets of countries with a decimal comma separate cells by semicolons.
    decimal: Literal["either"] | None = "either" if table.delimiter == ";" else None
    return Sheet(table.columns, tuple((line, dict(cells)) for line, cells in table.rows), decimal)
