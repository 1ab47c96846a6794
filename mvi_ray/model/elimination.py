"""Recursive feature elimination down to a number of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.feature_selection import RFE, SelectorMixin
from sklearn.svm import SVC
from sklearn.utils.validation import check_is_fitted, validate_data

if TYPE_CHECKING:
    import numpy.typing as npt


class Elimination(SelectorMixin, BaseEstimator):  # type: ignore[misc]
    """Drops the columns with the smallest weights of a linear SVM, share by share.

    This is scikit-learn's `RFE`, except that fewer columns than asked for all stay: how
    many are left after the correlation filter differs from fold to fold.

    Args:
        n_features: columns kept, at most.
        step: share of the first number of columns that is dropped at each step.

    Attributes:
        support_: shape (columns,), which columns stay.

    References:
        Guyon et al., Machine Learning 2002, doi:10.1023/A:1012487302797.
    """

    def __init__(self, n_features: int = 8, step: float = 0.05) -> None:
        self.n_features = n_features
        self.step = step

    def fit(self, X: Any, y: Any) -> Self:
        """Choose the columns.

        Args:
            X: shape (rows, columns), finite and standardised.
            y: shape (rows,), classes.

        Raises:
            ValueError: shapes or values are not what scikit-learn's estimators take.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        if X.shape[1] <= self.n_features:
            self.support_ = np.ones(X.shape[1], bool)
            return self
        machine = SVC(kernel="linear", C=1)
        rfe = RFE(machine, n_features_to_select=self.n_features, step=self.step).fit(X, y)
        self.support_ = rfe.support_
        return self

    def _get_support_mask(self) -> npt.NDArray[np.bool_]:
        check_is_fitted(self, "support_")
        return self.support_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
