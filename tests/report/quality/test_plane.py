"""Tests of mvi_ray.report.quality.plane: which way a volume is looked at."""

from __future__ import annotations

import numpy as np
import pytest

from mvi_ray.report.quality.plane import Plane
from tests.report.quality.conftest import box_mask, grid

SPACINGS = {"axial": (1.0, 1.1, 4.0), "coronal": (1.0, 4.0, 1.1), "sagittal": (4.0, 1.0, 1.1)}


@pytest.mark.parametrize("name", SPACINGS)
def test_slices_run_along_the_axis_of_the_largest_spacing(name):
    """Where voxels are finest within a slice, and pixels have the spacing of their own axes."""
    plane = Plane.of(grid((5, 6, 7), SPACINGS[name]))
    x, y, z = SPACINGS[name]
    expected = {"axial": ((y, x), z), "coronal": ((z, x), y), "sagittal": ((z, y), x)}
    assert (plane.name, (plane.pixel_mm, plane.step_mm)) == (name, expected[name])


@pytest.mark.parametrize("spacing", [(1, 1, 1), (4.7, 4.7, 3.3), (0.9375, 1.0, 0.95)])
def test_without_a_spacing_that_stands_out_slices_are_axial(spacing):
    """Isotropic volumes, and PET whose pixels are coarser than its slices."""
    assert Plane.of(grid((5, 6, 7), spacing)).name == "axial"


@pytest.mark.parametrize(
    ("name", "letters", "corner"),
    [("axial", "RLAP", "RA"), ("coronal", "RLSI", "RS"), ("sagittal", "APSI", "AS")],
)
def test_the_patients_right_or_front_is_left_and_front_or_head_is_above(name, letters, corner):
    """As radiologists look at it; the upper left pixel lies at the two sides that the letters say."""
    geometry = grid((5, 6, 7), SPACINGS[name])
    plane = Plane.of(geometry)
    assert "".join(plane.letters) == letters
    places = np.stack(np.meshgrid(*map(np.arange, geometry.shape), indexing="ij"), axis=-1)
    z, y, x = (plane.cut(places[..., axis], 2)[0, 0] for axis in range(3))
    # LPS: small x is right, small y is front, large z is head.
    sides = {"R": x == 0, "A": y == 0, "S": z == 6}
    assert all(sides[letter] for letter in corner)


def test_an_oblique_slice_says_two_letters():
    """A turn of 30° about the axis of the body, and none for a turn of 10°."""
    for degrees, expected in ((30, ("RA", "LP", "AL", "PR")), (10, ("R", "L", "A", "P"))):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turned = (c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0)
        assert Plane.of(grid((5, 6, 7), SPACINGS["axial"], direction=turned)).letters == expected


def test_the_largest_slice_is_that_with_most_voxels():
    """Along the axis of the plane; of equal ones the first."""
    geometry = grid((8, 9, 10))
    mask = box_mask(geometry, slice(2, 6), slice(1, 4), slice(1, 4))
    array = mask.array.copy()
    array[4, 5, 5] = 1
    assert Plane.of(geometry).largest(mask) == 2
    assert Plane.of(geometry).largest(type(mask)(array, geometry, mask.reorientation)) == 4
