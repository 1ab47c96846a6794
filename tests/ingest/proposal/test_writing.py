"""The proposed manifest: what is written is what is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mvi_ray.errors import UsageError
from mvi_ray.ingest.manifest import read_manifest
from mvi_ray.ingest.proposal.row import Drawn, ProposedRow
from mvi_ray.ingest.proposal.writing import check_target, write_manifest
from tests.ingest.proposal.making import make_study

if TYPE_CHECKING:
    from pathlib import Path

STUDY = make_study("AP", "PP")


def test_manifest_is_read_back(tmp_path: Path) -> None:
    """Every cell, through paths that lead out of the folder, with commas, quotes and blanks."""
    data = tmp_path / 'data, of "us"'
    image, mask = data / " a; b.nii", data / "m.dcm"
    (tmp_path / "lists").mkdir()
    rows = [
        ProposedRow("P1", "AP", image, "later", "Bonn", Drawn(mask, "SEG", "2", "R2"), False, "0" * 12, 3),
        ProposedRow("P1", "PP", image, drawn=Drawn(mask, "file")),
    ]
    path = tmp_path / "lists" / "manifest.csv"
    write_manifest(rows, path)
    found = read_manifest(path, STUDY)
    assert [p for p in found.problems if p.severity == "error"] == []
    (line, first), (_, second) = [row for rows in found.groups.values() for row in rows]
    assert line == 2
    assert (first.session, first.centre, first.lesion, first.reader) == ("later", "Bonn", "2", "R2")
    assert (first.series, first.part, second.series, second.part) == ("0" * 12, 3, None, None)
    assert (found.folder / first.image).resolve() == image
    assert (found.folder / str(first.mask)).resolve() == mask
    assert first.image.startswith("../")


def test_only_columns_that_say_something_are_written(tmp_path: Path) -> None:
    """A short table is a readable one."""
    path = tmp_path / "manifest.csv"
    write_manifest(
        [ProposedRow("P1", "AP", tmp_path / "a.nii", drawn=Drawn(tmp_path / "m.nii", "file"))], path
    )
    assert path.read_text() == "patient_id,phase,image,mask\nP1,AP,a.nii,m.nii\n"


def test_file_name_that_begins_with_a_blank_survives(tmp_path: Path) -> None:
    """A table drops blanks around its cells."""
    path = tmp_path / "manifest.csv"
    write_manifest([ProposedRow("P1", "AP", tmp_path / " a.nii")], path)
    assert path.read_text().splitlines()[1] == "P1,AP,./ a.nii,"


def test_row_that_waits_is_named_when_it_is_ingested(tmp_path: Path) -> None:
    """By its line, and what is blank in it."""
    path = tmp_path / "manifest.csv"
    mask = Drawn(tmp_path / "m.nii", "file")
    rows = [
        ProposedRow("P1", "", tmp_path / "a.nii", drawn=mask),
        ProposedRow("P1", "AP", None, drawn=mask),
        ProposedRow("", "", tmp_path / "a.nii", drawn=mask),
    ]
    write_manifest(rows, path)
    found = [(p.line, p.reason) for p in read_manifest(path, STUDY).problems]
    assert found == [(2, "phase is blank"), (3, "image is blank"), (4, "patient_id is blank")]


def test_manifest_is_not_replaced_without_force(tmp_path: Path) -> None:
    """It may hold an hour of corrections."""
    path = tmp_path / "manifest.csv"
    mine = "patient_id,phase,image,mask\nmine,AP,a.nii,b.nii\n"
    path.write_text(mine)
    with pytest.raises(UsageError, match=r"manifest\.csv is there already; name another with --output"):
        write_manifest([], path)
    assert path.read_text() == mine
    write_manifest([], path, force=True)
    assert path.read_text() == "patient_id,phase,image,mask\n"
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.csv"]


def test_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither half a manifest nor a file aside."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UsageError, match=r"manifest\.csv cannot be written: No space left on device; check"):
        write_manifest([], tmp_path / "manifest.csv")
    assert list(tmp_path.iterdir()) == []


def test_place_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """A folder, a folder that is not there, and a store."""
    (tmp_path / "store" / "tables").mkdir(parents=True)
    (tmp_path / "store" / "mvi.duckdb").touch()
    for place, message in (
        (tmp_path / "none" / "manifest.csv", "name a file in a folder that exists"),
        (tmp_path / "store", "is there already"),
        (tmp_path / "store" / "manifest.csv", "a store holds its own files only; name another folder"),
    ):
        with pytest.raises(UsageError, match=message):
            write_manifest([], place)
    with pytest.raises(UsageError, match="name a file in a folder that exists"):
        write_manifest([], tmp_path / "store", force=True)


@pytest.mark.parametrize("text", ["0f" * 32, "identifier,patient_id\na,P1\n", "schema_version: 1\n", ""])
def test_force_replaces_nothing_but_a_manifest(tmp_path: Path, text: str) -> None:
    """A key, a crosswalk or a study file named by mistake cannot be made again."""
    path = tmp_path / "k"
    path.write_text(text)
    with pytest.raises(UsageError, match="k is no manifest, and --force replaces nothing else"):
        check_target(path, force=True)
    assert path.read_text() == text


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "'="])
def test_no_cell_is_a_formula_and_all_are_read_back(tmp_path: Path, sign: str) -> None:
    """Spreadsheets run what begins with such a sign; folders and files may be called so."""
    said = f"{sign}cmd"
    row = ProposedRow(said, "AP", tmp_path / said, said, said, Drawn(tmp_path / said / "m.nii", "file", said))
    path = tmp_path / "manifest.csv"
    write_manifest([row], path)
    cells = path.read_text().splitlines()[1].split(",")
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    ((read,),) = ([one for _, one in rows] for rows in read_manifest(path, STUDY).groups.values())
    assert (read.patient_id, read.session, read.centre, read.lesion) == (said,) * 4
    assert (tmp_path / read.image, tmp_path / str(read.mask)) == (row.image, row.drawn and row.drawn.path)
