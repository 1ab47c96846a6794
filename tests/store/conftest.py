"""Rows and stores made by hand: no images, no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mvi_ray.store.declarations import Declarations
from mvi_ray.store.store import Store
from tests.object_store import bucket, object_store  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from pathlib import Path


class Rows:
    """Makes rows of the tables with everything that does not matter filled in."""

    def voi(self, patient: str = "P1", phase: str = "AP", region: str = "intratumoral") -> dict[str, str]:
        """Key of a VOI."""
        key = {"patient_id": patient, "session": "baseline", "phase": phase, "lesion": "1"}
        return {**key, "region": region, "reader": "R1"}

    def cr(self, value: float = 1.0, **changes: str) -> dict[str, Any]:
        """A row of `cr`; by default the original image of VOI P1 AP intratumoral."""
        row = {**self.voi(), "image_type": "original", "feature_set_id": "cr-original"}
        return {**row, "input_digest": "image:mask", "glcm_Contrast": value, **changes}

    def dlr(self, **changes: Any) -> dict[str, Any]:
        """A row of `dlr`; its embedding begins with 0.5 and -0.25."""
        row = {**self.voi(), "feature_set_id": "dlr", "input_digest": "image:mask"}
        return {**row, "embedding": [0.5, -0.25] + [0.0] * 510, "trial_weights": False, **changes}

    def image(self, patient: str = "P1", phase: str = "AP", digest: str = "image") -> dict[str, Any]:
        """A row of `images`."""
        key = {"patient_id": patient, "session": "baseline", "phase": phase}
        return {**key, "image_digest": digest, "path": "images/x.nii.gz"}

    def mask(self, image: str = "image", digest: str = "mask", **changes: str) -> dict[str, Any]:
        """A row of `masks` of VOI P1 AP intratumoral."""
        row = {**self.voi(), "image_digest": image, "mask_digest": digest, "path": "masks/x.nii.gz"}
        return {**row, "input_digest": f"{image}:{digest}", **changes}


@pytest.fixture(scope="session")
def rows() -> Rows:
    """Makes rows."""
    return Rows()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that nothing was written to."""
    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def study() -> Declarations:
    """Two phases, two regions, two readers; CR on two image types, and DLR."""
    current = [(phase, kind) for phase in ("AP", "PP") for kind in ("original", "square")]
    return Declarations(
        "by hand",
        "d",
        False,
        ("AP", "PP"),
        ("intratumoral", "peritumoral"),
        ("R1", "R2"),
        {"CR": 2, "DLR": 1},
        (
            *(("CR", phase, kind, f"cr-{kind}") for phase, kind in current),
            ("DLR", "AP", None, "dlr"),
            ("DLR", "PP", None, "dlr"),
        ),
    )
