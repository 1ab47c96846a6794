"""Tests of mvi_ray.stats.icc."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import f as f_distribution

from mvi_ray.errors import ModelError
from mvi_ray.stats.icc import Form, icc

# Shrout and Fleiss, Psychological Bulletin 1979, table 2: six targets, four judges.
PUBLISHED = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7.0]])
FORMS: tuple[Form, ...] = ("2,1", "3,1")

both_forms = pytest.mark.parametrize("form", FORMS)
shapes = st.tuples(st.integers(2, 12), st.integers(2, 5))
seeds = st.integers(0, 2**32 - 1)


def plain_mean_squares(table: np.ndarray) -> tuple[float, float, float]:
    """Between targets, between raters and residual, from sums over one table of whole rows."""
    n, k = table.shape
    whole = float(table.sum()) ** 2 / (n * k)
    of_targets = sum(float(row.sum()) ** 2 for row in table) / k - whole
    of_raters = sum(float(column.sum()) ** 2 for column in table.T) / n - whole
    rest = float((table**2).sum()) - whole - of_targets - of_raters
    return of_targets / (n - 1), of_raters / (k - 1), rest / ((n - 1) * (k - 1))


def plain_icc(table: np.ndarray, form: Form) -> float:
    """The correlation as Shrout and Fleiss 1979 print it."""
    n, k = table.shape
    msr, msc, mse = plain_mean_squares(table)
    offsets = k / n * (msc - mse) if form == "2,1" else 0
    return (msr - mse) / (msr + (k - 1) * mse + offsets)


def plain_interval(table: np.ndarray, form: Form) -> tuple[float, float]:
    """Lower and upper end as McGraw and Wong 1996 print them; for positive correlations."""
    n, k = table.shape
    msr, msc, mse = plain_mean_squares(table)
    if form == "3,1":
        low = msr / mse / f_distribution.ppf(0.975, n - 1, (n - 1) * (k - 1))
        high = msr / mse * f_distribution.ppf(0.975, (n - 1) * (k - 1), n - 1)
        return (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)
    value = plain_icc(table, form)
    a = k * value / (n * (1 - value))
    b = 1 + k * value * (n - 1) / (n * (1 - value))
    v = (a * msc + b * mse) ** 2 / ((a * msc) ** 2 / (k - 1) + (b * mse) ** 2 / ((n - 1) * (k - 1)))
    below, above = f_distribution.ppf(0.975, n - 1, v), f_distribution.ppf(0.975, v, n - 1)
    rest = k * msc + (k * n - k - n) * mse
    low = n * (msr - below * mse) / (below * rest + n * msr)
    return low, n * (above * msr - mse) / (rest + n * above * msr)


def readings(seed: int, shape: tuple[int, int], features: int = 3) -> np.ndarray:
    """Targets, offsets of raters and errors, in random proportions."""
    rng = np.random.default_rng(seed)
    n, k = shape
    parts = [rng.normal(size=size) for size in ((n, 1, features), (1, k, features), (n, k, features))]
    return sum(part * rng.uniform(0.1, 2, features) for part in parts)


def test_published_mean_squares_are_those_of_the_referee() -> None:
    """Shrout and Fleiss 1979, table 3: BMS, JMS, EMS."""
    assert plain_mean_squares(PUBLISHED) == pytest.approx((11.241667, 32.486111, 1.019444), abs=1e-6)


@pytest.mark.parametrize(
    ("form", "value", "low", "high"), [("2,1", 0.289764, 0.02, 0.76), ("3,1", 0.714841, 0.34, 0.95)]
)
def test_value_and_interval_are_the_published_ones(form: Form, value: float, low: float, high: float) -> None:
    """Shrout and Fleiss 1979, table 4 and the intervals of their text."""
    found = icc(PUBLISHED[..., None], form=form)
    assert found.value == pytest.approx([value], abs=1e-6)
    assert found.low == pytest.approx([low], abs=0.005)
    assert found.high == pytest.approx([high], abs=0.005)
    assert found.targets.tolist() == [6]


@both_forms
@given(seeds, shapes)
def test_each_feature_equals_the_plain_analysis_of_its_complete_targets(
    form: Form, seed: int, shape: tuple[int, int]
) -> None:
    """Every feature misses other values; sums are taken one table at a time."""
    values = readings(seed, shape)
    values[np.random.default_rng(seed).random(values.shape) < 0.05] = np.nan
    found = icc(values, form=form)
    for feature, table in enumerate(np.moveaxis(values, 2, 0)):
        whole = table[~np.isnan(table).any(axis=1)]
        assert found.targets[feature] == len(whole)
        if len(whole) < 2:
            assert np.isnan([found.value[feature], found.low[feature], found.high[feature]]).all()
            continue
        value = plain_icc(whole, form)
        assert found.value[feature] == pytest.approx(value, rel=1e-7, abs=1e-7)
        if value > 0.01:
            ends = plain_interval(whole, form)
            assert (found.low[feature], found.high[feature]) == pytest.approx(ends, rel=1e-6, abs=1e-6)


@both_forms
@given(seeds, shapes, st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_unit_and_order_do_not_matter(
    form: Form, seed: int, shape: tuple[int, int], constant: float, factor: float
) -> None:
    """Degrees or kelvin, millimetres or metres, any order of targets and of raters."""
    values = readings(seed, shape)
    rng = np.random.default_rng(seed)
    turned = rng.permutation(rng.permutation(values, axis=0), axis=1)
    found, again = icc(values, form=form), icc(factor * turned + constant, form=form)
    for name in ("value", "low", "high"):
        np.testing.assert_allclose(getattr(again, name), getattr(found, name), rtol=1e-6, atol=1e-6)


@both_forms
@given(seeds, shapes)
def test_value_lies_within_its_interval_and_is_at_most_one(
    form: Form, seed: int, shape: tuple[int, int]
) -> None:
    """Also where chance makes it negative."""
    found = icc(readings(seed, shape, features=20), form=form)
    assert np.all(found.low <= found.value)
    assert np.all(found.value <= found.high)
    assert np.all(found.high <= 1)


def test_interval_of_a_negative_value_contains_it() -> None:
    """The published upper end lies below the value here, for want of degrees of freedom."""
    table = np.array([[5.0, 4.0], [9.0, 1.0], [9.0, 0.0], [6.0, 5.0]])
    value = plain_icc(table, "2,1")
    with np.errstate(invalid="ignore"):
        assert plain_interval(table, "2,1")[1] < value < 0
    found = icc(table[..., None])
    assert found.value == pytest.approx([value])
    assert found.low[0] < value < found.high[0]


@given(seeds, shapes)
def test_offsets_of_raters_do_not_change_consistency(seed: int, shape: tuple[int, int]) -> None:
    """ICC(3,1) takes each rater's mean as given; large offsets take ICC(2,1) to 0."""
    values = readings(seed, shape)
    offset = 1e3 * np.arange(shape[1])[:, None]
    found, again = (icc(v, form="3,1").value for v in (values, values + offset))
    np.testing.assert_allclose(again, found, rtol=1e-6, atol=1e-6)
    assert np.all(np.abs(icc(values + offset).value) < 1e-2)


@given(seeds, shapes)
def test_consistency_is_at_least_minus_one_over_the_other_raters(seed: int, shape: tuple[int, int]) -> None:
    """The bound is met when all targets have one mean."""
    values = readings(seed, shape)
    least = -1 / (shape[1] - 1)
    assert np.all(icc(values, form="3,1").value >= least - 1e-12)
    level = values - values.mean(axis=1, keepdims=True)
    assert icc(level, form="3,1").value == pytest.approx(np.full(3, least))


@both_forms
@given(seeds, shapes)
def test_perfect_agreement_is_one(form: Form, seed: int, shape: tuple[int, int]) -> None:
    """So is its whole interval."""
    found = icc(np.repeat(readings(seed, (shape[0], 2))[:, :1], shape[1], axis=1), form=form)
    for ends in (found.value, found.low, found.high):
        np.testing.assert_allclose(ends, 1, rtol=0, atol=1e-12)


@both_forms
def test_small_spread_around_a_large_number_keeps_its_digits(form: Form) -> None:
    """Sixteenths around 1e12 are exact; their squares as such would be rounded to nothing."""
    found = [icc(v[..., None], form=form) for v in (PUBLISHED, 1e12 + PUBLISHED / 16, 1e200 * PUBLISHED)]
    for name in ("value", "low", "high"):
        values = [getattr(one, name)[0] for one in found]
        assert values == pytest.approx([values[0]] * 3, rel=1e-12)


@both_forms
@pytest.mark.parametrize("number", [0.0, 0.1, 1e12 / 3])
def test_a_feature_of_equal_values_has_no_correlation(form: Form, number: float) -> None:
    """0 / 0: no target differs from another, so nobody can agree on how."""
    found = icc(np.full((7, 3, 2), number), form=form)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert found.targets.tolist() == [7, 7]


@pytest.mark.parametrize("offsets", [[0.1, 0.3], [0.1, 0.2, 0.7], [1e9, 2e9 / 3, 0.1, 0.2]])
def test_raters_that_differ_by_constants_only_do_not_agree(offsets: list[float]) -> None:
    """Absolute agreement is 0, consistency is 0 / 0; rounded means decide neither."""
    values = np.tile(offsets, (7, 1))[..., None]
    assert icc(values).value == pytest.approx([0], abs=1e-12)
    assert np.isnan(icc(values, form="3,1").value).all()


def test_two_raters_who_swap_two_targets_have_no_absolute_agreement() -> None:
    """Means of targets and of raters are equal: the denominator is 0, not the numerator."""
    values = np.array([[0.0, 1.0], [1.0, 0.0]])[..., None]
    assert math.isnan(icc(values).value[0])
    assert icc(values, form="3,1").value[0] == pytest.approx(-1)


@both_forms
def test_incomplete_targets_are_left_out_of_their_feature_only(form: Form) -> None:
    """Infinity is no measurement either."""
    values = np.repeat(PUBLISHED[..., None], 3, axis=2)
    values[0, 2, 1], values[5, 0, 2] = np.nan, np.inf
    found = icc(values, form=form)
    assert found.targets.tolist() == [6, 5, 5]
    for feature, rows in enumerate([PUBLISHED, PUBLISHED[1:], PUBLISHED[:5]]):
        assert found.value[feature] == pytest.approx(icc(rows[..., None], form=form).value[0])


@both_forms
def test_fewer_than_two_complete_targets_have_no_correlation(form: Form) -> None:
    """The number of targets says why."""
    values = PUBLISHED[:2, :, None].repeat(2, axis=2)
    values[0, 1, 0] = values[:, 3, 1] = np.nan
    found = icc(values, form=form)
    assert found.targets.tolist() == [1, 0]
    assert np.isnan([found.value, found.low, found.high]).all()


@pytest.mark.parametrize("shape", [(0, 2, 3), (5, 2, 0)])
def test_without_targets_or_features_there_is_nothing(shape: tuple[int, int, int]) -> None:
    """One NaN for each feature."""
    found = icc(np.zeros(shape))
    assert found.value.shape == found.high.shape == found.targets.shape == (shape[2],)
    assert np.isnan(found.value).all()


@both_forms
def test_interval_covers_the_truth_as_often_as_its_level_says(form: Form) -> None:
    """20,000 features of 30 targets and 3 raters: correlation 0.8, small offsets of raters."""
    rng = np.random.default_rng(0)
    of_target, of_rater, error = 0.8, 0.02, 0.18
    values = (
        of_target**0.5 * rng.normal(size=(30, 1, 20_000))
        + of_rater**0.5 * rng.normal(size=(1, 3, 20_000))
        + error**0.5 * rng.normal(size=(30, 3, 20_000))
    )
    truth = of_target / (of_target + error + (of_rater if form == "2,1" else 0))
    for level in (0.8, 0.95):
        found = icc(values, form=form, level=level)
        covered = np.mean((found.low <= truth) & (truth <= found.high))
        assert covered == pytest.approx(level, abs=0.02)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4, 2), {}, r"shape \(4, 2\); give targets × raters × features"),
        ((4, 1, 2), {}, "agreement of 1 raters was asked for; give two or more"),
        ((4, 2, 2), {"form": "1,1"}, "'1,1'; use one of 2,1, 3,1"),
        ((4, 2, 2), {"level": 95}, "interval is 95; give a number between 0 and 1"),
    ],
)
def test_what_has_no_correlation_is_refused(
    shape: tuple[int, ...], options: dict[str, object], message: str
) -> None:
    """Wrong axes, a lone rater, an unknown form, a level in percent."""
    with pytest.raises(ModelError, match=message):
        icc(np.zeros(shape), **options)
