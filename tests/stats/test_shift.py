"""Tests of mvi_ray.stats.shift."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from mvi_ray.errors import ModelError
from mvi_ray.stats.shift import Shift, shift

STATISTICS = ("standardized_difference", "ks", "p", "q", "median_a", "median_b")

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(2, 12)


def groups(seed: int, n: int, m: int, *, tied: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Two groups of four features, with two values of each feature at least."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, 4)), rng.normal(size=(m, 4)) + rng.normal(size=4)
    if tied:
        a, b = a.round(), b.round()
    for group in (a, b):
        group[2:][rng.random(group[2:].shape) < 0.2] = np.nan
    return a, b


def column(group: np.ndarray, feature: int) -> np.ndarray:
    """Values of one feature that are there."""
    return group[~np.isnan(group[:, feature]), feature]


def of_one(a: list[float], b: list[float]) -> Shift:
    """Compare one feature."""
    return shift(np.array(a)[:, None], np.array(b)[:, None])


def test_small_groups_have_the_hand_computed_values() -> None:
    """Means 1.5 and 4, variances 0.5 and 2: 2.5 / √1.25; 2 of 6 orders set the groups apart."""
    found = of_one([1, 2], [3, 5])
    assert found.standardized_difference == pytest.approx([5**0.5])
    assert found.ks == [1]
    assert found.p == found.q == pytest.approx([1 / 3])
    assert (found.median_a, found.median_b) == ([1.5], [4])
    assert (found.n_a, found.n_b) == ([2], [2])


def test_p_is_the_share_of_orders_at_least_as_far_apart() -> None:
    """Distance 4/5 of 5 and 5 values: 2 · C(10, 1) of C(10, 5) orders (Hodges 1958)."""
    found = of_one([1, 2, 3, 4, 6], [5, 7, 8, 9, 10])
    assert found.ks == pytest.approx([0.8])
    assert found.p == pytest.approx([20 / 252])


@pytest.mark.filterwarnings("ignore:ks_2samp. Exact calculation unsuccessful:RuntimeWarning")
@given(seeds, sizes, sizes, st.booleans())
def test_each_feature_equals_its_own_test(seed: int, n: int, m: int, tied: bool) -> None:
    """SciPy on the values that are there, one feature at a time; D by its definition."""
    a, b = groups(seed, n, m, tied=tied)
    found = shift(a, b)
    for feature in range(4):
        x, y = column(a, feature), column(b, feature)
        test = ks_2samp(x, y, method="exact")
        assert (found.ks[feature], found.p[feature]) == (test.statistic, test.pvalue)
        at = np.concatenate([x, y])[:, None]
        assert found.ks[feature] == pytest.approx(np.abs((x <= at).mean(1) - (y <= at).mean(1)).max())
        assert (found.median_a[feature], found.median_b[feature]) == (np.median(x), np.median(y))
        assert (found.n_a[feature], found.n_b[feature]) == (x.size, y.size)


@given(seeds, sizes, sizes)
def test_standardized_difference_is_in_pooled_standard_deviations(seed: int, n: int, m: int) -> None:
    """Austin 2009: the mean of both variances, whatever the sizes of the groups."""
    a, b = groups(seed, n, m)
    pairs = [(column(a, feature), column(b, feature)) for feature in range(4)]
    expected = [(y.mean() - x.mean()) / ((x.var(ddof=1) + y.var(ddof=1)) / 2) ** 0.5 for x, y in pairs]
    np.testing.assert_allclose(shift(a, b).standardized_difference, expected, rtol=1e-8, atol=1e-10)


@given(seeds, sizes, sizes, st.booleans())
def test_swapped_groups_differ_by_sign_only(seed: int, n: int, m: int, tied: bool) -> None:
    """The test has no direction."""
    a, b = groups(seed, n, m, tied=tied)
    found, swapped = shift(a, b), shift(b, a)
    for name, sign in (("standardized_difference", -1), ("ks", 1), ("p", 1)):
        expected = sign * getattr(found, name)
        np.testing.assert_allclose(getattr(swapped, name), expected, rtol=1e-9, atol=1e-12)


@given(seeds)
def test_q_is_the_smallest_rate_at_which_the_feature_is_found(seed: int) -> None:
    """Benjamini and Hochberg 1995: least of p·m / rank over the feature and all with larger p."""
    rng = np.random.default_rng(seed)
    found = shift(rng.normal(size=(20, 15)), rng.normal(size=(15, 15)) + rng.uniform(0, 2, 15))
    order = np.argsort(found.p, kind="stable")
    for rank, feature in enumerate(order):
        rates = [min(1, found.p[other] * 15 / (at + 1)) for at, other in enumerate(order) if at >= rank]
        assert found.q[feature] == pytest.approx(min(rates))


def test_features_that_cannot_be_tested_do_not_count_for_q() -> None:
    """Missing columns between the others change nothing of them."""
    a, b = groups(3, 12, 10)
    missing = np.full((12, 1), np.nan)
    more = shift(np.hstack([missing, a, missing]), np.hstack([b[:, :1], b, b[:, :1]]))
    np.testing.assert_array_equal(more.q[1:-1], shift(a, b).q)
    assert np.isnan(more.q[[0, -1]]).all()


def test_fewer_than_two_values_in_a_group_give_no_statistic() -> None:
    """Infinity is no value; the numbers of values say why."""
    a = np.array([[1.0, 1, 1], [2, np.nan, np.inf], [3, np.nan, np.nan]])
    b = np.array([[1.0, 4, 4], [np.nan, 5, 5]])
    found = shift(a, b)
    assert found.n_a.tolist() == [3, 1, 1]
    assert found.n_b.tolist() == [1, 2, 2]
    assert np.isnan([getattr(found, name) for name in STATISTICS]).all()


def test_infinity_counts_as_missing() -> None:
    """As if the patient had no value of this feature."""
    found, without = of_one([1, np.inf, 4, 2], [3, 5, -np.inf]), of_one([1, 4, 2], [3, 5])
    for field in fields(Shift):
        assert getattr(found, field.name) == getattr(without, field.name)


@pytest.mark.parametrize("shape", [(0, 3), (4, 0)])
def test_without_patients_or_features_there_is_nothing(shape: tuple[int, int]) -> None:
    """One NaN for each feature."""
    found = shift(np.zeros(shape), np.zeros((4, shape[1])))
    assert {getattr(found, field.name).shape for field in fields(Shift)} == {(shape[1],)}
    assert np.isnan(found.q).all()


@pytest.mark.parametrize("number", [0.0, 0.1, 1e12 / 3])
def test_a_constant_feature_does_not_differ(number: float) -> None:
    """It was tested: p is 1."""
    found = of_one([number] * 7, [number] * 5)
    assert (found.standardized_difference, found.ks, found.p, found.q) == ([0], [0], [1], [1])


@pytest.mark.parametrize(("a", "b", "sign"), [(0.1, 0.7, 1), (0.7, 0.1, -1), (1e12, 1e12 + 1, 1)])
def test_two_constants_are_infinitely_far_apart(a: float, b: float, sign: int) -> None:
    """There is no spread to measure them by; the sign is that of the difference."""
    found = of_one([a] * 7, [b] * 6)
    assert found.standardized_difference == [sign * np.inf]
    assert found.ks == [1]


def test_one_constant_group_is_measured_by_the_spread_of_the_other() -> None:
    """Variances 0 and 1: the difference of 2 in units of √0.5."""
    found = of_one([0.1] * 7, [1.1, 2.1, 3.1])
    assert found.standardized_difference == pytest.approx([2 / 0.5**0.5])


def test_small_spread_around_a_large_number_keeps_its_digits() -> None:
    """Quarters around 1e12 are exact; squares of 1e200 would overflow."""
    a, b = np.array([1.0, 2, 4, 7])[:, None], np.array([3.0, 5, 8])[:, None]
    expected = shift(a, b).standardized_difference
    assert shift(1e12 + a / 4, 1e12 + b / 4).standardized_difference == pytest.approx(expected, rel=1e-12)
    assert shift(1e200 * a, 1e200 * b).standardized_difference == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("size", [5, 7, 13])
def test_groups_that_alternate_are_not_told_apart(size: int) -> None:
    """The exact p of SciPy 1.16 exceeds 1 by rounding here, and it warns."""
    found = of_one([float(i) for i in range(size)], [i + 0.5 for i in range(size)])
    assert found.ks == pytest.approx([1 / size])
    assert found.p == pytest.approx([1], abs=1e-4)


@pytest.mark.parametrize("shapes", [((4, 2), (5, 3)), ((4,), (5,)), ((4, 2), (5,))])
def test_groups_of_other_features_are_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    """Both need the same columns."""
    with pytest.raises(ModelError, match=r"groups have shapes .*; give both the same features"):
        shift(*map(np.zeros, shapes))
