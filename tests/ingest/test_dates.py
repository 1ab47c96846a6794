"""Days of acquisition: dropped, or moved so that distances stay."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.ingest.dates import shifted

KEY = bytes(range(32))
DAYS = st.dates(min_value=date(2, 1, 1))


@given(DAYS, DAYS, st.text(), st.binary(min_size=32, max_size=32))
def test_days_of_a_patient_move_together(one: date, other: date, patient: str, key: bytes) -> None:
    """By 1 to 365 days, so that no day stays what it was."""
    moved, another = shifted(one, key, patient), shifted(other, key, patient)
    assert moved is not None
    assert another is not None
    assert moved - another == one - other
    assert timedelta(1) <= one - moved <= timedelta(365)


def test_patients_and_keys_move_by_numbers_of_their_own() -> None:
    """Of 365 numbers nearly all are taken by 2,000 patients; a second key takes others."""
    day = date(2020, 2, 14)
    steps = [
        [(day - moved).days for n in range(2000) if (moved := shifted(day, key, f"P{n}")) is not None]
        for key in (KEY, bytes(32))
    ]
    assert [len(found) for found in steps] == [2000, 2000]
    assert min(len(set(found)) for found in steps) > 350
    # By chance one in 365.
    assert sum(a == b for a, b in zip(*steps, strict=True)) < 20


def test_dates_are_dropped_without_a_key() -> None:
    """And what is not there stays so."""
    assert shifted(date(2020, 2, 14), None, "P1") is None
    assert shifted(None, KEY, "P1") is None


def test_a_day_that_stands_for_none_is_dropped() -> None:
    """Some archives write 00010101; the calendar has no day before it."""
    assert shifted(date(1, 1, 1), KEY, "P1") is None
    assert shifted(date(1, 12, 31), KEY, "P1") is None
    assert shifted(date(2, 1, 1), KEY, "P1") is not None
