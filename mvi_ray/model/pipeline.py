"""The steps from a matrix with gaps to the score of a linear support vector machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mvi_ray.model.elimination import Elimination
from mvi_ray.model.selection import CorrelationFilter

if TYPE_CHECKING:
    from mvi_ray.study import Selection, SupportVectorMachine


def build_pipeline(selection: Selection, svm: SupportVectorMachine) -> Pipeline:
    """Median imputation, z-score, correlation filter, elimination, linear SVM.

    Every step learns from the rows it is fitted on and from no others. A column without any
    value in those rows is imputed with 0, is therefore constant, and the filter drops it.

    Args:
        selection: how columns are chosen.
        svm: settings of the last step.

    Returns:
        An unfitted pipeline with steps impute, scale, correlation, elimination, svm.
    """
    return Pipeline(
        [
            # Keeping such columns avoids a warning for each of them and each call.
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scale", StandardScaler()),
            ("correlation", CorrelationFilter(selection.correlation)),
            ("elimination", Elimination(selection.n_features, selection.rfe_step)),
            ("svm", SVC(kernel="linear", C=svm.C)),
        ]
    )
