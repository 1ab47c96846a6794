"""Tests of mvi_ray.stats.threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.errors import ModelError
from mvi_ray.stats.rates import rates
from mvi_ray.stats.threshold import youden_threshold


def test_threshold_itself_is_positive() -> None:
    """Scores of 0.6 and above are exactly the ones with outcome 1."""
    assert youden_threshold(np.array([0, 0, 1, 1]), np.array([0.1, 0.5, 0.6, 0.9])) == 0.6


def test_of_equal_thresholds_the_highest_is_taken() -> None:
    """0.9 and 0.3 both reach an index of 1/2."""
    assert youden_threshold(np.array([1, 0, 1, 0]), np.array([0.9, 0.5, 0.3, 0.1])) == 0.9


@given(st.integers(0, 2**32 - 1))
def test_no_observed_score_does_better(seed: int) -> None:
    """Every candidate is tried through the rates themselves."""
    rng = np.random.default_rng(seed)
    outcome = np.concatenate([[0, 1], rng.integers(0, 2, 12)])
    score = rng.integers(0, 6, 14).astype(float)

    def index(threshold: float) -> float:
        values = rates(outcome, score >= threshold)
        return values["sensitivity"] + values["specificity"]

    best = youden_threshold(outcome, score)
    assert best in score
    assert index(best) == pytest.approx(max(index(t) for t in score))


def test_one_outcome_has_no_threshold() -> None:
    """The message says where to look."""
    with pytest.raises(ModelError, match="both outcomes"):
        youden_threshold(np.ones(3), np.arange(3.0))
