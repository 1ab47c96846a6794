"""Small images and masks as files, and manifests that name them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk

from mvi_ray.ingest.case import ImageCase, read_case
from mvi_ray.ingest.manifest import ManifestRow
from mvi_ray.study import Study

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mvi_ray.ingest.problem import Problem
    from mvi_ray.study import Ring

SHAPE = (6, 8, 10)
SPACING = (1.0, 1.5, 2.0)
ORIGIN = (10.0, -20.0, 30.0)


def study_with(regions: dict[str, Ring], **settings: Any) -> Study:
    """A study of two phases with these regions."""
    return Study.model_validate(
        {
            "schema_version": 1,
            "phases": ["AP", "PP"],
            "regions": regions,
            "preprocessing": "none",
            "families": {"cr": {"spacing_mm": None, "bin_count": 8, "image_types": ["original"]}},
            **settings,
        }
    )


class Folder:
    """A folder and file names that carry a patient's name: none may show in a message."""

    def __init__(self, path: Path) -> None:
        self.path = path / "MUELLER_HANS_1953"
        self.path.mkdir()

    def write(
        self,
        name: str,
        array: np.ndarray,
        *,
        spacing: tuple[float, ...] = SPACING,
        origin: tuple[float, ...] = ORIGIN,
        direction: tuple[float, ...] | None = None,
        meta: dict[str, str] | None = None,
        vector: bool = False,
    ) -> Path:
        """Write an array as a file; the name says in which format."""
        image = sitk.GetImageFromArray(array, isVector=vector)
        dimension = image.GetDimension()
        image.SetSpacing(spacing[:dimension] + (1.0,) * (dimension - 3))
        image.SetOrigin(origin[:dimension] + (0.0,) * (dimension - 3))
        if direction is not None:
            image.SetDirection(direction)
        for key, value in (meta or {}).items():
            image.SetMetaData(key, value)
        path = self.path / name
        sitk.WriteImage(image, str(path))
        return path

    def image(self, name: str = "jane-doe-mr.nii.gz", dtype: str = "float32", **header: Any) -> Path:
        """An image whose voxels are all different."""
        array = np.random.default_rng(1).permutation(np.prod(SHAPE)).reshape(SHAPE)
        # In 8 bits they cannot all differ.
        return self.write(name, (array % 251 if dtype == "uint8" else array).astype(dtype), **header)

    def mask(
        self, name: str = "jane-doe-roi.nii.gz", value: int = 1, dtype: str = "uint8", **header: Any
    ) -> Path:
        """A block of 2 × 3 × 3 voxels."""
        return self.write(name, block(value).astype(dtype), **header)

    def read(self, *rows: dict[str, Any], rings: dict[str, Ring] | None = None) -> ImageCase:
        """Read rows of one image, lines counted from 2, and check that no message names a file."""
        parsed = [ManifestRow.model_validate(self.row(**row)) for row in rows or ({},)]
        case = read_case(list(enumerate(parsed, start=2)), self.path, study_with(rings or {}))
        self.check_silence(case.problems)
        return case

    def row(self, **cells: Any) -> dict[str, Any]:
        """A row of the manifest for the files written without a name."""
        whole = {
            "patient_id": "P01",
            "phase": "AP",
            "image": "jane-doe-mr.nii.gz",
            "mask": "jane-doe-roi.nii.gz",
        }
        return {**whole, **cells}

    def check_silence(self, problems: Iterable[Problem]) -> None:
        """No problem holds the folder, a file or anything that looks like a path."""
        names = {self.path.name, "mueller", "jane", *(file.name for file in self.path.rglob("*"))}
        for problem in problems:
            for text in (problem.reason, problem.way_out, problem.case, str(problem.to_json())):
                self.check_text(text, names)

    def check_text(self, text: str, names: Iterable[str] = ("mueller", "jane")) -> None:
        """A single text holds none of these names, and no path."""
        assert not [name for name in names if name.lower() in text.lower()], text
        assert not re.search(r"\w/\w+/", text), text


def block(value: int = 1) -> np.ndarray:
    """Labels with a block of 2 × 3 × 3 voxels in the middle."""
    array = np.zeros(SHAPE, dtype=np.int32)
    array[2:4, 3:6, 4:7] = value
    return array


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder with a name that must not be told."""
    return Folder(tmp_path)
