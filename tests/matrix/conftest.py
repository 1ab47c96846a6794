"""A store whose features were written straight into its tables: no image, no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from mvi_ray.extract.cr import cr_feature_sets
from mvi_ray.extract.dlr import dlr_feature_set
from mvi_ray.extract.weights import resolve
from mvi_ray.features import DLR_VALUES, features_of
from mvi_ray.project import Project
from mvi_ray.store.schemas import TABLES
from mvi_ray.store.tables import now

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STUDY = """\
schema_version: 1
name: written
synthetic: true
phases: [AP, PP]
regions: {peritumoral: {kind: ring, outer_mm: 10}}
preprocessing: none
families:
  cr: {spacing_mm: null, bin_count: 8, image_types: [original, square]}
  dlr: {weights: random, input_size: 16}
clinical:
  outcome: mvi
  centre: centre
  variables:
    age: {unit: years}
    sex: {kind: categorical, levels: [female, male]}
cohorts: {train: centre = 'A', test: centre = 'B'}
models:
  selection: {n_features: 3, rfe_step: 0.5}
  validation: {folds: 3, repeats: 2, inner_folds: 2, bootstrap: 100}
  fit:
    CR: {families: [CR], regions: [intratumoral]}
    both: {families: [CR, DLR], regions: [peritumoral, intratumoral], phases: [PP]}
    joined: {families: [DLR], regions: [intratumoral], clinical: [age, sex]}
"""


class WrittenProject:
    """Writes rows of VOIs whose values say where they belong.

    Args:
        folder: the project directory.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
        self.project = Project(folder)
        self._sets = {p: cr_feature_sets(self.project.study, p) for p in self.project.study.phases}
        self._dlr = dlr_feature_set(self.project.study, resolve("random"))
        self._rows: dict[str, list[dict[str, object]]] = {"images": [], "masks": [], "cr": [], "dlr": []}

    def voi(
        self,
        patient: str,
        phase: str,
        region: str,
        *,
        lesion: str = "1",
        volume: float = 100.0,
        shift: float = 0.0,
        session: str = "baseline",
    ) -> None:
        """Add image, mask, CR and DLR rows; every value is `code` of its place plus `shift`."""
        image = {"patient_id": patient, "session": session, "phase": phase}
        key = {**image, "lesion": lesion, "region": region, "reader": "R1"}
        origin = {**key, "input_digest": f"{patient}{phase}{region}{lesion}"}
        self._rows["images"].append({**image, "image_digest": "i"})
        self._rows["masks"].append({**origin, "volume_mm3": volume, "image_digest": "i"})
        self._rows["cr"].extend(
            {
                **origin,
                "image_type": kind,
                "feature_set_id": one.id,
                **{name: code(phase, region, kind, name) + shift for name in features_of(kind)},
            }
            for kind, one in self._sets[phase].items()
        )
        embedding = (np.arange(DLR_VALUES) + shift).astype(np.float32).tolist()
        self._rows["dlr"].append({**origin, "feature_set_id": self._dlr.id, "embedding": embedding})

    def write(self) -> None:
        """Commit what was added, and publish."""
        for name, rows in self._rows.items():
            unique = {tuple(r[k] for k in TABLES[name].keys): r for r in rows}
            self.project.store.tables[name].write(list(unique.values()))
            rows.clear()
        self.project.publish()

    def clinical(self, rows: list[dict[str, object]]) -> None:
        """Write clinical rows and their patients, and all that was added."""
        tables = self.project.store.tables
        tables["clinical"].replace_all(pa.Table.from_pylist(rows))
        tables["patients"].write(
            [{"patient_id": r["patient_id"], "centre": r.get("centre"), "ingested_at": now()} for r in rows]
        )
        self.write()


@pytest.fixture(name="code")
def _code() -> Callable[..., float]:
    return code


def code(phase: str, region: str, image: str, name: str) -> float:
    """A number that only this column has."""
    return float(sum(ord(letter) * (at + 1) for at, letter in enumerate(f"{phase}{region}{image}{name}")))


@pytest.fixture
def written(tmp_path: Path) -> WrittenProject:
    """An empty project."""
    return WrittenProject(tmp_path / "project")
