"""What an evaluation found out about one model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mvi_ray.model.linear import LinearModel
    from mvi_ray.stats.estimate import Estimate
    from mvi_ray.stats.roc import Roc


@dataclass(frozen=True, slots=True)
class Performance:
    """How a model does on patients it was not fitted on.

    Args:
        patients: identifiers, in the order of the matrix.
        outcome: 0 or 1 for each patient.
        scores: calibrated probability for each patient, the mean over repeats.
        metrics: one estimate for each of `mvi_ray.stats.bootstrap.METRICS`.
        delong: AUC with DeLong's interval; None in cross-validation, where it does not hold.
        roc: the mean curve over repeats; None when only one outcome occurs.
    """

    patients: tuple[str, ...]
    outcome: tuple[int, ...]
    scores: tuple[float, ...]
    metrics: dict[str, Estimate]
    delong: Estimate | None
    roc: Roc | None

    @property
    def n(self) -> int:
        """Number of patients."""
        return len(self.patients)

    @property
    def events(self) -> int:
        """Number of patients with outcome 1."""
        return sum(self.outcome)

    def to_json(self) -> dict[str, Any]:
        """Everything, with the scores of each patient."""
        rows = zip(self.patients, self.outcome, self.scores, strict=True)
        return {
            "n": self.n,
            "events": self.events,
            "metrics": {name: estimate.to_json() for name, estimate in self.metrics.items()},
            "auc_delong": self.delong.to_json() if self.delong else None,
            "roc": self.roc.to_json() if self.roc else None,
            "patients": [
                {"patient_id": patient, "outcome": outcome, "probability": score}
                for patient, outcome, score in rows
            ],
        }


@dataclass(frozen=True, slots=True)
class SelectedFeature:
    """A column of the final model.

    Args:
        name: of the column.
        coefficient: on the standardised column; positive speaks for outcome 1.
        frequency: share of the training folds in which the column was selected too.
    """

    name: str
    coefficient: float
    frequency: float

    def to_json(self) -> dict[str, str | float]:
        """All three."""
        return {"name": self.name, "coefficient": self.coefficient, "frequency": self.frequency}


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """One model of a study, judged.

    Args:
        name: of the model.
        candidates: number of columns it could choose from.
        cross_validation: on the training cohort, out of fold.
        test: the final model on the test cohort; None when the study has none.
        features: of the final model, largest coefficient first.
        model: the final model, fitted on the whole training cohort.
    """

    name: str
    candidates: int
    cross_validation: Performance
    test: Performance | None
    features: tuple[SelectedFeature, ...]
    model: LinearModel

    @property
    def threshold(self) -> float:
        """Probability from which on the final model calls a patient positive."""
        return self.model.threshold

    def to_json(self) -> dict[str, Any]:
        """Everything but the model's inner numbers; those are in its bundle."""
        return {
            "name": self.name,
            "candidates": self.candidates,
            "threshold": self.threshold,
            "features": [feature.to_json() for feature in self.features],
            "cross_validation": self.cross_validation.to_json(),
            "test": self.test.to_json() if self.test else None,
        }
