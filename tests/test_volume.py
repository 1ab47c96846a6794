"""Geometry, volumes and masks: where voxels lie, and the way to canonical axes and back."""

from __future__ import annotations

import hashlib
import itertools
import math
import struct
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mvi_ray.errors import GeometryError, MaskError
from mvi_ray.volume import CANONICAL, Geometry, Mask, Volume

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
CODES = [
    "".join(side) for axes in itertools.permutations(("LR", "PA", "SI")) for side in itertools.product(*axes)
]
QUICK = settings(derandomize=True, deadline=None, max_examples=60)


def cosines_of(code: str) -> tuple[float, ...]:
    """Direction cosines of an axis code, written without the code under test."""
    patient = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
    matrix = np.zeros((3, 3))
    for column, letter in enumerate(code):
        row, sign = patient[letter]
        matrix[row, column] = sign
    return tuple(matrix.ravel().tolist())


def grid(**changes: object) -> Geometry:
    """A small anisotropic grid, with what a test changes."""
    values: dict[str, object] = {
        "size": (4, 3, 2),
        "spacing": (0.7, 0.8, 2.5),
        "origin": (-12.3, 45.6, -789.1),
        "direction": IDENTITY,
    }
    return Geometry(**{**values, **changes})  # type: ignore[arg-type]


def volume(geometry: Geometry, dtype: str = "float64", seed: int = 0) -> Volume:
    """Numbers that are all different, so that no flip stays unseen."""
    array = np.random.default_rng(seed).permutation(math.prod(geometry.shape)).reshape(geometry.shape)
    return Volume(array.astype(dtype), geometry)


def bits(geometry: Geometry) -> bytes:
    """Every number of a geometry to the last bit, the sign of zero included."""
    numbers = (*geometry.spacing, *geometry.origin, *geometry.direction)
    return struct.pack("<3q15d", *geometry.size, *numbers)


@st.composite
def grids(draw: st.DrawFn, *, oblique: bool) -> Geometry:
    """Grids of all 48 axis codes, or turned anywhere, left-handed ones included."""
    size = draw(st.tuples(*[st.integers(1, 5)] * 3))
    spacing = draw(st.tuples(*[st.floats(0.05, 8.0)] * 3))
    origin = draw(st.tuples(*[st.floats(-2e3, 2e3)] * 3))
    direction = np.reshape(cosines_of(draw(st.sampled_from(CODES))), (3, 3))
    if oblique:
        turn = Rotation.random(rng=draw(st.integers(0, 2**32 - 1)))
        direction = turn.as_matrix() @ direction
    return Geometry(size, spacing, origin, tuple(direction.ravel().tolist()))


def is_tie(geometry: Geometry) -> bool:
    """Whether the nearest patient axis of some index axis is a matter of rounding."""
    magnitudes = np.sort(np.abs(geometry.matrix).ravel())
    return bool(np.diff(magnitudes).min() < 1e-9)


# Reorientation ------------------------------------------------------------------------


@pytest.mark.parametrize("code", CODES)
def test_every_axis_code_is_recognised(code: str) -> None:
    """All 48 codes agree with SimpleITK, the left-handed ones too."""
    cosines = cosines_of(code)
    assert grid(direction=cosines).orientation == code
    filtered = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(cosines)
    assert filtered == code


@pytest.mark.parametrize("code", CODES)
def test_round_trip_of_every_axis_code_is_exact(code: str) -> None:
    """Canonical and back gives the array and every number of the geometry, bit for bit."""
    before = volume(grid(direction=cosines_of(code)), "int16")
    canonical = before.to_canonical()
    assert canonical.geometry.orientation == CANONICAL
    after = canonical.to_source()
    assert after.array.tobytes() == before.array.tobytes()
    assert after.array.shape == before.array.shape
    assert bits(after.geometry) == bits(before.geometry)
    assert after.reorientation is None
    assert after.digest == before.digest


@QUICK
@given(grids(oblique=True))
def test_round_trip_of_an_oblique_grid_is_exact(geometry: Geometry) -> None:
    """An oblique origin would be lost to rounding were it only flipped back."""
    before = volume(geometry)
    after = before.to_canonical().to_source()
    assert after.array.tobytes() == before.array.tobytes()
    assert bits(after.geometry) == bits(before.geometry)


@QUICK
@given(grids(oblique=True), st.data())
def test_marked_voxel_stays_where_it_is(geometry: Geometry, data: st.DataObject) -> None:
    """Reorienting moves the index of a voxel, never its place in the patient."""
    index = tuple(data.draw(st.integers(0, n - 1)) for n in geometry.size)
    array = np.zeros(geometry.shape, dtype=np.uint8)
    array[index[::-1]] = 1
    turned = Mask(array, geometry).to_canonical()
    found = np.argwhere(turned.array)[0][::-1]
    assert np.allclose(turned.geometry.point(found), geometry.point(index), rtol=0, atol=1e-9)
    assert turned.geometry.voxel_mm3 == pytest.approx(geometry.voxel_mm3, rel=1e-12)


@QUICK
@given(grids(oblique=True))
def test_orientation_of_an_oblique_grid_is_that_of_simpleitk(geometry: Geometry) -> None:
    """The axes are matched to the patient as ITK matches them."""
    assume(not is_tie(geometry))
    expected = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(geometry.direction)
    assert geometry.orientation == expected


@QUICK
@given(grids(oblique=True))
def test_canonical_volume_is_that_of_simpleitk(geometry: Geometry) -> None:
    """Voxels equal those of `DICOMOrient`, and so does the grid up to rounding."""
    assume(not is_tie(geometry))
    ours = volume(geometry)
    theirs = sitk.DICOMOrient(ours.to_sitk(), "LPS")
    canonical = ours.to_canonical()
    assert np.array_equal(canonical.array, sitk.GetArrayFromImage(theirs))
    assert canonical.geometry.size == theirs.GetSize()
    assert canonical.geometry.spacing == theirs.GetSpacing()
    assert np.allclose(canonical.geometry.origin, theirs.GetOrigin(), rtol=0, atol=1e-9)
    assert np.allclose(canonical.geometry.direction, theirs.GetDirection(), rtol=0, atol=1e-12)


@QUICK
@given(grids(oblique=True))
def test_canonical_of_canonical_changes_nothing_but_the_way_back(geometry: Geometry) -> None:
    """What is canonical stays as it is."""
    once = volume(geometry).to_canonical()
    twice = once.to_canonical()
    assert twice.array.tobytes() == once.array.tobytes()
    assert bits(twice.geometry) == bits(once.geometry)


def test_mask_near_a_tie_turns_with_its_image() -> None:
    """At 45° rounding alone decides the axes: the mask takes the code of its image."""
    c = math.sqrt(0.5)
    image = grid(direction=(c + 1e-12, -c, 0, c, c + 1e-12, 0, 0, 0, 1))
    header = grid(direction=(c, -c - 1e-12, 0, c + 1e-12, c, 0, 0, 0, 1))
    assert image.difference(header) is None
    assert image.orientation != header.orientation
    array = np.zeros(image.shape, dtype=np.uint8)
    array[0, 0, :2] = 1
    turned = Mask(array, header).to_canonical(image.orientation)
    assert turned.geometry.difference(Volume(array, image).to_canonical().geometry) is None
    assert np.array_equal(turned.to_source().array, array)


def test_oriented_chooses_between_canonical_and_source() -> None:
    """The setting `orientation` names the grid of the file or the canonical one."""
    source = volume(grid(direction=cosines_of("SAR")))
    canonical = source.to_canonical()
    assert canonical.oriented("canonical") is canonical
    assert bits(canonical.oriented("source").geometry) == bits(source.geometry)
    assert source.to_source() is source


# Geometry -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": (4, 3)}, "size must be three positive integers"),
        ({"size": (4, 0, 2)}, "size must be three positive integers"),
        ({"size": (4, 3, 2, 1)}, "size must be three positive integers"),
        ({"spacing": (1.0, 0.0, 1.0)}, r"spacing must be above 0 mm, got \(1.0, 0.0, 1.0\)"),
        ({"spacing": (1.0, -2.0, 1.0)}, "spacing must be above 0 mm"),
        ({"spacing": (1.0, math.nan, 1.0)}, "spacing must be 3 finite numbers"),
        ({"spacing": (1.0, 1.0)}, "spacing must be 3 finite numbers"),
        ({"origin": (1.0, math.inf, 1.0)}, "origin must be 3 finite numbers"),
        ({"direction": IDENTITY[:4]}, "direction must be 9 finite numbers"),
        ({"direction": (1, 0.01, 0, 0, 1, 0, 0, 0, 1)}, "not orthonormal.*; resample"),
        ({"direction": (2, 0, 0, 0, 1, 0, 0, 0, 1)}, "not orthonormal"),
        ({"direction": (0,) * 9}, "not orthonormal"),
        ({"direction": (math.nan, 0, 0, 0, 1, 0, 0, 0, 1)}, "direction must be 9 finite numbers"),
    ],
)
def test_grid_that_is_none_is_refused(changes: dict[str, object], message: str) -> None:
    """A geometry is valid or does not come to be."""
    with pytest.raises(GeometryError, match=message):
        grid(**changes)


def test_axis_orders_are_those_of_the_contract() -> None:
    """Lists run x, y, z; shape and sampling follow the array: z, y, x."""
    geometry = grid()
    assert geometry.shape == (2, 3, 4)
    assert geometry.sampling == (2.5, 0.8, 0.7)
    assert geometry.voxel_mm3 == pytest.approx(1.4, rel=1e-15)
    assert geometry.point((1, 0, 0)) == pytest.approx((-11.6, 45.6, -789.1))


@QUICK
@given(grids(oblique=True))
def test_points_are_those_of_simpleitk(geometry: Geometry) -> None:
    """A voxel index has the physical point that ITK gives it; the image goes there and back."""
    image = volume(geometry).to_sitk()
    last = tuple(n - 1 for n in geometry.size)
    expected = image.TransformIndexToPhysicalPoint(last)
    assert np.allclose(geometry.point(last), expected, rtol=0, atol=1e-9)
    assert bits(Geometry.of_sitk(image)) == bits(geometry)


def test_geometry_is_frozen_and_hashable() -> None:
    """A geometry may be a key and cannot be changed in place."""
    geometry = grid()
    with pytest.raises(FrozenInstanceError, match="cannot assign"):
        geometry.size = (1, 1, 1)  # type: ignore[misc]
    assert hash(geometry) == hash(grid())
    assert geometry == grid()


# Differences --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": (4, 3, 3)}, "size (4, 3, 3) against (4, 3, 2) voxels"),
        ({"spacing": (0.71, 0.8, 2.5)}, "spacing (0.71, 0.8, 2.5) against (0.7, 0.8, 2.5) mm"),
        ({"origin": (-12.3, 45.7, -789.1)}, "origin (-12.3, 45.7, -789.1) against (-12.3, 45.6, -789.1) mm"),
        (
            {"direction": cosines_of("LPI")},
            "direction (1, 0, 0, 0, 1, 0, 0, 0, -1) against (1, 0, 0, 0, 1, 0, 0, 0, 1)",
        ),
    ],
)
def test_difference_names_what_differs(changes: dict[str, object], message: str) -> None:
    """The first difference is told with both values."""
    assert grid().difference(grid(**changes)) == message


def test_equal_grids_have_no_difference() -> None:
    """A grid is the same as itself."""
    assert grid().difference(grid()) is None


def test_drift_shows_at_the_far_corner() -> None:
    """A spacing off by less than the tolerance adds up over 500 voxels."""
    here, there = grid(size=(500, 3, 2)), grid(size=(500, 3, 2), spacing=(0.7005, 0.8, 2.5))
    assert grid().difference(grid(spacing=(0.7005, 0.8, 2.5))) is not None
    found = here.difference(there)
    assert found == "spacing (0.7005, 0.8, 2.5) against (0.7, 0.8, 2.5) mm"


def test_small_turn_shows_at_the_far_corner() -> None:
    """A turn by a hundredth of a degree moves the far corner by more than the tolerance."""
    turn = Rotation.from_euler("z", 0.01, degrees=True).as_matrix().ravel().tolist()
    found = grid(size=(500, 500, 2)).difference(grid(size=(500, 500, 2), direction=tuple(turn)))
    assert found is not None
    assert found.startswith("direction")


def test_difference_shows_numbers_that_differ() -> None:
    """A shift too small for six digits is shown with more of them."""
    found = grid(origin=(0, 0, -1234.561)).difference(grid(origin=(0, 0, -1234.562)))
    assert found == "origin (0, 0, -1234.562) against (0, 0, -1234.561) mm"


@QUICK
@given(grids(oblique=True))
def test_header_in_single_precision_is_the_same_grid(geometry: Geometry) -> None:
    """NIfTI keeps four bytes for each number: that is no other grid."""
    assume(min(geometry.spacing) > 0.3)
    rounded = Geometry(
        geometry.size,
        *(tuple(np.float32(v).item() for v in values) for values in (geometry.spacing, geometry.origin)),  # type: ignore[arg-type]
        tuple(np.float32(v).item() for v in geometry.direction),
    )
    assert geometry.difference(rounded) is None
    assert rounded.difference(geometry) is None


def test_grids_apart_do_not_overlap() -> None:
    """A shift beyond the box is told from one within it."""
    assert grid().overlaps(grid(origin=(-10.0, 45.6, -789.1)))
    assert not grid().overlaps(grid(origin=(100.0, 45.6, -789.1)))
    # Side by side: the faces touch, no space is shared.
    assert not grid(spacing=(1, 1, 1), origin=(0, 0, 0)).overlaps(grid(spacing=(1, 1, 1), origin=(4, 0, 0)))


# Digests ------------------------------------------------------------------------------


def test_digest_ignores_memory_layout_and_byte_order() -> None:
    """The same numbers have the same digest however they lie in memory."""
    geometry = grid()
    array = np.arange(24, dtype="<i2").reshape(geometry.shape)
    wide = np.zeros((4, 6, 8), dtype="<i2")
    wide[::2, ::2, ::2] = array
    layouts = [array, np.asfortranarray(array), array.astype(">i2"), wide[::2, ::2, ::2]]
    assert len({Volume(a, geometry).digest for a in layouts}) == 1


def test_digest_depends_on_the_type_of_the_voxels() -> None:
    """Bytes that happen to agree are not the same volume."""
    array = np.zeros(grid().shape, dtype=np.int16)
    kinds = {Volume(array.astype(t), grid()).digest for t in ("int16", "uint16", "int32", "float32")}
    assert len(kinds) == 4


@pytest.mark.parametrize(("field", "count"), [("spacing", 3), ("origin", 3), ("direction", 9)])
def test_digest_depends_on_the_last_bit_of_each_number(field: str, count: int) -> None:
    """The next representable value of any number of the geometry is another volume."""
    array = np.zeros(grid().shape, dtype=np.int16)
    digests = {Volume(array, grid()).digest}
    for at in range(count):
        values = list(getattr(grid(), field))
        values[at] = float(np.nextafter(values[at], np.inf))
        digests.add(Volume(array, grid(**{field: tuple(values)})).digest)
    assert len(digests) == count + 1


def test_digest_depends_on_shape_voxels_and_way_back() -> None:
    """Size, one voxel, and the orientation of the source all count."""
    array = np.zeros(24, dtype=np.int16)
    changed = array.copy()
    changed[7] = 1
    flipped = Volume(array.reshape(2, 3, 4), grid()).to_canonical()
    assert flipped.reorientation is not None
    other = replace(flipped.reorientation, source="LPI")
    digests = [
        Volume(array.reshape(2, 3, 4), grid()).digest,
        Volume(array.reshape(2, 4, 3), grid(size=(3, 4, 2))).digest,
        Volume(changed.reshape(2, 3, 4), grid()).digest,
        flipped.digest,
        Volume(array.reshape(2, 3, 4), grid(), other).digest,
    ]
    assert len(set(digests)) == len(digests)


def test_digest_is_the_contract() -> None:
    """Golden value: stored rows refer to it, so that it may never change.

    SHA-256 over the text and the bytes written out here by hand.
    """
    array = np.arange(8, dtype=np.int16).reshape(2, 2, 2)
    geometry = Geometry((2, 2, 2), (1, 1, 2), (0, 0, 0), IDENTITY)
    one, zero, two = "'0x1.0000000000000p+0'", "'0x0.0p+0'", "'0x1.0000000000000p+1'"
    head = (
        f"('<i2', (2, 2, 2), [{one}, {one}, {two}], [{zero}, {zero}, {zero}], "
        f"[{one}, {zero}, {zero}, {zero}, {one}, {zero}, {zero}, {zero}, {one}], None)"
    )
    body = bytes([0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0])
    assert Volume(array, geometry).digest == hashlib.sha256(head.encode() + body).hexdigest()


# Arrays -------------------------------------------------------------------------------


def test_arrays_are_frozen() -> None:
    """No one changes the voxels of a volume in place; the caller's own array stays writable."""
    array = np.zeros(grid().shape)
    frozen = Volume(array, grid())
    with pytest.raises(ValueError, match="read-only"):
        frozen.array[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        frozen.to_canonical().array[0, 0, 0] = 1
    assert array.flags.writeable


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_volume_refuses_what_is_no_number(bad: float, dtype: str) -> None:
    """The number of bad voxels is told."""
    array = np.zeros(grid().shape, dtype=dtype)
    array[0, 0, :2] = bad
    with pytest.raises(GeometryError, match="2 voxels that are NaN or infinite; replace"):
        Volume(array, grid())


@pytest.mark.parametrize("shape", [(4, 3, 2), (24,), (2, 3, 4, 1), (2, 12)])
def test_array_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    """The shape is (z, y, x); x, y, z is the classic mistake."""
    with pytest.raises(GeometryError, match=r"its geometry \(2, 3, 4\) \(z, y, x\)"):
        Volume(np.zeros(shape), grid())


@pytest.mark.parametrize("dtype", ["bool", "int16", "float32"])
def test_mask_of_another_type_is_refused(dtype: str) -> None:
    """A mask has one representation, so that its digest is one too."""
    with pytest.raises(MaskError, match="0 and 1 as unsigned bytes"):
        Mask(np.ones(grid().shape, dtype=dtype), grid())


def test_mask_of_other_values_is_refused() -> None:
    """Label 255 is to be chosen before, not kept."""
    with pytest.raises(MaskError, match="0 and 1"):
        Mask(np.full(grid().shape, 255, dtype=np.uint8), grid())


def test_empty_mask_is_refused() -> None:
    """A mask without a voxel is no mask."""
    with pytest.raises(MaskError, match="mask is empty"):
        Mask(np.zeros(grid().shape, dtype=np.uint8), grid())


@QUICK
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 3)), min_size=1))
def test_box_is_the_smallest_that_holds_the_mask(places: list[tuple[int, int, int]]) -> None:
    """Every voxel lies in the box, and every face of it touches one."""
    array = np.zeros(grid().shape, dtype=np.uint8)
    for place in places:
        array[place] = 1
    mask = Mask(array, grid())
    assert mask.voxels == len(set(places))
    low, high = np.min(places, axis=0), np.max(places, axis=0)
    assert mask.box == tuple(slice(a, b + 1) for a, b in zip(low.tolist(), high.tolist(), strict=True))


def test_image_of_simpleitk_goes_there_and_back() -> None:
    """Voxels, type and geometry pass through SimpleITK unchanged."""
    turn = Rotation.from_euler("xyz", (10, 20, 30), degrees=True).as_matrix().ravel().tolist()
    ours = volume(grid(direction=tuple(turn)), "int16")
    image = ours.to_sitk()
    there = Volume(sitk.GetArrayFromImage(image), Geometry.of_sitk(image))
    assert there.digest == ours.digest
