"""What is worth a look: values against plain counting, sentences where one is due."""

from __future__ import annotations

import numpy as np
import pytest

from mvi_ray.errors import GeometryError
from mvi_ray.regions.derive import Region
from mvi_ray.regions.facts import MaskFacts, mask_facts
from mvi_ray.regions.remarks import (
    Intensities,
    apart,
    at_border,
    border_sides,
    centroid_mm,
    clipped_share,
    diameters_differ,
    grey_levels,
    intensities,
    mostly_clipped,
    tiny,
)
from mvi_ray.volume import Geometry, Mask, Volume

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def mask_of(array: np.ndarray, direction: tuple[float, ...] = IDENTITY) -> Mask:
    """A mask of 1 × 2 × 3 mm voxels."""
    size = tuple(int(n) for n in reversed(array.shape))
    return Mask(array.astype(np.uint8), Geometry(size, (1, 2, 3), (10, 20, 30), direction))  # type: ignore[arg-type]


def test_tiny_tumour_is_told_by_voxels_or_volume() -> None:
    """64 voxels are enough unless a volume is asked for."""
    assert tiny(MaskFacts(64, 10.0, 5.0)) is None
    few = tiny(MaskFacts(63, 10.0, 5.0))
    assert few is not None
    assert (few.kind, few.value, few.text) == ("tiny", 63, "tumour has 63 voxels, fewer than 64")
    small = tiny(MaskFacts(64, 99.94, 5.0), least_mm3=100)
    assert small is not None
    assert small.text == "tumour has 99.94 mm³, less than 100 mm³"
    assert tiny(MaskFacts(64, 100.0, 5.0), least_mm3=100) is None


@pytest.mark.parametrize(
    ("place", "side"),
    [
        ((2, 2, 0), "right"),
        ((2, 2, 4), "left"),
        ((2, 0, 2), "front"),
        ((2, 4, 2), "back"),
        ((0, 2, 2), "foot"),
        ((4, 2, 2), "head"),
    ],
)
def test_border_is_named_by_the_side_of_the_patient(place: tuple[int, int, int], side: str) -> None:
    """LPS: x runs to the left, y to the back, z to the head."""
    array = np.zeros((5, 5, 5))
    array[2, 2, 2] = 1
    assert border_sides(mask_of(array)) == ()
    assert at_border(mask_of(array)) is None
    array[place] = 1
    assert border_sides(mask_of(array)) == (side,)
    remark = at_border(mask_of(array))
    assert remark is not None
    assert remark.text == f"tumour touches the border of the image ({side})"


def test_axis_of_one_voxel_has_no_sides() -> None:
    """A single slice would always touch; both ends of a long axis count."""
    array = np.zeros((1, 3, 5))
    array[0, 1, :] = 1
    assert border_sides(mask_of(array)) == ("right", "left")


def region(organ: float | None, threshold: float | None, image: float | None) -> Region:
    """A region of one voxel of 6 mm³, and what was cut off."""
    mask = mask_of(np.ones((1, 1, 1)))
    return Region("rim", mask, mask_facts(mask), "{}", organ, image, threshold)


def test_clipped_share_counts_all_that_was_cut() -> None:
    """Half is not yet mostly."""
    assert clipped_share(region(None, None, None)) == 0.0
    assert clipped_share(region(3.0, 2.0, 1.0)) == 0.5
    assert mostly_clipped(region(3.0, 2.0, 1.0)) is None
    remark = mostly_clipped(region(None, None, 18.0))
    assert remark is not None
    assert remark.value == 0.75
    assert remark.text == "region rim lost 75% of its volume to organ, intensities or image"


@pytest.mark.parametrize("width", [5.0, 7.5, 25.0])
def test_grey_levels_are_those_of_the_engine(width: float) -> None:
    """PyRadiomics' own binning of the same voxels, negative ones included."""
    from radiomics.imageoperations import binImage

    rng = np.random.default_rng(3)
    values = rng.normal(10, 60, (6, 7, 8)).astype(np.float32)
    array = rng.random((6, 7, 8)) < 0.4
    mask = mask_of(array)
    found = intensities(Volume(values, mask.geometry), mask, width)
    assert (found.minimum, found.maximum) == (values[array].min(), values[array].max())
    binned, _ = binImage(values.copy(), array, binWidth=width)
    assert found.levels == binned[array].max()


def test_grey_levels_are_told_outside_the_limits() -> None:
    """Too few ask for narrower bins, too many for wider ones."""
    assert grey_levels(Intensities(0, 100, 8)) is None
    assert grey_levels(Intensities(0, 100, 500)) is None
    few, many = grey_levels(Intensities(-3.5, 100, 7)), grey_levels(Intensities(0, 1e5, 501))
    assert few is not None
    assert many is not None
    assert few.text == "intensities from -3.5 to 100 make 7 grey levels"
    assert few.way_out.startswith("lower bin_width")
    assert many.way_out.startswith("raise bin_width")


def test_intensities_need_one_grid() -> None:
    """An image of another size is not read."""
    image = Volume(np.zeros((2, 2, 2), dtype=np.float32), mask_of(np.ones((2, 2, 2))).geometry)
    with pytest.raises(GeometryError, match="image and mask differ: size"):
        intensities(image, mask_of(np.ones((2, 2, 3))), 5.0)


def test_centroid_is_the_mean_of_all_voxel_centres() -> None:
    """On an oblique grid, against the mean of the points themselves."""
    turned = (0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    mask = mask_of(np.random.default_rng(5).random((4, 5, 6)) < 0.2, turned)
    points = [mask.geometry.point(at[::-1]) for at in np.argwhere(mask.array)]
    assert centroid_mm(mask) == pytest.approx(np.mean(points, axis=0), rel=1e-12)
    one = np.zeros((4, 5, 6))
    one[1, 2, 3] = 1
    assert centroid_mm(mask_of(one)) == (13.0, 24.0, 33.0)


def test_lesion_far_apart_in_two_phases_is_told() -> None:
    """The farthest pair is named; 20 mm are not yet far."""
    near = {"AP": (0.0, 0.0, 0.0), "PP": (12.0, 16.0, 0.0)}
    assert apart({"AP": (0.0, 0.0, 0.0)}) is None
    assert apart(near) is None
    remark = apart({**near, "HBP": (0.0, 0.0, 30.0)})
    assert remark is not None
    assert remark.text == "the tumour lies 36 mm apart in PP and HBP"
    assert remark.value == pytest.approx(1300**0.5)


@pytest.mark.parametrize(
    ("mask", "clinical", "way_out"),
    [
        (40.0, 20.0, None),
        (20.0, 40.0, None),
        (0.0, 40.0, None),
        (40.0, 4.2, "is the clinical one in centimetres?"),
        (40.0, 15.0, "are two patients or lesions swapped?"),
        (15.0, 40.0, "are two patients or lesions swapped?"),
    ],
)
def test_clinical_diameter_is_held_against_the_mask(
    mask: float, clinical: float, way_out: str | None
) -> None:
    """Up to twice is how people measure; ten times is a unit; between is another tumour."""
    remark = diameters_differ(mask, clinical)
    assert (None if remark is None else remark.way_out) == way_out
