"""Stored bits to real values, exactly, and the same as another reader's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from mvi_ray.errors import MviError
from mvi_ray.ingest.dicom import parts_of, read_part, scan_folder
from mvi_ray.volume import Geometry
from tests.ingest.dicom.packing import SYNTAXES, compress
from tests.ingest.dicom.writing import noise, normal_of, save, write_enhanced, write_series

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Shelf
    from pydicom.dataset import Dataset

    from mvi_ray.volume import Volume

OBLIQUE = tuple(
    float(f"{v:.9f}")
    for v in (
        *(np.cos(0.3), np.sin(0.3) * np.cos(0.2), np.sin(0.3) * np.sin(0.2)),
        *(-np.sin(0.3), np.cos(0.3) * np.cos(0.2), np.cos(0.3) * np.sin(0.2)),
    )
)


def by_sitk(folder: Path) -> sitk.Image:
    """The same folder through SimpleITK's reader of series."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def read_only(folder: Path) -> Volume:
    """The only part of the only series."""
    (series,) = scan_folder(folder).series
    (part,) = parts_of(series)
    return read_part(part).volume


@pytest.mark.parametrize("modality", ["MR", "CT", "PT"])
@pytest.mark.parametrize("dtype", ["int16", "uint16", "uint8"])
@pytest.mark.parametrize(
    ("slope", "intercept"), [(None, None), ("1", "-1024"), ("3", "7"), ("0.0691123559", "0"), ("1", "0.5")]
)
def test_values_and_grid_are_those_of_simpleitk(
    shelf: Shelf, modality: str, dtype: str, slope: str | None, intercept: str | None
) -> None:
    """Value for value, and of the same kind of number."""
    write_series(
        shelf.path,
        noise(dtype=dtype),
        modality=modality,
        orientation=OBLIQUE,
        RescaleSlope=slope,
        RescaleIntercept=intercept,
    )
    volume, other = read_only(shelf.path), by_sitk(shelf.path)
    values = sitk.GetArrayFromImage(other)
    assert np.array_equal(volume.array, values)
    assert (volume.array.dtype.kind == "f") == (values.dtype.kind == "f")
    assert volume.geometry.difference(Geometry.of_sitk(other)) is None


def test_each_slice_is_rescaled_by_its_own_slope(shelf: Shelf) -> None:
    """PET scales every slice to its own maximum."""
    slopes = [0.5, 0.25, 1.7, 0.001, 3.0]
    array = noise()

    def change(header: Dataset, at: int) -> None:
        header.RescaleSlope, header.RescaleIntercept = str(slopes[at]), "0"

    write_series(shelf.path, array, modality="PT", change=change)
    volume = shelf.read().volume
    assert volume.array.dtype == np.float64
    assert np.array_equal(volume.array, array * np.reshape(slopes, (5, 1, 1)))


@pytest.mark.parametrize(
    ("stored", "signed", "intercept", "dtype"),
    [
        (12, False, 0, "uint16"),
        (12, False, -1024, "int16"),
        (12, True, 0, "int16"),
        (16, False, -1024, "int32"),
        (8, False, 0, "uint8"),
    ],
)
def test_whole_values_are_of_the_smallest_type_that_holds_every_one(
    shelf: Shelf, stored: int, signed: bool, intercept: int, dtype: str
) -> None:
    """By the bits in use, not by the values that happen to occur: all time points have one type."""
    array = noise(dtype="int16" if signed else "uint16") % (2 ** (stored - 1))
    write_series(
        shelf.path,
        array,
        BitsStored=stored,
        HighBit=stored - 1,
        RescaleSlope="1",
        RescaleIntercept=str(intercept),
    )
    volume = shelf.read().volume
    assert volume.array.dtype == np.dtype(dtype)
    assert np.array_equal(volume.array, array.astype(np.int32) + intercept)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("high", [11, 13, 15])
def test_bits_that_are_not_in_use_are_not_read(shelf: Shelf, signed: bool, high: int) -> None:
    """Twelve bits, overlays in the four others."""
    values = noise() % 2048 - (1024 if signed else 0)
    cells = (values & 0xFFF).astype(np.uint16) << (high - 11)
    rubbish = np.uint16(0xFFFF ^ (0xFFF << (high - 11)))
    array = (cells | rubbish).view(np.int16 if signed else np.uint16)
    write_series(shelf.path, array, BitsStored=12, HighBit=high)
    assert np.array_equal(shelf.read().volume.array, values)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, "deflated"])
def test_other_native_ways_of_writing_are_read(shelf: Shelf, syntax: str) -> None:
    """Implicit, big-endian and deflated."""
    array = noise()
    for path in write_series(shelf.path, array):
        header = pydicom.dcmread(path)
        if syntax == ExplicitVRBigEndian:
            header.PixelData = np.frombuffer(header.PixelData, "<i2").astype(">i2").tobytes()
        uid = "1.2.840.10008.1.2.1.99" if syntax == "deflated" else syntax
        header = pydicom.Dataset({e.tag: e for e in header})
        save(header, path, uid)
    assert np.array_equal(shelf.read().volume.array, array)


@pytest.mark.parametrize("how", SYNTAXES)
@pytest.mark.parametrize("dtype", ["int16", "uint16", "uint8"])
def test_compressed_series_is_the_same_volume(shelf: Shelf, how: str, dtype: str) -> None:
    """Lossless means lossless, rescaling included."""
    array = np.broadcast_to(np.arange(0, 240, 6, dtype), (4, 30, 40)) + noise((4, 30, 1), "uint8") % 9
    array = array.astype(dtype) - np.asarray(100 * (dtype == "int16"), dtype)
    paths = write_series(shelf.path, array, RescaleSlope="0.37", RescaleIntercept="-3")
    before = shelf.read().volume
    for path in paths:
        compress(path, how)
    after = shelf.read().volume
    assert after.digest == before.digest
    assert np.array_equal(after.array, array * 0.37 - 3)


@pytest.mark.parametrize("how", SYNTAXES)
def test_compressed_enhanced_file_is_the_same_volume(shelf: Shelf, how: str) -> None:
    """Frame by frame, each with its own slope."""
    volumes = [noise(seed=s) for s in (1, 2)]
    path = write_enhanced(shelf.path / "a.dcm", volumes, slopes=[(1, 0), (0.5, 3)], interleaved=True)
    compress(path, how)
    assert np.array_equal(shelf.read(1).volume.array, volumes[0])
    assert np.array_equal(shelf.read(2).volume.array, volumes[1] * 0.5 + 3)


@settings(max_examples=30, deadline=None)
@given(
    axes=st.permutations((0, 1, 2)),
    flips=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    enhanced=st.booleans(),
)
def test_turned_copies_are_one_canonical_volume(
    tmp_path_factory: pytest.TempPathFactory, axes: list[int], flips: tuple[bool, ...], enhanced: bool
) -> None:
    """Axial, sagittal or coronal, from either end: the same voxels at the same places, to the last bit."""
    image = sitk.GetImageFromArray(noise((4, 5, 6)))
    image.SetSpacing((0.75, 1.25, 2.5))
    image.SetOrigin((-40.5, 12.25, 100.0))
    wanted = (sitk.GetArrayFromImage(image), Geometry.of_sitk(image))
    turned = sitk.Flip(sitk.PermuteAxes(image, axes), flips)
    if np.linalg.det(np.reshape(turned.GetDirection(), (3, 3))) < 0:
        # Slices run along the normal of their rows and columns.
        turned = sitk.Flip(turned, (False, False, True))
    matrix = np.reshape(turned.GetDirection(), (3, 3))
    orientation = tuple(np.concatenate([matrix[:, 0], matrix[:, 1]]).tolist())
    assert np.array_equal(normal_of(orientation), matrix[:, 2])
    folder = tmp_path_factory.mktemp("turned")
    grid: dict[str, Any] = {
        "spacing": turned.GetSpacing(),
        "origin": turned.GetOrigin(),
        "orientation": orientation,
    }
    if enhanced:
        write_enhanced(folder / "a.dcm", [sitk.GetArrayFromImage(turned)], **grid)
    else:
        write_series(folder, sitk.GetArrayFromImage(turned), **grid)
    volume = read_only(folder).to_canonical()
    assert np.array_equal(volume.array, wanted[0])
    assert volume.geometry == wanted[1]


def test_slice_that_stands_twice_is_taken_once(shelf: Shelf) -> None:
    """Under another UID, with the same pixels, and the remark says so."""
    array = noise()
    write_series(shelf.path, array)
    write_series(shelf.path, array[2:3], first=40, origin=(-40, 12.5, 105.0))
    reading = shelf.read()
    assert np.array_equal(reading.volume.array, array)
    assert reading.remarks == (
        "1 slice stands twice with the same pixels and counted once; remove the copies",
    )


# What is refused ----------------------------------------------------------------------


def test_slice_that_stands_twice_with_other_pixels_is_told(shelf: Shelf) -> None:
    """Which of the two is meant is not guessed."""
    array = noise()
    write_series(shelf.path, array)
    write_series(shelf.path, array[1:2], first=40, origin=(-40, 12.5, 105.0))
    assert "1 slice stands at the place of another one with different pixels" in shelf.refusal()


def test_fewer_compressed_frames_than_places_are_told(shelf: Shelf) -> None:
    """Two of the five that the header describes."""
    path = write_enhanced(shelf.path / "a.dcm", [noise()])
    compress(path, "jpeg-lossless")
    header = pydicom.dcmread(path)
    frames = list(generate_frames(header.PixelData, number_of_frames=5))
    header.PixelData = encapsulate(frames[:2])
    header.save_as(path)
    assert shelf.refusal() == "there are 2 frames, the header says 5; export the series anew"


def test_missing_pixel_data_are_told(shelf: Shelf) -> None:
    """A header alone."""
    write_series(shelf.path, noise(), change=lambda h, at: h.pop("PixelData") and None if at == 2 else None)
    assert "no pixel data" in shelf.refusal()


@pytest.mark.parametrize("how", ["native", *SYNTAXES])
@pytest.mark.parametrize("share", [0.5, 0.98])
def test_pixel_data_that_end_early_are_told(shelf: Shelf, how: str, share: float) -> None:
    """An interrupted copy."""
    array = noise((3, 30, 40)) % 200
    paths = write_series(shelf.path, array)
    if how != "native":
        for path in paths:
            compress(path, how)
    content = paths[1].read_bytes()
    start = content.index(b"\xe0\x7f\x10\x00")
    paths[1].write_bytes(content[: start + int((len(content) - start) * share)])
    said = shelf.refusal()
    assert "early" in said or "damaged" in said


@pytest.mark.parametrize(
    "change", [{"Rows": 5}, {"Rows": 7}, {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}]
)
def test_size_that_is_not_that_of_the_pixel_data_is_told(shelf: Shelf, change: dict[str, int]) -> None:
    """More or fewer bytes than the header says."""
    write_series(shelf.path, noise(), **change)
    assert "bytes" in shelf.refusal()


@pytest.mark.parametrize(
    "bits",
    [
        {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0},
        {"BitsAllocated": 12},
        {"BitsStored": 17},
        {"BitsStored": 12, "HighBit": 5},
        {"HighBit": 16},
    ],
)
def test_bits_that_do_not_fit_are_told(shelf: Shelf, bits: dict[str, int]) -> None:
    """Nothing is shifted by guesswork."""
    write_series(shelf.path, noise(), **bits)
    assert "which do not fit" in shelf.refusal()


def test_slope_of_zero_is_told(shelf: Shelf) -> None:
    """All voxels would be one value."""
    write_series(shelf.path, noise(), RescaleSlope="0", RescaleIntercept="0")
    assert "slope of a slice is 0" in shelf.refusal()


def test_translation_table_is_told(shelf: Shelf) -> None:
    """A Modality LUT stands where slope and intercept would."""
    table = pydicom.Dataset()
    table.LUTDescriptor, table.ModalityLUTType, table.LUTData = [2, 0, 16], "US", b"\0\0\1\0"
    write_series(shelf.path, noise(), ModalityLUTSequence=[table])
    assert "Modality LUT" in shelf.refusal()


def test_frames_without_places_are_told(shelf: Shelf) -> None:
    """Several frames in a file of a class that has one."""
    array = noise()

    def change(header: Dataset, _: int) -> None:
        header.NumberOfFrames = 2
        header.PixelData = header.PixelData * 2

    write_series(shelf.path, array, change=change)
    assert "holds 2 frames without their places" in shelf.refusal()


def test_unknown_compression_is_told(shelf: Shelf) -> None:
    """High-throughput JPEG 2000 and films."""
    for path in write_series(shelf.path, noise()):
        compress(path, "jpeg-2000")
        header = pydicom.dcmread(path)
        header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"
        header.save_as(path)
    assert "compressed in a way that is not read" in shelf.refusal()


@pytest.mark.parametrize("how", ["jpeg-lossless", "jpeg-ls", "jpeg-2000"])
def test_codestream_of_another_size_is_refused_before_it_is_decoded(shelf: Shelf, how: str) -> None:
    """A few bytes can claim gigabytes of pixels."""
    paths = write_series(shelf.path, noise((3, 30, 40)) % 200)
    for path in paths:
        compress(path, how)
    old, new = (
        (b"\0\0\0\x28\0\0\0\x1e", b"\0\0\xea\x60\0\0\xea\x60")
        if how == "jpeg-2000"
        else (b"\0\x1e\0\x28", b"\xea\x60\xea\x60")
    )
    content = paths[0].read_bytes()
    at = content.index(old, content.index(b"\xe0\x7f\x10\x00"))
    paths[0].write_bytes(content[:at] + new + content[at + len(new) :])
    assert "are of 60000 × 60000 pixels, the header says 40 × 30" in shelf.refusal()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_to_a_file_ends_in_another_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bytes overwritten anywhere: a volume, or one message that names nobody."""
    folder = tmp_path_factory.mktemp("damaged")
    path = write_series(folder, noise((3, 4, 4)))[1]
    how = data.draw(st.sampled_from(["native", "rle", "jpeg-lossless"]))
    if how != "native":
        compress(path, how)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(128, len(content) - 8))
        piece = data.draw(st.binary(min_size=1, max_size=8))
        content[at : at + len(piece)] = piece
    path.write_bytes(content)
    said = ""
    try:
        for series in scan_folder(folder).series:
            for part in parts_of(series):
                read_part(part)
    except MviError as error:
        said = error.message
    assert "MUELLER" not in said
