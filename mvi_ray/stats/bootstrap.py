"""Intervals by resampling patients within each outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.stats.auc import split_scores
from mvi_ray.stats.estimate import Estimate
from mvi_ray.stats.rates import RATES, rates_of_counts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

METRICS = ("auc", *RATES)
"""Names of the metrics, in the order of every table."""

_BLOCK = 250
"""Resamples handled at once; part of what the seed means."""


def metric_estimates(
    outcome: npt.NDArray[Any],
    scores: npt.NDArray[np.float64],
    positive: npt.NDArray[np.bool_],
    *,
    folds: npt.NDArray[np.int_] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Each metric, averaged over repeats, with a percentile interval.

    In cross-validation only patients of the same fold are compared for the AUC: scores of
    different folds come from different models, and ranking them together makes the AUC of
    a useless model smaller than 0.5 (Airola et al., Comput Stat Data Anal 2011,
    doi:10.1016/j.csda.2010.11.018).

    Patients are drawn with replacement within each outcome, so the numbers of both stay.
    A patient is drawn with all of its repeats: the interval covers the sampling of patients
    while the fitted models stay as they are. Equal seeds draw the same patients for every
    model of the same cohort. A rate that is not defined in a repeat is averaged over the
    others; a resample in which it is never defined is left out of its interval.

    Args:
        outcome: shape (patients,), 0 or 1.
        scores: shape (repeats, patients).
        positive: shape (repeats, patients), whether the patient was called positive.
        folds: shape (repeats, patients), which model scored the patient; one model if None.
        resamples: number of draws.
        seed: of the draws.
        level: share of the resampled values inside the interval.

    Returns:
        One estimate for each of `METRICS`; NaN where not defined.

    Raises:
        ModelError: shapes differ, or a score is not finite.

    References:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    ill = np.asarray(outcome) == 1
    pairs = _pairs(outcome, scores, np.zeros(scores.shape, int) if folds is None else folds)
    whole = _weighted_metrics(np.ones((1, ill.size)), ill, pairs, positive)[:, 0]
    drawn = np.concatenate(
        [_weighted_metrics(w, ill, pairs, positive) for w in _resample_counts(ill, resamples, seed)],
        axis=1,
    )
    tail = (1 - level) / 2
    estimates = {}
    for name, value, values in zip(METRICS, whole.tolist(), drawn, strict=True):
        there = values[~np.isnan(values)]
        ends = np.quantile(there, (tail, 1 - tail)).tolist() if there.size else [np.nan, np.nan]
        estimates[name] = Estimate(value, *ends)
    return estimates


def _resample_counts(
    ill: npt.NDArray[np.bool_], resamples: int, seed: int
) -> Iterator[npt.NDArray[np.float64]]:
    """How often each patient is drawn, in blocks of shape (resamples, patients)."""
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(ill), np.flatnonzero(~ill)]
    for start in range(0, resamples, _BLOCK):
        rows = min(_BLOCK, resamples - start)
        counts = np.zeros((rows, ill.size))
        for group in groups:
            if group.size:
                even = np.full(group.size, 1 / group.size)
                counts[:, group] = rng.multinomial(group.size, even, size=rows)
        yield counts


_Pairs = tuple["npt.NDArray[np.float64]", "npt.NDArray[np.float64]"]


def _pairs(outcome: npt.NDArray[Any], scores: npt.NDArray[np.float64], folds: npt.NDArray[np.int_]) -> _Pairs:
    """For each pair of outcome 1 and 0: repeats in which the first scores higher, and compared.

    Equal scores count one half. Shape (patients with 1, patients with 0) each. The AUC of any
    resample is the quotient of weighted sums of the two, because it is linear in them; entries
    are whole or half numbers, so that no sum of them is rounded.
    """
    ill = np.asarray(outcome) == 1
    above = np.zeros((int(ill.sum()), int((~ill).sum())))
    compared = np.zeros_like(above)
    for row, fold in zip(scores, folds, strict=True):
        ones, zeros = split_scores(outcome, row)
        together = fold[ill][:, None] == fold[~ill]
        above += together * ((ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros))
        compared += together
    return above, compared


def _weighted_metrics(
    weights: npt.NDArray[np.float64],
    ill: npt.NDArray[np.bool_],
    pairs: _Pairs,
    positive: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """Mean over repeats of each metric, shape (6, resamples)."""
    of_ones, of_zeros = weights[:, ill], weights[:, ~ill]
    above, compared = (((of_ones @ matrix) * of_zeros).sum(axis=1) for matrix in pairs)
    area = np.full(len(weights), np.nan)
    np.divide(above, compared, out=area, where=compared > 0)
    called = positive.astype(np.float64).T
    tp, fp = of_ones @ called[ill], of_zeros @ called[~ill]
    fn = of_ones.sum(axis=1, keepdims=True) - tp
    tn = of_zeros.sum(axis=1, keepdims=True) - fp
    values = rates_of_counts(tp, fp, tn, fn)
    there = ~np.isnan(values)
    count = there.sum(axis=2)
    mean = np.full(count.shape, np.nan)
    np.divide(np.where(there, values, 0).sum(axis=2), count, out=mean, where=count > 0)
    return np.concatenate([area[None], mean])
