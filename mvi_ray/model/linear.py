"""A fitted model as numbers: no rows of patients, no support vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mvi_ray.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt

    from mvi_ray.model.calibration import Calibration


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """A linear score of a few columns, its calibration and its operating point.

    Args:
        columns: names of the selected columns, in order.
        medians: shape (columns,), put where a value is missing.
        means: shape (columns,), subtracted.
        scales: shape (columns,), divided by; positive.
        coefficients: shape (columns,), on the standardised columns.
        intercept: of the score.
        calibration: from score to probability; its slope is positive.
        threshold: probabilities of at least this are positive; fixed on training rows.

    Raises:
        ModelError: the parts do not fit together.
    """

    columns: tuple[str, ...]
    medians: npt.NDArray[np.float64]
    means: npt.NDArray[np.float64]
    scales: npt.NDArray[np.float64]
    coefficients: npt.NDArray[np.float64]
    intercept: float
    calibration: Calibration
    threshold: float

    def __post_init__(self) -> None:
        arrays = (self.medians, self.means, self.scales, self.coefficients)
        rest = (self.intercept, self.calibration.slope, self.calibration.offset, self.threshold)
        if not self.columns or any(part.shape != (len(self.columns),) for part in arrays):
            raise ModelError("a model needs one number of each kind for each column; fit it again")
        if not all(np.isfinite(part).all() for part in (*arrays, rest)):
            raise ModelError("a number of the model is not finite; fit it again")
        if (self.scales <= 0).any() or self.calibration.slope <= 0:
            raise ModelError("scales and the calibration's slope must be positive; fit it again")

    @classmethod
    def from_pipeline(
        cls, pipeline: Any, columns: tuple[str, ...], calibration: Calibration, threshold: float
    ) -> Self:
        """Read the numbers out of a fitted pipeline of `build_pipeline`.

        Args:
            pipeline: fitted on values of `columns`.
            columns: every candidate, in order.
            calibration: of the pipeline's decision values.
            threshold: on the calibrated probability.
        """
        steps = pipeline.named_steps
        kept = steps["correlation"].get_support(indices=True)
        kept = kept[steps["elimination"].get_support(indices=True)]
        return cls(
            tuple(columns[i] for i in kept),
            steps["impute"].statistics_[kept],
            steps["scale"].mean_[kept],
            steps["scale"].scale_[kept],
            steps["svm"].coef_[0].copy(),
            float(steps["svm"].intercept_[0]),
            calibration,
            threshold,
        )

    def pick(self, values: npt.NDArray[np.float64], columns: tuple[str, ...]) -> npt.NDArray[np.float64]:
        """The model's own columns out of a wider table, in the model's order.

        Args:
            values: shape (patients, columns).
            columns: names of the columns of `values`.

        Raises:
            ModelError: a column of the model is missing.
        """
        place = {name: index for index, name in enumerate(columns)}
        missing = [name for name in self.columns if name not in place]
        if missing:
            raise ModelError(
                f"{len(missing)} columns of the model are missing, first {missing[0]}; "
                "compute the features with the study the model was trained with"
            )
        return values[:, [place[name] for name in self.columns]]

    def score(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Decision values.

        Args:
            values: shape (patients, columns of the model); NaN is imputed.

        Returns:
            Shape (patients,).
        """
        filled = np.where(np.isnan(values), self.medians, values)
        # Row by row in the same order: a patient's score must not depend on who else is scored.
        standard = (filled - self.means) / self.scales
        return np.asarray((standard * self.coefficients).sum(axis=1) + self.intercept, np.float64)

    def probability(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities of outcome 1, shape (patients,)."""
        return self.calibration.probability(self.score(values))
