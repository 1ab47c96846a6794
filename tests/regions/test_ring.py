"""The ring around a tumour, held against its definition voxel by voxel."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.errors import MaskError
from mvi_ray.regions.ring import ring_around
from mvi_ray.study import Ring
from mvi_ray.volume import Geometry, Mask

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
QUICK = settings(derandomize=True, deadline=None, max_examples=60)
# Sums of squares of these are exact in binary, so that "≤ outer" has no rounding in it.
STEPS = st.sampled_from([0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 5.0])


def mask_of(array: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Mask:
    """A mask on a grid with the given spacing (x, y, z)."""
    size = tuple(int(n) for n in reversed(array.shape))
    return Mask(array.astype(np.uint8), Geometry(size, spacing, (5.0, -3.0, 100.0), IDENTITY))  # type: ignore[arg-type]


def ring(outer: float, inner: float = 0.0, clip: str = "organ") -> Ring:
    """A definition of a ring."""
    return Ring.model_validate({"kind": "ring", "outer_mm": outer, "inner_mm": inner, "clip": clip})


def by_definition(mask: Mask, inner: float, outer: float) -> np.ndarray:
    """Every voxel against every voxel of the mask: inner < nearest centre ≤ outer."""
    step = np.asarray(mask.geometry.sampling)
    inside = np.argwhere(mask.array) * step
    found = np.zeros(mask.array.shape, dtype=bool)
    for place in product(*map(range, mask.array.shape)):
        nearest = math.sqrt(((inside - np.asarray(place) * step) ** 2).sum(axis=1).min())
        found[place] = nearest > 0 and inner < nearest <= outer
    return found


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    """Small masks of any form, several pieces and holes included, often at the edge."""
    shape = draw(st.tuples(*[st.integers(1, 6)] * 3))
    cells = draw(st.lists(st.booleans(), min_size=math.prod(shape), max_size=math.prod(shape)))
    array = np.reshape(cells, shape)
    array[tuple(draw(st.integers(0, n - 1)) for n in shape)] = True
    return mask_of(array, draw(st.tuples(STEPS, STEPS, STEPS)))


@QUICK
@given(masks(), st.sampled_from([0.5, 1.0, 2.0, 2.5, 4.0]), st.sampled_from([0.0, 0.5, 0.75, 1.5]))
def test_ring_is_its_definition(mask: Mask, outer: float, inner: float) -> None:
    """Voxel by voxel, on anisotropic grids, at the edge, with holes and several pieces."""
    if inner >= outer:
        inner = 0.0
    expected = by_definition(mask, inner, outer)
    if not expected.any():
        with pytest.raises(MaskError, match=f"nothing is left of the ring of {outer:g} mm"):
            ring_around(mask, ring(outer, inner))
        return
    found = ring_around(mask, ring(outer, inner))
    assert np.array_equal(found.mask.array, expected)
    assert found.clipped_organ_mm3 is None
    assert found.mask.geometry == mask.geometry


@QUICK
@given(masks(), st.sampled_from([1.0, 2.5, 4.0]))
def test_what_lies_beyond_the_image_is_what_a_padded_image_adds(mask: Mask, outer: float) -> None:
    """`clipped_image_mm3` is the volume of the same ring in an image without an edge there."""
    margin = [math.ceil(outer / step) for step in mask.geometry.sampling]
    padded = mask_of(np.pad(mask.array, [(m, m) for m in margin]), mask.geometry.spacing)
    whole = ring_around(padded, ring(outer)) if min(mask.geometry.spacing) <= outer else None
    try:
        found = ring_around(mask, ring(outer))
    except MaskError:
        return
    assert whole is not None
    beyond = (whole.mask.voxels - found.mask.voxels) * mask.geometry.voxel_mm3
    assert found.clipped_image_mm3 == pytest.approx(beyond, rel=1e-12)
    assert whole.clipped_image_mm3 == 0.0


@QUICK
@given(masks(), st.sampled_from([1.0, 2.5, 4.0]), st.integers(1, 7), st.permutations([0, 1, 2]))
def test_ring_does_not_depend_on_the_order_of_the_axes(
    mask: Mask, outer: float, flips: int, order: list[int]
) -> None:
    """Flipping or swapping axes before or after the ring is the same."""
    axes = [axis for axis in range(3) if flips >> axis & 1]
    spacing = tuple(mask.geometry.sampling[axis] for axis in reversed(order))
    turned = mask_of(np.flip(mask.array, axes).transpose(order), spacing)  # type: ignore[arg-type]
    try:
        found = ring_around(mask, ring(outer))
    except MaskError:
        with pytest.raises(MaskError, match="nothing is left"):
            ring_around(turned, ring(outer))
        return
    other = ring_around(turned, ring(outer))
    assert np.array_equal(np.flip(found.mask.array, axes).transpose(order), other.mask.array)
    assert other.clipped_image_mm3 == pytest.approx(found.clipped_image_mm3, rel=1e-12)


def test_ring_keeps_ten_millimetres_on_anisotropic_voxels() -> None:
    """Golden: one voxel, spacing (1, 2, 5) mm, 10 mm: 10, 5 and 2 voxels along the axes.

    The number of lattice points with x² + (2y)² + (5z)² ≤ 100, counted here in integers.
    """
    array = np.zeros((9, 21, 41))
    array[4, 10, 20] = 1
    found = ring_around(mask_of(array, (1.0, 2.0, 5.0)), ring(10))
    voxels = found.mask.array
    assert [voxels[4, 10].sum(), voxels[4, :, 20].sum(), voxels[:, 10, 20].sum()] == [20, 10, 4]
    count = sum(
        0 < x * x + 4 * y * y + 25 * z * z <= 100
        for x, y, z in product(range(-10, 11), range(-5, 6), range(-2, 3))
    )
    assert found.mask.voxels == count == 402
    assert voxels[4, 10, 20] == 0
    assert voxels[4, 10, 10] == voxels[4, 10, 30] == 1
    assert voxels[4, 10, 9] == voxels[4, 10, 31] == 0
    # The edge of the set: 6-8-10 lies on it, 7-8 beyond.
    assert voxels[4, 14, 26] == 1
    assert voxels[4, 14, 27] == 0


def test_inner_distance_is_left_out_and_neighbouring_rings_share_nothing() -> None:
    """(0, 2] and (2, 4] together are (0, 4]."""
    array = np.zeros((11, 11, 11))
    array[5, 5, 5] = 1
    mask = mask_of(array)
    near, far, both = (ring_around(mask, ring(o, i)).mask.array for o, i in ((2, 0), (4, 2), (4, 0)))
    assert not (near & far).any()
    assert np.array_equal(near | far, both)
    assert near[5, 5, 7] == 1
    assert far[5, 5, 7] == 0
    assert far[5, 5, 9] == 1


def test_organ_cuts_the_ring_and_the_amount_is_told() -> None:
    """Half of the space is organ: what was cut is the ring on the other side."""
    array = np.zeros((9, 9, 9))
    array[4, 4, 4] = 1
    mask = mask_of(array, (1.0, 1.0, 2.0))
    organ = np.zeros((9, 9, 9))
    organ[:, :, :5] = 1
    free = ring_around(mask, ring(3))
    cut = ring_around(mask, ring(3), mask_of(organ, (1.0, 1.0, 2.0)))
    assert np.array_equal(cut.mask.array, free.mask.array * organ.astype(np.uint8))
    assert cut.clipped_organ_mm3 == int(free.mask.array[:, :, 5:].sum()) * 2.0
    assert cut.clipped_organ_mm3 > 0
    assert cut.mask.voxels * 2.0 + cut.clipped_organ_mm3 == free.mask.voxels * 2.0


def test_organ_around_everything_cuts_nothing() -> None:
    """Zero is told, not None: there was an organ."""
    array = np.zeros((5, 5, 5))
    array[2, 2, 2] = 1
    found = ring_around(mask_of(array), ring(1), mask_of(np.ones((5, 5, 5))))
    assert found.clipped_organ_mm3 == 0.0


def test_clip_none_does_not_read_the_organ() -> None:
    """The definition decides, not the presence of a file."""
    array = np.zeros((5, 5, 5))
    array[2, 2, 2] = 1
    organ = np.zeros((5, 5, 5))
    organ[0, 0, 0] = 1
    found = ring_around(mask_of(array), ring(1, clip="none"), mask_of(organ))
    assert found.mask.voxels == 6
    assert found.clipped_organ_mm3 is None


def test_tumour_outside_the_organ_still_has_a_ring_inside_it() -> None:
    """The tumour need not lie in the organ: only the ring is cut."""
    array = np.zeros((5, 5, 5))
    array[2, 2, 2] = 1
    organ = np.zeros((5, 5, 5))
    organ[2, 2, 3:] = 1
    found = ring_around(mask_of(array), ring(1), mask_of(organ))
    assert np.argwhere(found.mask.array).tolist() == [[2, 2, 3]]
    assert found.clipped_organ_mm3 == 5.0


def test_ring_of_which_nothing_is_left_is_an_error() -> None:
    """An organ elsewhere leaves nothing; the message names thickness and way out."""
    array = np.zeros((5, 5, 5))
    array[2, 2, 2] = 1
    organ = np.zeros((5, 5, 5))
    organ[0, 0, 0] = 1
    with pytest.raises(MaskError, match="ring of 1 mm inside the organ and the image") as caught:
        ring_around(mask_of(array), ring(1), mask_of(organ))
    assert "clip: none" in caught.value.way_out


def test_mask_that_fills_the_image_has_no_ring() -> None:
    """Everything of the ring lies beyond the image."""
    with pytest.raises(MaskError, match="nothing is left of the ring of 2 mm"):
        ring_around(mask_of(np.ones((3, 4, 5))), ring(2))


def test_mask_that_touches_all_borders_keeps_the_ring_inside() -> None:
    """A frame around a hole: the hole is ring, the outside is counted as cut off."""
    array = np.ones((5, 5, 5))
    array[1:4, 1:4, 1:4] = 0
    found = ring_around(mask_of(array), ring(1))
    assert found.mask.voxels == 26
    assert found.mask.array[2, 2, 2] == 0
    # Six faces of 5 × 5 voxels lie one millimetre beyond the image.
    assert found.clipped_image_mm3 == 150.0


def test_ring_thinner_than_a_voxel_is_empty() -> None:
    """No neighbour's centre is near enough: an error, not an empty mask."""
    array = np.zeros((5, 5, 5))
    array[2, 2, 2] = 1
    with pytest.raises(MaskError, match=r"ring of 0\.9 mm"):
        ring_around(mask_of(array), ring(0.9))


def test_ring_keeps_the_way_back_to_the_file() -> None:
    """A ring is undone to the grid of the file like the mask it surrounds."""
    array = np.zeros((4, 5, 6), dtype=np.uint8)
    array[1, 2, 3] = 1
    flipped = Geometry((6, 5, 4), (1, 1, 1), (0, 0, 0), (-1, 0, 0, 0, -1, 0, 0, 0, 1))
    drawn = Mask(array, flipped).to_canonical()
    found = ring_around(drawn, ring(1)).mask.to_source()
    assert found.geometry == flipped
    assert np.array_equal(found.array, by_definition(Mask(array, flipped), 0, 1))
