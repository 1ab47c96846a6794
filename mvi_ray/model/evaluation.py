"""Repeated cross-validation of one model, then its final fit and its test."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from mvi_ray.errors import ModelError
from mvi_ray.model.fitted import check_classes, check_values, fit_model
from mvi_ray.model.result import Evaluation, Performance, SelectedFeature
from mvi_ray.stats.bootstrap import metric_estimates
from mvi_ray.stats.delong import delong_interval
from mvi_ray.stats.roc import mean_roc

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from mvi_ray.matrix.matrix import Matrix
    from mvi_ray.model.linear import LinearModel
    from mvi_ray.study import Models, Validation


class _Fold(NamedTuple):
    """What one fit says about the rows it did not see."""

    model: LinearModel
    rows: npt.NDArray[np.intp]
    probability: npt.NDArray[np.float64]


def evaluate(
    matrix: Matrix,
    models: Models,
    *,
    n_jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Judge a model by nested, repeated cross-validation, then fit it and test it.

    In each fold imputation, z-score, selection, machine, calibration and threshold are
    fitted on the training part alone. A rate is the mean over the repeats of its value on
    all training patients, each scored out of fold; the AUC compares patients of one fold.
    The final model is fitted on the whole training cohort and scored on the test cohort,
    with its own threshold.

    Intervals cover the sampling of patients with the fitted models held fixed; what
    another choice of training patients would change is not in them.

    Args:
        matrix: train rows, and test rows when the study has a test cohort.
        models: settings; `models.fit` is not read.
        n_jobs: threads; the result does not depend on their number.
        progress: called with the number of fits done and of all fits.

    Raises:
        ModelError: the matrix cannot be modelled with these settings; the message begins
            with the model's name.
    """
    try:
        return _evaluate(matrix, models, n_jobs, progress or _ignore)
    except ModelError as error:
        raise ModelError(f"{matrix.name}: {error.message}") from None


def _ignore(done: int, total: int) -> None:
    """Progress that nobody watches."""


def _evaluate(
    matrix: Matrix, models: Models, n_jobs: int, progress: Callable[[int, int], None]
) -> Evaluation:
    train, test = matrix.part("train"), matrix.part("test")
    validation = models.validation
    if not train.patients:
        raise ModelError("the training cohort is empty; check cohorts.train in the study")
    check_values(matrix.values, matrix.columns)
    check_classes(train.outcome, validation.folds, validation.inner_folds, "the training cohort")
    folds, final = _fit_all(train, models, n_jobs, progress)
    scores = np.full((validation.repeats, len(train.patients)), np.nan)
    positive = np.zeros(scores.shape, bool)
    scored_by = np.zeros(scores.shape, int)
    for index, fold in enumerate(folds):
        place = index // validation.folds, fold.rows
        scores[place] = fold.probability
        positive[place] = fold.probability >= fold.model.threshold
        scored_by[place] = index % validation.folds
    return Evaluation(
        matrix.name,
        len(matrix.columns),
        _judge(train, scores, positive, scored_by, validation),
        _test(test, final, validation) if test.patients else None,
        _features(final, folds),
        final,
    )


def _fit_all(
    train: Matrix, models: Models, n_jobs: int, progress: Callable[[int, int], None]
) -> tuple[list[_Fold], LinearModel]:
    """Every fold of every repeat, in order, and the model of the whole cohort."""
    validation = models.validation
    splitter = RepeatedStratifiedKFold(
        n_splits=validation.folds, n_repeats=validation.repeats, random_state=validation.seed
    )
    everyone = np.arange(len(train.patients))
    nobody = everyone[:0]
    splits = [*splitter.split(train.values, train.outcome), (everyone, nobody)]
    # Threads share the matrix, and the time goes into BLAS and libsvm, which let others run.
    with threadpool_limits(1):
        parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")
        fits = parallel(delayed(_fit_fold)(train, models, seen, held) for seen, held in splits)
        folds = []
        for fold in fits:
            folds.append(fold)
            progress(len(folds), len(splits))
    return folds[:-1], folds[-1].model


def _fit_fold(train: Matrix, models: Models, seen: npt.NDArray[np.intp], held: npt.NDArray[np.intp]) -> _Fold:
    model = fit_model(train.values[seen], train.outcome[seen], train.columns, models)
    return _Fold(model, held, model.probability(model.pick(train.values[held], train.columns)))


def _judge(
    part: Matrix,
    scores: npt.NDArray[np.float64],
    positive: npt.NDArray[np.bool_],
    folds: npt.NDArray[np.int_] | None,
    validation: Validation,
) -> Performance:
    """Metrics, intervals and curve of one cohort; scores have shape (repeats, patients)."""
    return Performance(
        part.patients,
        tuple(part.outcome.tolist()),
        tuple(scores.mean(axis=0).tolist()),
        metric_estimates(
            part.outcome,
            scores,
            positive,
            folds=folds,
            resamples=validation.bootstrap,
            seed=validation.seed,
        ),
        None,
        mean_roc(part.outcome, scores, folds),
    )


def _test(test: Matrix, model: LinearModel, validation: Validation) -> Performance:
    """The final model on patients of the test cohort."""
    from dataclasses import replace

    probability = model.probability(model.pick(test.values, test.columns))
    judged = _judge(test, probability[None], probability[None] >= model.threshold, None, validation)
    return replace(judged, delong=delong_interval(test.outcome, probability))


def _features(final: LinearModel, folds: list[_Fold]) -> tuple[SelectedFeature, ...]:
    """Columns of the final model, largest coefficient first."""
    counts = Counter(name for fold in folds for name in fold.model.columns)
    pairs = zip(final.columns, final.coefficients.tolist(), strict=True)
    ordered = sorted(pairs, key=lambda pair: (-abs(pair[1]), pair[0]))
    return tuple(SelectedFeature(name, weight, counts[name] / len(folds)) for name, weight in ordered)
