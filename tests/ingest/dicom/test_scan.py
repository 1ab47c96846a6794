"""A tree of anything: DICOM series are found, the rest is counted, nothing stops the scan."""

from __future__ import annotations

import logging
import os
import socket
import zipfile
from datetime import date
from typing import TYPE_CHECKING

import pydicom
import pytest

from mvi_ray.errors import CaseError
from mvi_ray.ingest.dicom import scan_folder
from mvi_ray.ingest.dicom.elements import key_of
from tests.ingest.dicom.writing import IDENTITY, noise, uid, write_enhanced, write_series

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Shelf


def test_files_are_grouped_into_series(shelf: Shelf) -> None:
    """Across folders, by UID; what is needed to map them stands in each."""
    write_series(shelf.path / "a", noise((2, 4, 4)))
    write_series(shelf.path / "b", noise((3, 4, 4)), first=3)
    write_series(shelf.path / "b", noise((3, 4, 4)), series=2, modality="CT", name="ct", SeriesNumber=9)
    scan = scan_folder(shelf.path)
    assert (scan.files, scan.others, scan.problems) == (8, 0, ())
    first, second = scan.series
    assert first.key == key_of(uid("series", 1))
    assert [i.number for i in first.instances] == [1, 2, 3, 4, 5]
    assert (first.kind, first.modality, first.number, first.day) == ("image", "MR", 3, date(2020, 2, 14))
    assert (second.modality, second.number, second.study) == ("CT", 9, first.study)
    assert (first.identifier, first.description) == ("PID4711", "t1 dyn MUELLER")


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [
        ("2", "image"),
        ("4", "image"),
        ("128", "image"),
        ("7", "image"),
        ("66.4", "segmentation"),
        ("481.3", "contours"),
        ("20", "other"),
        ("88.11", "other"),
        ("6.1", "other"),
    ],
)
def test_kind_is_told_by_the_class_of_the_files(shelf: Shelf, sop_class: str, kind: str) -> None:
    """Scintigrams, reports and ultrasound are known, and not read."""
    write_series(shelf.path, noise((1, 4, 4)), SOPClassUID=f"1.2.840.10008.5.1.4.1.1.{sop_class}")
    (series,) = scan_folder(shelf.path).series
    assert series.kind == kind


def test_key_is_the_sha256_of_the_uid() -> None:
    """Known answer: sha256sum of `1.2.3` begins so."""
    assert key_of("1.2.3") == "c47f5b18b8a4"


def test_nothing_of_the_header_shows_in_texts_of_a_scan(shelf: Shelf) -> None:
    """Identifier, description and path are there, and are not printed."""
    write_series(shelf.path, noise())
    scan = scan_folder(shelf.path)
    shelf.check_text(repr(scan) + repr(scan.series[0].instances))


def test_progress_counts_files(shelf: Shelf) -> None:
    """Up to all of them."""
    write_series(shelf.path, noise())
    told: list[tuple[int, int]] = []
    scan_folder(shelf.path, lambda done, total: told.append((done, total)))
    assert told == [(n, 5) for n in range(1, 6)]


def test_what_is_no_dicom_is_counted(shelf: Shelf) -> None:
    """Texts, pictures, empty files, and a DICOMDIR."""
    write_series(shelf.path, noise())
    for name, content in (
        ("a.txt", b"Hans Mueller"),
        ("b", b""),
        ("c.png", b"\x89PNG" * 99),
        ("d", b"\x08\0" * 99),
    ):
        (shelf.path / name).write_bytes(content)
    scan = scan_folder(shelf.path)
    assert (scan.files, scan.others, len(scan.series)) == (9, 4, 1)
    assert scan.problems == ()


def test_directory_file_is_passed_over(shelf: Shelf) -> None:
    """A DICOMDIR lists what is there anyway, also under another name."""
    write_series(shelf.path, noise((2, 4, 4)))
    index = pydicom.Dataset()
    index.file_meta = pydicom.dataset.FileMetaDataset()
    index.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    index.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    index.file_meta.MediaStorageSOPInstanceUID = uid("directory")
    index.FileSetID = "MUELLER"
    index.DirectoryRecordSequence = []
    for name in ("DICOMDIR", "index.dcm"):
        index.save_as(shelf.path / name, enforce_file_format=True)
    scan = scan_folder(shelf.path)
    assert (len(scan.series), scan.others, scan.problems) == (1, 1, ())


def test_hidden_files_and_folders_are_passed_over(shelf: Shelf) -> None:
    """What macOS and editors leave behind."""
    (path, *_) = write_series(shelf.path / ".trash", noise())
    path.rename(shelf.path / "._MUELLER.dcm")
    write_series(shelf.path / "__MACOSX", noise())
    assert scan_folder(shelf.path).files == 0


def test_loops_of_links_are_walked_once(shelf: Shelf) -> None:
    """Links to files and folders are followed; none is entered twice."""
    write_series(shelf.path / "a", noise())
    (shelf.path / "a" / "up").symlink_to(shelf.path)
    (shelf.path / "again").symlink_to(shelf.path / "a")
    (shelf.path / "gone").symlink_to(shelf.path / "nowhere")
    scan = scan_folder(shelf.path)
    assert (scan.files, len(scan.series[0].instances)) == (5, 5)
    (problem,) = scan.problems
    assert problem.reason == "file or folder cannot be reached: No such file or directory"


def test_pipes_sockets_and_archives_do_not_stop_the_scan(tmp_path: Path) -> None:
    """A pipe would block for ever; an archive is not opened, and that is told."""
    write_series(tmp_path, noise())
    os.mkfifo(tmp_path / "pipe.dcm")
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("a.dcm", b"x")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        scan = scan_folder(tmp_path)
    assert len(scan.series) == 1
    assert [p.reason for p in scan.problems] == [
        "archive that was not opened",
        "pipe or device among the files (2 times)",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read_are_told(shelf: Shelf) -> None:
    """By count, and by the system's reason."""
    paths = write_series(shelf.path, noise())
    paths[0].chmod(0)
    paths[1].chmod(0)
    (problem,) = scan_folder(shelf.path).problems
    assert problem.reason == "file cannot be read: Permission denied (2 times)"


def test_unreadable_file_is_told_whoever_runs_the_scan(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where the tests run as root: opening fails for two files."""
    from pathlib import Path

    paths = write_series(shelf.path, noise())
    opened = Path.open

    def refuse(self: Path, *args: object, **words: object) -> object:
        if self in paths[:2]:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *args, **words)

    monkeypatch.setattr(Path, "open", refuse)
    scan = scan_folder(shelf.path)
    (problem,) = scan.problems
    assert problem.reason == "file cannot be read: Permission denied (2 times)"
    assert len(scan.series[0].instances) == 3


def test_damaged_files_are_told_and_the_others_read(shelf: Shelf) -> None:
    """Headers that end early, and one of no series."""
    paths = write_series(shelf.path, noise())
    for path, length in zip(paths[:2], (200, 420), strict=True):
        path.write_bytes(path.read_bytes()[:length])
    scan = scan_folder(shelf.path)
    assert len(scan.series[0].instances) == 3
    assert sum("damaged" in p.reason or "ends early" in p.reason for p in scan.problems) >= 1
    for problem in scan.problems:
        shelf.check_text(problem.reason + problem.way_out)


def test_enhanced_file_that_contradicts_itself_is_told(shelf: Shelf) -> None:
    """NumberOfFrames against the frames described."""
    write_enhanced(shelf.path / "a.dcm", [noise()], NumberOfFrames=7)
    (problem,) = scan_folder(shelf.path).problems
    assert problem.reason == "enhanced DICOM file says it holds 7 frames and describes 5"


def test_file_without_preamble_is_read(shelf: Shelf) -> None:
    """As old archives wrote them: the header begins at once."""
    for path in write_series(shelf.path, noise()):
        header = pydicom.dcmread(path)
        del header.file_meta
        header.preamble = None
        header.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=False)
        assert path.read_bytes()[128:132] != b"DICM"
    assert shelf.read().volume.geometry.size == (7, 6, 5)


def test_one_series_of_two_patients_is_told(shelf: Shelf) -> None:
    """One examination exported under two identifiers."""
    write_series(shelf.path / "a", noise())
    write_series(shelf.path / "b", noise(), PatientID="PID4711 ", OtherPatientIDs="x")
    write_series(shelf.path / "c", noise(), PatientID="X1")
    scan = scan_folder(shelf.path)
    assert len(scan.series) == 2
    (problem,) = scan.problems
    assert problem.reason == f"series {scan.series[0].key} stands under 2 patient identifiers"


def test_remarks_of_the_library_are_not_logged(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    """The library quotes odd values; a name may stand in any of them."""
    write_series(shelf.path, noise(), AccessionNumber="ACC0815", StudyID="MUELLER")
    for path in shelf.path.iterdir():
        content = path.read_bytes()
        # A length that is odd for its kind, and a character set that does not exist.
        path.write_bytes(content.replace(b"ISO_IR 192", b"MUELLER HA"))
    with caplog.at_level(logging.DEBUG):
        shelf.read()
    assert not [name for name in IDENTITY if name in caplog.text]


@pytest.mark.parametrize("name", ["nowhere", "a\0b", "x" * 300])
def test_folder_that_is_not_there_is_an_error(tmp_path: Path, name: str) -> None:
    """The top is the caller's own word."""
    with pytest.raises(CaseError, match=r"folder cannot be read: .+; check its path"):
        scan_folder(tmp_path / name)


def test_file_instead_of_a_folder_is_an_error(tmp_path: Path) -> None:
    """A scan is of a folder."""
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(CaseError, match="folder cannot be read: Not a directory"):
        scan_folder(tmp_path / "a")
