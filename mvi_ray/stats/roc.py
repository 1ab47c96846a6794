"""Receiver operating characteristic curves, averaged over repeats."""

from __future__ import annotations

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


def mean_roc(outcome: npt.NDArray[Any], scores: npt.NDArray[np.float64]) -> Roc | None:
    """The vertical average of one curve for each repeat.

    Every repeat scores the same patients, so all curves step at the same values of
    1 - specificity; the average keeps both ends of each step, and the area under it equals
    the mean of the areas.

    Args:
        outcome: shape (patients,), 0 or 1.
        scores: shape (repeats, patients).

    Returns:
        The curve; None when only one outcome occurs.

    Raises:
        ModelError: shapes differ, or a score is not finite.
    """
    pairs = [split_scores(outcome, row) for row in scores]
    if any(not ones.size or not zeros.size for ones, zeros in pairs):
        return None
    ends = np.mean([_ends_of_steps(ones, zeros) for ones, zeros in pairs], axis=0)
    steps = ends.shape[1]
    fpr = np.concatenate([[0.0], np.repeat(np.arange(steps) / (steps - 1), 2)])
    tpr = np.concatenate([[0.0], ends.T.ravel()])
    keep = np.concatenate([[True], (np.diff(fpr) > 0) | (np.diff(tpr) > 0)])
    return Roc(tuple(fpr[keep].tolist()), tuple(tpr[keep].tolist()))


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
