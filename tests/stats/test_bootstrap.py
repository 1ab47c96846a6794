"""Tests of mvi_ray.stats.bootstrap."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mvi_ray.stats.auc import auc
from mvi_ray.stats.bootstrap import METRICS, _resample_counts, metric_estimates
from mvi_ray.stats.delong import delong_variance
from mvi_ray.stats.rates import rates


@pytest.fixture(scope="module")
def cohort() -> tuple[np.ndarray, np.ndarray]:
    """Outcome of 216 patients and 10 repeats of a useful score."""
    rng = np.random.default_rng(5)
    outcome = np.repeat([1, 0], [90, 126])
    return outcome, rng.normal(size=(10, 216)) + 0.8 * outcome


def test_values_are_means_over_repeats(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    """The value is that of the cohort itself, not of the resamples."""
    outcome, scores = cohort
    found = metric_estimates(outcome, scores, scores >= 0.4, resamples=100)
    assert tuple(found) == METRICS
    assert found["auc"].value == pytest.approx(np.mean([auc(outcome, row) for row in scores]))
    expected = np.mean([list(rates(outcome, row >= 0.4).values()) for row in scores], axis=0)
    assert [found[name].value for name in METRICS[1:]] == pytest.approx(expected.tolist())


def test_every_resample_equals_its_plain_computation(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    """The ends are the percentiles of metrics computed patient by patient."""
    outcome, scores = cohort
    scores = np.round(scores[:2], 1)
    weights = np.concatenate(list(_resample_counts(outcome == 1, 100, 3)))
    plain = []
    for row in weights.astype(int):
        drawn = np.repeat(np.arange(216), row)
        plain.append(np.mean([auc(outcome[drawn], s[drawn]) for s in scores]))
    found = metric_estimates(outcome, scores, scores >= 0, resamples=100, seed=3)["auc"]
    assert (found.lower, found.upper) == pytest.approx(tuple(np.quantile(plain, (0.025, 0.975))))


def test_resamples_keep_the_number_of_each_outcome() -> None:
    """Patients are drawn within their outcome."""
    ill = np.arange(30) < 7
    for block in _resample_counts(ill, 600, 0):
        assert np.all(block[:, ill].sum(axis=1) == 7)
        assert np.all(block[:, ~ill].sum(axis=1) == 23)


def test_interval_is_close_to_that_of_delong(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    """Both estimate the sampling of patients for a single score."""
    outcome, scores = cohort
    interval = metric_estimates(outcome, scores[:1], scores[:1] >= 0)["auc"]
    assert interval.width == pytest.approx(2 * 1.96 * delong_variance(outcome, scores[0]) ** 0.5, rel=0.1)


def test_seed_decides_the_interval(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    """Equal seeds give equal numbers, other seeds others."""
    outcome, scores = cohort
    first, again, other = (
        metric_estimates(outcome, scores, scores >= 0, resamples=300, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_what_is_not_defined_is_nan() -> None:
    """One outcome has no area; without positive calls there is no predictive value."""
    found = metric_estimates(np.zeros(4), np.zeros((2, 4)), np.zeros((2, 4), bool), resamples=100)
    assert not found["auc"].defined
    assert not found["sensitivity"].defined
    assert math.isnan(found["ppv"].lower)
    assert found["specificity"].value == found["specificity"].upper == 1
    assert found["auc"].to_json() == {"value": None, "lower": None, "upper": None}


def test_repeats_without_a_rate_are_left_out_of_its_mean() -> None:
    """The second repeat calls nobody positive; the first is right in 1 of 2 calls."""
    positive = np.array([[True, True, False, False], [False] * 4])
    found = metric_estimates(np.array([1, 0, 1, 0]), np.zeros((2, 4)), positive, resamples=100)
    assert found["ppv"].value == 0.5
