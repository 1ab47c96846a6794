"""The report of a run: one HTML page without any outside resource."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from mvi_ray.report.caution import cautions
from mvi_ray.report.figure import roc_figure
from mvi_ray.report.method import method
from mvi_ray.report.text import MISSING, interval, percent
from mvi_ray.stats.bootstrap import METRICS

if TYPE_CHECKING:
    from datetime import datetime

    from mvi_ray.model.result import Evaluation
    from mvi_ray.study import Models

METRIC_TITLES = {
    "auc": "AUC",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
    "npv": "NPV",
}


@dataclass(frozen=True, slots=True)
class CohortCount:
    """Size of one cohort.

    Args:
        name: `train` or `test`.
        rule: the predicate of the study; empty when everybody belongs to it.
        patients: number of patients.
        events: patients with outcome 1.
    """

    name: str
    rule: str
    patients: int
    events: int


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Everything that a page says about a run.

    Args:
        study: name of the study.
        run_id: of the run.
        created: when it was made, in UTC.
        synthetic: the images were made by a program.
        trial_weights: embeddings came from a network with random weights.
        cohorts: sizes, in the order in which they are shown.
        evaluations: one for each model, in the order of the study.
        models: settings that the models were fitted with.
        table_versions: pinned version of each table of the store.
        package_versions: by name.
        warnings: further sentences of the caller; those of `cautions` are added here.
    """

    study: str
    run_id: str
    created: datetime
    synthetic: bool
    trial_weights: bool
    cohorts: tuple[CohortCount, ...]
    evaluations: tuple[Evaluation, ...]
    models: Models
    table_versions: dict[str, int]
    package_versions: dict[str, str]
    warnings: tuple[str, ...] = ()


def marks(synthetic: bool, trial_weights: bool) -> tuple[str, ...]:
    """What must stand on everything that is made from trials."""
    said = []
    if synthetic:
        said.append("Synthetic cohort: images made by a program.")
    if trial_weights:
        said.append("Trial weights: the network's weights are random.")
    return tuple(said)


def page(summary: RunSummary) -> str:
    """The page as text; the same summary gives the same text.

    It holds no score and no identifier of a patient.

    Raises:
        ModelError: the run has no evaluation.
    """
    environment = Environment(
        loader=PackageLoader("mvi_ray.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(interval=interval, percent=percent)
    tested = any(evaluation.test for evaluation in summary.evaluations)
    drawn = roc_figure(summary.evaluations, marks=marks(summary.synthetic, summary.trial_weights))
    figure = b64encode(drawn).decode("ascii")
    return environment.get_template("page.html").render(
        run=summary,
        created=f"{summary.created:%d %B %Y, %H:%M} UTC",
        metrics=[(name, METRIC_TITLES[name]) for name in METRICS],
        tables=_tables(summary),
        warnings=[*summary.warnings, *cautions(summary.evaluations)],
        method=method(summary.models, tested=tested),
        roc=f"data:image/svg+xml;base64,{figure}",
        missing=MISSING,
    )


def _tables(summary: RunSummary) -> list[tuple[str, list[dict[str, object]]]]:
    """Title and rows of each table of metrics."""
    inside = [{"name": e.name, "of": e.cross_validation, "e": e} for e in summary.evaluations]
    outside = [{"name": e.name, "of": e.test, "e": e} for e in summary.evaluations if e.test]
    titled: list[tuple[str, list[dict[str, object]]]] = [("Cross-validation", inside)]
    return [*titled, ("Test cohort", outside)] if outside else titled
