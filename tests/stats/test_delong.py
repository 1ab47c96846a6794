"""Tests of mvi_ray.stats.delong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.stats.delong import delong_interval, delong_variance


def test_variance_of_a_small_cohort_equals_the_hand_computed_one() -> None:
    """Ones 3, 1 and zeros 2, 0: placements (1, 1/2) and (1/2, 1), each with variance 1/8."""
    assert delong_variance(np.array([1, 1, 0, 0]), np.array([3.0, 1, 2, 0])) == pytest.approx(1 / 8)


@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(2, 12))
def test_variance_equals_its_definition_by_pairs(seed: int, ones: int, zeros: int) -> None:
    """DeLong 1988, equations for V10 and V01, over every pair; many ties."""
    rng = np.random.default_rng(seed)
    outcome = np.repeat([1, 0], [ones, zeros])
    score = rng.integers(0, 5, ones + zeros).astype(float)
    of_ones, of_zeros = score[:ones, None], score[ones:]
    psi = (of_ones > of_zeros) + 0.5 * (of_ones == of_zeros)
    expected = psi.mean(axis=1).var(ddof=1) / ones + psi.mean(axis=0).var(ddof=1) / zeros
    assert delong_variance(outcome, score) == pytest.approx(expected, abs=1e-12)


def test_interval_is_normal_around_the_area() -> None:
    """Half width is 1.959964 standard errors, cut off at 1."""
    rng = np.random.default_rng(0)
    outcome = np.repeat([1, 0], [30, 58])
    score = rng.normal(size=88) + 0.6 * outcome
    interval = delong_interval(outcome, score)
    half = 1.959963984540054 * delong_variance(outcome, score) ** 0.5
    assert interval.value - interval.lower == pytest.approx(half)
    assert interval.upper - interval.value == pytest.approx(half)


def test_interval_stays_within_zero_and_one() -> None:
    """A nearly perfect score in a small cohort would reach beyond 1."""
    interval = delong_interval(np.array([0, 0, 0, 1, 1, 1]), np.array([0.0, 1, 3, 2, 4, 5]))
    assert interval.upper == 1.0
    assert 0 < interval.lower < interval.value < 1


def test_variance_needs_two_patients_of_each_outcome() -> None:
    """One event has no spread."""
    assert math.isnan(delong_variance(np.array([1, 0, 0]), np.array([2.0, 1, 0])))
    assert math.isnan(delong_interval(np.array([1, 0, 0]), np.array([2.0, 1, 0])).lower)
