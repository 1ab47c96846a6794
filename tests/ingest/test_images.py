"""The image of a line of the manifest, in whatever it is kept."""

from __future__ import annotations

import gzip
import os
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

from mvi_ray.errors import CaseError
from mvi_ray.ingest import files
from mvi_ray.ingest.dicom import scan_folder
from mvi_ray.ingest.images import read_image
from mvi_ray.ingest.masks.labels import read_labels
from mvi_ray.study import Dicom
from tests.ingest.dicom.writing import IDENTITY, noise, write_enhanced, write_series

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Folder

DICOM = Dicom()


def refusal(path: Path, series: str | None = None, part: int | None = None) -> str:
    """What is said of an image; it names nobody, and gives a way out."""
    with pytest.raises(CaseError, match=r".+; .+") as caught:
        read_image(path, series, part, DICOM)
    assert not [name for name in (*IDENTITY, str(path)) if name.lower() in caught.value.message.lower()]
    return caught.value.message


def write_dynamic(folder: Path) -> list[np.ndarray]:
    """Two time points in one series."""
    volumes = [noise(seed=1), noise(seed=2)]
    for t, volume in enumerate(volumes):
        write_series(folder, volume, first=1 + 5 * t, AcquisitionTime=f"10{t:02d}00")
    return volumes


# What is read -------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha", "mhd"])
def test_plain_files_have_no_scanner(folder: Folder, ending: str) -> None:
    """Their headers do not name one."""
    path = folder.image(f"a.{ending}")
    image = read_image(path, None, None, DICOM)
    assert np.array_equal(image.volume.array, sitk.GetArrayFromImage(sitk.ReadImage(str(path))))
    assert (image.scanner, image.remarks) == (None, ())


def test_folder_of_one_series_needs_no_key(tmp_path: Path) -> None:
    """And brings the facts of its scanner."""
    array = noise()
    write_series(tmp_path / "MUELLER", array)
    image = read_image(tmp_path / "MUELLER", None, None, DICOM)
    assert np.array_equal(image.volume.array, array)
    assert image.scanner is not None
    assert (image.scanner.model, image.scanner.acquired_on) == ("Model 3", date(2020, 2, 14))


def test_series_of_a_folder_is_chosen_by_its_key(tmp_path: Path) -> None:
    """The key that a proposed manifest holds."""
    write_series(tmp_path, noise(seed=1), name="a")
    write_series(tmp_path, noise(seed=2), name="b", series=2, SeriesNumber=8)
    key = scan_folder(tmp_path).series[1].key
    assert np.array_equal(read_image(tmp_path, key, None, DICOM).volume.array, noise(seed=2))


def test_time_point_is_chosen_by_its_number(tmp_path: Path) -> None:
    """Counted from 1."""
    volumes = write_dynamic(tmp_path)
    for number, volume in enumerate(volumes, start=1):
        assert np.array_equal(read_image(tmp_path, None, number, DICOM).volume.array, volume)


def test_dicom_file_needs_no_ending(tmp_path: Path) -> None:
    """An enhanced file is a whole series; it is known by its first bytes."""
    path = write_enhanced(tmp_path / "IM0001", [noise()])
    assert np.array_equal(read_image(path, None, None, DICOM).volume.array, noise())


def test_remarks_of_folder_and_stack_come_with_the_image(tmp_path: Path) -> None:
    """What was left aside is told."""
    write_series(tmp_path / "a", noise())
    write_series(tmp_path / "b", noise())
    (tmp_path / "a" / "old.zip").write_bytes(b"PK")
    assert read_image(tmp_path, None, None, DICOM).remarks == (
        "archive that was not opened; unpack it if it holds images",
        "5 slices stand twice with the same pixels and counted once; remove the copies",
    )


# What is refused ----------------------------------------------------------------------


def test_several_series_without_a_key_are_an_error(tmp_path: Path) -> None:
    """With the keys that could be meant."""
    write_series(tmp_path, noise(), name="a")
    write_series(tmp_path, noise((4, 6, 7)), name="b", series=2, SeriesNumber=8)
    keys = [s.key for s in scan_folder(tmp_path).series]
    assert refusal(tmp_path) == (
        f"the folder holds 2 image series: {keys[0]} (MR, 5 slices), {keys[1]} (MR, 4 slices); "
        "name one in the column series, or let `mvi ingest --dicom` propose a manifest"
    )


def test_key_of_another_folder_is_an_error(tmp_path: Path) -> None:
    """Nothing else is taken for it."""
    write_series(tmp_path, noise())
    assert "series 0123456789ab is not in the folder, which holds 1 image series" in refusal(
        tmp_path, "0123456789ab"
    )


def test_key_of_a_segmentation_is_an_error(tmp_path: Path) -> None:
    """It is no image."""
    write_series(tmp_path, noise(), Modality="SEG", SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")
    key = scan_folder(tmp_path).series[0].key
    assert f"series {key} holds no images (SEG)" in refusal(tmp_path, key)
    assert "are there; there are SEG; check" in refusal(tmp_path)


def test_series_of_two_patients_is_an_error(tmp_path: Path) -> None:
    """One key, two identifiers."""
    write_series(tmp_path / "a", noise())
    write_series(tmp_path / "b", noise(), PatientID="X")
    key = scan_folder(tmp_path).series[0].key
    assert "stands under 2 patient identifiers" in refusal(tmp_path, key)


def test_dynamic_series_without_a_part_is_an_error(tmp_path: Path) -> None:
    """With their number and what tells them apart."""
    write_dynamic(tmp_path)
    assert refusal(tmp_path) == (
        "the series has 2 parts, told apart by acquisition time; name one in the column part"
    )


def test_part_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Also for a series of one part."""
    write_series(tmp_path, noise())
    assert "part 2 is asked for, the series has 1" in refusal(tmp_path, None, 2)


@pytest.mark.parametrize(("series", "part"), [("0123456789ab", None), (None, 1)])
def test_series_and_part_of_a_plain_file_are_an_error(
    folder: Folder, series: str | None, part: int | None
) -> None:
    """They would be passed over in silence."""
    assert "are for DICOM" in refusal(folder.image("a.nrrd"), series, part)


@pytest.mark.parametrize("name", ["nowhere", "sub/nowhere", "a\0b", "x" * 300])
def test_image_that_is_not_there_is_an_error(tmp_path: Path, name: str) -> None:
    """Whatever the path is."""
    assert "check " in refusal(tmp_path / name)


def test_pipe_is_refused(tmp_path: Path) -> None:
    """Reading it would wait for ever, with any ending."""
    for name in ("a", "a.dcm", "a.nii.gz", "a.mha"):
        os.mkfifo(tmp_path / name)
        assert "pipe or device" in refusal(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"DICM" * 50, b"\x08\0\x05\0" * 99, b"\0" * 128 + b"DICM"])
def test_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    """Without an ending and without being DICOM."""
    (tmp_path / "a").write_bytes(content)
    assert refusal(tmp_path / "a")


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    """And one whose only DICOM file is damaged says so."""
    assert refusal(tmp_path) == (
        "no DICOM images of a kind that is read (CT, MR, PET) are there; check the path"
    )
    (tmp_path / "a").write_bytes(b"\0" * 128 + b"DICM" + b"\x08\0\x05\0CS" + b"\xff\xff")
    assert "header ends early" in refusal(tmp_path)


# Bombs --------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["nii", "nrrd", "mha"])
@pytest.mark.parametrize("read", [lambda path: read_image(path, None, None, DICOM), read_labels])
def test_header_that_claims_too_much_is_refused_by_size(
    folder: Folder, ending: str, read: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before memory is taken for it; here the limit is low instead of the claim high."""
    path = folder.image(f"a.{ending}", "int16")
    monkeypatch.setattr(files, "_LARGEST", 6 * 8 * 10 * 2 - 1)
    with pytest.raises(CaseError, match=r"would take 0.0 GiB, more than .*; cut it out smaller"):
        read(path)  # type: ignore[operator]
    monkeypatch.setattr(files, "_LARGEST", 6 * 8 * 10 * 2)
    read(path)  # type: ignore[operator]


def test_terabytes_are_refused_by_a_header_of_bytes(folder: Folder) -> None:
    """A NIfTI header alone: 20000 × 20000 × 20000 voxels."""
    path = folder.image("a.nii", "int16")
    content = bytearray(path.read_bytes())
    content[42:48] = (20000).to_bytes(2, "little") * 3
    path.write_bytes(content)
    assert "would take 14901.2 GiB, more than 8" in refusal(path)


def test_archive_that_holds_far_more_than_its_header_says_is_refused(folder: Folder) -> None:
    """64 MiB behind a small image are not unpacked to the end."""
    path = folder.image("a.nii", "int16")
    packed = path.with_name("b.nii.gz")
    packed.write_bytes(gzip.compress(path.read_bytes() + bytes(2**26)))
    assert packed.stat().st_size < 2**17
    assert "holds far more than its header says" in refusal(packed)
