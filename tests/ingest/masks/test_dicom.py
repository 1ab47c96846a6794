"""DICOM files that hold masks: found, told apart, refused."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian

from mvi_ray.errors import CaseError
from mvi_ray.ingest.masks import SegmentChoice, dicom, read_mask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mvi_ray.volume import Geometry


@pytest.fixture
def contours(
    tmp_path: Path,
    write_rtstruct: Callable[..., pydicom.Dataset],
    square_contours: Callable[..., list[np.ndarray]],
    grid: Geometry,
    drawn: np.ndarray,
) -> Path:
    """A folder with one RTSTRUCT."""
    folder = tmp_path / "MUELLER_HANS"
    folder.mkdir()
    write_rtstruct(folder / "jane.dcm", {"GTV": square_contours(drawn, grid)})
    return folder


def refusal(path: Path, grid: Geometry) -> str:
    """What is said, checked for names."""
    with pytest.raises(CaseError, match="mask") as caught:
        read_mask(path, SegmentChoice(), grid)
    assert caught.value.way_out
    assert not [n for n in ("mueller", "jane", str(path)) if n in caught.value.message.lower()]
    return caught.value.message


def test_folder_may_hold_the_one_file(contours: Path, grid: Geometry, drawn: np.ndarray) -> None:
    """Beside other files; images in the same folder do not count."""
    (contours / "notes.txt").write_text("no DICOM")
    (contours / "sub").mkdir()
    image = pydicom.dcmread(contours / "jane.dcm")
    image.SOPClassUID = CTImageStorage
    image.save_as(contours / "image.dcm")
    broken = (contours / "jane.dcm").read_bytes()[:140] + b"\xff" * 40
    (contours / "broken.dcm").write_bytes(broken)
    assert np.array_equal(read_mask(contours, SegmentChoice(), grid).mask.array, drawn)


def test_folder_without_a_single_mask_is_refused(contours: Path, grid: Geometry, tmp_path: Path) -> None:
    """None, or two: which one is not guessed."""
    (contours / "second.dcm").write_bytes((contours / "jane.dcm").read_bytes())
    assert refusal(contours, grid) == (
        "mask is a folder with 2 DICOM SEG or RTSTRUCT files; name one file in the manifest"
    )
    (tmp_path / "empty").mkdir()
    assert "a folder with 0 DICOM" in refusal(tmp_path / "empty", grid)


def test_folder_of_a_whole_disk_is_refused(
    contours: Path, grid: Geometry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody named the archive."""
    monkeypatch.setattr(dicom, "_MOST_FILES", 3)
    for number in range(4):
        (contours / f"{number}.txt").touch()
    assert refusal(contours, grid) == "mask is a folder of more than 3 files; name the file"


@pytest.mark.parametrize("name", ["RS.DCM", "RS.dicom", "IM0001", "1.2.840.113619.2.55", "RS.ima"])
def test_name_of_the_file_does_not_matter(
    contours: Path, grid: Geometry, drawn: np.ndarray, name: str
) -> None:
    """Archives name files by number or UID."""
    path = (contours / "jane.dcm").rename(contours / name)
    assert np.array_equal(read_mask(path, SegmentChoice(), grid).mask.array, drawn)


def test_file_without_a_preamble_is_read(contours: Path, grid: Geometry, drawn: np.ndarray) -> None:
    """Old planning systems leave it out."""
    path = contours / "jane.dcm"
    data = pydicom.dcmread(path)
    data.preamble = None
    del data.file_meta
    with path.open("wb") as file:
        pydicom.dcmwrite(file, data, implicit_vr=True, little_endian=True)
    assert path.read_bytes()[128:132] != b"DICM"
    assert np.array_equal(read_mask(path, SegmentChoice(), grid).mask.array, drawn)


def test_missing_file_and_other_endings_are_told(contours: Path, grid: Geometry) -> None:
    """As for label maps."""
    assert refusal(contours / "gone.dcm", grid) == "mask file does not exist; check the path in the manifest"
    (contours / "a.png").write_bytes(b"x" * 500)
    for name in ("a.png", "gone.png"):
        assert "mask file has an ending that is not read; convert it to .nii or" in refusal(
            contours / name, grid
        )


@pytest.mark.parametrize("content", [b"", b"no DICOM at all " * 40, b"\x00" * 128 + b"DICM", b"\xff" * 999])
def test_file_of_something_else_is_refused(contours: Path, grid: Geometry, content: bytes) -> None:
    """Empty, text, a bare mark."""
    (contours / "jane.dcm").write_bytes(content)
    assert refusal(contours / "jane.dcm", grid)


def test_image_is_no_mask(contours: Path, grid: Geometry) -> None:
    """The wrong file of the right patient."""
    data = pydicom.dcmread(contours / "jane.dcm")
    data.SOPClassUID = CTImageStorage
    data.save_as(contours / "jane.dcm")
    assert refusal(contours / "jane.dcm", grid) == (
        "mask is a DICOM file of another kind than SEG or RTSTRUCT; export the segmentation itself"
    )


def test_packed_file_is_read(contours: Path, grid: Geometry, drawn: np.ndarray) -> None:
    """The deflated transfer syntax."""
    path = contours / "jane.dcm"
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data.save_as(path)
    assert np.array_equal(read_mask(path, SegmentChoice(), grid).mask.array, drawn)


def test_packed_file_that_unpacks_to_gigabytes_is_refused(
    contours: Path, grid: Geometry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted while unpacking, a piece at a time."""
    monkeypatch.setattr(dicom, "_MOST_BYTES", 2**22)
    path = contours / "jane.dcm"
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data.save_as(path)
    content = path.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = packer.compress(b"\x00" * 2**26) + packer.flush()
    path.write_bytes(content[:start] + bomb)
    assert path.stat().st_size < 2**20
    assert refusal(path, grid) == "mask file unpacks to more than 4194304 bytes; export it anew"


def test_file_of_gigabytes_is_refused(
    contours: Path, grid: Geometry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is read."""
    monkeypatch.setattr(dicom, "_MOST_BYTES", 100)
    assert "bytes; export the one segment that is needed" in refusal(contours / "jane.dcm", grid)


def test_file_that_may_not_be_read_is_told(
    contours: Path, grid: Geometry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason of the system, without the path."""

    def deny(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(pydicom, "dcmread", deny)
    assert refusal(contours / "jane.dcm", grid) == (
        "mask file cannot be read: Permission denied; copy or export it anew"
    )
