"""Receiver operating characteristic curves, averaged over folds and repeats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.stats.auc import split_scores

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Roc:
    """Points of a curve from (0, 0) to (1, 1), to be joined by straight lines.

    Args:
        fpr: 1 - specificity, rising.
        tpr: sensitivity, rising.
    """

    fpr: tuple[float, ...]
    tpr: tuple[float, ...]

    def to_json(self) -> dict[str, list[float]]:
        """Both axes as lists."""
        return {"fpr": list(self.fpr), "tpr": list(self.tpr)}


def mean_roc(
    outcome: npt.NDArray[Any],
    scores: npt.NDArray[np.float64],
    folds: npt.NDArray[np.int_] | None = None,
) -> Roc | None:
    """The vertical average of one curve for each model: of each fold of each repeat.

    Curves count by their number of pairs of both outcomes, so that the area under the average
    is the AUC of `metric_estimates`. Both ends of each step are kept.

    Args:
        outcome: shape (patients,), 0 or 1.
        scores: shape (repeats, patients).
        folds: shape (repeats, patients), which model scored the patient; one model if None.

    Returns:
        The curve; None when no model scored patients of both outcomes.

    Raises:
        ModelError: shapes differ, or a score is not finite.
    """
    outcome = np.asarray(outcome)
    curves: list[npt.NDArray[np.float64]] = []
    weights: list[int] = []
    for row, fold in zip(scores, np.zeros(scores.shape, int) if folds is None else folds, strict=True):
        split_scores(outcome, row)
        for name in np.unique(fold):
            ones, zeros = split_scores(outcome[fold == name], row[fold == name])
            if ones.size and zeros.size:
                curves.append(_ends_of_steps(ones, zeros))
                weights.append(ones.size * zeros.size)
    if not curves:
        return None
    # Steps of a fold lie at multiples of 1 / zeros; whole numbers name them without rounding.
    whole = math.lcm(*(curve.shape[1] - 1 for curve in curves))
    places = np.unique(np.concatenate([np.linspace(0, whole, c.shape[1]).round() for c in curves]))
    ends = np.average([_at(curve, places.astype(int), whole) for curve in curves], axis=0, weights=weights)
    fpr = np.concatenate([[0.0], np.repeat(places / whole, 2)])
    tpr = np.concatenate([[0.0], ends.T.ravel()])
    keep = np.concatenate([[True], (np.diff(fpr) > 0) | (np.diff(tpr) > 0)])
    return Roc(tuple(fpr[keep].tolist()), tuple(tpr[keep].tolist()))


def _at(curve: npt.NDArray[np.float64], places: npt.NDArray[np.int_], whole: int) -> npt.NDArray[np.float64]:
    """Lowest and highest sensitivity of one curve at multiples of 1 / whole, shape (2, places)."""
    low, high = curve
    steps = len(low) - 1
    before, rest = np.divmod(places * steps, whole)
    after = np.minimum(before + 1, steps)
    between = high[before] + rest / whole * (low[after] - high[before])
    return np.stack([np.where(rest == 0, end[before], between) for end in (low, high)])


def _ends_of_steps(ones: npt.NDArray[np.float64], zeros: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Lowest and highest sensitivity at each number of false positives, shape (2, zeros + 1)."""
    cuts = np.unique(np.concatenate([ones, zeros]))[::-1]
    tp = np.concatenate([[0], ones.size - np.searchsorted(np.sort(ones), cuts, side="left")])
    fp = np.concatenate([[0], zeros.size - np.searchsorted(np.sort(zeros), cuts, side="left")])
    grid = np.arange(zeros.size + 1)
    first = np.searchsorted(fp, grid, side="left")
    last = np.searchsorted(fp, grid, side="right") - 1
    # Between two cuts equal scores make a slope: both ends are the point on it.
    on_slope = fp[first] != grid
    before = np.where(on_slope, last, 0)
    rise = np.maximum(fp[first] - fp[before], 1)
    sloped = tp[before] + (grid - fp[before]) / rise * (tp[first] - tp[before])
    return np.stack([np.where(on_slope, sloped, tp[end]) for end in (first, last)]) / ones.size
