"""The operating point of a score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import ModelError
from mvi_ray.stats.auc import split_scores

if TYPE_CHECKING:
    import numpy.typing as npt


def youden_threshold(outcome: npt.NDArray[Any], score: npt.NDArray[np.float64]) -> float:
    """The observed score t for which calling `score >= t` positive has the largest Youden index.

    The index is sensitivity + specificity - 1. It is compared in whole numbers, so that
    rounding decides nothing; of several best thresholds the highest is taken, which calls
    the fewest patients positive.

    Args:
        outcome: shape (patients,), 0 or 1; both must occur.
        score: shape (patients,).

    Raises:
        ModelError: only one outcome occurs, shapes differ, or a score is not finite.

    References:
        Youden, Cancer 1950, doi:10.1002/1097-0142(1950)3:1<32::aid-cncr2820030106>3.0.co;2-3.
    """
    ones, zeros = split_scores(outcome, score)
    if not ones.size or not zeros.size:
        raise ModelError("a threshold needs patients of both outcomes; check the outcome column")
    candidates = np.unique(np.concatenate([ones, zeros]))[::-1]
    true_positive = ones.size - np.searchsorted(np.sort(ones), candidates, side="left")
    false_positive = zeros.size - np.searchsorted(np.sort(zeros), candidates, side="left")
    index = true_positive * zeros.size - false_positive * ones.size
    return float(candidates[np.argmax(index)])
