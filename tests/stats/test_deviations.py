"""Tests of mvi_ray.stats.deviations."""

from __future__ import annotations

import numpy as np
import pytest

from mvi_ray.stats.deviations import deviations


def test_columns_are_distances_in_units_of_the_largest() -> None:
    """From the first value that is there."""
    values = np.array([[3.0, np.nan], [5, 1e300], [-1, -1e300]])
    expected = np.array([[0, np.nan], [0.5, 0], [-1, -1]])
    np.testing.assert_array_equal(deviations(values), expected)


def test_equal_values_become_exactly_zero() -> None:
    """A mean of them might be rounded; a difference is not."""
    assert not deviations(np.full((7, 1), 0.1)).any()


def test_infinity_is_missing() -> None:
    """It would make every distance NaN or 0."""
    np.testing.assert_array_equal(deviations(np.array([[np.inf], [1], [3]])), [[np.nan], [0], [1]])


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_nothing_stays_nothing(shape: tuple[int, int]) -> None:
    """No rows or no columns."""
    assert deviations(np.zeros(shape)).shape == shape


def test_a_column_without_values_stays_missing() -> None:
    """Without a warning."""
    assert np.isnan(deviations(np.full((2, 1), np.nan))).all()
