"""Tests of mvi_ray.stats.ks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp, kstwo

from mvi_ray.stats import ks
from mvi_ray.stats.ks import adjusted, chance, kolmogorov_smirnov


@given(st.integers(0, 2**32 - 1), st.integers(1, 15), st.integers(1, 15), st.booleans())
@pytest.mark.filterwarnings("ignore:ks_2samp. Exact calculation unsuccessful:RuntimeWarning")
def test_features_that_share_a_distance_have_their_own_p(seed: int, n: int, m: int, tied: bool) -> None:
    """Many columns of few values: most distances come several times, each as SciPy has it."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, 30)), rng.normal(size=(m, 30))
    if tied:
        a, b = a.round(), b.round()
    a[1:][rng.random(a[1:].shape) < 0.1] = np.nan
    distance, p = kolmogorov_smirnov(a, b)
    for at in range(30):
        test = ks_2samp(a[~np.isnan(a[:, at]), at], b[:, at], method="exact")
        assert (distance[at], p[at]) == (test.statistic, test.pvalue)


def test_large_groups_have_the_asymptotic_p() -> None:
    """As SciPy's own, from the stated size on; just below it is exact."""
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(501, 3)), rng.normal(size=(500, 3)) + 0.2
    _, p = kolmogorov_smirnov(a, b)
    expected = [ks_2samp(x, y, method="asymp").pvalue for x, y in zip(a.T, b.T, strict=True)]
    np.testing.assert_allclose(p, expected)
    _, p = kolmogorov_smirnov(a[:500], b)
    exact = [ks_2samp(x, y, method="exact").pvalue for x, y in zip(a[:500].T, b.T, strict=True)]
    np.testing.assert_array_equal(p, exact)


@pytest.mark.parametrize(("n", "m"), [(501, 500), (800, 400)])
def test_the_asymptotic_p_is_as_near_as_stated(n: int, m: int) -> None:
    """Within 6 % of the exact p above 0.05, and within 13 % down to 1e-8."""
    rng = np.random.default_rng(n)
    a = rng.normal(size=(n, 40))
    b = rng.normal(size=(m, 40)) + np.linspace(0, 0.3, 40)
    _, p = kolmogorov_smirnov(a, b)
    exact = np.array([ks_2samp(x, y, method="exact").pvalue for x, y in zip(a.T, b.T, strict=True)])
    off = np.abs(p / exact - 1)
    assert ((exact > 0.05).sum() > 5) & ((exact < 0.05) & (exact > 1e-8)).any()
    assert off[exact > 0.05].max() < 0.06
    assert off[(exact < 0.05) & (exact > 1e-8)].max() < 0.13


def test_columns_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The part that a feature falls into changes nothing."""
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(9, 23)), rng.normal(size=(6, 23))
    whole = kolmogorov_smirnov(a, b)
    monkeypatch.setattr(ks, "_COLUMNS", 4)
    np.testing.assert_array_equal(kolmogorov_smirnov(a, b), whole)


def test_a_group_without_values_has_no_distance() -> None:
    """NaN for this feature, not for its neighbour."""
    a, b = np.array([[np.nan, 1.0], [np.nan, 2.0]]), np.array([[1.0, 3.0]])
    distance, p = kolmogorov_smirnov(a, b)
    assert np.isnan([distance[0], p[0]]).all()
    assert (distance[1], p[1]) == (1, pytest.approx(2 / 3))


def test_no_features_are_no_error() -> None:
    """And no patients either."""
    for shape in ((3, 0), (0, 0)):
        assert [one.shape for one in kolmogorov_smirnov(np.zeros(shape), np.zeros(shape))] == [(0,), (0,)]


def test_what_was_not_tested_does_not_count_for_q() -> None:
    """Of two tests the smaller p is doubled (Benjamini and Hochberg 1995)."""
    np.testing.assert_allclose(adjusted(np.array([0.01, np.nan, 0.5])), [0.02, np.nan, 0.5])
    assert np.isnan(adjusted(np.array([np.nan]))).all()


def test_chance_is_the_distance_of_one_feature_in_twenty() -> None:
    """The smallest distance whose asymptotic p is 0.05."""
    assert kstwo.sf(chance(30, 60), 20) == pytest.approx(0.05)
    assert 0 < chance(1, 1) <= 1
