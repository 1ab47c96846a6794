"""Dropping columns that say the same as a better one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from mvi_ray.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt

_BLOCK = 256
"""Columns compared at once: memory stays at a few (256, columns) arrays."""

_ROUNDING = 1e-10
"""Correlations that differ less are equal, so that rounding decides no selection."""


class CorrelationFilter(SelectorMixin, BaseEstimator):  # type: ignore[misc]
    """Of two columns with |Pearson r| above a threshold, keeps the one nearer to the outcome.

    Columns are visited in order of falling |r| with the outcome on the training rows; a
    column stays when no column that already stays correlates with it above the threshold.
    Ties go by column order, which decides nothing else. Constant columns are dropped.

    Args:
        threshold: largest |r| of two columns that both stay.

    Attributes:
        support_: shape (columns,), which columns stay.
        outcome_correlation_: shape (columns,), |r| with the outcome; 0 for constant columns.
    """

    def __init__(self, threshold: float = 0.90) -> None:
        self.threshold = threshold

    def fit(self, X: Any, y: Any) -> Self:
        """Choose the columns.

        Args:
            X: shape (rows, columns), finite.
            y: shape (rows,); values that are no numbers count by their sorted order.

        Raises:
            ModelError: every column is constant.
            ValueError: shapes or values are not what scikit-learn's estimators take.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        if not np.issubdtype(y.dtype, np.number):
            y = np.unique(y, return_inverse=True)[1]
        units, varies = _unit_rows(X.T)
        if not varies.any():
            raise ModelError(
                f"all {X.shape[1]} columns are constant in the training rows; "
                "check that the features were computed and that the cohort holds different patients"
            )
        outcome, _ = _unit_rows(np.asarray(y, np.float64)[None])
        # Not a BLAS product: the order must not depend on its number of threads.
        self.outcome_correlation_ = np.abs(np.einsum("ij,j->i", units, outcome[0]))
        rank = np.round(self.outcome_correlation_ / _ROUNDING)
        order = np.argsort(-rank, kind="stable")
        order = order[varies[order]]
        self.support_ = np.zeros(X.shape[1], bool)
        self.support_[order[_visit(units[order], self.threshold + _ROUNDING)]] = True
        return self

    def _get_support_mask(self) -> npt.NDArray[np.bool_]:
        check_is_fitted(self, "support_")
        return self.support_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _unit_rows(rows: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Rows with mean 0 and length 1, and which rows vary; a constant row becomes 0."""
    # Scaled first, so that squares of very large or small values neither overflow nor vanish.
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scaled = np.divide(rows, largest, out=np.zeros(rows.shape), where=largest > 0)
    scaled -= scaled.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
    varies = length > 8 * np.finfo(np.float64).eps * np.sqrt(rows.shape[1])
    scaled[~varies] = 0
    scaled[varies] /= length[varies, None]
    return scaled, varies


def _visit(units: npt.NDArray[np.float64], limit: float) -> npt.NDArray[np.intp]:
    """Positions of the rows that stay when visited in order; never compares all with all."""
    alive = np.arange(len(units))
    kept = []
    while alive.size:
        head, alive = alive[:_BLOCK], alive[_BLOCK:]
        near = np.abs(units[head] @ units[head].T) > limit
        stays = np.ones(head.size, bool)
        for place in range(head.size):
            if stays[place]:
                stays[place + 1 :] &= ~near[place, place + 1 :]
        head = head[stays]
        kept.append(head)
        if alive.size:
            products = units[head] @ units[alive].T
            alive = alive[np.maximum(products.max(axis=0), -products.min(axis=0)) <= limit]
    return np.concatenate(kept)
