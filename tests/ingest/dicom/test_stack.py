"""Every way in which slices make no volume is told by its own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mvi_ray.ingest.dicom import parts_of, stack_of
from tests.ingest.dicom.writing import AXIAL, ORIGIN, noise, write_series

if TYPE_CHECKING:
    from conftest import Shelf
    from pydicom.dataset import Dataset


def move(header: Dataset, *, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> None:
    """Shift a slice."""
    there = np.add(np.array(header.ImagePositionPatient, float), (x, y, z))
    header.ImagePositionPatient = [f"{v:.6f}" for v in there]


def only(at: int, **elements: Any) -> Any:
    """Change elements of one slice."""

    def change(header: Dataset, slice_at: int) -> None:
        if slice_at == at:
            for key, value in elements.items():
                setattr(header, key, value)

    return change


# What makes a volume ------------------------------------------------------------------


def test_spacing_is_measured_between_slices_and_not_their_thickness(shelf: Shelf) -> None:
    """The writer plants a SliceThickness of 9.5 mm on slices 2.5 mm apart."""
    write_series(shelf.path, noise())
    geometry = shelf.read().volume.geometry
    assert geometry.spacing == (0.8, 1.2, 2.5)
    assert geometry.origin == ORIGIN
    assert geometry.size == (7, 6, 5)


def test_order_of_files_and_numbers_does_not_matter(shelf: Shelf) -> None:
    """Only positions tell where a slice lies."""
    array = noise()
    order = [3, 0, 4, 1, 2]

    def shuffle(header: Dataset, at: int) -> None:
        header.InstanceNumber = order[at]

    write_series(shelf.path, array, change=shuffle)
    assert np.array_equal(shelf.read().volume.array, array)


def test_positions_within_a_hundredth_of_the_spacing_are_even(shelf: Shelf) -> None:
    """2.5 mm allow 0.025 mm."""
    write_series(shelf.path, noise(), change=lambda h, at: move(h, z=0.024 * (at == 2)))
    assert shelf.read().volume.geometry.spacing[2] == pytest.approx(2.5)


def test_inverted_grey_scale_is_remarked_and_not_inverted(shelf: Shelf) -> None:
    """MONOCHROME1 is about display."""
    array = noise()
    write_series(shelf.path, array, PhotometricInterpretation="MONOCHROME1")
    reading = shelf.read()
    assert np.array_equal(reading.volume.array, array)
    assert "MONOCHROME1" in reading.remarks[0]


def test_localizer_among_the_slices_is_set_aside(shelf: Shelf) -> None:
    """Some scanners put the picture of the planning into the series."""
    array = noise()
    write_series(shelf.path, array)
    sagittal = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
    write_series(
        shelf.path,
        noise((1, 9, 9)),
        orientation=sagittal,
        first=90,
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
    )
    reading = shelf.read()
    assert np.array_equal(reading.volume.array, array)
    assert [r.partition("; ")[0] for r in reading.remarks] == [
        "1 of 6 slices are localizers and were set aside"
    ]


# What does not ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ((3,), "1 slice is missing (between 105.00 and 110.00 mm along the normal; 7 are there, 2.5 mm"),
        ((2, 3, 5), "3 slices are missing (between 102.50 and 110.00 mm, between 110.00 and 115.00 mm"),
    ],
)
def test_missing_slices_are_counted_and_placed(shelf: Shelf, gone: tuple[int, ...], said: str) -> None:
    """A gap of a multiple of the spacing."""
    write_series(shelf.path, noise((8, 6, 7)), change=lambda _, at: at not in gone)
    assert said in shelf.refusal()


@pytest.mark.parametrize("gap", [2.5, 31.3])
@pytest.mark.parametrize("told_by", ["numbers", "acquisition"])
def test_two_stacks_are_not_taken_for_missing_slices(shelf: Shelf, gap: float, told_by: str) -> None:
    """Nothing is missing by the numbers, or each stack is an acquisition of its own."""

    def apart(header: Dataset, at: int) -> None:
        move(header, z=gap * (at >= 3))
        if told_by == "acquisition":
            header.AcquisitionNumber = 1 + (at >= 3)
            header.InstanceNumber = at + 1 + 100 * (at >= 3)

    write_series(shelf.path, noise((8, 6, 7)), change=apart)
    said = f"the series holds 2 stacks of 3 and 5 slices 2.5 mm apart, with {2.5 + gap:g} mm between them"
    assert said in shelf.refusal()


def test_stray_slice_is_no_stack(shelf: Shelf) -> None:
    """One slice far from seven others."""
    write_series(shelf.path, noise((8, 6, 7)), change=lambda h, at: move(h, z=10 * (at == 7)))
    assert "4 slices are missing" in shelf.refusal()


def test_uneven_spacing_is_told(shelf: Shelf) -> None:
    """One slice half a millimetre off."""
    write_series(shelf.path, noise(), change=lambda h, at: move(h, z=0.5 * (at == 2)))
    assert "unevenly spaced, 2 to 3 mm" in shelf.refusal()


def test_spacing_that_creeps_is_uneven(shelf: Shelf) -> None:
    """Each gap differs by less than 1 % from its neighbour, and the slices are off all the same."""
    write_series(shelf.path, noise((20, 4, 4)), change=lambda h, at: move(h, z=0.005 * at**2))
    assert "unevenly spaced" in shelf.refusal()


def test_tilted_gantry_is_told_with_its_angle(shelf: Shelf) -> None:
    """Slices that shift by tan(12°) of their distance."""
    tilt = 2.5 * np.tan(np.radians(12))
    write_series(shelf.path, noise(), change=lambda h, at: move(h, y=tilt * at))
    assert "tilted by 12.00 degrees" in shelf.refusal()


def test_slice_shifted_sideways_is_told(shelf: Shelf) -> None:
    """No tilt: one slice only."""
    write_series(shelf.path, noise(), change=lambda h, at: move(h, x=3.0 * (at == 1)))
    assert "shifted sideways against each other, by up to 3 mm" in shelf.refusal()


def test_localizer_of_three_planes_is_told(shelf: Shelf) -> None:
    """Several orientations are no volume."""
    planes = [AXIAL, (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)]
    for at, plane in enumerate(planes):
        write_series(shelf.path, noise((2, 6, 6)), orientation=plane, first=10 * at)
    assert "3 orientations (2, 2, 2 slices each; a localizer?)" in shelf.refusal()


def test_different_sizes_are_told(shelf: Shelf) -> None:
    """Two matrices in one series."""
    write_series(shelf.path, noise((3, 6, 7)))
    write_series(shelf.path, noise((2, 8, 8)), origin=(-40, 12.5, 107.5), first=4)
    assert "different sizes (3 of 7 × 6, 2 of 8 × 8 pixels)" in shelf.refusal()


def test_different_pixel_spacings_are_told(shelf: Shelf) -> None:
    """Two fields of view in one series."""
    write_series(shelf.path, noise(), change=only(2, PixelSpacing=["1.5", "1.5"]))
    assert "different pixel spacings (4 of 1.2 × 0.8, 1 of 1.5 × 1.5 mm)" in shelf.refusal()


def test_single_slice_is_told(shelf: Shelf) -> None:
    """It has no spacing."""
    write_series(shelf.path, noise((1, 6, 7)))
    assert "a single slice" in shelf.refusal()


@pytest.mark.parametrize("element", ["ImagePositionPatient", "ImageOrientationPatient"])
def test_slices_without_a_place_are_told(shelf: Shelf, element: str) -> None:
    """As in a secondary capture."""
    write_series(shelf.path, noise(), **{element: None})
    assert "5 of 5 slices do not say where in the patient they lie" in shelf.refusal()


def test_position_that_is_no_number_is_no_place(shelf: Shelf) -> None:
    """NaN in a decimal string."""
    paths = write_series(shelf.path, noise())
    content = paths[0].read_bytes()
    assert b"-40\\12.5\\100" in content
    paths[0].write_bytes(content.replace(b"-40\\12.5\\100", b"nan\\12.5\\100"))
    assert "1 of 5 slices do not say where" in shelf.refusal()


def test_missing_pixel_spacing_is_told(shelf: Shelf) -> None:
    """Nothing is assumed."""
    write_series(shelf.path, noise(), PixelSpacing=None)
    assert "do not give their pixel spacing" in shelf.refusal()


def test_pixel_spacing_of_zero_is_told(shelf: Shelf) -> None:
    """No volume has such a grid."""
    write_series(shelf.path, noise(), PixelSpacing=["0", "0.8"])
    assert "pixel spacing is 0 mm" in shelf.refusal()


def test_orientation_of_zeros_is_told(shelf: Shelf) -> None:
    """A header that was filled in without looking."""
    write_series(shelf.path, noise(), ImageOrientationPatient=["0"] * 6)
    assert "not at right angles" in shelf.refusal()


def test_colour_is_told(shelf: Shelf) -> None:
    """A picture, no measurement."""
    write_series(shelf.path, noise(dtype="uint8"), SamplesPerPixel=3, PhotometricInterpretation="RGB")
    assert "in colour" in shelf.refusal()


def test_slices_stored_in_two_ways_are_told(shelf: Shelf) -> None:
    """Signed and unsigned."""
    write_series(shelf.path, noise(), change=only(1, PixelRepresentation=0))
    assert "store their values in different ways" in shelf.refusal()


def test_volume_too_large_for_memory_is_refused_by_its_header(shelf: Shelf) -> None:
    """Nothing is allocated for what a header claims."""
    write_series(shelf.path, noise(), Rows=40000, Columns=40000)
    assert "would take 59.6 GiB, more than 8" in shelf.refusal()


def test_checks_take_no_pixels(shelf: Shelf) -> None:
    """A proposal of a manifest can say what is wrong before anything is read."""
    write_series(shelf.path, noise(), PixelData=None)
    (part,) = parts_of(shelf.series())
    assert stack_of(part).geometry.size == (7, 6, 5)
