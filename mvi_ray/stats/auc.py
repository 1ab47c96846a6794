"""Area under the receiver operating characteristic curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt


def split_scores(
    outcome: npt.NDArray[Any], score: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Scores of the patients with outcome 1 and of those with outcome 0.

    Args:
        outcome: shape (patients,), 0 or 1.
        score: shape (patients,), higher means outcome 1 is likelier.

    Raises:
        ModelError: shapes differ, an outcome is neither 0 nor 1, or a score is not finite.
    """
    outcome = np.asarray(outcome)
    score = np.asarray(score, np.float64)
    if outcome.ndim != 1 or outcome.shape != score.shape:
        raise ModelError(
            f"outcome has shape {outcome.shape} and score {score.shape}; give one score for each patient"
        )
    if not np.isin(outcome, (0, 1)).all():
        raise ModelError("an outcome is neither 0 nor 1; code the outcome as 0 and 1")
    if not np.isfinite(score).all():
        count = np.count_nonzero(~np.isfinite(score))
        raise ModelError(f"{count} of {score.size} scores are not finite; check the model that made them")
    return score[outcome == 1], score[outcome == 0]


def auc(outcome: npt.NDArray[Any], score: npt.NDArray[np.float64]) -> float:
    """Area under the ROC curve from midranks, so that equal scores count one half.

    Args:
        outcome: shape (patients,), 0 or 1.
        score: shape (patients,).

    Returns:
        The area; NaN when only one outcome occurs, because it is not defined then.

    Raises:
        ModelError: shapes differ, an outcome is neither 0 nor 1, or a score is not finite.

    References:
        Hanley and McNeil, Radiology 1982, doi:10.1148/radiology.143.1.7063747.
    """
    from scipy.stats import rankdata

    ones, zeros = split_scores(outcome, score)
    if not ones.size or not zeros.size:
        return float("nan")
    ranks = rankdata(np.concatenate([ones, zeros]))[: ones.size]
    wins = float(ranks.sum()) - ones.size * (ones.size + 1) / 2
    return wins / (ones.size * zeros.size)
