"""Tests of mvi_ray.stats.rates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mvi_ray.stats.rates import RATES, rates, rates_of_counts


def test_rates_of_a_known_table() -> None:
    """TP 3, FN 1, FP 2, TN 4."""
    outcome = np.repeat([1, 1, 0, 0], [3, 1, 2, 4])
    positive = np.repeat([True, False, True, False], [3, 1, 2, 4])
    expected = {"accuracy": 0.7, "sensitivity": 0.75, "specificity": 4 / 6, "ppv": 0.6, "npv": 0.8}
    assert rates(outcome, positive) == pytest.approx(expected)


def test_a_rate_without_denominator_is_nan() -> None:
    """Nobody is called positive, so nothing can be said of positive calls."""
    values = rates(np.array([1, 0]), np.array([False, False]))
    assert math.isnan(values["ppv"])
    assert values["npv"] == 0.5


def test_many_tables_are_read_at_once() -> None:
    """Shapes are kept behind the axis of the rates."""
    ones = np.ones((4, 3))
    values = rates_of_counts(3 * ones, ones, 3 * ones, ones)
    assert values.shape == (len(RATES), 4, 3)
    assert np.all(values == 0.75)
