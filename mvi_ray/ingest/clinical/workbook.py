"""A clinical table in a workbook of Excel or LibreOffice."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import ManifestError
from mvi_ray.ingest.clinical.package import faulty_cells
from mvi_ray.ingest.clinical.sheet import WHAT, Cell, Fault, Sheet
from mvi_ray.ingest.table import check_header, no_rows

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.ingest.clinical.package import Places
    from mvi_ray.study import Source

_FORMULA = Fault("holds an error of a formula", "correct the formula, or clear the cell")
_ERRORS = frozenset(
    {"#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#SPILL!", "#CALC!", "#GETTING_DATA"}
)


def read_workbook(path: Path, source: Source | None) -> Sheet:
    """Read one sheet, numbers and dates with their types; a line is the number of its row.

    Raises:
        ManifestError: the file is encrypted, holds macros, is of an old format, damaged, or would
            be too large when unpacked; or the sheet is not there or has no rows.
    """
    import python_calamine

    faulty = faulty_cells(path)
    try:
        with python_calamine.CalamineWorkbook.from_path(path) as book:
            visible = [
                one.name
                for one in book.sheets_metadata
                if one.visible == python_calamine.SheetVisibleEnum.Visible
            ]
            name = _choose(path, source, book.sheet_names, visible)
            cells: list[list[Any]] = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except ManifestError:
        raise
    except BaseException as error:
        # A panic of the library is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ManifestError(
            f"the {WHAT} {path.name} cannot be read as a workbook; open it and save it again as .xlsx"
        ) from None
    unread = len(visible) - 1 if source is None or source.sheet is None else 0
    remarks = (
        ((f"sheets that were not read: {unread}", "the first was; name another in clinical.sources"),)
        if unread > 0
        else ()
    )
    return _sheet(path, cells, faulty.get(name, set()), remarks)


def _choose(path: Path, source: Source | None, names: list[str], visible: list[str]) -> str:
    wanted = None if source is None else source.sheet
    if wanted is None:
        if not visible:
            raise ManifestError(f"the {WHAT} {path.name} has no visible sheet; name one in clinical.sources")
        return visible[0]
    if wanted not in names:
        # Names of the others may be those of patients.
        raise ManifestError(
            f"the {WHAT} {path.name} has no sheet {wanted!r} among its {len(names)}; "
            "correct clinical.sources, capital letters count"
        )
    return wanted


def _sheet(path: Path, cells: list[list[Any]], errors: Places, remarks: tuple[tuple[str, str], ...]) -> Sheet:
    lines = [
        (
            line,
            [_FORMULA if (line, at) in errors else _cell(v) for at, v in enumerate(row, start=1)],
        )
        for line, row in enumerate(cells, start=1)
    ]
    lines = [(line, row) for line, row in lines if any(cell is not None for cell in row)]
    if not lines:
        raise ManifestError(f"the sheet of the {WHAT} {path.name} is empty; name another in clinical.sources")
    header = lines[0][1]
    while header[-1] is None:
        header.pop()
    if any(isinstance(cell, Fault) for cell in header):
        raise ManifestError(f"the header of the {WHAT} {path.name} holds an error of a formula; correct it")
    columns = tuple("" if cell is None else str(cell) for cell in header)
    check_header(columns, WHAT)
    rows: list[tuple[int, dict[str, Cell]]] = []
    for line, row in lines[1:]:
        if any(cell is not None for cell in row[len(columns) :]):
            raise ManifestError(
                f"{WHAT}, line {line}: a cell stands outside of the {len(columns)} columns that have a name; "
                "name its column, or clear it"
            )
        rows.append((line, dict(zip(columns, row, strict=False))))
    if not rows:
        raise no_rows(path, WHAT)
    return Sheet(columns, tuple(rows), remarks=remarks)


def _cell(value: Any) -> Cell:
    if isinstance(value, str):
        text = value.strip()
        if text in _ERRORS or text.startswith("Err:"):
            return _FORMULA
        return text or None
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, bool | int | float | dt.date):
        return value
    return (
        Fault("holds a time of day or a duration", "write a number, or a date") if value is not None else None
    )
