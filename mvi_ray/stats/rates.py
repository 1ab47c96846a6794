"""Rates of a decision: accuracy, sensitivity, specificity, predictive values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

RATES = ("accuracy", "sensitivity", "specificity", "ppv", "npv")
"""Names of the rates, in the order in which they are returned."""


def rates_of_counts(
    tp: npt.NDArray[np.float64],
    fp: npt.NDArray[np.float64],
    tn: npt.NDArray[np.float64],
    fn: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Rates of many two-by-two tables at once.

    Args:
        tp: patients with outcome 1 that were called positive; any shape.
        fp: patients with outcome 0 that were called positive; same shape.
        tn: patients with outcome 0 that were called negative; same shape.
        fn: patients with outcome 1 that were called negative; same shape.

    Returns:
        Shape (5, …) in the order of `RATES`; NaN where the denominator is 0.
    """
    above = np.stack([tp + tn, tp, tn, tp, tn])
    below = np.stack([tp + fp + tn + fn, tp + fn, tn + fp, tp + fp, tn + fn])
    values = np.full(above.shape, np.nan)
    np.divide(above, below, out=values, where=below > 0)
    return values


def rates(outcome: npt.NDArray[Any], positive: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Rates of one decision.

    Args:
        outcome: shape (patients,), 0 or 1.
        positive: shape (patients,), whether the patient was called positive.

    Returns:
        A value for each of `RATES`; NaN where the denominator is 0.
    """
    ill = np.asarray(outcome) == 1
    tables = [ill & positive, ~ill & positive, ~ill & ~positive, ill & ~positive]
    values = rates_of_counts(*(np.asarray(part.sum(), np.float64) for part in tables))
    return dict(zip(RATES, values.tolist(), strict=True))
