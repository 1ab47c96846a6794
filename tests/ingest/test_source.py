"""The digest of a case: the same for the same bytes, another one for anything that changes the result."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mvi_ray.ingest.manifest import ManifestRow
from mvi_ray.ingest.source import Sources
from mvi_ray.study import Ring
from tests.ingest.conftest import Folder, block, study_with

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.study import Study

STUDY = study_with({})


@pytest.fixture
def case(folder: Folder) -> Folder:
    """An image with a mask."""
    folder.image()
    folder.mask()
    return folder


def digest(
    folder: Folder, *rows: dict[str, Any], study: Study = STUDY, dates_key: bytes | None = None
) -> str | None:
    """Of rows of one case, read with new eyes."""
    parsed = [ManifestRow.model_validate(folder.row(**row)) for row in rows or ({},)]
    return Sources(folder.path, study, dates_key).digest(list(enumerate(parsed, start=2)))


def test_same_bytes_have_the_same_digest_wherever_they_lie(case: Folder, tmp_path: Path) -> None:
    """Under other names, in another folder, in other lines of the manifest."""
    before = digest(case)
    assert before is not None
    assert len(before) == 64
    (tmp_path / "b").mkdir()
    other = Folder(tmp_path / "b")
    shutil.copy(case.path / "jane-doe-mr.nii.gz", other.path / "i.nii.gz")
    shutil.copy(case.path / "jane-doe-roi.nii.gz", other.path / "m.nii.gz")
    row = ManifestRow.model_validate(other.row(image="i.nii.gz", mask="m.nii.gz"))
    assert Sources(other.path, STUDY).digest([(77, row)]) == before


@pytest.mark.parametrize("name", ["jane-doe-mr.nii.gz", "jane-doe-roi.nii.gz"])
def test_a_changed_byte_is_another_digest(case: Folder, name: str) -> None:
    """In the image or in the mask; the old byte brings the old digest back."""
    before = digest(case)
    path = case.path / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert digest(case) not in (before, None)
    path.write_bytes(content)
    assert digest(case) == before


@pytest.mark.parametrize(
    "cells",
    [
        {"label": 2},
        {"segment": "Tumor*"},
        {"organ_mask": "jane-doe-roi.nii.gz"},
        {"organ_mask": "jane-doe-roi.nii.gz", "organ_label": 5},
        {"lesion": "2"},
        {"reader": "R2"},
        {"phase": "PP"},
        {"series": "0123456789ab"},
        {"part": 2},
        {"centre": "A"},
        {"mask": None},
    ],
)
def test_a_changed_cell_is_another_digest(case: Folder, cells: dict[str, Any]) -> None:
    """Each of them may give other rows or other voxels."""
    assert digest(case, cells) not in (digest(case), None)


def test_a_label_that_is_written_out_is_another_digest(case: Folder) -> None:
    """A blank cell leaves the choice to the study's patterns; the same number written in does not."""
    usual = ManifestRow.model_fields["label"].default
    assert digest(case, {"label": usual}) not in (digest(case), None)


def test_a_line_more_is_another_digest(case: Folder) -> None:
    """A second reader, or the lines of the phase that lends its masks."""
    assert len({digest(case), digest(case, {}, {"reader": "R2"}), digest(case, {}, {"phase": "PP"})}) == 3


@pytest.mark.parametrize(
    "setting",
    [
        {"geometry": "resample"},
        {"segments": {"tumour": ["Tumor*"]}},
        {"dicom": {"suv": True}},
        {"dicom": {"dates": "shift"}},
        {"masks": {"PP": {"from": "AP"}}},
        {"readers": {"model": "R1", "compare": ["R2"], "consensus": {"method": "staple"}}},
    ],
)
def test_a_setting_that_reads_otherwise_is_another_digest(case: Folder, setting: dict[str, Any]) -> None:
    """And so is a region, whose mask is made while ingesting."""
    with_region = study_with({"peritumoral": Ring(kind="ring", outer_mm=2)})
    found = {digest(case), digest(case, study=study_with({}, **setting)), digest(case, study=with_region)}
    assert len(found) == 3


def test_a_setting_of_extraction_leaves_the_digest(case: Folder) -> None:
    """Files are read the same way for any features."""
    other = study_with(
        {}, families={"cr": {"spacing_mm": [1, 1, 1], "bin_width": 5, "image_types": ["original"]}}
    )
    assert digest(case, study=other) == digest(case)


def test_another_key_for_dates_is_another_digest(case: Folder) -> None:
    """Days shifted by two keys would have wrong distances within a patient."""
    found = [digest(case, dates_key=key) for key in (None, bytes(32), b"\1" * 32, bytes(32))]
    assert len(set(found)) == 3
    assert found[1] == found[3]


@pytest.mark.parametrize("role", ["image", "mask", "organ_mask"])
@pytest.mark.parametrize("place", ["absent.nii.gz", "a\0b.nii.gz", "x" * 300, "jane-doe-mr.nii.gz/inner"])
def test_a_file_that_cannot_be_read_has_no_digest(case: Folder, role: str, place: str) -> None:
    """Whatever is wrong with it is told when the case is read."""
    row = ManifestRow.model_construct(**{**ManifestRow.model_validate(case.row()).__dict__, role: place})
    assert Sources(case.path, STUDY).digest([(2, row)]) is None


@pytest.mark.parametrize("ending", ["nhdr", "mhd"])
def test_a_header_without_voxels_has_no_digest(case: Folder, ending: str) -> None:
    """Its voxels may change while it stays as it is."""
    case.image(f"i.{ending}")
    assert digest(case, {"image": f"i.{ending}"}) is None
    assert digest(case, {"mask": f"i.{ending}"}) is None


@pytest.mark.parametrize(("ending", "whole"), [("nhdr", "nrrd"), ("mhd", "mha")])
def test_a_header_is_known_by_what_it_says(case: Folder, ending: str, whole: str) -> None:
    """Under a name that usually holds the voxels, too; and files that do hold them have a digest."""
    header = case.image(f"i.{ending}")
    header.rename(case.path / f"i.{whole}")
    assert digest(case, {"image": f"i.{whole}"}) is None
    case.image(f"whole.{whole}")
    assert digest(case, {"image": f"whole.{whole}"}) is not None


def test_a_folder_counts_with_names_and_contents(case: Folder) -> None:
    """A slice that is changed, added, renamed or moved into another folder; not by the order of writing."""
    series = case.path / "series"

    def fill(files: dict[str, bytes]) -> str | None:
        shutil.rmtree(series, ignore_errors=True)
        for name, content in files.items():
            (series / name).parent.mkdir(parents=True, exist_ok=True)
            (series / name).write_bytes(content)
        return digest(case, {"image": "series"})

    before = fill({"1.dcm": b"a", "2.dcm": b"b"})
    assert before is not None
    assert fill({"2.dcm": b"b", "1.dcm": b"a"}) == before
    others = [
        fill({"1.dcm": b"a", "2.dcm": b"c"}),
        fill({"1.dcm": b"b", "2.dcm": b"a"}),
        fill({"1.dcm": b"a", "3.dcm": b"b"}),
        fill({"1.dcm": b"a", "inner/2.dcm": b"b"}),
        fill({"1.dcm": b"a", "2.dcm": b"b", "3.dcm": b""}),
        fill({"1.dcm": b"a2.dcm", "2.dcm": b""}),
    ]
    assert len({before, *others}) == 7
    assert None not in others


def test_a_link_among_the_slices_counts_with_what_it_leads_to(case: Folder, tmp_path: Path) -> None:
    """A folder behind a link is scanned, and is not digested: nothing is known then."""
    series, elsewhere = case.path / "series", tmp_path / "elsewhere"
    for place in (series, elsewhere):
        place.mkdir()
        (place / "1.dcm").write_bytes(b"a")
    (series / "2.dcm").symlink_to(elsewhere / "1.dcm")
    before = digest(case, {"image": "series"})
    assert before is not None
    (elsewhere / "1.dcm").write_bytes(b"b")
    assert digest(case, {"image": "series"}) not in (before, None)
    (series / "inner").symlink_to(elsewhere)
    assert digest(case, {"image": "series"}) is None


def test_each_file_is_read_once(case: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three time points of one folder, each with the same mask."""
    from mvi_ray.ingest import source

    whole, read = source._of_file, []

    def counted(path: Path) -> str:
        read.append(path.name)
        return whole(path)

    monkeypatch.setattr(source, "_of_file", counted)
    sources = Sources(case.path, STUDY)
    rows = [ManifestRow.model_validate(case.row(part=part)) for part in (1, 2, 3)]
    found = {sources.digest([(2, row)]) for row in rows}
    assert len(found) == 3
    assert sorted(read) == ["jane-doe-mr.nii.gz", "jane-doe-roi.nii.gz"]


def test_large_files_are_read_to_their_end(case: Folder) -> None:
    """Block by block."""
    large = np.tile(block(), (120, 1, 10)).astype(np.int64)
    path = case.write("large.nrrd", large)
    assert path.stat().st_size > 2 * 1024 * 1024
    before = digest(case, {"image": "large.nrrd"})
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x07")
    assert digest(case, {"image": "large.nrrd"}) not in (before, None)
