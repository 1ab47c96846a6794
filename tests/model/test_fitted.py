"""Tests of mvi_ray.model.fitted, pipeline and linear."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from mvi_ray.errors import ModelError
from mvi_ray.matrix.matrix import Matrix
from mvi_ray.model.calibration import Calibration
from mvi_ray.model.fitted import check_classes, check_values, fit_model
from mvi_ray.model.linear import LinearModel
from mvi_ray.model.pipeline import build_pipeline
from mvi_ray.stats.threshold import youden_threshold
from mvi_ray.study import Models

Make = Callable[..., Matrix]


def test_compact_model_scores_like_the_pipeline(make_matrix: Make, few: Models) -> None:
    """Within 1e-9, also on rows with gaps that were not fitted."""
    matrix = make_matrix()
    train, test = matrix.part("train"), matrix.part("test")
    model = fit_model(train.values, train.outcome, train.columns, few)
    pipeline = build_pipeline(few.selection, few.svm).fit(train.values, train.outcome)
    for part in (train, test):
        found = model.score(model.pick(part.values, part.columns))
        assert np.abs(found - pipeline.decision_function(part.values)).max() < 1e-9
    assert len(model.columns) == 4


def test_empty_and_constant_columns_are_never_selected(make_matrix: Make) -> None:
    """Columns 38 (no value) and 39 (one value) are gone although all features may stay."""
    train = make_matrix().part("train")
    many = Models.model_validate({"selection": {"n_features": 500, "correlation": 1.0}})
    model = fit_model(train.values, train.outcome, train.columns, many)
    assert model.columns == train.columns[:38]


def test_operating_point_comes_from_out_of_fold_scores(make_matrix: Make, few: Models) -> None:
    """The threshold is Youden's on scores of models that did not see the patient."""
    train = make_matrix().part("train")
    model = fit_model(train.values, train.outcome, train.columns, few)
    score = cross_val_predict(
        build_pipeline(few.selection, few.svm),
        train.values,
        train.outcome,
        cv=StratifiedKFold(3, shuffle=True, random_state=1),
        method="decision_function",
    )
    probability = model.calibration.probability(score)
    assert model.threshold == pytest.approx(youden_threshold(train.outcome, probability), abs=1e-12)


def test_score_of_a_patient_does_not_depend_on_the_others(make_matrix: Make, few: Models) -> None:
    """Bit for bit, alone or among many."""
    train = make_matrix().part("train")
    model = fit_model(train.values, train.outcome, train.columns, few)
    rows = model.pick(train.values, train.columns)
    alone = [model.score(rows[i : i + 1])[0] for i in range(len(rows))]
    assert alone == model.score(rows).tolist()


def test_a_missing_column_is_named(make_matrix: Make, few: Models) -> None:
    """A new patient without a feature cannot be scored."""
    train = make_matrix().part("train")
    model = fit_model(train.values, train.outcome, train.columns, few)
    with pytest.raises(ModelError, match=f"first {model.columns[0]}"):
        model.pick(train.values[:, :0], ())


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, 1e120])
def test_unusable_values_name_their_columns(wrong: float) -> None:
    """The message counts rows and says what to do."""
    values = np.zeros((5, 8))
    values[1:3, 2] = wrong
    values[0, 0] = np.nan
    with pytest.raises(ModelError, match=r"c2 \(2 rows\); look at these images"):
        check_values(values, tuple(f"c{i}" for i in range(8)))


def test_many_unusable_columns_are_counted() -> None:
    """Five are named."""
    with pytest.raises(ModelError, match=r"c4 \(2 rows\) and 3 more columns"):
        check_values(np.full((2, 8), np.inf), tuple(f"c{i}" for i in range(8)))


def test_a_matrix_without_columns_is_an_error() -> None:
    """There is nothing to fit."""
    with pytest.raises(ModelError, match="no columns"):
        check_values(np.zeros((3, 0)), ())


@pytest.mark.parametrize(
    ("ones", "folds", "inner", "message"),
    [
        (0, 5, 3, "outcome 1 does not occur in the training cohort"),
        (1, 5, 3, "occurs once in the training cohort"),
        (4, 5, 3, "outcome 1 occurs 4 times in the training cohort; validation.folds is 5: lower it to 4"),
        (4, 2, 3, "outcome 1 occurs 2 times in the smallest training fold; .* lower it to 2"),
        (2, 2, 2, "leaves 1 in a training fold"),
    ],
)
def test_folds_are_compared_with_the_outcome(ones: int, folds: int, inner: int, message: str) -> None:
    """Before anything is fitted."""
    with pytest.raises(ModelError, match=message):
        check_classes(np.repeat([0, 1], [30, ones]), folds, inner, "the training cohort")


@pytest.mark.parametrize(("ones", "folds", "inner"), [(4, 4, 3), (3, 3, 2), (90, 5, 3)])
def test_folds_that_fit_are_accepted_and_can_be_split(ones: int, folds: int, inner: int) -> None:
    """Each training fold then holds each outcome often enough for the inner folds."""
    outcome = np.repeat([0, 1], [100, ones])
    check_classes(outcome, folds, inner, "the training cohort")
    for seen, _ in StratifiedKFold(folds, shuffle=True, random_state=0).split(outcome, outcome):
        assert np.bincount(outcome[seen]).min() >= inner


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scales": np.array([0.0])}, "must be positive"),
        ({"means": np.array([np.nan])}, "not finite"),
        ({"medians": np.zeros(2)}, "one number of each kind"),
        ({"calibration": Calibration(-1.0, 0.0)}, "must be positive"),
    ],
)
def test_a_model_is_checked_when_it_is_made(change: dict[str, object], message: str) -> None:
    """A damaged file must not become a model."""
    one = np.ones(1)
    parts = {
        "columns": ("a",),
        "medians": one,
        "means": one,
        "scales": one,
        "coefficients": one,
        "intercept": 0.0,
        "calibration": Calibration(1.0, 0.0),
        "threshold": 0.5,
    }
    assert LinearModel(**parts).score(np.array([[3.0]])) == [2.0]
    with pytest.raises(ModelError, match=message):
        LinearModel(**(parts | change))
