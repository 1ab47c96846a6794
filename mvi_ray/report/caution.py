"""What a reader must know before believing a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvi_ray.report.text import count

if TYPE_CHECKING:
    from mvi_ray.model.result import Evaluation

EVENTS_PER_CANDIDATE = 10
"""A rule of thumb; Peduzzi et al., J Clin Epidemiol 1996, doi:10.1016/S0895-4356(96)00236-3."""

WIDEST_AUC = 0.3
"""An interval that is wider spans from no use to good use."""


def cautions(evaluation: Evaluation) -> tuple[str, ...]:
    """Sentences about one model; empty when there is nothing to say.

    Events are those of the rarer outcome, and every candidate counts, not only the
    selected ones.
    """
    found = []
    inside = evaluation.cross_validation
    rarer = min(inside.events, inside.n - inside.events)
    if rarer < EVENTS_PER_CANDIDATE * evaluation.candidates:
        rare_outcome = rarer == inside.events
        text = count(rarer, "event") if rare_outcome else f"{count(rarer, 'patient')} without the outcome"
        found.append(
            f"{evaluation.name}: {text} for {count(evaluation.candidates, 'candidate column')}: "
            "treat every figure here as a trial."
        )
    parts = [("cross-validation", inside), ("the test cohort", evaluation.test)]
    for where, performance in parts:
        if performance is None:
            continue
        area = performance.metrics["auc"]
        if not area.defined:
            found.append(f"{evaluation.name}: {where} holds only one outcome, so there is no AUC.")
        elif area.width > WIDEST_AUC:
            found.append(
                f"{evaluation.name}: the interval of the AUC in {where} is {area.width:.2f} wide; "
                "these patients cannot tell a useful model from a useless one."
            )
    return tuple(found)
