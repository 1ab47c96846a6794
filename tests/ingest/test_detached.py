"""Headers of NRRD and MetaImage files: what they claim is checked before anything else is opened."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mvi_ray.errors import CaseError, GeometryError
from mvi_ray.ingest.files import read_volume

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Folder


def change(path: Path, old: bytes, new: bytes) -> None:
    """Replace a piece of a file that stands in it once."""
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))


def refusal(folder: Folder, path: Path, error: type[CaseError] = CaseError) -> str:
    """What is said; it names no file."""
    with pytest.raises(error, match=r"^image .+; .+") as caught:
        read_volume(path)
    folder.check_text(caught.value.message)
    return caught.value.message


@pytest.mark.parametrize(("ending", "key"), [("mhd", b"ElementDataFile = "), ("nhdr", b"data file: ")])
@pytest.mark.parametrize(
    "place", ["../out/mueller.raw", "{folder}/../out/mueller.raw", "/etc/passwd", "link.raw"]
)
def test_voxels_outside_the_folder_are_refused(folder: Folder, ending: str, key: bytes, place: str) -> None:
    """A header could show any file of the machine, or another patient's."""
    path = folder.image(f"jane.{ending}")
    (data,) = (p for p in folder.path.iterdir() if p != path)
    outside = folder.path.parent / "out"
    outside.mkdir()
    data.rename(outside / "mueller.raw")
    (folder.path / "link.raw").symlink_to(outside / "mueller.raw")
    change(path, key + data.name.encode(), key + place.format(folder=folder.path).encode())
    assert "names a file outside its own folder" in refusal(folder, path)


@pytest.mark.parametrize("ending", ["mhd", "nhdr"])
def test_voxels_in_a_folder_below_are_read(folder: Folder, ending: str) -> None:
    """A header may have its data beside it or below."""
    path = folder.image(f"jane.{ending}")
    before = read_volume(path).array
    (data,) = (p for p in folder.path.iterdir() if p != path)
    (folder.path / "data").mkdir()
    data.rename(folder.path / "data" / data.name)
    change(path, data.name.encode(), b"data/" + data.name.encode())
    assert np.array_equal(read_volume(path).array, before)


@pytest.mark.parametrize("ending", ["mhd", "nhdr"])
def test_missing_voxels_are_told(folder: Folder, ending: str) -> None:
    """Only the header was copied, or a pipe stands in their place."""
    path = folder.image(f"jane.{ending}")
    (data,) = (p for p in folder.path.iterdir() if p != path)
    data.unlink()
    assert "a file of voxels that is not there" in refusal(folder, path)
    os.mkfifo(data)
    assert "a file of voxels that is not there" in refusal(folder, path)


@pytest.mark.parametrize("place", ["LIST", "slice%03d.raw 1 6 1", "a.raw b.raw"])
def test_voxels_in_several_files_are_refused(folder: Folder, place: str) -> None:
    """One file for each slice is another format in disguise."""
    path = folder.image("jane.mhd")
    change(path, b"ElementDataFile = jane.raw", b"ElementDataFile = " + place.encode())
    assert "in several files" in refusal(folder, path)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_metaimage_that_was_cut_off_is_told_with_its_bytes(
    folder: Folder, packed: bool, share: float
) -> None:
    """Before ITK writes to the terminal about it."""
    import SimpleITK as sitk

    path = folder.image("jane.mha", "int16")
    sitk.WriteImage(sitk.ReadImage(str(path)), str(path), useCompression=packed)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    said = refusal(folder, path)
    assert "ends early: " in said
    if not packed:
        assert "of 960 bytes" in said


@pytest.mark.parametrize("spacing", [b"1 -1.5 2", b"0 1.5 2", b"nan 1.5 2", b"x 1.5 2"])
def test_spacing_that_is_not_above_zero_is_told(folder: Folder, spacing: bytes) -> None:
    """ITK would make it positive in silence."""
    path = folder.image("jane.mha")
    change(path, b"ElementSpacing = 1 1.5 2", b"ElementSpacing = " + spacing)
    assert "a spacing that is not above 0 mm" in refusal(folder, path, GeometryError)


def test_header_without_a_place_of_voxels_is_told(folder: Folder) -> None:
    """Text of something else under this ending."""
    (folder.path / "jane.mha").write_bytes(b"NDims = 3\n" * 50)
    assert "does not say where the voxels are" in refusal(folder, folder.path / "jane.mha")


def test_packed_size_that_is_claimed_is_not_allocated(folder: Folder) -> None:
    """CompressedDataSize of a terabyte in a file of bytes."""
    import re

    import SimpleITK as sitk

    path = folder.image("jane.mha", "int16")
    sitk.WriteImage(sitk.ReadImage(str(path)), str(path), useCompression=True)
    path.write_bytes(
        re.sub(rb"CompressedDataSize = \d+", b"CompressedDataSize = 1099511627776", path.read_bytes())
    )
    assert "of 1099511627776 bytes" in refusal(folder, path)
