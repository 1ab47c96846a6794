"""Tests of mvi_ray.model.calibration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.svm import SVC

from mvi_ray.model.calibration import fit_calibration


def test_sigmoid_equals_that_of_scikit_learn() -> None:
    """Same out-of-fold scores, so the same probabilities as CalibratedClassifierCV."""
    rng = np.random.default_rng(0)
    outcome = np.repeat([0, 1], [50, 30])
    values = rng.normal(size=(80, 3)) + 0.7 * outcome[:, None]
    split = StratifiedKFold(3, shuffle=True, random_state=0)
    machine = SVC(kernel="linear")
    reference = CalibratedClassifierCV(machine, cv=split, ensemble=False).fit(values, outcome)
    score = cross_val_predict(machine, values, outcome, cv=split, method="decision_function")
    final = machine.fit(values, outcome).decision_function(values)
    found = fit_calibration(outcome, score).probability(final)
    assert found == pytest.approx(reference.predict_proba(values)[:, 1], abs=1e-5)


def test_targets_are_smoothed() -> None:
    """Scores that separate perfectly still give the smoothed shares 3/4 and 1/4, not 1 and 0."""
    found = fit_calibration(np.array([1, 1, 0, 0]), np.array([1.0, 1, -1, -1]))
    assert found.probability(np.array([1.0, -1])) == pytest.approx([3 / 4, 1 / 4], abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(-2, 2), st.floats(1e-3, 1e3))
def test_ranking_is_kept_even_for_scores_that_point_the_wrong_way(
    seed: int, effect: float, size: float
) -> None:
    """The slope is never negative, and different scores keep different probabilities."""
    rng = np.random.default_rng(seed)
    outcome = np.repeat([0, 1], 15)
    score = size * (rng.normal(size=30) + effect * outcome)
    found = fit_calibration(outcome, score)
    assert found.slope > 0
    assert np.array_equal(np.argsort(found.probability(score)), np.argsort(score))


def test_equal_scores_give_the_share_of_the_outcome() -> None:
    """A model without any column that varies between patients knows no more."""
    found = fit_calibration(np.repeat([1, 0], [10, 30]), np.full(40, 2.0))
    expected = (10 * 11 / 12 + 30 / 32) / 40
    assert found.probability(np.array([2.0])) == pytest.approx([expected], abs=1e-5)
