"""A store of two readers and two centres whose values are known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mvi_ray.features import features_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mvi_ray.project import Project
    from tests.conftest import WrittenProject

PREFIX = "AP_intratumoral_original_"


@dataclass
class Measured:
    """Random values of phase AP, region intratumoral, image type original.

    Args:
        written: where the rows go.
        centres: patient to centre.
        values: reader to patient to feature to value.
    """

    written: WrittenProject
    centres: dict[str, str | None]
    values: dict[str, dict[str, dict[str, float | None]]] = field(default_factory=dict)

    def draw(self, reader: str, patients: Sequence[str], seed: int) -> None:
        """Random values; of reader R2 those of R1 with noise."""
        rng = np.random.default_rng(seed)
        names = features_of("original")
        drawn = {p: dict(zip(names, rng.normal(10, 3, len(names)).tolist(), strict=True)) for p in patients}
        if reader != "R1":
            for patient, row in drawn.items():
                first = self.values["R1"][patient]
                drawn[patient] = {n: (first[n] or 0) + (v - 10) / 3 for n, v in row.items()}
        self.values[reader] = drawn

    def set(self, feature: str, values: Sequence[float | None]) -> None:
        """Values of reader R1, patient by patient."""
        for row, value in zip(self.values["R1"].values(), values, strict=True):
            row[feature] = value

    def column(self, feature: str, reader: str = "R1", patients: Sequence[str] | None = None) -> np.ndarray:
        """Values of one feature; NULL as NaN."""
        rows = self.values[reader]
        return np.array([rows[p][feature] for p in patients or rows], dtype=np.float64)

    def of(self, *centres: str) -> list[str]:
        """Patients of some centres."""
        return [p for p, centre in self.centres.items() if centre in centres]

    def commit(self, settle: bool = True) -> Project:
        """Write everything; the study compares the readers that were drawn."""
        from mvi_ray.project import Project

        rows = self.written._rows
        for patient in self.values["R1"]:
            self.written.voi(patient, "AP", "intratumoral")
        (kept,) = ([row for row in rows["cr"] if row["image_type"] == "original"],)
        masks = list(rows["masks"])
        rows["cr"], rows["masks"], rows["dlr"] = [], [], []
        for reader, patients in self.values.items():
            rows["cr"] += [
                {**row, **patients[row["patient_id"]], "reader": reader}
                for row in kept
                if row["patient_id"] in patients
            ]
            rows["masks"] += [{**m, "reader": reader} for m in masks if m["patient_id"] in patients]
        self.written.clinical([{"patient_id": p, "centre": c, "mvi": 0} for p, c in self.centres.items()])
        others = [reader for reader in self.values if reader != "R1"]
        folder = self.written.project.folder
        if others:
            text = (folder / "study.yaml").read_text()
            text += f"readers: {{model: R1, compare: [{', '.join(others)}]}}\n"
            (folder / "study.yaml").write_text(text)
        project = Project(folder)
        if settle:
            project.settle("extract")
        return project


@pytest.fixture
def measured(written: WrittenProject) -> Measured:
    """Twelve patients, seven of centre A, drawn by R1, ten of them by R2, too; not yet committed."""
    patients = [f"P{n:02}" for n in range(12)]
    found = Measured(written, {p: "A" if n < 7 else "B" for n, p in enumerate(patients)})
    found.draw("R1", patients, 1)
    found.draw("R2", patients[:10], 2)
    return found
