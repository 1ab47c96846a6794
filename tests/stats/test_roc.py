"""Tests of mvi_ray.stats.roc."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from mvi_ray.stats.auc import auc
from mvi_ray.stats.bootstrap import metric_estimates
from mvi_ray.stats.roc import mean_roc


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 20))
def test_area_under_the_mean_curve_is_the_mean_area(seed: int, repeats: int, levels: int) -> None:
    """Also with ties, which make slopes."""
    rng = np.random.default_rng(seed)
    outcome = np.concatenate([[0, 1], rng.integers(0, 2, 20)])
    scores = rng.integers(0, levels, (repeats, 22)).astype(float)
    curve = mean_roc(outcome, scores)
    assert curve is not None
    area = np.trapezoid(curve.tpr, curve.fpr)
    assert area == pytest.approx(np.mean([auc(outcome, row) for row in scores]), abs=1e-12)
    assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)
    assert np.all(np.diff(curve.fpr) >= 0)
    assert np.all(np.diff(curve.tpr) >= -1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 20))
def test_area_of_folds_is_that_of_the_estimate(seed: int, repeats: int, levels: int) -> None:
    """Folds of unequal size, with ties: the picture shows the number in the table."""
    rng = np.random.default_rng(seed)
    outcome = np.concatenate([np.repeat([0, 1], 4), rng.integers(0, 2, 15)])
    scores = rng.integers(0, levels, (repeats, 23)).astype(float)
    folds = np.stack([rng.permutation(np.arange(23) % 4) for _ in range(repeats)])
    parts = [
        (auc(outcome[fold == n], row[fold == n]), outcome[fold == n])
        for row, fold in zip(scores, folds, strict=True)
        for n in range(4)
    ]
    weights = [ill.sum() * (1 - ill).sum() for _, ill in parts]
    if not any(weights):
        return
    areas = [area if weight else 0.0 for (area, _), weight in zip(parts, weights, strict=True)]
    expected = np.average(areas, weights=weights)
    curve = mean_roc(outcome, scores, folds)
    assert curve is not None
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(expected, abs=1e-12)
    estimate = metric_estimates(outcome, scores, scores > 0, folds=folds, resamples=10)["auc"]
    assert estimate.value == pytest.approx(expected, abs=1e-12)
    assert np.all(np.diff(curve.fpr) >= 0)
    assert np.all(np.diff(curve.tpr) >= -1e-12)


def test_curve_of_one_repeat_is_the_usual_one() -> None:
    """Without ties every end of a step is a point of scikit-learn's curve."""
    rng = np.random.default_rng(1)
    outcome = np.repeat([0, 1], [20, 10])
    score = rng.normal(size=30) + outcome
    curve = mean_roc(outcome, score[None])
    assert curve is not None
    fpr, tpr, _ = roc_curve(outcome, score, drop_intermediate=False)
    known = set(zip(np.round(fpr, 9).tolist(), np.round(tpr, 9).tolist(), strict=True))
    found = set(zip(np.round(curve.fpr, 9).tolist(), np.round(curve.tpr, 9).tolist(), strict=True))
    assert len(found) > 10
    assert found <= known


def test_one_outcome_has_no_curve() -> None:
    """There is nothing to draw."""
    assert mean_roc(np.zeros(3), np.zeros((1, 3))) is None
