"""What a reader must know before believing a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvi_ray.report.text import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mvi_ray.model.result import Evaluation, Performance

EVENTS_PER_CANDIDATE = 10
"""A rule of thumb; Peduzzi et al., J Clin Epidemiol 1996, doi:10.1016/S0895-4356(96)00236-3."""

FEW = 10
"""Patients of one outcome below which a resampled interval says little: with 4 against 4 and no
overlap it is 1.00 to 1.00."""

WIDEST_AUC = 0.3
"""An interval that is wider spans from no use to good use."""


def cautions(evaluations: Sequence[Evaluation]) -> tuple[str, ...]:
    """Sentences about a run, one for each matter; empty when there is nothing to say.

    Events are those of the rarer outcome, and every candidate counts, not only the
    selected ones.
    """
    found = []
    few = [e for e in evaluations if _rarer(e) < EVENTS_PER_CANDIDATE * e.candidates]
    if few:
        columns = sorted({e.candidates for e in few})
        found.append(
            f"{_names(few, evaluations)}: {_events(few)} for {_span(columns)} candidate "
            f"{'columns' if columns[-1] != 1 else 'column'}: treat every figure here as a trial."
        )
    for where in ("cross-validation", "the test cohort"):
        judged = [(e, p) for e in evaluations if (p := _performance(e, where)) is not None]
        none = [e for e, p in judged if not p.metrics["auc"].defined]
        if none:
            found.append(f"{_names(none, evaluations)}: {where} holds only one outcome, so there is no AUC.")
        small = [(e, p) for e, p in judged if p.metrics["auc"].defined and _fewest(p) < FEW]
        if small:
            least = min(_fewest(p) for _, p in small)
            found.append(
                f"{_names([e for e, _ in small], evaluations)}: {where} holds as few as {least} patients "
                "of one outcome; intervals from so few are too narrow, even where they look exact."
            )
        wide = [(e, p.metrics["auc"].width) for e, p in judged if p.metrics["auc"].width > WIDEST_AUC]
        if wide:
            widths = sorted({f"{width:.2f}" for _, width in wide})
            span = widths[0] if len(widths) == 1 else f"{widths[0]} to {widths[-1]}"
            found.append(
                f"{_names([e for e, _ in wide], evaluations)}: the interval of the AUC in {where} is "
                f"{span} wide; these patients cannot tell a useful model from a useless one."
            )
    return tuple(found)


def _performance(evaluation: Evaluation, where: str) -> Performance | None:
    return evaluation.cross_validation if where == "cross-validation" else evaluation.test


def _rarer(evaluation: Evaluation) -> int:
    return _fewest(evaluation.cross_validation)


def _fewest(performance: Performance) -> int:
    """Patients of the rarer outcome."""
    return min(performance.events, performance.n - performance.events)


def _events(few: Sequence[Evaluation]) -> str:
    """The rarer outcome of the model that has least of it."""
    least = min(few, key=_rarer)
    rarer = _rarer(least)
    if rarer == least.cross_validation.events:
        return count(rarer, "event")
    return f"{count(rarer, 'patient')} without the outcome"


def _names(some: Sequence[Evaluation], every: Sequence[Evaluation]) -> str:
    if len(some) == len(every) > 1:
        return "All models"
    return ", ".join(e.name for e in some)


def _span(numbers: Sequence[int]) -> str:
    low, high = f"{numbers[0]:,}", f"{numbers[-1]:,}"
    return low if low == high else f"{low} to {high}"
