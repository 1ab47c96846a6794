"""Tests of mvi_ray.report.quality.measure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.report.quality.measure import Inside, dice, grey_levels, measure
from mvi_ray.report.quality.plane import Plane
from mvi_ray.study.families import ConventionalRadiomics
from tests.report.quality.conftest import box_mask, grid, volume


def _settings(**binning):
    return ConventionalRadiomics(spacing_mm=None, image_types={"original": {}}, **binning)


def test_only_voxels_inside_the_mask_count():
    """Intensities, centroid in millimetres, slices; the image holds larger values elsewhere."""
    geometry = grid((10, 11, 6), (1.0, 2.0, 3.0), (100.0, -50.0, 7.0))
    image = np.full(geometry.shape, 999, dtype=np.int16)
    mask = box_mask(geometry, slice(1, 3), slice(4, 5), slice(2, 5))
    image[mask.array != 0] = [5, 1, 2, 3, 4, 30]
    found = measure(volume(image, geometry), mask, Plane.of(geometry))
    # Centre of x 2 to 4, y 4, z 1 to 2.
    centroid = (100 + 3 * 1.0, -50 + 4 * 2.0, 7 + 1.5 * 3.0)
    assert found == Inside(1.0, 3.5, 30.0, False, centroid, 2, None)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("at", [0, -1])
def test_a_mask_at_any_face_of_the_image_touches_its_border(axis, at):
    """One voxel from the face it does not."""
    geometry = grid((9, 9, 9))
    for shift, touches in ((0, True), (1, False)):
        place = [slice(4, 5)] * 3
        index = at + shift if at == 0 else 8 - shift
        place[axis] = slice(min(index, 4), max(index, 4) + 1)
        image = volume(np.zeros(geometry.shape, dtype=np.int16), geometry)
        assert measure(image, box_mask(geometry, *place), Plane.of(geometry)).at_border is touches


def test_dice_is_the_share_of_common_voxels():
    """Half of each of two masks of 8: 0.5; the same one: 1; none: 0."""
    geometry = grid((9, 9, 9))
    one, half, far = (box_mask(geometry, slice(a, a + 2), slice(2), slice(2)) for a in (0, 1, 5))
    assert [dice(one, one), dice(one, half), dice(one, far)] == [1.0, 0.5, 0.0]
    image = volume(np.zeros(geometry.shape, dtype=np.int16), geometry)
    assert measure(image, half, Plane.of(geometry), one).dice == 0.5


@given(
    st.lists(st.integers(-500, 500), min_size=2, max_size=30),
    st.sampled_from([1, 3, 5, 25, 0.5, 12.5]),
)
def test_grey_levels_are_those_of_pyradiomics(values, width):
    """Its own binning of the same voxels gives the highest level."""
    from radiomics.imageoperations import binImage

    array = np.array(values, dtype=np.float64).reshape(1, 1, -1)
    binned, _ = binImage(array, np.nonzero(np.ones(array.shape)), binWidth=width)
    predicted = grey_levels(min(values), max(values), _settings(bin_width=width), "AP")
    assert predicted == int(binned.max())


def test_each_phase_has_its_bin_width_and_a_bin_count_is_what_it_says():
    """54 to 166 with a width of 25 are 5 levels: the example in PyRadiomics' documentation."""
    settings = _settings(bin_width={"AP": 25.0, "PP": 50.0})
    assert grey_levels(54, 166, settings, "AP") == 5
    assert grey_levels(54, 166, settings, "PP") == 3
    assert grey_levels(54, 166, _settings(bin_count=32), "AP") == 32
