"""Tests of mvi_ray.model.evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold

from mvi_ray.errors import ModelError
from mvi_ray.matrix.matrix import Matrix
from mvi_ray.model.evaluation import evaluate
from mvi_ray.model.fitted import fit_model
from mvi_ray.study import Models

if TYPE_CHECKING:
    from mvi_ray.model.result import Evaluation

Make = Callable[..., Matrix]


@pytest.fixture(scope="module")
def matrix(make_matrix: Make) -> Matrix:
    """Sixty training and 24 test patients."""
    return make_matrix()


@pytest.fixture(scope="module")
def found(matrix: Matrix, few: Models) -> Evaluation:
    """Its evaluation."""
    return evaluate(matrix, few)


def test_figures_equal_a_plain_nested_loop(matrix: Matrix, few: Models, found: Evaluation) -> None:
    """Each fold is fitted on its own training rows and judged with its own threshold."""
    train = matrix.part("train")
    scores, called = np.zeros((2, 60)), np.zeros((2, 60), bool)
    areas, pairs = [], []
    splits = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=1)
    for index, (seen, held) in enumerate(splits.split(train.values, train.outcome)):
        model = fit_model(train.values[seen], train.outcome[seen], train.columns, few)
        probability = model.probability(model.pick(train.values[held], train.columns))
        scores[index // 3, held] = probability
        called[index // 3, held] = probability >= model.threshold
        areas.append(roc_auc_score(train.outcome[held], probability))
        pairs.append(train.outcome[held].sum() * (1 - train.outcome[held]).sum())
    inside = found.cross_validation
    expected = np.average(areas, weights=pairs)
    assert inside.metrics["auc"].value == pytest.approx(expected, abs=1e-12)
    accuracy = (called == (train.outcome == 1)).mean()
    assert inside.metrics["accuracy"].value == pytest.approx(accuracy, abs=1e-12)
    assert inside.scores == pytest.approx(tuple(scores.mean(axis=0)), abs=1e-12)
    assert (inside.n, inside.events) == (60, 20)


def test_test_cohort_is_judged_by_the_final_model(matrix: Matrix, few: Models, found: Evaluation) -> None:
    """It is fitted on the training cohort only."""
    train, test = matrix.part("train"), matrix.part("test")
    model = fit_model(train.values, train.outcome, train.columns, few)
    probability = model.probability(model.pick(test.values, test.columns))
    assert found.test is not None
    assert found.test.scores == pytest.approx(tuple(probability), abs=1e-12)
    assert found.test.metrics["auc"].value == pytest.approx(roc_auc_score(test.outcome, probability))
    assert found.test.delong is not None
    assert found.test.delong.value == pytest.approx(found.test.metrics["auc"].value)
    assert {feature.name for feature in found.features} == set(model.columns)


def test_test_rows_change_nothing_of_the_training(matrix: Matrix, few: Models, found: Evaluation) -> None:
    """Other values there leave model and cross-validation as they are."""
    values = np.where((matrix.cohort == "test")[:, None], 1e6, matrix.values)
    other = evaluate(replace(matrix, values=values), few)
    assert other.cross_validation == found.cross_validation
    assert other.features == found.features
    assert other.threshold == found.threshold


def test_result_does_not_depend_on_threads(matrix: Matrix, few: Models, found: Evaluation) -> None:
    """Same bytes of JSON."""
    again = evaluate(matrix, few, n_jobs=2)
    assert json.dumps(again.to_json()) == json.dumps(found.to_json())


def test_a_real_signal_is_found_and_noise_is_not(make_matrix: Make, few: Models, found: Evaluation) -> None:
    """Noise averages to one half: selection inside the folds, and no ranking across them."""
    assert found.cross_validation.metrics["auc"].lower > 0.6
    once = few.model_copy(update={"validation": few.validation.model_copy(update={"repeats": 1})})
    noise = [
        evaluate(make_matrix(seed, effect=0.0, test=0), once).cross_validation.metrics["auc"].value
        for seed in range(24)
    ]
    # Three standard errors of the mean over these cohorts.
    assert np.mean(noise) == pytest.approx(0.5, abs=3 * np.std(noise, ddof=1) / np.sqrt(24))


def test_progress_counts_every_fit(matrix: Matrix, few: Models) -> None:
    """Two repeats of three folds, and the final model."""
    seen: list[tuple[int, int]] = []
    evaluate(matrix, few, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 7) for done in range(1, 8)]


def test_result_is_json_without_nan(found: Evaluation) -> None:
    """Other programs read it."""
    text = json.dumps(found.to_json(), allow_nan=False)
    content = json.loads(text)
    assert content["cross_validation"]["n"] == 60
    assert content["test"]["auc_delong"]["lower"] < content["test"]["auc_delong"]["value"]
    assert content["cross_validation"]["patients"][0]["patient_id"] == "P000"
    assert content["candidates"] == 40
    assert all(0 <= feature["frequency"] <= 1 for feature in content["features"])
    sizes = [abs(feature["coefficient"]) for feature in content["features"]]
    assert sizes == sorted(sizes, reverse=True)


def test_without_test_cohort_there_is_no_test(make_matrix: Make, few: Models) -> None:
    """A study may have one cohort only."""
    found = evaluate(make_matrix(test=0), few)
    assert found.test is None
    assert found.to_json()["test"] is None


def test_test_cohort_of_one_outcome_has_no_area(make_matrix: Make, few: Models) -> None:
    """Accuracy is still defined."""
    found = evaluate(make_matrix(test=1), few)
    assert found.test is not None
    assert found.test.roc is None
    assert not found.test.metrics["auc"].defined
    assert found.test.metrics["accuracy"].defined
    assert found.to_json()["test"]["auc_delong"]["value"] is None


def test_errors_name_the_model(matrix: Matrix, few: Models) -> None:
    """One run fits many models."""
    nobody = replace(matrix, cohort=np.full(84, "test"))
    with pytest.raises(ModelError, match="CR: the training cohort is empty"):
        evaluate(nobody, few)
    with pytest.raises(ModelError, match=r"CR: outcome 1 occurs 20 times .* lower it to 20"):
        evaluate(matrix, Models.model_validate({"validation": {"folds": 21}}))
    with pytest.raises(ModelError, match=r"CR: infinite or too large values in AP_intratumoral_c00"):
        evaluate(replace(matrix, values=np.full((84, 40), np.inf)), few)
