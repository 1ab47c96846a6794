"""How the models were made, in plain words from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvi_ray.report.text import count, percent

if TYPE_CHECKING:
    from mvi_ray.study import Models, Selection, Validation


def method(models: Models, *, tested: bool) -> tuple[str, ...]:
    """Paragraphs that say what was done.

    Args:
        models: the settings that the models were fitted with.
        tested: whether there is a test cohort.
    """
    validation = models.validation
    said = [
        _rows(models),
        _steps(models.selection, models.svm.C),
        _cross_validation(validation),
        _operating_point(validation),
        _intervals(validation),
    ]
    if tested:
        said.append(
            "For the test cohort each model was fitted once on the whole training cohort and "
            "applied with the threshold fixed there. The AUC has DeLong's interval too."
        )
    said.append(_features(validation))
    return tuple(said)


def _rows(models: Models) -> str:
    lesions = {
        "largest": "Of several tumours the largest was taken.",
        "mean": "Values of several tumours were averaged.",
    }
    return f"One row is one patient, examined at {models.session}. {lesions[models.lesions]}"


def _steps(selection: Selection, penalty: float) -> str:
    return (
        "Each model is a chain of steps. Missing values get the median. Every column is scaled to "
        "mean 0 and standard deviation 1. Of two columns whose Pearson correlation is above "
        f"{selection.correlation:g} in size, the one nearer to the outcome stays. Recursive "
        f"elimination drops {percent(selection.rfe_step)} of the columns at a time, down to "
        f"{count(selection.n_features, 'column')} at most. A linear support vector machine "
        f"(C = {penalty:g}) gives the score."
    )


def _fits(validation: Validation) -> str:
    return count(validation.folds * validation.repeats, "fit")


def _cross_validation(validation: Validation) -> str:
    return (
        f"Cross-validation: the training cohort was cut into {validation.folds} parts with equal "
        f"shares of the outcome, in {count(validation.repeats, 'random way')} "
        f"({_fits(validation)}). All steps were fitted anew on the other parts each time, so no "
        "patient was scored by a model that had seen it. Rates are means over the repeats of their "
        "value on all patients. The AUC compares patients of the same part only, since other parts "
        "were scored by other models; curves are averaged vertically."
    )


def _operating_point(validation: Validation) -> str:
    return (
        "Scores became probabilities by Platt's sigmoid. Patients are called positive from a "
        "threshold on, the one with the largest sum of sensitivity and specificity. Both were fixed "
        f"by {validation.inner_folds}-fold cross-validation inside the training part, never on "
        "patients that are scored with them."
    )


def _intervals(validation: Validation) -> str:
    return (
        f"Intervals are 95 % percentile intervals from {validation.bootstrap:,} resamples of "
        "patients within each outcome, with the fitted models held fixed. They cover which patients "
        "were scored; they do not cover what other training patients would have changed, and from a "
        "handful of patients they are too narrow. The "
        f"random seed is {validation.seed}."
    )


def _features(validation: Validation) -> str:
    return (
        "Coefficients are those of the final model, fitted on the whole training cohort, on scaled "
        "columns: a positive one speaks for the outcome. Frequency is the share of the "
        f"{_fits(validation)} of the cross-validation that chose the same column; a low one means "
        "that another choice would do as well."
    )
