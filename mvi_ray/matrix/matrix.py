"""A model matrix: patients × columns, with outcome and cohort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from mvi_ray.errors import MatrixError

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """What one model is fitted and judged on.

    Args:
        name: the model's name in the study.
        patients: identifiers, sorted; one row each.
        columns: unique names of the features.
        values: shape (patients, columns), float64; NaN where a value is not defined.
        outcome: shape (patients,), 0 or 1.
        cohort: shape (patients,), ``train`` or ``test``.

    Raises:
        MatrixError: when the parts do not fit together.
    """

    name: str
    patients: tuple[str, ...]
    columns: tuple[str, ...]
    values: npt.NDArray[np.float64]
    outcome: npt.NDArray[np.int8]
    cohort: npt.NDArray[np.str_]

    def __post_init__(self) -> None:
        rows = len(self.patients)
        if self.values.shape != (rows, len(self.columns)):
            raise MatrixError(
                f"{self.name}: values have shape {self.values.shape}, names say {(rows, len(self.columns))}"
            )
        if len(set(self.columns)) != len(self.columns) or len(set(self.patients)) != rows:
            raise MatrixError(f"{self.name}: patients and columns must be unique")
        if not np.isin(self.outcome, (0, 1)).all() or len(self.outcome) != rows:
            raise MatrixError(f"{self.name}: the outcome must be 0 or 1 for each patient")
        if not np.isin(self.cohort, ("train", "test")).all() or len(self.cohort) != rows:
            raise MatrixError(f"{self.name}: the cohort must be train or test for each patient")

    def part(self, cohort: Literal["train", "test"]) -> Self:
        """The rows of one cohort."""
        take = np.flatnonzero(self.cohort == cohort)
        return type(self)(
            self.name,
            tuple(self.patients[i] for i in take),
            self.columns,
            self.values[take],
            self.outcome[take],
            self.cohort[take],
        )

    def to_arrow(self) -> pa.Table:
        """Columns patient_id, cohort, outcome, then the features in order."""
        import pyarrow as pa

        arrays: dict[str, Any] = {
            "patient_id": pa.array(self.patients, pa.string()),
            "cohort": pa.array(self.cohort.tolist(), pa.string()),
            "outcome": pa.array(self.outcome, pa.int8()),
        }
        clash = set(arrays) & set(self.columns)
        if clash:
            raise MatrixError(f"{self.name}: features may not be named {sorted(clash)}")
        for index, column in enumerate(self.columns):
            arrays[column] = pa.array(np.ascontiguousarray(self.values[:, index]))
        return pa.table(arrays)
