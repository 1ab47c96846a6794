"""Dates as hospitals write them. They leave this room as numbers of days only."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from mvi_ray.ingest.clinical.sheet import Fault

if TYPE_CHECKING:
    from mvi_ray.ingest.clinical.sheet import Cell
    from mvi_ray.study.source import DateFormat

_YEAR, _MONTH, _DAY = "(?P<y>[0-9]{4})", "(?P<m>[0-9]{1,2})", "(?P<d>[0-9]{1,2})"
_FORMATS = {
    "yyyy-mm-dd": rf"{_YEAR}-{_MONTH}-{_DAY}",
    "yyyy/mm/dd": rf"{_YEAR}/{_MONTH}/{_DAY}",
    "yyyymmdd": r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})",
    "dd.mm.yyyy": rf"{_DAY}\.{_MONTH}\.{_YEAR}",
    "dd/mm/yyyy": rf"{_DAY}/{_MONTH}/{_YEAR}",
    "dd-mm-yyyy": rf"{_DAY}-{_MONTH}-{_YEAR}",
    "mm/dd/yyyy": rf"{_MONTH}/{_DAY}/{_YEAR}",
}
_CLEAR = ("yyyy-mm-dd", "yyyy/mm/dd", "yyyymmdd", "dd.mm.yyyy")
"""Formats with one reading everywhere: the year first, or a point, which only follows a day."""
_TIME = re.compile(r"[T ]+[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?([+-][0-9:]+|Z)?$")
_TWO_WAYS = re.compile(r"[0-9]{1,2}[/-][0-9]{1,2}[/-]([0-9]{2}|[0-9]{4})")
_EARLIEST, _LATEST = 1900, 2200


def read_date(cell: Cell, form: DateFormat | None) -> dt.date | Fault:
    """The day that a cell holds; a time of day is dropped.

    Args:
        cell: not missing.
        form: how dates are written that are text; None: only what can be read in one way.
    """
    if isinstance(cell, Fault):
        return cell
    if isinstance(cell, dt.date):
        return _plausible(cell)
    if not isinstance(cell, str):
        return Fault("is a number and no date", "format the column as dates, or write them as yyyy-mm-dd")
    text = _TIME.sub("", cell)
    for one in (form,) if form is not None else _CLEAR:
        found = re.fullmatch(_FORMATS[one], text)
        if found is not None:
            try:
                return _plausible(dt.date(int(found["y"]), int(found["m"]), int(found["d"])))
            except ValueError:
                break
    if form is None and _TWO_WAYS.fullmatch(text):
        return Fault(
            "can be read in two ways", "say which comes first: clinical.date_format: dd/mm/yyyy or mm/dd/yyyy"
        )
    return Fault("is no date", f"write it as {form or 'yyyy-mm-dd'}, or leave it blank")


def _plausible(day: dt.date) -> dt.date | Fault:
    if _EARLIEST <= day.year <= _LATEST:
        return day
    return Fault("is no date of our time", "correct its year")
