"""Image and mask files: what is read, and how every kind of broken file is refused."""

from __future__ import annotations

import gzip
import os
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

from mvi_ray.errors import CaseError, GeometryError
from mvi_ray.ingest.files import read_volume, voxels_at
from mvi_ray.ingest.masks.labels import read_labels

if TYPE_CHECKING:
    from conftest import Folder

FORMATS = ["nii", "nii.gz", "nrrd", "nhdr", "mha", "mhd"]
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def refusal(folder: Folder, name: str, error: type[CaseError] = CaseError) -> str:
    """What is said of a file as image and as mask: the same but for the word, and no name in it."""
    said = []
    for read, what in ((read_volume, "image"), (read_labels, "mask")):
        with pytest.raises(error, match=what) as caught:
            read(folder.path / name)
        folder.check_text(caught.value.message)
        assert caught.value.way_out, caught.value.message
        said.append(caught.value.message.replace(what, "*"))
    assert said[0] == said[1]
    return said[0]


# What is read -------------------------------------------------------------------------


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("dtype", ["int16", "uint8", "uint16", "int32", "float32", "float64"])
def test_image_keeps_its_type_and_its_voxels(folder: Folder, ending: str, dtype: str) -> None:
    """No conversion on the way in: stored numbers are those of the file."""
    path = folder.image(f"a.{ending}", dtype)
    volume = read_volume(path)
    assert volume.array.dtype == np.dtype(dtype)
    assert np.array_equal(volume.array, sitk.GetArrayFromImage(sitk.ReadImage(str(path))))
    assert volume.array.shape == (6, 8, 10)
    assert volume.geometry.spacing == (1.0, 1.5, 2.0)
    assert volume.geometry.origin == pytest.approx((10.0, -20.0, 30.0))


@pytest.mark.parametrize("ending", FORMATS)
def test_number_of_voxels_is_known_from_the_header(folder: Folder, ending: str) -> None:
    """Before anything is unpacked."""
    assert voxels_at(folder.image(f"a.{ending}", "int16")) == 6 * 8 * 10


def test_number_of_voxels_of_dicom_and_of_nothing(folder: Folder) -> None:
    """Two bytes each; nothing is refused here, and a pipe is not waited for."""
    (folder.path / "series" / "deep").mkdir(parents=True)
    for name in ("series/a.dcm", "series/deep/b"):
        (folder.path / name).write_bytes(bytes(1000))
    os.mkfifo(folder.path / "pipe.nii")
    (folder.path / "bad.nrrd").write_bytes(b"NRRD0004\ntype: what\n\n")
    found = {
        n: voxels_at(folder.path / n) for n in ("series", "series/a.dcm", "none.nii", "pipe.nii", "bad.nrrd")
    }
    assert found == {"series": 1000, "series/a.dcm": 500, "none.nii": 0, "pipe.nii": 0, "bad.nrrd": 0}


def test_same_voxels_in_two_formats_have_one_digest(folder: Folder) -> None:
    """The digest is of the volume, not of the file."""
    turn = (0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
    # Zeros of either sign differ in the digest, so every number of the grid is read back first.
    files = [folder.image(f"a.{e}", "int16", direction=turn) for e in ("nrrd", "nhdr")]
    assert len({read_volume(f).digest for f in files}) == 1


def test_ending_may_be_written_in_capitals(folder: Folder) -> None:
    """Some scanners' software writes .NRRD."""
    path = folder.image("a.nrrd")
    capital = path.rename(path.with_name("A.NRRD"))
    assert read_volume(capital).geometry.size == (10, 8, 6)


def test_scaled_integers_are_read_as_scaled_numbers(folder: Folder) -> None:
    """A NIfTI slope of 0.5 holds for every voxel."""
    path = folder.image("a.nii", "int16")
    plain = read_volume(path).array
    raw = bytearray(path.read_bytes())
    struct.pack_into("<2f", raw, 112, 0.5, 10.0)
    path.write_bytes(raw)
    assert np.array_equal(read_volume(path).array, plain * 0.5 + 10)


def test_single_time_point_is_a_volume(folder: Folder) -> None:
    """A fourth dimension of one is no fourth dimension."""
    folder.write("a.nii.gz", np.ones((1, 6, 8, 10), dtype=np.int16))
    assert read_volume(folder.path / "a.nii.gz").geometry.size == (10, 8, 6)


# What is refused ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jane.dcm", "jane.png", "jane.nii.bz2", "jane", "jane.img"])
def test_other_endings_are_refused_by_name(folder: Folder, name: str) -> None:
    """The message says what can be read."""
    (folder.path / name).write_bytes(b"x")
    assert refusal(folder, name) == (
        "* file has an ending that is not read; "
        "convert it to .nii or .nii.gz or .nrrd or .nhdr or .mha or .mhd"
    )


@pytest.mark.parametrize("name", ["jane.nii", "sub/jane.nii.gz", "x" * 300 + ".nii", "a\0.nii"])
def test_missing_file_is_told(folder: Folder, name: str) -> None:
    """Also a name that no file can have."""
    assert "check " in refusal(folder, name)


def test_folder_named_like_a_file_is_refused(folder: Folder) -> None:
    """A folder is no image."""
    (folder.path / "jane.nii").mkdir()
    assert "does not exist" in refusal(folder, "jane.nii")


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd"])
@pytest.mark.parametrize(
    "content", [b"", b"no image at all " * 40, b"\x1f\x8b\x08", b"NRRD0004\n", b"\x00" * 400]
)
def test_file_of_something_else_is_refused(folder: Folder, ending: str, content: bytes) -> None:
    """Empty, text, a bare mark of gzip or NRRD, zeros."""
    (folder.path / f"jane.{ending}").write_bytes(content)
    assert "cannot be read" in refusal(folder, f"jane.{ending}")


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_file_that_was_cut_off_is_refused(folder: Folder, ending: str, share: float) -> None:
    """An interrupted copy: ITK would hand over a NIfTI image whose end is zeros."""
    path = folder.mask(f"jane.{ending}")
    noise = np.random.default_rng(0).integers(0, 200, (20, 30, 40)).astype(np.uint8)
    folder.write(path.name, noise)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    said = refusal(folder, path.name)
    assert "ends early" in said or "cannot be read" in said


def test_uncompressed_nrrd_that_was_cut_off_is_refused(folder: Folder) -> None:
    """Raw data that end early."""
    path = folder.image("jane.nrrd")
    header = path.read_bytes().partition(b"\n\n")[0].replace(b"encoding: gzip", b"encoding: raw")
    path.write_bytes(header + b"\n\n" + b"\x00" * 100)
    assert "cannot be read" in refusal(folder, path.name)


def test_damaged_archive_is_refused(folder: Folder) -> None:
    """One flipped byte in a packed file: the checksum of the archive is heard."""
    path = folder.write(
        "jane.nii.gz", np.random.default_rng(0).integers(0, 200, (20, 30, 40)).astype(np.uint8)
    )
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    said = refusal(folder, path.name)
    assert "damaged" in said or "cannot be read" in said


def test_file_longer_than_its_header_says_is_read(folder: Folder) -> None:
    """Some software pads the end of a file."""
    path = folder.image("a.nii")
    before = read_volume(path).digest
    path.write_bytes(path.read_bytes() + b"\x00" * 100)
    assert read_volume(path).digest == before
    packed = path.with_name("b.nii.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_volume(packed).digest == before


def test_header_whose_data_file_is_gone_names_no_file(folder: Folder) -> None:
    """ITK's message holds the path of the second file: a patient's name may stand in it."""
    folder.image("jane.nhdr")
    for file in folder.path.glob("jane.raw*"):
        file.unlink()
    assert "a file of voxels that is not there" in refusal(folder, "jane.nhdr")


@pytest.mark.parametrize("ending", ["nii", "nrrd"])
def test_picture_is_refused(folder: Folder, ending: str) -> None:
    """Two dimensions are no volume."""
    folder.write(f"jane.{ending}", np.ones((8, 10), dtype=np.uint8))
    said = refusal(folder, f"jane.{ending}")
    assert said == "* has 2 dimensions (10, 8); give one volume (x, y, z) for each phase"


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd"])
def test_series_of_volumes_is_refused(folder: Folder, ending: str) -> None:
    """Four dimensions: the phases in one file."""
    folder.write(f"jane.{ending}", np.ones((3, 6, 8, 10), dtype=np.int16))
    assert "4 dimensions (10, 8, 6, 3); give one volume" in refusal(folder, f"jane.{ending}")


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd"])
@pytest.mark.parametrize("values", [2, 3, 4])
def test_colour_is_refused(folder: Folder, ending: str, values: int) -> None:
    """Several values in each voxel: RGB, or the layers of overlapping segments."""
    folder.write(f"jane.{ending}", np.ones((6, 8, 10, values), dtype=np.uint8), vector=True)
    assert f"{values} values in each voxel (colour or layers)" in refusal(folder, f"jane.{ending}")


def test_complex_numbers_are_refused(folder: Folder) -> None:
    """Raw MR data are no image."""
    folder.write("jane.nii", np.ones((6, 8, 10), dtype=np.complex64))
    assert "export " in refusal(folder, "jane.nii")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_image_with_voxels_that_are_no_numbers_is_refused(folder: Folder, bad: float, dtype: str) -> None:
    """How many there are is told."""
    array = np.ones((6, 8, 10), dtype=np.float32)
    array[0, 0, :3] = bad
    # Left alone, ITK reads them as zeros from NIfTI and as they are from NRRD.
    for name in ("jane.nii.gz", "jane.nii", "jane.nrrd"):
        path = folder.write(name, array.astype(dtype))
        with pytest.raises(GeometryError, match="image has 3 voxels that are NaN or infinite; replace"):
            read_volume(path)


def test_sheared_nrrd_is_refused(folder: Folder) -> None:
    """A gantry tilt that was not resampled is no right grid."""
    path = folder.image("jane.nrrd")
    head, mark, body = path.read_bytes().partition(b"\n\n")
    lines = [
        b"space directions: (1,0,0) (0.3,1.5,0) (0,0,2)" if line.startswith(b"space directions") else line
        for line in head.split(b"\n")
    ]
    path.write_bytes(b"\n".join(lines) + mark + body)
    assert "not orthonormal" in with_way_out(folder, path.name)


def test_sheared_nifti_is_refused_in_silence(folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
    """ITK's own warning would put the path of the file on stderr."""
    path = folder.image("jane.nii")
    raw = bytearray(path.read_bytes())
    struct.pack_into("<2h", raw, 252, 0, 1)
    struct.pack_into("<12f", raw, 280, 1, 0.3, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    path.write_bytes(raw)
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    assert "orthonormal" in with_way_out(folder, path.name)
    folder.check_text("".join(capfd.readouterr()))
    assert sitk.ProcessObject.GetGlobalWarningDisplay() == shown


@pytest.mark.parametrize("vectors", [b"(0,0,0) (0,1,0) (0,0,1)", b"(nan,0,0) (0,1,0) (0,0,1)"])
def test_grid_without_spacing_is_refused(folder: Folder, vectors: bytes) -> None:
    """A spacing of zero or of no number."""
    path = folder.image("jane.nrrd")
    head, mark, body = path.read_bytes().partition(b"\n\n")
    lines = [
        b"space directions: " + vectors if line.startswith(b"space directions") else line
        for line in head.split(b"\n")
    ]
    path.write_bytes(b"\n".join(lines) + mark + body)
    assert with_way_out(folder, path.name)


def with_way_out(folder: Folder, name: str) -> str:
    """The refusal of an image, checked for names and for a way out."""
    with pytest.raises(CaseError, match=r"cannot be read|not orthonormal") as caught:
        read_volume(folder.path / name)
    folder.check_text(caught.value.message)
    assert caught.value.way_out, caught.value.message
    return caught.value.message
