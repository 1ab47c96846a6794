"""Tests of mvi_ray.stats.auc."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mvi_ray.errors import ModelError
from mvi_ray.stats.auc import auc


def test_auc_counts_equal_scores_one_half() -> None:
    """Of 6 pairs, 4 are right, 1 is equal and 1 is wrong: 4.5 / 6."""
    outcome = np.array([1, 1, 0, 0, 0])
    score = np.array([0.9, 0.4, 0.4, 0.5, 0.1])
    assert auc(outcome, score) == 4.5 / 6


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=2, max_size=40).filter(
        lambda pairs: len({outcome for outcome, _ in pairs}) == 2
    )
)
def test_auc_equals_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    """Few distinct scores, so that ties are common."""
    outcome, score = np.array(pairs).T
    assert auc(outcome, score) == pytest.approx(roc_auc_score(outcome, score), abs=1e-12)


def test_auc_of_one_outcome_is_not_defined() -> None:
    """A cohort without an event has no area under a curve."""
    assert math.isnan(auc(np.zeros(3), np.arange(3.0)))


@pytest.mark.parametrize(
    ("outcome", "score", "message"),
    [
        ([0, 1], [0.0], "shape"),
        ([0, 2], [0.0, 1.0], "neither 0 nor 1"),
        ([0, 1], [0.0, np.nan], "1 of 2 scores are not finite"),
    ],
)
def test_auc_refuses_what_it_cannot_rank(outcome: list[int], score: list[float], message: str) -> None:
    """Shapes, codes and values are checked."""
    with pytest.raises(ModelError, match=message):
        auc(np.array(outcome), np.array(score))
