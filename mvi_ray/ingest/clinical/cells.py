"""From a cell to the value of a variable: codes, units, limits of the laboratory, allowed values."""

from __future__ import annotations

import bisect
import datetime as dt
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mvi_ray.ingest.clinical.sheet import Fault
from mvi_ray.study.source import cell_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mvi_ray.ingest.clinical.sheet import Cell
    from mvi_ray.study import Conversion, Variable

Decimal = Literal[".", ",", "either"] | None

_BLANK = frozenset({"", "na", "n/a", "nan", "null", "none", "."})
_NUMBER = re.compile(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_CENSORED = re.compile(r"(<=|>=|[<>≤≥＜＞])\s*(.*)", re.DOTALL)
_OUTCOME = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}


@dataclass(frozen=True, slots=True)
class Measured:
    """A number, and what is known of it.

    Args:
        value: in the unit of the study; None where the rule for censored values takes it out.
        sign: "<", "<=", ">" or ">=" of a value that is only known to lie beyond `limit`.
        limit: in the unit of the study.
    """

    value: float | None
    sign: str = ""
    limit: float = math.nan


def is_missing(cell: Cell) -> bool:
    """Whether nothing stands in a cell, or one of the marks that stand for nothing."""
    if isinstance(cell, float):
        return math.isnan(cell)
    return cell is None or (isinstance(cell, str) and cell.lower() in _BLANK)


def decode(cell: Cell, codes: Mapping[str, str | None]) -> Cell:
    """What a code of the table means; the cell itself where it is no code."""
    text = cell_text(cell)
    return codes[text] if isinstance(text, str) and text in codes else cell


def read_outcome(cell: Cell) -> int | Fault:
    """0 or 1."""
    if isinstance(cell, Fault):
        return cell
    text = cell_text(cell)
    if isinstance(text, str) and text in _OUTCOME:
        return _OUTCOME[text]
    return Fault("is neither 0 nor 1", "correct it, or leave it blank")


def read_text(cell: Cell) -> str | Fault:
    """A name, a code or a number as text."""
    if isinstance(cell, dt.date):
        return Fault("is a date", "write the cell as text: spreadsheets make dates of codes such as 1-2")
    text = cell_text(cell)
    return text if isinstance(text, Fault) else str(text)


def read_level(cell: Cell, variable: Variable) -> str | Fault:
    """One of the levels of a categorical variable."""
    text = read_text(cell)
    if isinstance(text, Fault) or text in variable.levels:
        return text
    return Fault("is none of its levels", f"they are {', '.join(variable.levels)}")


def read_number(
    cell: Cell, variable: Variable, name: str, decimal: Decimal, unit: Conversion | None
) -> Measured | Fault:
    """The value of a continuous variable in the unit of the study.

    Args:
        cell: not missing.
        variable: with the rule for censored and the range of allowed values.
        name: of the variable.
        decimal: sign before the fraction; "either": also a comma, where it cannot mean thousands.
        unit: from that of the table.
    """
    sign = ""
    if isinstance(cell, str):
        beyond = _CENSORED.fullmatch(cell)
        if beyond is not None:
            sign = {"≤": "<=", "≥": ">=", "＜": "<", "＞": ">"}.get(beyond[1], beyond[1])
            cell = beyond[2]
    number = _number(cell, decimal)
    if isinstance(number, Fault):
        return number
    limit = number if unit is None else unit.convert(number)
    if not sign:
        return allowed(Measured(limit), variable)
    below = sign.startswith("<")
    rule = variable.censored.below if below else variable.censored.above
    if rule == "refuse":
        words = "bound, half or exclude" if below else "bound or exclude"
        return Fault(
            f"lies {'below' if below else 'above'} a limit of the laboratory",
            f"set clinical.variables.{name}.censored.{'below' if below else 'above'} to {words}",
        )
    value = {"bound": limit, "half": limit / 2, "exclude": None}[rule]
    return allowed(Measured(value, sign, limit), variable)


def _number(cell: Cell, decimal: Decimal) -> float | Fault:
    if isinstance(cell, Fault):
        return cell
    if isinstance(cell, dt.date):
        return Fault("is a date and no number", "format the column as numbers, and check its values")
    number = math.nan
    if isinstance(cell, str) and _NUMBER.fullmatch(cell):
        # A decimal comma is how half of Europe's spreadsheets write numbers; where nothing says that
        # this is one of them, 1,234 may as well be more than a thousand.
        if decimal is None and _THOUSANDS.fullmatch(cell):
            return Fault("has a comma that can be read in two ways", "write it without")
        if (decimal == "," and "." in cell) or (decimal == "." and "," in cell):
            return Fault(
                f"has another decimal sign than {decimal!r}",
                "write it as the study says, or correct clinical.sources",
            )
        number = float(cell.replace(",", "."))
    elif isinstance(cell, int | float) and not isinstance(cell, bool):
        number = float(cell)
    return number if math.isfinite(number) else Fault("is no number", "write one, or leave it blank")


def allowed(found: Measured, variable: Variable) -> Measured | Fault:
    """The number again, or that it lies outside of the variable's range."""
    low, high = variable.allowed or (None, None)
    if found.value is None or not (
        (low is not None and found.value < low) or (high is not None and found.value > high)
    ):
        return found
    limits = [f"from {low:g}" if low is not None else "", f"up to {high:g}" if high is not None else ""]
    unit = f" {variable.unit}" if variable.unit else ""
    return Fault(
        f"is outside of what is allowed, {' '.join(filter(None, limits))}{unit}",
        "correct it, state the table's unit under clinical.sources, or widen allowed",
    )


def cut_level(found: Measured, variable: Variable) -> str | Fault | None:
    """The level that a number belongs to; of a censored one, where the limit leaves one level only."""
    at = None if found.value is None else bisect.bisect_right(variable.cuts, found.value)
    if found.sign == "<":
        first = bisect.bisect_left(variable.cuts, found.limit)
        at = 0 if first == 0 else None
    elif found.sign == "<=":
        at = 0 if bisect.bisect_right(variable.cuts, found.limit) == 0 else None
    elif found.sign:
        last = len(variable.cuts)
        at = last if bisect.bisect_right(variable.cuts, found.limit) == last else None
    if at is not None:
        return variable.cut_levels[at]
    if found.sign:
        return Fault("may be of several levels", "its limit lies above the lowest or below the highest cut")
    return None
