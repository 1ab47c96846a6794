"""Fixtures of the report tests."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from mvi_ray.model.calibration import Calibration
from mvi_ray.model.linear import LinearModel
from mvi_ray.model.result import Evaluation, Performance, SelectedFeature
from mvi_ray.report.page import CohortCount, RunSummary
from mvi_ray.stats.bootstrap import metric_estimates
from mvi_ray.stats.delong import delong_interval
from mvi_ray.stats.roc import mean_roc
from mvi_ray.study import Models


def _performance(seed: int, ones: int, zeros: int, repeats: int, prefix: str) -> Performance:
    rng = np.random.default_rng(seed)
    outcome = np.repeat([1, 0], [ones, zeros])
    scores = rng.normal(size=(repeats, ones + zeros)) + 1.2 * outcome
    return Performance(
        tuple(f"{prefix}{i:03}" for i in range(outcome.size)),
        tuple(outcome.tolist()),
        tuple(scores.mean(axis=0).tolist()),
        metric_estimates(outcome, scores, scores >= 0.6, resamples=200),
        delong_interval(outcome, scores[0]) if repeats == 1 else None,
        mean_roc(outcome, scores),
    )


def _evaluation(name: str, seed: int, candidates: int, *, tested: bool) -> Evaluation:
    one = np.ones(1)
    feature = f"AP_intratumoral_{name}_<Contrast>"
    return Evaluation(
        name,
        candidates,
        _performance(seed, 90, 126, 3, "TRAIN"),
        _performance(seed + 1, 30, 58, 1, "TEST") if tested else None,
        (SelectedFeature(feature, 0.75, 0.4),),
        LinearModel((feature,), one, one, one, one, 0.0, Calibration(1.0, 0.0), 0.417),
    )


@pytest.fixture
def evaluation() -> Evaluation:
    """One model with a test cohort."""
    return _evaluation("CR", 0, 3562, tested=True)


@pytest.fixture
def inside_only() -> Evaluation:
    """One model without a test cohort and with few candidates."""
    return _evaluation("clinical", 5, 7, tested=False)


@pytest.fixture
def summary(evaluation: Evaluation) -> RunSummary:
    """A run of two models."""
    return RunSummary(
        study="Liver <A & B>",
        run_id="2026-01-02-abc",
        created=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        synthetic=False,
        trial_weights=False,
        cohorts=(CohortCount("train", "centre = 'A'", 216, 90), CohortCount("test", "", 88, 30)),
        evaluations=(evaluation, _evaluation("DLR", 3, 1536, tested=True)),
        models=Models(),
        table_versions={"cr": 4, "dlr": 2},
        package_versions={"scikit-learn": "1.9.1"},
        warnings=("3 VOIs are in quarantine.",),
    )
