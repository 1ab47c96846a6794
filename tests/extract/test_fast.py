"""Engine `fast` against the stock one: all image types of the reference study, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mvi_ray.errors import ExtractionError, StudyError
from mvi_ray.extract.cr import extract_cr, image_type_names
from mvi_ray.extract.fast import check_settings
from mvi_ray.extract.referee import differences
from mvi_ray.study import ConventionalRadiomics
from mvi_ray.volume import Geometry, Mask, Volume

if TYPE_CHECKING:
    from pathlib import Path

IMAGE_TYPES = {
    **{name: {} for name in ("original", "wavelet", "square", "squareroot", "logarithm")},
    **{name: {} for name in ("exponential", "gradient", "lbp-2D", "lbp-3D")},
    "log": {"sigma_mm": [1.0, 2.5]},
}


def both(volume, mask, **given):
    """Image type → row, by the fast engine and by the stock one."""
    given = {"spacing_mm": (1, 1, 1), "bin_width": 5, "image_types": IMAGE_TYPES} | given
    found = []
    for engine in ("fast", "pyradiomics"):
        cr = ConventionalRadiomics(engine=engine, **given)
        found.append(extract_cr(volume, mask, cr, "AP", image_type_names(cr.image_types)))
    return found


def unexplained(volume, mask, **given):
    """What no rounding explains."""
    ours, stock = both(volume, mask, **given)
    assert list(ours) == list(stock)
    return {
        (name, one.feature): one
        for name, row in stock.items()
        for one in differences(ours[name], row)
        if one.reason is None
    }


def phantom(spacing=(0.8, 0.8, 3.0), kind=np.float32, seed=0):
    """A tumour with texture in a body with texture, slices thicker than pixels."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices((12, 40, 44))
    inside = ((z - 5) / 4.5) ** 2 + ((y - 20) / 13) ** 2 + ((x - 22) / 15) ** 2 <= 1
    image = 100 + 15 * rng.normal(size=z.shape) + 40 * inside + 2.0 * x
    geometry = Geometry((44, 40, 12), spacing, (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    return Volume(image.astype(kind), geometry), Mask(inside.astype(np.uint8), geometry)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"bin_width": None, "bin_count": 32},
        {"spacing_mm": None},
        {"spacing_mm": (2, 2, 2), "interpolator": "Linear"},
        {"spacing_mm": (1, 1, 3), "interpolator": "NearestNeighbor"},
    ],
    ids=str,
)
def test_all_values_are_those_of_the_stock_engine(given):
    """Every filter, discretisation and interpolator that a study can ask for."""
    assert unexplained(*phantom(), **given) == {}


@pytest.mark.parametrize("kind", [np.int16, np.float64])
def test_the_type_of_the_intensities_does_not_matter(kind):
    """Integers are filtered as integers where the stock engine does so."""
    assert unexplained(*phantom(kind=kind), spacing_mm=None) == {}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["breast1", "brain1", "brain2"])
def test_all_values_of_pyradiomics_own_cases_are_the_same(real_data: Path, case: str) -> None:
    """1,781 values and one more LoG."""
    import SimpleITK as sitk

    folder = real_data / "pyradiomics-cases"
    image, label = (sitk.ReadImage(folder / f"{case}_{what}.nrrd") for what in ("image", "label"))
    volume = Volume(sitk.GetArrayFromImage(image), Geometry.of_sitk(image)).to_canonical()
    inside = (sitk.GetArrayFromImage(label) == 1).astype(np.uint8)
    assert unexplained(volume, Mask(inside, Geometry.of_sitk(label)).to_canonical()) == {}


def test_a_setting_that_it_does_not_know_is_refused_by_name():
    """Left out in silence it would give other values."""
    check_settings({"binWidth": 5.0, "label": 1}, {"LoG": {"sigma": [1.0]}})
    with pytest.raises(StudyError, match=r"does not know the setting distances; choose engine: pyradiomics"):
        check_settings({"binWidth": 5.0, "distances": [2]}, {})
    with pytest.raises(StudyError, match="does not know the setting binWidth"):
        check_settings({}, {"LoG": {"sigma": [1.0], "binWidth": 1.0}})


def test_a_mask_or_levels_that_cannot_be_measured_are_refused_as_by_the_stock_engine():
    """One voxel; more levels than memory holds."""
    volume, mask = phantom()
    dot = np.zeros_like(mask.array)
    dot[5, 20, 22] = 1
    cr = ConventionalRadiomics(engine="fast", spacing_mm=None, bin_width=5, image_types=["original"])
    with pytest.raises(ExtractionError, match="mask is one voxel"):
        extract_cr(volume, Mask(dot, mask.geometry), cr, "AP", ["original"])
    fine = cr.model_copy(update={"bin_width": 0.001})
    with pytest.raises(ExtractionError, match=r"grey levels in the VOI .* give a `bin_width` larger than"):
        extract_cr(volume, mask, fine, "AP", ["original"])
