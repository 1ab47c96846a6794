"""Dates: what can be read in one way is read, all else is told."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.ingest.clinical.dates import read_date
from mvi_ray.ingest.clinical.sheet import Cell, Fault

DAY = dt.date(2024, 3, 4)


def reason(cell: Cell, form: str | None = None) -> str:
    """What is said of a cell that is no date."""
    found = read_date(cell, form)  # type: ignore[arg-type]
    assert isinstance(found, Fault)
    assert found.way_out
    assert str(cell) not in f"{found.reason} {found.way_out}"
    return found.reason


@pytest.mark.parametrize(
    "cell",
    ["2024-03-04", "2024-3-4", "2024/03/04", "20240304", "04.03.2024", "4.3.2024", "2024-03-04T08:15:00",
     "2024-03-04 08:15", "04.03.2024 8:15", "2024-03-04T08:15:00.5+01:00", DAY],
)  # fmt: skip
def test_what_has_one_reading_needs_no_format(cell: Cell) -> None:
    """The year first, or points between; a time of day is dropped."""
    assert read_date(cell, None) == DAY


def test_slashes_need_the_format_of_the_study() -> None:
    """Also where one reading is impossible: the next line may have two."""
    for cell in ("03/04/2024", "13/04/2024", "03-04-2024", "03/04/24"):
        assert reason(cell) == "can be read in two ways"
    assert read_date("03/04/2024", "dd/mm/yyyy") == dt.date(2024, 4, 3)
    assert read_date("03/04/2024", "mm/dd/yyyy") == DAY
    assert read_date("04-03-2024", "dd-mm-yyyy") == DAY


def test_another_format_than_the_stated_one_is_told() -> None:
    """A table that mixes them has a fault somewhere."""
    assert reason("2024-03-04", "dd/mm/yyyy") == "is no date"
    assert reason("13/13/2024", "mm/dd/yyyy") == "is no date"


@pytest.mark.parametrize("cell", ["2023-02-29", "soon", "March 2024", "2024", "04.03.24", "2024-03-04x"])
def test_what_is_no_day_is_told(cell: str) -> None:
    """Two digits of a year are none."""
    assert reason(cell) == "is no date"


def test_numbers_and_years_of_other_times_are_told() -> None:
    """45355 may be a day of Excel, and as likely an identifier; 0204 is a slip of the pen."""
    assert reason(45355) == "is a number and no date"
    assert reason(True) == "is a number and no date"
    assert reason("0204-03-04") == "is no date of our time"
    assert reason(dt.date(1899, 12, 31)) == "is no date of our time"


@given(st.dates(dt.date(1900, 1, 1), dt.date(2199, 12, 31)))
def test_every_day_survives_each_spelling(day: dt.date) -> None:
    """Written in any of the formats and read under it."""
    spellings = {
        "yyyy-mm-dd": f"{day}",
        "yyyy/mm/dd": f"{day.year:04}/{day.month}/{day.day}",
        "yyyymmdd": f"{day.year:04}{day.month:02}{day.day:02}",
        "dd.mm.yyyy": f"{day.day:02}.{day.month:02}.{day.year:04}",
        "dd/mm/yyyy": f"{day.day}/{day.month}/{day.year:04}",
        "dd-mm-yyyy": f"{day.day}-{day.month}-{day.year:04}",
        "mm/dd/yyyy": f"{day.month}/{day.day}/{day.year:04}",
    }
    for form, text in spellings.items():
        assert read_date(text, form) == day  # type: ignore[arg-type]
