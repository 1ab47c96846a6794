"""Tests of mvi_ray.report.text."""

from __future__ import annotations

import math

import pytest

from mvi_ray.report.text import MISSING, count, interval, percent
from mvi_ray.stats.estimate import Estimate


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(0.812, 0.7512, 0.859), "0.81 (0.75–0.86)"),
        (Estimate(0.8, math.nan, math.nan), "0.80"),
        (Estimate(math.nan, math.nan, math.nan), MISSING),
    ],
)
def test_an_estimate_is_written_with_its_interval(estimate: Estimate, expected: str) -> None:
    """As far as it is defined."""
    assert interval(estimate) == expected


def test_numbers_take_the_right_noun() -> None:
    """One column, many columns."""
    assert count(1, "column") == "1 column"
    assert count(3562, "column") == "3,562 columns"
    assert percent(0.416) == "42 %"
