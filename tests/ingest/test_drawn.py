"""Masks with their regions: given by hand, carried from another phase, agreed on, resampled."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mvi_ray.ingest.case import ImageCase, read_case
from mvi_ray.ingest.drawn import agreed
from mvi_ray.ingest.manifest import ManifestRow
from mvi_ray.regions.derive import GIVEN
from mvi_ray.regions.registration import Motion
from mvi_ray.study import ByHand, Combination, Ring
from mvi_ray.volume import Volume
from tests.ingest.conftest import ORIGIN, SHAPE, SPACING, Folder, block, study_with

if TYPE_CHECKING:
    from mvi_ray.ingest.drawn import DrawnMask
    from mvi_ray.regions.derive import Region
    from mvi_ray.study import Study

RING = Ring(kind="ring", outer_mm=2)
HAND = ByHand(kind="drawn")
IMAGE, MASK = "jane-doe-mr.nii.gz", "jane-doe-roi.nii.gz"


def case(
    folder: Folder, study: Study, *rows: dict[str, Any], donors: tuple[dict[str, Any], ...] = ()
) -> ImageCase:
    """Read an image, with a look at every problem for names of files."""
    own, other = (
        [ManifestRow.model_validate(folder.row(**one)) for one in group] for group in (rows, donors)
    )
    found = read_case(
        list(enumerate(own, start=2)), folder.path, study, list(enumerate(other, start=2 + len(own)))
    )
    folder.check_silence(found.problems)
    return found


def told(found: ImageCase) -> list[tuple[str, str]]:
    """Severity and reason of each problem."""
    return [(p.severity, p.reason) for p in found.problems]


def regions(mask: DrawnMask) -> dict[str, Region]:
    """By name."""
    return {one.name: one for one in mask.regions}


def moved(x: int = 0, value: int = 1) -> np.ndarray:
    """The block, some voxels along x."""
    return np.roll(block(value), x, axis=2).astype(np.uint8)


# Regions drawn by hand ----------------------------------------------------------------


def test_a_region_drawn_by_hand_takes_the_place_of_its_definition(folder: Folder) -> None:
    """A ring that was trimmed: voxel for voxel, and what is made from it starts there."""
    folder.image()
    folder.mask()
    ring = folder.write("ring.nii.gz", moved(3))
    study = study_with({"peritumoral": RING, "far": Ring(kind="ring", of="peritumoral", outer_mm=1)})
    trimmed = case(folder, study, {}, {"mask": ring.name, "region": "peritumoral"})
    plain = case(folder, study, {})
    assert told(trimmed) == told(plain) == []
    given, made = (regions(one.masks[0]) for one in (trimmed, plain))
    assert list(given) == list(made) == ["intratumoral", "peritumoral", "far"]
    assert np.array_equal(given["peritumoral"].mask.array, moved(3))
    assert (given["peritumoral"].definition, given["peritumoral"].is_given) == (GIVEN, True)
    assert not made["peritumoral"].is_given
    assert np.array_equal(given["intratumoral"].mask.array, made["intratumoral"].mask.array)
    assert not np.array_equal(given["far"].mask.array, made["far"].mask.array)
    assert not (given["far"].mask.array & moved(3)).any()


def test_the_tumour_may_stand_behind_its_regions(folder: Folder) -> None:
    """The order of lines says nothing; each reader keeps the own files."""
    folder.image()
    folder.mask()
    folder.write("a.nii.gz", moved(3))
    folder.write("b.nii.gz", moved(-3))
    study = study_with({"margin": HAND}, readers={"model": "R1", "compare": ["R2"]})
    found = case(
        folder,
        study,
        {"mask": "b.nii.gz", "region": "margin", "reader": "R2"},
        {"mask": "a.nii.gz", "region": "margin"},
        {},
        {"reader": "R2"},
    )
    assert told(found) == []
    by_reader = {one.reader: regions(one)["margin"].mask.array for one in found.masks}
    assert np.array_equal(by_reader["R1"], moved(3))
    assert np.array_equal(by_reader["R2"], moved(-3))


def test_a_region_by_hand_that_is_not_there_costs_itself_and_what_is_made_from_it(folder: Folder) -> None:
    """The tumour and other regions go in."""
    folder.image()
    folder.mask()
    both = Combination(kind="union", of=("intratumoral", "margin"))
    found = case(folder, study_with({"margin": HAND, "both": both, "peritumoral": RING}), {})
    assert list(regions(found.masks[0])) == ["intratumoral", "peritumoral"]
    assert [(p.severity, p.region) for p in found.problems] == [("error", "margin"), ("error", "both")]
    assert found.problems[0].reason == ("region margin is drawn by hand, and this case has no file of it")


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda f: f.write("r.nii.gz", np.zeros(SHAPE, np.uint8)), "is empty|no voxel|holds no"),
        (lambda f: f.write("r.nii.gz", moved(), origin=(0, 0, 0)), "lies outside the image"),
        (lambda f: f.path.joinpath("r.nii.gz").write_bytes(b"no image"), "cannot be read"),
        (lambda _: None, "not exist|cannot be read|no file"),
    ],
)
def test_a_bad_file_of_a_region_costs_the_region_only(folder: Folder, write: Any, reason: str) -> None:
    """Told with its own line."""
    folder.image()
    folder.mask()
    write(folder)
    study = study_with({"margin": HAND, "peritumoral": RING})
    found = case(folder, study, {}, {"mask": "r.nii.gz", "region": "margin"})
    assert list(regions(found.masks[0])) == ["intratumoral", "peritumoral"]
    first = found.problems[0]
    assert (first.severity, first.line, first.region) == ("error", 3, "margin")
    assert re.search(reason, first.reason), first.reason


# Carried masks ------------------------------------------------------------------------

CARRY = {"masks": {"PP": {"from": "AP"}}}


def two_phases(folder: Folder, shift: float = 0.0) -> None:
    """Images of AP and PP; PP begins some millimetres farther along x."""
    folder.image("ap.nii.gz")
    folder.image("pp.nii.gz", origin=(ORIGIN[0] + shift, *ORIGIN[1:]))
    folder.mask()


def carry(folder: Folder, study: Study, **donor: Any) -> ImageCase:
    """PP with the mask of AP."""
    return case(
        folder,
        study,
        {"phase": "PP", "image": "pp.nii.gz", "mask": None},
        donors=({"image": "ap.nii.gz", **donor},),
    )


def test_a_mask_of_another_phase_lies_at_the_same_place_in_the_patient(folder: Folder) -> None:
    """On the grid of the image that takes it, which begins two voxels farther."""
    two_phases(folder, shift=2 * SPACING[0])
    found = carry(folder, study_with({"peritumoral": RING}, **CARRY))
    assert told(found) == []
    (mask,) = found.masks
    assert (mask.lesion, mask.reader, mask.carried_from) == ("1", "R1", "AP")
    assert np.array_equal(mask.tumour.array, moved(-2))
    assert mask.motion is not None
    assert (mask.motion.shift_mm, mask.motion.rotation_deg) == ((0.0, 0.0, 0.0), 0.0)
    assert found.volume is not None
    assert mask.tumour.geometry == found.volume.geometry
    # The ring is made on this image, not carried.
    drawn = case(folder, study_with({"peritumoral": RING}), {"image": "ap.nii.gz"}).masks[0]
    assert np.array_equal(
        regions(mask)["peritumoral"].mask.array,
        np.roll(regions(drawn)["peritumoral"].mask.array, -2, axis=2),
    )
    assert (drawn.carried_from, drawn.motion) == (None, None)


def test_what_lies_beyond_the_image_is_told(folder: Folder) -> None:
    """Two of three columns, 12 of 18 voxels of 3 mm³."""
    two_phases(folder, shift=6 * SPACING[0])
    found = carry(folder, study_with({}, **CARRY))
    assert told(found) == [("warning", "36 mm³ of the mask of AP lie outside this image")]
    assert (found.problems[0].phase, found.problems[0].lesion) == ("PP", "1")
    assert found.masks[0].tumour.voxels == 6


def test_a_mask_beyond_the_image_is_an_error_of_its_lesion(folder: Folder) -> None:
    """The image itself goes in."""
    two_phases(folder, shift=50)
    found = carry(folder, study_with({}, **CARRY))
    assert told(found) == [("error", "nothing of the other phase's mask lies in this image")]
    assert found.masks == ()
    assert found.volume is not None


def test_organ_and_regions_by_hand_come_along(folder: Folder) -> None:
    """The ring on the other phase is cut to the organ there; the margin stays one by hand."""
    two_phases(folder, shift=SPACING[0])
    organ = block()
    organ[1:5, 2:7, 4:9] = 1
    folder.write("liver.nii.gz", organ.astype(np.uint8))
    folder.write("margin.nii.gz", moved(2))
    study = study_with({"peritumoral": RING, "margin": HAND}, **CARRY)
    found = case(
        folder,
        study,
        {"phase": "PP", "image": "pp.nii.gz", "mask": None},
        donors=(
            {"image": "ap.nii.gz", "organ_mask": "liver.nii.gz"},
            {"image": "ap.nii.gz", "mask": "margin.nii.gz", "region": "margin"},
        ),
    )
    assert told(found) == []
    (mask,) = found.masks
    shifted = np.roll(organ, -1, axis=2)
    assert mask.organ is not None
    assert np.array_equal(mask.organ.array, shifted)
    ring, margin = (regions(mask)[name] for name in ("peritumoral", "margin"))
    assert not (ring.mask.array & (shifted == 0)).any()
    assert ring.clipped_organ_mm3 is not None
    assert ring.clipped_organ_mm3 > 0
    assert margin.is_given
    assert np.array_equal(margin.mask.array, moved(1))


def test_what_vanishes_on_the_other_grid_costs_itself_only(folder: Folder) -> None:
    """PP ends before the margin and the organ begin: tumour and uncut ring go in."""
    two_phases(folder, shift=5 * SPACING[0])
    far = np.zeros(SHAPE, np.uint8)
    far[2:4, 3:6, :3] = 1
    folder.write("far.nii.gz", far)
    uncut = Ring(kind="ring", outer_mm=2, clip="none")
    study = study_with({"peritumoral": RING, "uncut": uncut, "margin": HAND}, **CARRY)
    found = case(
        folder,
        study,
        {"phase": "PP", "image": "pp.nii.gz", "mask": None},
        donors=(
            {"image": "ap.nii.gz", "organ_mask": "far.nii.gz"},
            {"image": "ap.nii.gz", "mask": "far.nii.gz", "region": "margin"},
        ),
    )
    assert list(regions(found.masks[0])) == ["intratumoral", "uncut"]
    assert [(p.region, p.reason) for p in found.problems if p.severity == "error"] == [
        ("margin", "nothing of the other phase's mask lies in this image"),
        ("peritumoral", "nothing of the organ mask of AP lies in this image"),
    ]
    assert {p.phase for p in found.problems} == {"PP"}


def test_what_the_other_phase_lacks_is_not_made_up_on_this_one(folder: Folder) -> None:
    """The file of the ring is empty on AP, and the organ's too: PP gets no ring by definition either."""
    two_phases(folder)
    folder.write("empty.nii.gz", np.zeros(SHAPE, np.uint8))
    study = study_with({"peritumoral": RING, "margin": Ring(kind="ring", outer_mm=2, clip="none")}, **CARRY)
    found = case(
        folder,
        study,
        {"phase": "PP", "image": "pp.nii.gz", "mask": None},
        donors=(
            {"image": "ap.nii.gz", "organ_mask": "empty.nii.gz"},
            {"image": "ap.nii.gz", "mask": "empty.nii.gz", "region": "margin"},
        ),
    )
    assert list(regions(found.masks[0])) == ["intratumoral"]
    assert [p.region for p in found.problems] == ["margin", "peritumoral"]


def test_a_mask_drawn_on_the_phase_itself_is_not_replaced(folder: Folder) -> None:
    """Other lesions and readers are carried."""
    two_phases(folder)
    folder.write("own.nii.gz", moved(1))
    folder.write("second.nii.gz", moved(-2))
    study = study_with({}, readers={"model": "R1", "compare": ["R2"]}, **CARRY)
    found = case(
        folder,
        study,
        {"phase": "PP", "image": "pp.nii.gz", "mask": "own.nii.gz"},
        donors=(
            {"image": "ap.nii.gz"},
            {"image": "ap.nii.gz", "mask": "second.nii.gz", "lesion": "2"},
            {"image": "ap.nii.gz", "reader": "R2"},
        ),
    )
    assert told(found) == []
    assert [(m.lesion, m.reader, m.carried_from) for m in found.masks] == [
        ("1", "R1", None),
        ("2", "R1", "AP"),
        ("1", "R2", "AP"),
    ]
    assert np.array_equal(found.masks[0].tumour.array, moved(1))


@pytest.mark.parametrize(
    ("donor", "reason"),
    [({"image": "absent.nii.gz"}, "image"), ({"mask": "absent.nii.gz"}, "mask"), ({"label": 9}, "label")],
)
def test_a_donor_that_cannot_be_read_leaves_the_image_without_mask(
    folder: Folder, donor: dict[str, Any], reason: str
) -> None:
    """One error, told for the phase that was to take the mask."""
    two_phases(folder)
    found = carry(folder, study_with({}, **CARRY), **donor)
    (problem,) = found.problems
    assert (problem.severity, problem.phase) == ("error", "PP")
    assert reason in problem.reason
    assert found.masks == ()
    assert found.volume is not None


def _spots(shift: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A bright ball among blurred spots on 40 × 40 × 24 voxels of 2 mm, and the ball's mask."""
    z, y, x = np.indices((24, 40, 40))
    points = np.stack([x, y, z], axis=-1) * 2.0 - shift
    rng = np.random.default_rng(3)
    values = np.zeros(z.shape)
    for _ in range(20):
        at, width = rng.uniform(5, 75, 3) * (1, 1, 0.6), rng.uniform(4, 9)
        values += rng.uniform(40, 120) * np.exp(-((points - at) ** 2).sum(axis=-1) / (2 * width**2))
    ball = ((points - (40.0, 40.0, 24.0)) ** 2).sum(axis=-1) <= 10**2
    return (values + 90 * ball).astype(np.float32), ball.astype(np.uint8)


def test_a_registered_mask_follows_the_tumour_and_its_shift_is_kept(folder: Folder) -> None:
    """The patient breathed: 6 mm along x and 4 mm along z; the organ moves with the tumour."""
    shift = (6.0, 0.0, 4.0)
    grid: dict[str, Any] = {"spacing": (2.0, 2.0, 2.0), "origin": (0.0, 0.0, 0.0)}
    image, ball = _spots((0, 0, 0))
    folder.write("ap.nii.gz", image, **grid)
    other, moved_ball = _spots(shift)
    folder.write("pp.nii.gz", other, **grid)
    folder.write(MASK, ball, **grid)
    found = {}
    for register in ("none", "rigid"):
        study = study_with({}, masks={"PP": {"from": "AP", "register": register}})
        one = carry(folder, study, organ_mask=MASK, organ_label=1)
        assert [p for p in one.problems if p.severity == "error"] == []
        (found[register],) = one.masks
    shares = {
        name: 2 * (mask.tumour.array & moved_ball).sum() / (mask.tumour.voxels + moved_ball.sum())
        for name, mask in found.items()
    }
    assert shares["none"] < 0.75
    assert shares["rigid"] > 0.95
    motion = found["rigid"].motion
    assert motion is not None
    assert motion.shift_mm == pytest.approx(shift, abs=0.5)
    assert motion.rotation_deg < 2
    organ = found["rigid"].organ
    assert organ is not None
    assert np.array_equal(organ.array, found["rigid"].tumour.array)


# Consensus ----------------------------------------------------------------------------


def _readers(method: str = "majority") -> dict[str, Any]:
    return {"readers": {"model": "R1", "compare": ["R2", "R3"], "consensus": {"method": method}}}


def _three(folder: Folder) -> list[dict[str, Any]]:
    folder.image()
    names = [folder.write(f"r{n}.nii.gz", moved(n - 2)).name for n in (1, 2, 3)]
    return [{"mask": name, "reader": f"R{n}"} for n, name in enumerate(names, start=1)]


@pytest.mark.parametrize("method", ["majority", "staple"])
def test_a_consensus_stands_beside_the_readers(folder: Folder, method: str) -> None:
    """Blocks one voxel apart: two of three agree on the middle one; the ring is that of the consensus."""
    rows = _three(folder)
    found = case(folder, study_with({"peritumoral": RING}, **_readers(method)), *rows)
    assert told(found) == []
    assert [mask.reader for mask in found.masks] == ["R1", "R2", "R3", "CONS"]
    agreed, middle = found.masks[3], found.masks[1]
    assert np.array_equal(agreed.tumour.array, moved())
    assert np.array_equal(
        regions(agreed)["peritumoral"].mask.array, regions(middle)["peritumoral"].mask.array
    )
    assert agreed.resampled_from == {}
    assert agreed.carried_from is None


def test_regions_drawn_by_hand_are_agreed_on_too(folder: Folder) -> None:
    """Margins one voxel apart; one that a reader has not drawn is left to the definition."""
    rows = _three(folder)
    for row in tuple(rows):
        rows.append({**row, "region": "margin"})
    found = case(folder, study_with({"margin": HAND}, **_readers()), *rows)
    assert told(found) == []
    agreed = found.masks[3]
    assert agreed.reader == "CONS"
    assert np.array_equal(agreed.given["margin"].array, moved())
    lacking = case(folder, study_with({"margin": HAND}, **_readers()), *rows[:-1])
    assert [(p.reader, p.region) for p in lacking.problems] == [("R3", "margin"), ("CONS", "margin")]


def test_a_reader_who_is_missing_is_told_and_the_others_live(folder: Folder) -> None:
    """No consensus of some: it would be another one than that of its neighbours."""
    rows = _three(folder)
    study = study_with({}, **_readers())
    found = case(folder, study, *rows[:2], *({**row, "lesion": "2"} for row in rows))
    assert told(found) == [("warning", "no consensus: R3 has no mask of it")]
    problem = found.problems[0]
    assert (problem.lesion, problem.reader) == ("1", "CONS")
    assert [(m.lesion, m.reader) for m in found.masks if m.reader == "CONS"] == [("2", "CONS")]
    assert len(found.masks) == 6


def test_readers_who_agree_on_nothing_have_no_consensus(folder: Folder) -> None:
    """An error of the consensus only."""
    folder.image()
    rows = [
        {"mask": folder.write(f"r{n}.nii.gz", moved(3 * n - 6)).name, "reader": f"R{n}"} for n in (1, 2, 3)
    ]
    found = case(folder, study_with({}, **_readers()), *rows)
    assert [(p.severity, p.reader) for p in found.problems] == [("error", "CONS")]
    assert len(found.masks) == 3


def test_carried_masks_may_agree(folder: Folder) -> None:
    """Three readers drew on AP; PP gets all of them and a consensus on its own grid."""
    rows = _three(folder)
    folder.image("pp.nii.gz", origin=(ORIGIN[0] + SPACING[0], *ORIGIN[1:]))
    found = case(
        folder,
        study_with({}, **_readers(), **CARRY),
        {"phase": "PP", "image": "pp.nii.gz", "mask": None},
        donors=tuple(rows),
    )
    assert told(found) == []
    assert [mask.reader for mask in found.masks] == ["R1", "R2", "R3", "CONS"]
    assert np.array_equal(found.masks[3].tumour.array, moved(-1))
    assert found.masks[3].carried_from == "AP"
    assert found.masks[3].motion == found.masks[0].motion is not None


def test_a_consensus_is_as_good_as_the_input_that_went_farthest(folder: Folder) -> None:
    """R1 drew on a grid that is finer along x, R3 on one along y, R2 on that of the image."""
    rows = _three(folder)
    for n, axis in ((1, 0), (3, 1)):
        spacing, origin = list(SPACING), list(ORIGIN)
        spacing[axis] /= 2
        origin[axis] -= spacing[axis] / 2
        fine = moved(n - 2).repeat(2, axis=2 - axis).astype(np.uint8)
        folder.write(f"r{n}.nii.gz", fine, spacing=tuple(spacing), origin=tuple(origin))
    found = case(folder, study_with({}, geometry="resample", **_readers()), *rows)
    assert {p.severity for p in found.problems} == {"warning"}
    grids = [mask.resampled_from.get("intratumoral") for mask in found.masks]
    assert grids[1] is None
    assert grids[0] != grids[2]
    assert grids[3] == f"{grids[0]}, {grids[2]}"
    assert found.masks[3].carried_from is None


def test_the_farthest_motion_of_the_readers_is_that_of_the_consensus(folder: Folder) -> None:
    """Each reader's tumour was registered by itself."""
    folder.image()
    folder.mask()
    drawn = case(folder, study_with({}), {}).masks[0]
    near, far = Motion(shift_mm=(1, 0, 0)), Motion(shift_mm=(0, -3, 0))
    moved_masks = [replace(drawn, reader=f"R{n}", motion=m) for n, m in enumerate((near, far, None), start=1)]
    volume = case(folder, study_with({}), {}).volume
    assert volume is not None
    carried_masks = [replace(m, carried_from="AP" if m.motion else None) for m in moved_masks]
    (made,), _ = agreed(carried_masks, volume, study_with({}, **_readers()), {"phase": "PP"})
    assert (made.carried_from, made.motion) == ("AP", far)


def test_readers_who_agree_on_no_voxel_of_a_region_keep_their_tumour(folder: Folder) -> None:
    """Margins far from each other cost the margin of the consensus."""
    rows = _three(folder)
    for n, row in enumerate(tuple(rows)):
        name = folder.write(f"margin{n}.nii.gz", moved(3 * n - 3)).name
        rows.append({**row, "mask": name, "region": "margin"})
    found = case(folder, study_with({"margin": HAND}, **_readers()), *rows)
    assert [(p.reader, p.region) for p in found.problems] == [("CONS", "margin")]
    assert list(regions(found.masks[3])) == ["intratumoral"]


def test_a_region_whose_file_is_refused_is_not_made_by_its_definition(folder: Folder) -> None:
    """Else the ring would be stored under the name of what was drawn."""
    folder.image()
    folder.write("m.nii.gz", moved())
    folder.write("empty.nii.gz", np.zeros_like(moved()))
    rows = [{"mask": "m.nii.gz"}, {"mask": "empty.nii.gz", "region": "peritumoral"}]
    both = Combination(kind="union", of=("intratumoral", "peritumoral"))
    found = case(folder, study_with({"peritumoral": RING, "both": both}), *rows)
    assert [(p.region, p.severity) for p in found.problems] == [("peritumoral", "error"), ("both", "error")]
    assert [region.name for region in found.masks[0].regions] == ["intratumoral"]


# Resampled masks ----------------------------------------------------------------------


def test_a_resampled_mask_is_recorded_with_the_region_it_is_of(folder: Folder) -> None:
    """The tumour lies on a grid of half the spacing; the margin on that of the image."""
    folder.image()
    fine = block().repeat(2, axis=2).astype(np.uint8)
    half = (SPACING[0] / 2, *SPACING[1:])
    folder.write("fine.nii.gz", fine, spacing=half, origin=(ORIGIN[0] - SPACING[0] / 4, *ORIGIN[1:]))
    folder.write("margin.nii.gz", moved(3))
    rows: list[dict[str, Any]] = [
        {"mask": "fine.nii.gz"},
        {"mask": "margin.nii.gz", "region": "margin"},
    ]
    exact = case(folder, study_with({"margin": HAND}), *rows)
    assert [p.severity for p in exact.problems] == ["error"]
    assert exact.masks == ()
    found = case(folder, study_with({"margin": HAND}, geometry="resample"), *rows)
    ((severity, reason),) = told(found)
    assert severity == "warning"
    assert reason.startswith("mask was resampled from its own grid (0.5 × 1.5 × 2 mm")
    (mask,) = found.masks
    assert list(mask.resampled_from) == ["intratumoral"]
    assert "0.5 × 1.5 × 2" in mask.resampled_from["intratumoral"]
    assert np.array_equal(mask.tumour.array, moved())
    turned = case(
        folder,
        study_with({"margin": HAND}, geometry="resample"),
        {"mask": "margin.nii.gz"},
        {"mask": "fine.nii.gz", "region": "margin"},
    )
    assert list(turned.masks[0].resampled_from) == ["margin"]


def test_an_organ_that_was_resampled_is_told(folder: Folder) -> None:
    """With the grid of its file, beside what else is worth a look in it."""
    folder.image()
    folder.mask()
    half = (SPACING[0] / 2, *SPACING[1:])
    fine = np.ones((*SHAPE[:2], 2 * SHAPE[2]), np.uint8)
    folder.write("liver.nii.gz", fine, spacing=half, origin=(ORIGIN[0] - SPACING[0] / 4, *ORIGIN[1:]))
    row = {"organ_mask": "liver.nii.gz"}
    ((severity, reason),) = told(case(folder, study_with({}, geometry="resample"), row))
    assert severity == "warning"
    assert reason.startswith("organ mask was resampled from its own grid (0.5 × 1.5 × 2 mm")
    folder.write("part.nii.gz", np.ones((4, 8, 10), np.uint8))
    ((severity, reason),) = told(case(folder, study_with({}), {"organ_mask": "part.nii.gz"}))
    assert reason == "organ mask has (10, 8, 4) voxels, the image (10, 8, 6): it covers a part"


def test_an_image_without_mask_stands_for_itself(folder: Folder) -> None:
    """Its line has a blank mask, and nobody lends one."""
    folder.image()
    found = case(folder, study_with({}, **CARRY), {"mask": None})
    assert told(found) == []
    assert found.masks == ()
    assert isinstance(found.volume, Volume)
