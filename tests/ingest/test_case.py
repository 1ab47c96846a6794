"""One image with its masks: what is taken, what is told, and that siblings live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mvi_ray.regions.ring import ring_around
from mvi_ray.study import Ring
from mvi_ray.volume import Geometry, Volume

if TYPE_CHECKING:
    from conftest import Folder

    from mvi_ray.ingest.case import ImageCase

RING = {"peritumoral": Ring(kind="ring", outer_mm=2)}
SHAPE = (6, 8, 10)
SPACING = (1.0, 1.5, 2.0)
ORIGIN = (10.0, -20.0, 30.0)


def block(value: int = 1) -> np.ndarray:
    """Labels with a block of 2 × 3 × 3 voxels in the middle."""
    array = np.zeros(SHAPE, dtype=np.uint8)
    array[2:4, 3:6, 4:7] = value
    return array


def only(case: ImageCase, severity: str = "error") -> tuple[str, str]:
    """Reason and way out of the one problem of a case."""
    assert [p.severity for p in case.problems] == [severity], case.problems
    return case.problems[0].reason, case.problems[0].way_out


def test_good_case_has_image_regions_and_no_problem(folder: Folder) -> None:
    """The drawn region first, then the ring, each with its facts."""
    folder.image()
    folder.mask()
    case = folder.read(rings=RING)
    assert case.problems == ()
    assert (case.patient_id, case.session, case.phase) == ("P01", "baseline", "AP")
    drawn, ring = case.masks[0].regions
    assert (drawn.name, ring.name) == ("intratumoral", "peritumoral")
    assert drawn.facts.voxels == 18
    assert drawn.facts.volume_mm3 == 18 * 3.0
    assert ring.facts.voxels == ring.mask.voxels > 0
    assert case.masks[0].organ is None
    assert case.volume is not None
    assert case.volume.geometry.orientation == "LPS"


@pytest.mark.parametrize("code", ["LPS", "RAS", "SAR", "PIL", "oblique"])
@pytest.mark.parametrize("ending", ["nii.gz", "nrrd"])
def test_image_mask_and_ring_keep_their_place(folder: Folder, code: str, ending: str) -> None:
    """Whatever the axes of the file: the same points in the patient are inside."""
    sides = {
        "L": (1, 0, 0),
        "R": (-1, 0, 0),
        "P": (0, 1, 0),
        "A": (0, -1, 0),
        "S": (0, 0, 1),
        "I": (0, 0, -1),
    }
    if code == "oblique":
        matrix = Rotation.from_euler("xyz", (170, 20, 70), degrees=True).as_matrix()
    else:
        matrix = np.array([sides[letter] for letter in code], dtype=float).T
    direction = tuple(matrix.ravel().tolist())
    array = np.arange(480, dtype=np.int16).reshape(SHAPE)
    folder.write(f"i.{ending}", array, direction=direction)
    folder.write(f"m.{ending}", block(), direction=direction)
    case = folder.read({"image": f"i.{ending}", "mask": f"m.{ending}"}, rings=RING)
    assert case.problems == ()
    assert case.volume is not None
    assert case.volume.geometry.orientation == "LPS"
    drawn, ring = (r.mask for r in case.masks[0].regions)
    # Voxels inside, by value: each value stands at one place of the file.
    assert sorted(case.volume.array[drawn.array == 1]) == sorted(array[block() == 1])
    source = drawn.to_source()
    assert np.array_equal(source.array, block())
    again = ring_around(source, RING["peritumoral"]).mask
    assert np.array_equal(ring.to_source().array, again.array)
    back = case.volume.to_source()
    assert np.array_equal(back.array, array)
    if ending == "nrrd":
        wanted = Geometry((10, 8, 6), SPACING, ORIGIN, direction)
        assert back.geometry.difference(wanted) is None
    assert drawn.geometry.difference(case.volume.geometry) is None


@pytest.mark.parametrize("dtype", ["int16", "uint8", "float32", "float64"])
def test_image_keeps_its_type(folder: Folder, dtype: str) -> None:
    """What is stored is what was measured."""
    folder.image(dtype=dtype)
    folder.mask()
    volume = folder.read().volume
    assert volume is not None
    assert volume.array.dtype == np.dtype(dtype)


def test_image_that_cannot_be_read_costs_its_masks_only_once(folder: Folder) -> None:
    """One problem for the image, with the line of its first mask."""
    folder.mask()
    case = folder.read({}, {"reader": "R2"})
    assert only(case) == ("image file does not exist", "check the path in the manifest")
    assert case.volume is None
    assert case.masks == ()
    assert (case.problems[0].line, case.problems[0].patient_id, case.problems[0].reader) == (2, "P01", None)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"mask": "jane-gone.nii"}, "mask file does not exist"),
        ({"mask": "jane.txt"}, "mask file has an ending that is not read"),
        ({"label": 2}, "label 2 does not occur in the mask, which holds 1"),
        ({"segment": "tumour"}, "mask names no segments"),
        ({"mask": "jane-empty.nrrd"}, "mask is empty"),
        ({"mask": "jane-fraction.nrrd"}, "mask holds fractions"),
        ({"mask": "jane-negative.nrrd"}, "mask holds the negative label -1"),
        ({"mask": "jane-voxel.nrrd"}, "mask is a single voxel"),
        ({"mask": "jane-line.nrrd"}, "mask is a line of 4 voxels"),
        ({"mask": "jane-grid.nrrd"}, "mask lies on another grid than the image (size (10, 8, 5)"),
        ({"mask": "jane-spacing.nrrd"}, "mask lies on another grid than the image (spacing (1, 1.5, 2.2)"),
        ({"mask": "jane-shifted.nrrd"}, "mask lies on another grid than the image (origin (10.5, -20, 30)"),
        ({"mask": "jane-far.nrrd"}, "mask lies outside the image"),
        ({"mask": "jane-colour.nrrd"}, "mask has 3 values in each voxel"),
        ({"mask": "jane-cut.nii"}, "mask file ends early"),
    ],
)
def test_bad_mask_is_told_and_its_siblings_live(folder: Folder, cells: dict[str, Any], reason: str) -> None:
    """Between two good masks: the message has the case, the line and a way out."""
    folder.image()
    folder.mask()
    single, line, fraction = (np.zeros(SHAPE, dtype=t) for t in ("uint8", "uint8", "float32"))
    single[2, 3, 4] = line[2, 3, 4:8] = 1
    fraction[2, 3, 4] = 0.5
    folder.write("jane-empty.nrrd", np.zeros(SHAPE, dtype=np.uint8))
    folder.write("jane-fraction.nrrd", fraction)
    folder.write("jane-negative.nrrd", -block().astype(np.int16))
    folder.write("jane-voxel.nrrd", single)
    folder.write("jane-line.nrrd", line)
    folder.write("jane-grid.nrrd", block()[:5], spacing=(1.0, 1.5, 2.4))
    folder.write("jane-spacing.nrrd", block(), spacing=(1.0, 1.5, 2.2))
    folder.write("jane-shifted.nrrd", block(), origin=(10.5, -20.0, 30.0))
    folder.write("jane-far.nrrd", block(), origin=(900.0, -20.0, 30.0))
    folder.write("jane-colour.nrrd", np.stack([block()] * 3, axis=-1), vector=True)
    cut = folder.write("jane-cut.nii", block())
    cut.write_bytes(cut.read_bytes()[:500])
    case = folder.read({}, {"lesion": "2", **cells}, {"lesion": "3"}, rings=RING)
    found, way_out = only(case)
    assert found.startswith(reason), found
    assert way_out, found
    problem = case.problems[0]
    assert (problem.line, problem.lesion, problem.reader, problem.phase) == (3, "2", "R1", "AP")
    assert [m.lesion for m in case.masks] == ["1", "3"]
    assert all(len(m.regions) == 2 for m in case.masks)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"organ_mask": "jane-gone.nii"}, "organ mask file does not exist"),
        ({"organ_mask": "jane-organs.nrrd"}, "organ mask holds 2 labels (3, 5)"),
        (
            {"organ_mask": "jane-organs.nrrd", "organ_label": 4},
            "label 4 does not occur in the organ mask, which holds 3, 5",
        ),
        ({"organ_mask": "jane-empty.nrrd"}, "organ mask is empty"),
        ({"organ_mask": "jane-empty.nrrd", "organ_label": 1}, "organ mask is empty"),
        ({"organ_mask": "jane-shifted.nrrd"}, "organ mask lies on another grid"),
        ({"organ_mask": "jane-far.nrrd"}, "organ mask lies outside the image"),
    ],
)
def test_bad_organ_mask_costs_what_it_cuts_and_not_the_tumour(
    folder: Folder, cells: dict[str, Any], reason: str
) -> None:
    """The ring fails with the organ's reason: uncut it would be another region."""
    folder.image()
    folder.mask()
    folder.write("jane-empty.nrrd", np.zeros(SHAPE, dtype=np.uint8))
    folder.write("jane-shifted.nrrd", block(), origin=(10.5, -20.0, 30.0))
    folder.write("jane-far.nrrd", block(), origin=(900.0, -20.0, 30.0))
    organs = np.full(SHAPE, 5, dtype=np.uint8)
    organs[0] = 3
    folder.write("jane-organs.nrrd", organs)
    whole = {"whole": Ring(kind="ring", outer_mm=2, clip="none")}
    case = folder.read({}, {"lesion": "2", **cells}, rings=RING | whole)
    assert only(case)[0].startswith(reason)
    problem = case.problems[0]
    assert (problem.line, problem.lesion, problem.region) == (3, "2", "peritumoral")
    assert problem.way_out
    assert [[r.name for r in m.regions] for m in case.masks] == [
        ["intratumoral", "peritumoral", "whole"],
        ["intratumoral", "whole"],
    ]
    unused = folder.read({"lesion": "2", **cells}, rings=whole)
    assert only(unused)[0].startswith(reason)
    assert (unused.problems[0].lesion, unused.problems[0].region) == ("2", None)
    assert [r.name for r in unused.masks[0].regions] == ["intratumoral", "whole"]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_one_slice_is_taken_with_a_warning(folder: Folder, axis: int) -> None:
    """Drawn in one slice only, along each axis: shape means little, but it is the user's mask."""
    folder.image()
    flat = block()
    keep = [slice(None)] * 3
    keep[axis] = slice([2, 3, 4][axis], [3, 4, 5][axis])
    one = np.zeros_like(flat)
    one[tuple(keep)] = flat[tuple(keep)]
    folder.write("jane-flat.nrrd", one)
    case = folder.read({"mask": "jane-flat.nrrd"})
    reason, way_out = only(case, "warning")
    assert reason == f"mask is one slice thick along {'zyx'[axis]}"
    assert way_out
    assert len(case.masks) == 1


def test_label_and_segment_choose_within_one_file(folder: Folder) -> None:
    """Two lesions in one label map."""
    folder.image()
    array = block(1)
    array[4:6, 0:2, 0:3] = 2
    meta = {"Segment0_Name": "second", "Segment0_LabelValue": "2"}
    folder.write("jane-both.nrrd", array, meta=meta)
    case = folder.read(
        {"mask": "jane-both.nrrd"},
        {"mask": "jane-both.nrrd", "label": 2, "lesion": "2"},
        {"mask": "jane-both.nrrd", "segment": "second", "lesion": "3"},
    )
    assert case.problems == ()
    assert [m.regions[0].facts.voxels for m in case.masks] == [18, 12, 12]
    assert case.masks[1].regions[0].mask.digest == case.masks[2].regions[0].mask.digest


def test_organ_clips_the_ring(folder: Folder) -> None:
    """The label named, or the only one there."""
    folder.image()
    folder.mask()
    organs = np.full(SHAPE, 5, dtype=np.int16)
    organs[:, :, 7:] = 3
    folder.write("jane-organs.nrrd", organs)
    folder.write("jane-organ.nrrd", (organs == 5).astype(np.int16) * 9)
    free = folder.read(rings=RING)
    named = folder.read({"organ_mask": "jane-organs.nrrd", "organ_label": 5}, rings=RING)
    single = folder.read({"organ_mask": "jane-organ.nrrd"}, rings=RING)
    rings = [case.masks[0].regions[1] for case in (free, named, single)]
    assert rings[1].mask.digest == rings[2].mask.digest
    assert rings[0].clipped_organ_mm3 is None
    lost = rings[0].facts.volume_mm3 - rings[1].facts.volume_mm3
    assert rings[1].clipped_organ_mm3 == lost > 0
    assert named.masks[0].organ is not None
    assert not (rings[1].mask.array & ~named.masks[0].organ.array & 1).any()


def test_ring_that_cannot_be_made_leaves_the_tumour(folder: Folder) -> None:
    """The problem names the region; the drawn mask is taken."""
    folder.image()
    folder.mask()
    far = np.zeros(SHAPE, dtype=np.uint8)
    far[0, 0, 0] = 1
    folder.write("jane-organ.nrrd", far)
    case = folder.read({"organ_mask": "jane-organ.nrrd"}, rings=RING)
    assert only(case)[0].startswith("nothing is left of the ring of 2 mm")
    assert case.problems[0].region == "peritumoral"
    assert [r.name for r in case.masks[0].regions] == ["intratumoral"]


@pytest.mark.parametrize("organ", [False, True])
def test_header_that_differs_by_rounding_is_the_same_grid(folder: Folder, organ: bool) -> None:
    """Image in NRRD with doubles, masks in NIfTI with singles, on an oblique grid."""
    turn = tuple(Rotation.from_euler("xyz", (11, 22, 33), degrees=True).as_matrix().ravel().tolist())
    header = {"spacing": (0.7123456, 1.5123456, 2.0123456), "origin": (-101.1234567, 99.7654321, -1033.1)}
    folder.image("i.nrrd", direction=turn, **header)
    folder.mask("m.nii", direction=turn, **header)
    folder.write("o.nii", np.ones(SHAPE, dtype=np.uint8), direction=turn, **header)
    case = folder.read(
        {"image": "i.nrrd", "mask": "m.nii", "organ_mask": "o.nii" if organ else None}, rings=RING
    )
    assert case.problems == ()
    ours = case.masks[0].regions[0].mask.geometry
    assert isinstance(case.volume, Volume)
    assert ours != case.volume.geometry
    assert ours.difference(case.volume.geometry) is None
    assert (case.masks[0].organ is not None) == organ


def test_reading_twice_gives_the_same_bits(folder: Folder) -> None:
    """Digests of image, drawn mask and ring do not change between reads."""
    folder.image()
    folder.mask()
    first, second = (folder.read(rings=RING) for _ in range(2))
    assert first.volume is not None
    assert second.volume is not None
    assert first.volume.digest == second.volume.digest
    for one, other in zip(first.masks[0].regions, second.masks[0].regions, strict=True):
        assert one.mask.digest == other.mask.digest


def test_relative_and_absolute_paths_are_read(folder: Folder) -> None:
    """Paths start from the folder of the manifest unless they are absolute."""
    image = folder.image()
    mask = folder.mask()
    nested = folder.path / "masks"
    nested.mkdir()
    mask.rename(nested / mask.name)
    case = folder.read({"image": str(image), "mask": f"masks/{mask.name}"})
    assert case.problems == ()
