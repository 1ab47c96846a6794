"""DeLong's variance of an area under the ROC curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.stats.auc import auc, split_scores
from mvi_ray.stats.estimate import Estimate

if TYPE_CHECKING:
    import numpy.typing as npt


def delong_variance(outcome: npt.NDArray[Any], score: npt.NDArray[np.float64]) -> float:
    """Variance of one AUC, without assuming a distribution of the scores.

    Args:
        outcome: shape (patients,), 0 or 1.
        score: shape (patients,).

    Returns:
        The variance; NaN with fewer than two patients of either outcome.

    Raises:
        ModelError: shapes differ, an outcome is neither 0 nor 1, or a score is not finite.

    References:
        DeLong et al., Biometrics 1988, doi:10.2307/2531595; midranks as in Sun and Xu,
        IEEE Signal Processing Letters 2014, doi:10.1109/LSP.2014.2337313.
    """
    from scipy.stats import rankdata

    ones, zeros = split_scores(outcome, score)
    if min(ones.size, zeros.size) < 2:
        return float("nan")
    pooled = rankdata(np.concatenate([ones, zeros]))
    # Share of the other group that each patient is ranked on the right side of.
    of_ones = (pooled[: ones.size] - rankdata(ones)) / zeros.size
    of_zeros = 1 - (pooled[ones.size :] - rankdata(zeros)) / ones.size
    return float(of_ones.var(ddof=1) / ones.size + of_zeros.var(ddof=1) / zeros.size)


def delong_interval(
    outcome: npt.NDArray[Any], score: npt.NDArray[np.float64], *, level: float = 0.95
) -> Estimate:
    """AUC with a normal interval from DeLong's variance, cut off at 0 and 1.

    A perfect separation has variance 0, and its interval then is a point: read it together
    with the number of patients.

    Raises:
        ModelError: shapes differ, an outcome is neither 0 nor 1, or a score is not finite.
    """
    from scipy.stats import norm

    value = auc(outcome, score)
    half = float(norm.ppf((1 + level) / 2)) * delong_variance(outcome, score) ** 0.5
    return Estimate(value, *(float(end) for end in np.clip([value - half, value + half], 0, 1)))
