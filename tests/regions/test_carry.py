"""Masks carried to another phase: copied, resampled, and after a registration of known outcome."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.errors import CaseError, GeometryError, MaskError
from mvi_ray.ingest.files import read_volume
from mvi_ray.ingest.masks.choice import Segment
from mvi_ray.ingest.masks.labels import read_labels
from mvi_ray.regions import registration
from mvi_ray.regions.carry import carry_along, carry_mask
from mvi_ray.regions.registration import Motion, find_motion
from mvi_ray.volume import Geometry, Mask, Reorientation, Volume

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
CENTRE = (42.0, 42.0, 45.0)
AP = Geometry((56, 56, 30), (1.5, 1.5, 3.0), (0, 0, 0), IDENTITY)
PP = Geometry((72, 70, 20), (1.2, 1.2, 4.5), (-1.0, 2.0, 0.5), IDENTITY)


def drawn(path: Path) -> Mask:
    """Label 1 of a file."""
    labels = read_labels(path)
    return Mask(labels.voxels(Segment(1)), labels.geometry)


@cache
def phase(
    grid: Geometry,
    shift: tuple[float, float, float] = (0, 0, 0),
    turn: float = 0.0,
    *,
    inverted: bool = False,
) -> tuple[Volume, Mask]:
    """Twenty blurred spots and a bright ball of 12 mm, moved: the tumour and its surroundings.

    Args:
        grid: where they are sampled.
        shift: of everything, LPS millimetres.
        turn: about z through the ball's middle, in radians.
        inverted: dark for bright, as another contrast phase may be.
    """
    rng = np.random.default_rng(7)
    z, y, x = np.indices(grid.shape)
    points = np.stack([x, y, z], axis=-1) * grid.spacing + grid.origin
    rotation = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    still = (points - CENTRE - np.asarray(shift)) @ rotation + CENTRE
    values = np.zeros(grid.shape)
    for _ in range(20):
        at, width, height = rng.uniform(5, 85, 3), rng.uniform(5, 12), rng.uniform(20, 120)
        values += height * np.exp(-((still - at) ** 2).sum(axis=-1) / (2 * width**2))
    ball = ((still - CENTRE) ** 2).sum(axis=-1) <= 12**2
    values[ball] += 80
    values = 200 - 0.7 * values if inverted else values
    values += np.random.default_rng(int(inverted)).normal(0, 4, grid.shape)
    way = Reorientation("LPS", grid.origin)
    return Volume(values.astype(np.float32), grid, way), Mask(ball.astype(np.uint8), grid, way)


def dice(a: Mask, b: Mask) -> float:
    """Twice what two masks share over the sum of both."""
    return 2 * int((a.array & b.array).sum()) / (a.voxels + b.voxels)


# Without registration -----------------------------------------------------------------


def test_mask_on_the_same_grid_stays_what_it_is() -> None:
    """Bit for bit, with the way back of the image that it is carried to."""
    image, mask = phase(AP)
    other = Volume(image.array, AP, Reorientation("RAS", (9.0, 8.0, 7.0)))
    carried = carry_mask(mask, image, other)
    assert carried.mask.array.tobytes() == mask.array.tobytes()
    assert carried.mask.reorientation == other.reorientation
    assert (carried.shift_mm, carried.rotation_deg, carried.outside_mm3) == ((0, 0, 0), 0.0, 0.0)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.data())
def test_each_voxel_takes_the_value_of_the_nearest_of_the_mask(data: st.DataObject) -> None:
    """Against a search over all voxels, on oblique grids of other spacing."""
    cells = data.draw(st.lists(st.booleans(), min_size=60, max_size=60).filter(any))
    own = Geometry((5, 4, 3), (1.0, 1.7, 2.3), (0.1, -0.2, 0.3), (0, 1, 0, -1, 0, 0, 0, 0, 1))
    spacing = data.draw(st.tuples(*[st.sampled_from([0.7, 1.3, 2.1])] * 3))
    origin = data.draw(st.tuples(*[st.sampled_from([-3.3, -1.15, 0.85])] * 3))
    other = Geometry((5, 6, 7), spacing, origin, IDENTITY)
    mask = Mask(np.reshape(cells, (3, 4, 5)).astype(np.uint8), own)
    image = Volume(np.zeros(own.shape, dtype=np.float32), own)
    expected = np.zeros(other.shape, dtype=np.uint8)
    for place in np.ndindex(*other.shape):
        point = other.point(place[::-1])
        index = own.matrix.T @ np.subtract(point, own.origin) / own.spacing
        near = np.rint(index).astype(int)
        if (near >= 0).all() and (near < own.size).all():
            expected[place] = mask.array[tuple(near[::-1])]
    target = Volume(np.zeros(other.shape, dtype=np.float32), other)
    if not expected.any():
        with pytest.raises(MaskError, match="nothing of the other phase's mask lies in this image"):
            carry_mask(mask, image, target)
        return
    assert np.array_equal(carry_mask(mask, image, target).mask.array, expected)


def test_what_lies_beyond_the_other_image_is_told() -> None:
    """A block of eight columns of 2 mm³, three of them beyond the edge."""
    grid = Geometry((8, 4, 4), (1, 1, 2), (0, 0, 0), IDENTITY)
    narrow = Geometry((5, 4, 4), (1, 1, 2), (0, 0, 0), IDENTITY)
    mask = Mask(np.ones((4, 4, 8), dtype=np.uint8), grid)
    image, other = (Volume(np.zeros(g.shape, dtype=np.float32), g) for g in (grid, narrow))
    carried = carry_mask(mask, image, other)
    assert carried.mask.voxels == 5 * 16
    assert carried.outside_mm3 == 3 * 16 * 2.0


def test_mask_on_another_grid_than_its_image_is_an_error() -> None:
    """Coordinates would have no meaning."""
    image, mask = phase(AP)
    with pytest.raises(GeometryError, match="mask and image differ: size"):
        carry_mask(mask, phase(PP)[0], image)


@pytest.mark.parametrize("patient", ["STS_001", "STS_005"])
def test_sarcoma_is_carried_between_mr_and_pet(real_data: Path, patient: str) -> None:
    """Both masks come from one contour: carried by patient coordinates they agree, both ways.

    A voxel of PET is five wide, so that at the border the finer grid gets its steps.
    """
    folder = real_data / "sts-mri-pet" / "images" / patient
    images = {k: read_volume(folder / f"{k}_image.nii.gz").to_canonical() for k in ("MR_T1", "PET")}
    masks = {k: drawn(folder / f"{k}_mask.nii.gz").to_canonical() for k in images}
    for source, target, least in (("MR_T1", "PET", 0.99), ("PET", "MR_T1", 0.95)):
        carried = carry_mask(masks[source], images[source], images[target])
        assert dice(carried.mask, masks[target]) >= least
        assert carried.mask.voxels * images[target].geometry.voxel_mm3 == pytest.approx(
            masks[source].voxels * images[source].geometry.voxel_mm3, rel=0.02
        )
        assert carried.outside_mm3 == 0.0


# With registration --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shift", "turn"), [((6.0, -4.0, 5.0), 0.0), ((9.0, 7.0, -8.0), 0.09)], ids=["shifted", "turned"]
)
def test_known_motion_is_recovered(shift: tuple[float, float, float], turn: float) -> None:
    """On another grid, inverted in contrast and with noise: within half a voxel, and half a degree."""
    image, mask = phase(AP)
    other, there = phase(PP, shift, turn, inverted=True)
    carried = carry_mask(mask, image, other, "rigid")
    assert np.abs(np.subtract(carried.shift_mm, shift)).max() < 0.5 * min(PP.spacing)
    assert carried.rotation_deg == pytest.approx(np.degrees(turn), abs=0.5)
    assert dice(carried.mask, there) > 0.9 > dice(carry_mask(mask, image, other).mask, there)
    assert carried.motion.metric_after is not None
    assert carried.motion.metric_before is not None
    assert carried.motion.metric_after < carried.motion.metric_before
    # The organ goes the same way: points of the one are points of the other.
    organ = Mask(np.ones(AP.shape, dtype=np.uint8), AP)
    whole = carry_along(organ, carried.motion, other)
    assert not (carried.mask.array & (1 - whole.mask.array)).any()
    assert whole.outside_mm3 > 0


def test_motion_moves_points_as_its_transform_does() -> None:
    """The rotation's order and centre are SimpleITK's."""
    motion = Motion((1, 2, 3), (4, 5, 6), (0.1, -0.2, 0.3))
    points = np.array([[7.0, 8.0, 9.0], [-1.0, 0.0, 2.5]])
    assert motion.moved(points) == pytest.approx(
        np.array([motion.transform().TransformPoint(p) for p in points])
    )
    assert Motion((1, 2, 3), (4, 5, 6), (0, 0, 0.3)).rotation_deg == pytest.approx(np.degrees(0.3))
    assert Motion(angles=(0.02, 0, 0)).rotation_deg == pytest.approx(np.degrees(0.02))


def test_image_registered_to_itself_does_not_move() -> None:
    """The search ends beside the best place; the mask must not shift by a hair for it."""
    image, mask = phase(AP)
    carried = carry_mask(mask, image, image, "rigid")
    assert carried.shift_mm == (0, 0, 0)
    assert np.array_equal(carried.mask.array, mask.array)


def test_registration_is_the_same_to_the_last_bit(run_python: Callable[..., Any]) -> None:
    """In another process, and whatever the number of threads that ITK may take."""
    script = """
from tests.regions.test_carry import AP, PP, phase
from mvi_ray.regions.registration import find_motion
image, mask = phase(AP)
found = find_motion(mask, image, phase(PP, (6.0, -4.0, 5.0), 0.0, inverted=True)[0])
print([v.hex() for v in (*found.shift_mm, *found.angles, found.metric_after)])
"""
    texts = set()
    for threads in ("1", "5"):
        done = run_python(
            script,
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": threads,
            },
        )
        assert done.returncode == 0, done.stderr
        texts.add(done.stdout)
    image, mask = phase(AP)
    found = find_motion(mask, image, phase(PP, (6.0, -4.0, 5.0), 0.0, inverted=True)[0])
    texts.add(f"{[v.hex() for v in (*found.shift_mm, *found.angles, found.metric_after or 0)]}\n")
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("limit", "value", "told"),
    [
        ("MAX_SHIFT_MM", 2.0, "moved the tumour by 9 mm and 0°, more than 2 mm or 15°"),
        ("MAX_ROTATION_DEG", 0.0, "more than 50 mm or 0°"),
    ],
)
def test_motion_that_goes_too_far_is_refused(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: float, told: str
) -> None:
    """A tumour that was lost is no tumour; the way out is told."""
    monkeypatch.setattr(registration, limit, value)
    image, mask = phase(AP)
    other, _ = phase(PP, (6.0, -4.0, 5.0), 0.0, inverted=True)
    with pytest.raises(CaseError, match=told) as caught:
        find_motion(mask, image, other)
    assert caught.value.way_out == "draw the mask on this phase too, or set register: none"


def test_motion_that_makes_the_match_worse_is_refused() -> None:
    """Noise has nothing to be found in."""
    image, mask = phase(AP)
    noise = Volume(np.random.default_rng(0).normal(size=AP.shape), AP)
    with pytest.raises(CaseError, match=r"made the match worse|moved the tumour by"):
        find_motion(mask, image, noise)


@pytest.mark.parametrize(
    ("motion", "told"),
    [
        (Motion(metric_before=float("nan"), metric_after=-0.5), "made the match worse"),
        (Motion(metric_before=-0.5, metric_after=float("nan")), "made the match worse"),
        (
            Motion(shift_mm=(float("nan"), 0, 0), metric_before=-0.4, metric_after=-0.5),
            "by nan mm",
        ),
    ],
)
def test_motion_that_is_no_number_is_refused(motion: Motion, told: str) -> None:
    """Every comparison with it is false."""
    with pytest.raises(CaseError, match=told):
        registration._check(motion)


@pytest.mark.parametrize("fault", ["elsewhere", "flat"])
def test_images_that_cannot_be_compared_are_told(fault: str) -> None:
    """No overlap, or nothing to see: a plain message, without the words of ITK."""
    image, mask = phase(AP)
    far = Geometry(AP.size, AP.spacing, (900, 0, 0), IDENTITY)
    other = Volume(image.array, far) if fault == "elsewhere" else Volume(np.ones(AP.shape), AP)
    with pytest.raises(CaseError, match="cannot be registered around the tumour; draw the mask"):
        find_motion(mask, image, other)


def test_real_mr_is_found_where_it_was_put(real_data: Path) -> None:
    """A thigh resampled 7, −5 and 4 mm away, its contrast bent: found again within half a voxel."""
    folder = real_data / "sts-mri-pet" / "images" / "STS_001"
    image = read_volume(folder / "MR_T1_image.nii.gz").to_canonical()
    mask = drawn(folder / "MR_T1_mask.nii.gz").to_canonical()
    shift = (7.0, -5.0, 4.0)
    back = sitk.TranslationTransform(3, [-s for s in shift])
    moved = sitk.GetArrayFromImage(sitk.Resample(image.to_sitk(), back, sitk.sitkLinear))
    other = Volume(np.sqrt(np.abs(moved)).astype(np.float32), image.geometry, image.reorientation)
    carried = carry_mask(mask, image, other, "rigid")
    error = np.abs(np.subtract(carried.shift_mm, shift)) / image.geometry.spacing
    assert error.max() < 0.5
    assert carried.rotation_deg < 0.5
