"""From a score to a probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

LEAST_SLOPE = 1e-6
"""Slope of scores that say nothing: nearly flat, but the ranking of patients stays."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probability = 1 / (1 + exp(-(slope · score + offset)))."""

    slope: float
    offset: float

    def probability(self, score: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities of outcome 1, same shape as the scores."""
        from scipy.special import expit

        return np.asarray(expit(self.slope * score + self.offset), np.float64)


def fit_calibration(outcome: npt.NDArray[Any], score: npt.NDArray[np.float64]) -> Calibration:
    """Fit Platt's sigmoid to scores of patients that the model was not fitted on.

    Args:
        outcome: shape (patients,), 0 or 1.
        score: shape (patients,), out-of-fold decision values.

    Returns:
        The calibration of largest likelihood for the smoothed targets, among those with a
        slope of at least `LEAST_SLOPE` for scores of standard deviation 1.

    References:
        Platt, Advances in Large Margin Classifiers 1999; Lin et al., Machine Learning 2007,
        doi:10.1007/s10994-007-5018-6.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    ill = np.asarray(outcome) == 1
    ones, zeros = int(ill.sum()), int((~ill).sum())
    target = np.where(ill, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    spread = float(score.std())
    centre = float(score.mean())
    unit = (score - centre) / (spread or 1.0)

    def loss(line: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        logit = line[0] * unit + line[1]
        surprise = np.logaddexp(0, logit) - target * logit
        error = expit(logit) - target
        return float(surprise.mean()), np.array([(error * unit).mean(), error.mean()])

    start = np.array([1.0, np.log((ones + 1) / (zeros + 1))])
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(LEAST_SLOPE, None), (None, None)],
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000},
    )
    slope = float(found.x[0]) / (spread or 1.0)
    return Calibration(slope, float(found.x[1]) - slope * centre)
