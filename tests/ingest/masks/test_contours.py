"""Contours to voxels: the centre decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from mvi_ray.errors import CaseError, GeometryError, MaskError
from mvi_ray.ingest.masks.contours import drawn
from mvi_ray.volume import Geometry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Squares = Callable[..., list[np.ndarray]]

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
OBLIQUE = tuple(Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix().ravel().tolist())
UNIT = Geometry((20, 20, 5), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)


def polygon(points: Sequence[tuple[float, float]], z: float = 2.0, grid: Geometry = UNIT) -> np.ndarray:
    """Points of one contour in slice z, from indices (x, y)."""
    return np.array([grid.point((x, y, z)) for x, y in points])


def rectangle(low: float, high: float, z: float = 2.0, grid: Geometry = UNIT) -> np.ndarray:
    """A square from index `low` to `high` along x and y."""
    return polygon([(low, low), (high, low), (high, high), (low, high)], z, grid)


def circle(radius: float, z: float, grid: Geometry, centre: Sequence[float], points: int = 400) -> np.ndarray:
    """A circle of a radius in millimetres in slice z."""
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    x = centre[0] + radius * np.cos(turn) / grid.spacing[0]
    y = centre[1] + radius * np.sin(turn) / grid.spacing[1]
    return polygon(list(zip(x, y, strict=True)), z, grid)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Overlap of two masks."""
    return float(2 * np.sum(one & other) / (one.sum() + other.sum()))


# Voxels -------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    array=arrays(np.uint8, (4, 6, 5), elements=st.integers(0, 1)).filter(np.any),
    axis=st.integers(0, 2),
    direction=st.sampled_from([IDENTITY, OBLIQUE]),
)
def test_borders_of_voxels_give_back_the_voxels(
    square_contours: Squares, array: np.ndarray, axis: int, direction: tuple[float, ...]
) -> None:
    """A square for each voxel, in slices across any axis, on straight and oblique images."""
    grid = Geometry((5, 6, 4), (0.7, 0.9, 3.0), (-31.0, 12.5, 7.25), direction)
    found = drawn(square_contours(array, grid, axis), grid, "exact")
    assert np.array_equal(found.mask.array, array)
    assert found.mask.geometry == grid
    assert found.resampled_from is None


@pytest.mark.parametrize("direction", [IDENTITY, OBLIQUE], ids=["straight", "oblique"])
def test_ball_of_contours_is_the_ball(direction: tuple[float, ...]) -> None:
    """Centres within 12 mm of a point, against circles of the height of each slice."""
    grid = Geometry((50, 48, 20), (0.8, 0.9, 2.5), (5.0, -7.0, 11.0), direction)
    centre, radius = (24.3, 22.9, 9.4), 12.0
    contours = [
        circle(float(np.sqrt(radius**2 - height**2)), z, grid, centre)
        for z in range(20)
        if abs(height := (z - centre[2]) * 2.5) < radius
    ]
    z, y, x = np.indices(grid.shape)
    distance = np.sqrt(((x - 24.3) * 0.8) ** 2 + ((y - 22.9) * 0.9) ** 2 + ((z - 9.4) * 2.5) ** 2)
    found = drawn(contours, grid, "exact")
    assert dice(found.mask.array, (distance < radius).astype(np.uint8)) > 0.999
    assert found.remarks == ()


def test_contour_within_a_contour_is_a_hole() -> None:
    """And one within the hole an island."""
    found = drawn([rectangle(0.5, 15.5), rectangle(3.5, 12.5), rectangle(6.5, 9.5)], UNIT, "exact")
    wanted = np.zeros((20, 20), dtype=np.uint8)
    wanted[1:16, 1:16] = 1
    wanted[4:13, 4:13] = 0
    wanted[7:10, 7:10] = 1
    assert np.array_equal(found.mask.array[2], wanted)
    assert not found.mask.array[[0, 1, 3, 4]].any()


@pytest.mark.parametrize("bridge", [5.0, 5.5])
def test_keyhole_encloses_nothing(bridge: float) -> None:
    """One contour that leads to its hole and back, through centres or between them."""
    outer = [(0.5, bridge), (0.5, 0.5), (15.5, 0.5), (15.5, 15.5), (0.5, 15.5), (0.5, bridge)]
    inner = [(3.5, bridge), (3.5, 12.5), (12.5, 12.5), (12.5, 3.5), (3.5, 3.5), (3.5, bridge)]
    found = drawn([polygon([*outer, *inner])], UNIT, "exact")
    wanted = drawn([rectangle(0.5, 15.5), rectangle(3.5, 12.5)], UNIT, "exact")
    assert np.array_equal(found.mask.array, wanted.mask.array)


def test_centre_on_a_contour_is_inside() -> None:
    """Also for contours that software drew through the centres of the outermost voxels."""
    found = drawn([rectangle(4, 9)], UNIT, "exact")
    assert found.mask.voxels == 36


def test_contour_that_is_there_twice_counts_once() -> None:
    """By the even-odd rule alone it would vanish."""
    found = drawn([rectangle(3.5, 9.5), rectangle(3.5, 9.5)], UNIT, "exact")
    assert found.mask.voxels == 36
    assert [r.reason for r in found.remarks] == ["1 contours of the mask are there twice, and count once"]


# Slices -------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [-0.4, 0.1, 0.24, 0.44])
def test_contour_belongs_to_the_nearest_slice(shift: float) -> None:
    """What lies far beside it is told."""
    found = drawn([rectangle(3.5, 9.5, z + shift) for z in (1, 2, 3)], UNIT, "exact")
    assert found.mask.array.any(axis=(1, 2)).tolist() == [False, True, True, True, False]
    told = [r.reason for r in found.remarks]
    assert told == (
        [f"contours of the mask lie up to {abs(shift):.2g} of a slice beside the slices of the image"]
        if abs(shift) > 0.25
        else []
    )


def test_contour_midway_between_slices_is_refused() -> None:
    """Neither slice is the nearest."""
    with pytest.raises(GeometryError, match="mask lie midway between slices of the image; give the image"):
        drawn([rectangle(3.5, 9.5, 2.5)], UNIT, "exact")


def test_missing_slices_are_told() -> None:
    """A slice that the reader skipped, or two parts of a tumour."""
    found = drawn([rectangle(3.5, 9.5, z) for z in (0, 1, 4)], UNIT, "exact")
    assert [r.reason for r in found.remarks] == [
        "contours of the mask leave out 2 slices between the first and the last"
    ]


def test_contour_across_the_slices_is_refused() -> None:
    """Drawn on an image of another direction."""
    tilted = np.array([(3, 3, 1), (9, 3, 2.2), (9, 9, 3.5), (3, 9, 2.3)], dtype=float)
    with pytest.raises(GeometryError, match=r"lie across the slices of the image, by up to 2\.5 of a slice"):
        drawn([tilted], UNIT, "exact")


def test_contours_across_two_axes_are_refused() -> None:
    """Some in axial, some in sagittal slices: no slice holds them all."""
    axial = rectangle(3.5, 9.5)
    with pytest.raises(GeometryError, match="lie across the slices of the image"):
        drawn([axial, axial[:, [2, 1, 0]]], UNIT, "exact")


def test_contours_outside_the_image_are_told() -> None:
    """In part, or as a whole."""
    inside, beside, above = rectangle(3.5, 9.5), rectangle(15.5, 25.5, 3), rectangle(3.5, 9.5, 5)
    found = drawn([inside, beside, above], UNIT, "exact")
    assert found.mask.voxels == 36 + 16
    assert [r.reason for r in found.remarks] == [
        "2 of the 3 contours of the mask lie outside the image, at least in part"
    ]
    with pytest.raises(GeometryError, match="contours of the mask lie outside the image; check that both"):
        drawn([above], UNIT, "exact")
    with pytest.raises(MaskError, match="mask enclose no centre of a voxel of the image; check that both"):
        drawn([rectangle(40, 50)], UNIT, "exact")


def test_contour_between_all_centres_is_refused() -> None:
    """Smaller than a voxel."""
    with pytest.raises(MaskError, match="contours of the mask enclose no centre of a voxel"):
        drawn([rectangle(3.2, 3.8)], UNIT, "exact")


def test_more_points_than_can_be_drawn_are_refused() -> None:
    """A damaged file must not take days."""
    grid = Geometry((4000, 4000, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    turn = np.linspace(0, 6, 10_000)
    contour = np.stack([2000 + 1999 * np.cos(turn), 2000 + 1999 * np.sin(turn), 0 * turn], axis=1)
    with pytest.raises(CaseError, match="mask has contours of 10000 points; export it as a label map"):
        drawn([contour], grid, "exact")


def test_more_contours_than_anyone_draws_are_refused() -> None:
    """Nor this one."""
    contour = rectangle(3.5, 9.5)
    with pytest.raises(CaseError, match="mask has 100001 contours; export it as a label map"):
        drawn([contour] * 100_001, UNIT, "exact")


# Slices of another thickness ------------------------------------------------------------


def cylinder(step: float, low: float = 4.0, high: float = 20.0, shift: float = 0.0) -> list[np.ndarray]:
    """Contours of a cylinder of 6 × 6 voxels, every `step` slices."""
    return [rectangle(3.5, 9.5, z) for z in np.arange(low + shift, high + 1e-9, step)]


TALL = Geometry((20, 20, 30), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0), IDENTITY)


def lifted(contours: list[np.ndarray]) -> list[np.ndarray]:
    """Their third coordinate as an index of the tall image."""
    return [points * (1, 1, 2) for points in contours]


@pytest.mark.parametrize("step", [0.4, 0.7])
def test_finer_contours_are_refused_or_resampled(step: float) -> None:
    """Two contours in one slice would cancel out by the even-odd rule."""
    contours = lifted(cylinder(step))
    with pytest.raises(GeometryError, match=f"lie {step:g} slices of the image apart; give the image they"):
        drawn(contours, TALL, "exact")
    found = drawn(contours, TALL, "resample")
    slices = np.flatnonzero(found.mask.array.any(axis=(1, 2)))
    assert slices.tolist() == list(range(4, int(4 + step * (len(contours) - 1) + step / 2) + 1))
    assert (found.mask.array[slices] == found.mask.array[4]).all()
    assert found.resampled_from == f"contours {step * 2:.4g} mm apart along z"


def test_contours_of_other_slices_are_refused_also_where_each_has_its_own() -> None:
    """A fifth thicker: the third contour lies four tenths of a slice beside its slice."""
    contours = lifted(cylinder(1.2, high=6.5))
    with pytest.raises(GeometryError, match=r"contours of the mask lie 1\.2 slices of the image apart; give"):
        drawn(contours, TALL, "exact")


def test_thicker_contours_fill_their_slices() -> None:
    """Each slice takes the nearest contour; the volume stays."""
    contours = lifted(cylinder(2.5, shift=0.3))
    found = drawn(contours, TALL, "resample")
    slices = np.flatnonzero(found.mask.array.any(axis=(1, 2)))
    assert slices.tolist() == list(range(4, 21))
    assert found.resampled_from == "contours 5 mm apart along z"
    assert found.remarks == ()


def test_contours_on_the_slices_are_not_resampled() -> None:
    """`resample` changes nothing where nothing is to be done."""
    exact, other = (drawn(lifted(cylinder(1)), TALL, rule) for rule in ("exact", "resample"))
    assert np.array_equal(exact.mask.array, other.mask.array)
    assert other.resampled_from is None
