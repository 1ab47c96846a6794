"""Fitting one model: selection, machine, calibration and operating point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from threadpoolctl import threadpool_limits

from mvi_ray.errors import ModelError
from mvi_ray.model.calibration import fit_calibration
from mvi_ray.model.linear import LinearModel
from mvi_ray.model.pipeline import build_pipeline
from mvi_ray.stats.threshold import youden_threshold

if TYPE_CHECKING:
    import numpy.typing as npt

    from mvi_ray.study import Models

_LARGEST = 1e100
"""Values beyond this cannot be squared and summed in double precision with any sense."""


def check_values(values: npt.NDArray[np.float64], columns: tuple[str, ...]) -> None:
    """Refuse values that no model can use; NaN is allowed and will be imputed.

    Raises:
        ModelError: there is no column, or a value is infinite or beyond 1e100.
    """
    if not columns:
        raise ModelError("the matrix has no columns; name phases and regions or clinical variables")
    wrong = ~np.isnan(values) & ~(np.abs(values) <= _LARGEST)
    if not wrong.any():
        return
    counts = wrong.sum(axis=0)
    named = [f"{columns[i]} ({counts[i]} rows)" for i in np.flatnonzero(counts)[:5]]
    more = np.count_nonzero(counts) - len(named)
    rest = f" and {more} more columns" if more else ""
    raise ModelError(
        f"infinite or too large values in {', '.join(named)}{rest}; "
        "look at these images, or leave that image type out of the study"
    )


def check_classes(outcome: npt.NDArray[Any], folds: int, inner_folds: int, cohort: str) -> None:
    """Compare the numbers of folds with how often each outcome occurs.

    Args:
        outcome: shape (patients,), 0 or 1.
        folds: parts of the outer cross-validation; 1 when there is none.
        inner_folds: parts of each training set.
        cohort: in words, for the message.

    Raises:
        ModelError: an outcome is missing, or occurs too rarely for that many folds.
    """
    for value in (0, 1):
        count = int(np.count_nonzero(outcome == value))
        if count == 0:
            raise ModelError(
                f"outcome {value} does not occur in {cohort}; a model needs patients of both outcomes"
            )
        if count < 2:
            raise ModelError(
                f"outcome {value} occurs once in {cohort}; cross-validation needs it at least twice"
            )
        if folds > count:
            raise ModelError(
                f"outcome {value} occurs {count} times in {cohort}; "
                f"validation.folds is {folds}: lower it to {count}"
            )
        left = count - -(-count // folds) if folds > 1 else count
        if left < 2:
            raise ModelError(
                f"outcome {value} occurs {count} times in {cohort}, which leaves {left} in a training "
                "fold; a threshold needs 2 there: add patients"
            )
        if inner_folds > left:
            raise ModelError(
                f"outcome {value} occurs {left} times in the smallest training fold; "
                f"validation.inner_folds is {inner_folds}: lower it to {left}"
            )


def fit_model(
    values: npt.NDArray[np.float64],
    outcome: npt.NDArray[Any],
    columns: tuple[str, ...],
    models: Models,
) -> LinearModel:
    """Fit one model on training rows and on nothing else.

    Calibration and threshold come from out-of-fold scores of these rows, for which every
    step is fitted again inside each inner fold. So the operating point is fixed before
    any other row is seen, and not on scores that are too good.

    Args:
        values: shape (patients, columns); NaN where a value is missing.
        outcome: shape (patients,), 0 or 1.
        columns: names of the candidates.
        models: settings of selection, machine and validation.

    Returns:
        The model as numbers.

    Raises:
        ModelError: values, outcomes and settings do not fit together.
    """
    check_values(values, columns)
    inner = models.validation.inner_folds
    check_classes(outcome, 1, inner, "the training rows")
    split = StratifiedKFold(inner, shuffle=True, random_state=models.validation.seed)
    pipeline = build_pipeline(models.selection, models.svm)
    # One thread: sums split over threads are rounded otherwise, and selection would follow.
    with threadpool_limits(1):
        score = cross_val_predict(pipeline, values, outcome, cv=split, method="decision_function")
        pipeline.fit(values, outcome)
    calibration = fit_calibration(outcome, score)
    threshold = youden_threshold(outcome, calibration.probability(score))
    return LinearModel.from_pipeline(pipeline, columns, calibration, threshold)
