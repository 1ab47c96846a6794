"""A mask on the grid of its image: turned, padded, cut, refused or resampled."""

from __future__ import annotations

from itertools import permutations, product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mvi_ray.errors import GeometryError, MaskError
from mvi_ray.ingest.masks.placing import placed
from mvi_ray.volume import Geometry

if TYPE_CHECKING:
    import numpy.typing as npt

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
GRID = Geometry((10, 8, 6), (1.0, 1.5, 2.0), (10.0, -20.0, 30.0), IDENTITY)
OBLIQUE = Geometry(
    GRID.size,
    (0.7, 0.71, 3.3),
    (-101.3, 55.5, 12.25),
    tuple(Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix().ravel().tolist()),
)


def block() -> npt.NDArray[np.uint8]:
    """A block without symmetry."""
    array = np.zeros(GRID.shape, dtype=np.uint8)
    array[1:4, 2:6, 3:8] = 1
    array[1, 2, 3] = 0
    return array


def turned(
    array: npt.NDArray[np.uint8], grid: Geometry, order: tuple[int, ...], flips: tuple[bool, ...]
) -> tuple[npt.NDArray[np.uint8], Geometry]:
    """The same voxels with permuted and flipped axes (x, y, z)."""
    moved = np.transpose(array, [2 - order[2 - k] for k in range(3)])
    moved = np.flip(moved, [2 - axis for axis in range(3) if flips[axis]])
    start, columns = [0.0] * 3, []
    for axis in range(3):
        of = order[axis]
        if flips[axis]:
            start[of] = grid.size[of] - 1
        columns.append(grid.matrix[:, of] * (-1 if flips[axis] else 1))
    size = tuple(grid.size[of] for of in order)
    spacing = tuple(grid.spacing[of] for of in order)
    direction = tuple(np.stack(columns, axis=1).ravel().tolist())
    return np.ascontiguousarray(moved), Geometry(size, spacing, grid.point(start), direction)  # type: ignore[arg-type]


@pytest.mark.parametrize("grid", [GRID, OBLIQUE], ids=["straight", "oblique"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_turned_copies_are_turned_back_without_resampling(grid: Geometry, order: tuple[int, ...]) -> None:
    """All 48 ways to store the same voxels."""
    for flips in product([False, True], repeat=3):
        found = placed(*turned(block(), grid, order, flips), grid, "exact")
        assert np.array_equal(found.mask.array, block())
        assert found.mask.geometry == grid
        assert (found.remarks, found.resampled_from) == ((), None)


@given(
    order=st.permutations(range(3)),
    flips=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    low=st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 1)),
    high=st.tuples(st.integers(8, 13), st.integers(6, 11), st.integers(4, 9)),
)
def test_turned_parts_and_larger_grids_give_the_same_mask(
    order: list[int], flips: tuple[bool, ...], low: tuple[int, ...], high: tuple[int, ...]
) -> None:
    """Cut at one end, longer at the other, permuted and flipped: the voxels are those drawn."""
    whole = np.zeros((9, 11, 13), dtype=np.uint8)
    whole[: GRID.size[2], : GRID.size[1], : GRID.size[0]] = block()
    part = whole[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
    own = Geometry(part.shape[::-1], OBLIQUE.spacing, OBLIQUE.point(low), OBLIQUE.direction)  # type: ignore[arg-type]
    found = placed(*turned(part, own, tuple(order), flips), OBLIQUE, "exact")
    assert np.array_equal(found.mask.array, block())


def test_mask_of_the_same_size_keeps_its_own_grid_within_the_tolerance() -> None:
    """What PyRadiomics measures on the user's files is measured here."""
    near = Geometry(GRID.size, GRID.spacing, (10.0, -20.0, 30.0 + 5e-4), IDENTITY)
    assert placed(block(), near, GRID, "exact", keep=True).mask.geometry == near
    assert placed(block(), near, GRID, "exact").mask.geometry == GRID


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (Geometry((10, 8, 5), (1.0, 1.5, 2.4), GRID.origin, IDENTITY), r"\(size \(10, 8, 5\)"),
        (Geometry((10, 8, 6), (1.0, 1.5, 2.1), GRID.origin, IDENTITY), r"\(spacing \(1, 1.5, 2.1\)"),
        (Geometry((10, 8, 6), (1.0, 1.5, 2.0), (10.5, -20.0, 30.0), IDENTITY), r"\(origin \(10.5, -20, 30\)"),
        (Geometry((10, 8, 6), (1.0, 1.5, 2.0), (10.002, -20.0, 30.0), IDENTITY), r"\(origin \(10.002"),
        (Geometry((10, 8, 6), (1.0, 1.5, 2.0), (500.0, -20.0, 30.0), IDENTITY), "lies outside the image; ch"),
    ],
)
def test_mask_on_another_grid_is_refused(own: Geometry, message: str) -> None:
    """Size, spacing, a shift by half a voxel or by two thousandths, another place: each is told."""
    array = np.ones(own.shape, dtype=np.uint8)
    with pytest.raises(GeometryError, match=message) as caught:
        placed(array, own, GRID, "exact", "organ mask")
    assert caught.value.message.startswith("organ mask")
    assert caught.value.way_out


def test_mask_turned_by_a_degree_is_refused() -> None:
    """A direction that differs is told as such."""
    turn = Rotation.from_euler("z", 1, degrees=True).as_matrix().ravel().tolist()
    own = Geometry(GRID.size, GRID.spacing, GRID.origin, tuple(turn))
    with pytest.raises(GeometryError, match=r"\(direction .*resample it onto the image, or write geometry:"):
        placed(block(), own, GRID, "exact")


def test_voxels_beyond_the_image_are_refused_or_cut_off() -> None:
    """A quiet loss would be a smaller tumour."""
    own = Geometry(GRID.size, GRID.spacing, GRID.point((-4, 0, 0)), IDENTITY)
    with pytest.raises(GeometryError, match="11 of the 59 voxels of the mask lie outside the image; check"):
        placed(block(), own, GRID, "exact")
    found = placed(block(), own, GRID, "resample")
    assert found.mask.voxels == 48
    assert found.resampled_from is None
    assert [r.reason for r in found.remarks] == ["11 of the 59 voxels of the mask lie outside the image"]


@pytest.mark.parametrize("rule", ["exact", "resample"])
def test_drawing_that_lies_wholly_beyond_the_image_is_refused(rule: str) -> None:
    """The grids overlap, the drawing does not."""
    own = Geometry(GRID.size, GRID.spacing, GRID.point((-8, 0, 0)), IDENTITY)
    with pytest.raises(GeometryError, match="mask lies outside the image; check that both are of one exam"):
        placed(block(), own, GRID, rule)  # type: ignore[arg-type]


def test_empty_mask_is_refused() -> None:
    """Nothing was drawn."""
    with pytest.raises(MaskError, match="mask is empty; draw it, or remove it from the manifest"):
        placed(np.zeros(GRID.shape, dtype=np.uint8), GRID, GRID, "exact")


# Resampling ---------------------------------------------------------------------------


def test_finer_mask_is_resampled_and_says_from_where() -> None:
    """Each voxel of the image takes the voxel that holds its centre."""
    fine = np.repeat(np.repeat(np.repeat(block(), 3, 0), 3, 1), 3, 2)
    own = Geometry((30, 24, 18), (1 / 3, 0.5, 2 / 3), GRID.point((-1 / 3, -1 / 3, -1 / 3)), IDENTITY)
    found = placed(fine, own, GRID, "resample")
    assert np.array_equal(found.mask.array, block())
    assert found.mask.geometry == GRID
    assert found.resampled_from == "0.3333 × 0.5 × 0.6667 mm, 30 × 24 × 18 voxels"
    assert found.remarks == ()


def test_change_of_the_volume_is_told() -> None:
    """A thin drawing on thick slices."""
    array = np.zeros((60, 8, 10), dtype=np.uint8)
    array[20:23, 2:6, 3:8] = 1
    own = Geometry((10, 8, 60), (1.0, 1.5, 0.2), GRID.point((0, 0, 0)), IDENTITY)
    found = placed(array, own, GRID, "resample")
    # 20 voxels of 3 mm³ from 60 of 0.3 mm³.
    assert [r.reason for r in found.remarks] == ["resampling changed the volume of the mask by +233%"]
    assert found.remarks[0].way_out


def test_resampling_to_nothing_is_refused() -> None:
    """Between two slices of the image."""
    array = np.zeros((60, 8, 10), dtype=np.uint8)
    array[25, 2:6, 3:8] = 1
    own = Geometry((10, 8, 60), (1.0, 1.5, 0.2), GRID.origin, IDENTITY)
    with pytest.raises(GeometryError, match="mask holds no voxel of the image after resampling; check"):
        placed(array, own, GRID, "resample")


def test_resampling_needs_an_overlap() -> None:
    """The mask of another patient is no matter of resampling."""
    own = Geometry(GRID.size, (1.1, 1.5, 2.0), (500.0, -20.0, 30.0), IDENTITY)
    with pytest.raises(GeometryError, match="mask lies outside the image"):
        placed(block(), own, GRID, "resample")
