"""Tests of mvi_ray.model.selection."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.estimator_checks import parametrize_with_checks

from mvi_ray.errors import ModelError
from mvi_ray.model import selection
from mvi_ray.model.elimination import Elimination
from mvi_ray.model.selection import CorrelationFilter


@parametrize_with_checks([CorrelationFilter(), Elimination()])
def test_estimators_keep_the_rules_of_scikit_learn(estimator: Any, check: Any) -> None:
    """Every common check of scikit-learn."""
    check(estimator)


def _cohort(seed: int, columns: int = 40, rows: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    outcome = np.repeat([0, 1], rows // 2)
    latent = rng.normal(size=(rows, 6)) + rng.random(6) * outcome[:, None]
    values = latent[:, rng.integers(0, 6, columns)] + 0.3 * rng.normal(size=(rows, columns))
    return values, outcome


def _plain(values: np.ndarray, outcome: np.ndarray, threshold: float) -> np.ndarray:
    """The rule in its shortest form: all correlations at once, one column after the other."""
    matrix = np.abs(np.corrcoef(values.T, outcome))
    kept: list[int] = []
    for column in np.argsort(-matrix[-1, :-1], kind="stable"):
        if all(matrix[column, other] <= threshold for other in kept):
            kept.append(int(column))
    return np.sort(kept)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.8, 0.9]), st.sampled_from([1, 3, 256]))
def test_blocks_choose_what_the_plain_rule_chooses(seed: int, threshold: float, block: int) -> None:
    """Whatever the size of a block."""
    values, outcome = _cohort(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "_BLOCK", block)
        found = CorrelationFilter(threshold).fit(values, outcome).get_support(indices=True)
    assert found.tolist() == _plain(values, outcome, threshold).tolist()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_column_order_does_not_matter(seed: int) -> None:
    """The same columns stay, wherever they stand."""
    values, outcome = _cohort(seed)
    order = np.random.default_rng(seed).permutation(values.shape[1])
    first = CorrelationFilter(0.8).fit(values, outcome).support_
    shuffled = CorrelationFilter(0.8).fit(values[:, order], outcome).support_
    assert np.array_equal(shuffled, first[order])


def test_better_associated_column_of_a_pair_stays() -> None:
    """The second column is the first with noise that hides the outcome."""
    rng = np.random.default_rng(0)
    outcome = np.repeat([0, 1], 50)
    good = outcome + 0.3 * rng.normal(size=100)
    worse = good + 0.15 * rng.normal(size=100)
    for columns, expected in (([worse, good], [False, True]), ([good, worse], [True, False])):
        found = CorrelationFilter(0.9).fit(np.column_stack(columns), outcome)
        assert found.support_.tolist() == expected


def test_equal_columns_leave_the_first() -> None:
    """Also when one is the other times a negative number."""
    values, outcome = _cohort(0, columns=1)
    found = CorrelationFilter().fit(np.hstack([values, values, -3 * values]), outcome)
    assert found.support_.tolist() == [True, False, False]


def test_correlation_equal_to_the_threshold_is_kept() -> None:
    """These columns correlate with 0.5; only above it one is dropped."""
    values = np.array([[1.0, 1, 0], [1, 0, 1], [-1, 0, -1], [-1, -1, 0]])
    values = np.column_stack([values[:, 1], values[:, 1] + np.sqrt(3) * values[:, 2]])
    assert np.corrcoef(values.T)[0, 1] == pytest.approx(0.5)
    assert CorrelationFilter(0.5).fit(values, [0, 1, 0, 1]).support_.all()
    assert CorrelationFilter(0.49).fit(values, [0, 1, 0, 1]).support_.sum() == 1


def test_constant_columns_are_dropped() -> None:
    """Also when rounding makes them differ in the last digit."""
    values, outcome = _cohort(1, columns=2)
    constant = np.full((30, 1), 0.1)
    nearly = constant.copy()
    nearly[::2] = np.nextafter(0.1, 1)
    found = CorrelationFilter(1.0).fit(np.hstack([constant, values, nearly]), outcome)
    assert found.support_.tolist() == [False, True, True, False]


def test_only_constant_columns_are_an_error() -> None:
    """There is nothing to choose from."""
    with pytest.raises(ModelError, match="all 3 columns are constant"):
        CorrelationFilter().fit(np.ones((4, 3)), [0, 1, 0, 1])


def test_size_of_values_does_not_matter() -> None:
    """Squares of 1e200 would overflow, those of 1e-200 vanish."""
    values, outcome = _cohort(2)
    factor = np.where(np.arange(values.shape[1]) % 2, 1e200, 1e-200)
    expected = CorrelationFilter(0.8).fit(values, outcome).support_
    assert np.array_equal(CorrelationFilter(0.8).fit(values * factor, outcome).support_, expected)


def test_elimination_keeps_the_columns_that_separate() -> None:
    """Two of thirty columns hold the outcome."""
    rng = np.random.default_rng(0)
    outcome = np.repeat([0, 1], 40)
    values = rng.normal(size=(80, 30))
    values[:, [4, 17]] += 3 * outcome[:, None]
    assert Elimination(2).fit(values, outcome).get_support(indices=True).tolist() == [4, 17]


def test_elimination_keeps_all_when_fewer_are_left_than_asked_for() -> None:
    """A fold may leave fewer columns after the correlation filter."""
    values, outcome = _cohort(3, columns=1)
    assert Elimination(8).fit(values, outcome).support_.tolist() == [True]
