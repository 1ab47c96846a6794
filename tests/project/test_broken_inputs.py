"""Broken input of every kind: one clear line each, none stops the others, none leaves a trace.

One manifest names all cases of `broken/`, between two good patients, and is ingested once.
A mask that cannot be used does not cost its image, which is good: of such a patient the image
is stored, and nothing of the mask.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mvi_ray.errors import ManifestError
from mvi_ray.project import Project
from mvi_ray.store.garbage import orphan_volumes
from tests.ingest.dicom.writing import IDENTITY
from tests.project.broken import lines, tables
from tests.project.broken.folder import GOOD, KINDS, write_folder, write_study
from tests.project.broken.kind import PLANTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mvi_ray.ingest.problem import Problem
    from tests.project.broken.kind import Kind

_HIDDEN = re.compile(
    "|".join((*IDENTITY, *PLANTED.split("_"), "/good", tempfile.gettempdir(), "/nowhere")), re.IGNORECASE
)
"""What no message may hold: planted names, identifiers of DICOM headers, paths."""


@dataclass(frozen=True)
class Ingested:
    """The store after the one ingest.

    Args:
        project: that was ingested into.
        problems: what was told.
        where: kind to the numbers of its lines.
        stored: table to its rows by patient.
    """

    project: Project
    problems: tuple[Problem, ...]
    where: dict[str, set[int]]
    stored: dict[str, dict[str, list[dict[str, Any]]]]

    def of(self, kind: Kind) -> list[Problem]:
        """What was told of a kind."""
        return [p for p in self.problems if p.patient_id == kind.name or p.line in self.where[kind.name]]


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    """All kinds, ingested once."""
    folder = tmp_path_factory.mktemp("broken")
    manifest, where = write_folder(folder)
    summary = Project(folder).ingest(manifest)
    project = Project(folder)
    return Ingested(project, summary.problems, where, _stored(project))


def _stored(project: Project) -> dict[str, dict[str, list[dict[str, Any]]]]:
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name in ("patients", "images", "masks", "quarantine"):
        by = found.setdefault(name, {})
        for row in project.store.tables[name].read().to_pylist():
            by.setdefault(row["patient_id"], []).append(row)
    return found


def _check_text(problems: Sequence[Problem]) -> None:
    """Every line says what is wrong and what to do, and names no file and no person."""
    for problem in problems:
        assert problem.reason
        assert problem.way_out, problem.reason
        text = f"{problem.reason}; {problem.way_out}"
        assert not _HIDDEN.search(text), text
        assert "Traceback" not in text
        assert "\n" not in text


# Images and masks ---------------------------------------------------------------------


def test_there_are_more_than_forty_kinds_with_names_of_their_own() -> None:
    """Images, DICOM, masks and lines of the manifest; tables are counted besides."""
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names) >= 120
    assert len(lines.REFUSED) + len(tables.REFUSED) + len(tables.CELLS) + len(tables.LINES) >= 40


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_broken_case_is_told_in_one_clear_line(ingested: Ingested, kind: Kind) -> None:
    """One problem, of the case, with the cause and a way out."""
    found = ingested.of(kind)
    assert len(found) == 1, found
    _check_text(found)
    (problem,) = found
    assert problem.severity == kind.severity
    assert problem.line in ingested.where[kind.name]
    assert re.search(".*".join(map(re.escape, kind.reason)), problem.reason), problem.reason


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_broken_case_leaves_no_trace(ingested: Ingested, kind: Kind) -> None:
    """No row but of what is good: the image of a bad mask, a case that was taken with a warning."""
    stored = ingested.stored
    there = {name for name in ("patients", "images", "masks") if kind.name in stored[name]}
    assert there == {"nothing": set(), "image": {"patients", "images"}}.get(
        kind.keeps, {"patients", "images", "masks"}
    )
    if kind.keeps == "case":
        assert len(stored["masks"][kind.name]) == 2
    quarantined = stored["quarantine"].get(kind.name, [])
    # A line without a patient stands in the summary only.
    if kind.severity == "error" and kind.name != "patient-blank":
        (problem,) = ingested.of(kind)
        assert [(row["stage"], row["reason"]) for row in quarantined] == [("ingest", problem.reason)]
    else:
        assert quarantined == []


def test_nothing_is_told_but_of_the_broken_cases(ingested: Ingested) -> None:
    """Every problem belongs to a kind, so that none was counted against a good patient."""
    assert len(ingested.problems) == len(KINDS)
    assert not {p.patient_id for p in ingested.problems} & set(GOOD)


@pytest.mark.parametrize("patient", GOOD)
def test_good_patients_before_and_after_are_complete(ingested: Ingested, patient: str) -> None:
    """An image, the drawn mask and its ring, with volumes that hold what the rows say."""
    assert len(ingested.stored["images"][patient]) == 1
    assert {row["region"] for row in ingested.stored["masks"][patient]} == {"intratumoral", "peritumoral"}
    assert patient in ingested.stored["patients"]


def test_no_volume_is_left_without_a_row(ingested: Ingested) -> None:
    """What was read before the fault was found is in no file of the store."""
    assert list(orphan_volumes(ingested.project.store)) == []
    assert ingested.project.check().findings == ()


def test_no_file_of_the_store_names_a_patient(ingested: Ingested) -> None:
    """Neither paths nor headers of broken files come in, also not by way of their messages."""
    planted = [word.encode() for word in (*IDENTITY, PLANTED)]
    for path in ingested.project.store.root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [word for word in planted if word in content], path.name


def test_ingesting_the_folder_again_changes_nothing(ingested: Ingested, tmp_path: Path) -> None:
    """The same problems, and no row that was not there."""
    folder = shutil.copytree(
        ingested.project.store.root, tmp_path / "again" / "store", ignore=shutil.ignore_patterns("lock*")
    ).parent
    shutil.copy(ingested.project.folder / "study.yaml", folder)
    project = Project(folder)
    summary = project.ingest(ingested.project.folder / "data" / "manifest.csv")
    told = {(p.case, p.severity, p.reason) for p in summary.problems}
    errors = {(p.case, p.severity, p.reason) for p in ingested.problems if p.severity == "error"}
    assert errors <= told
    for name in ("patients", "images", "masks"):
        assert _stored(project)[name].keys() == ingested.stored[name].keys()
    assert list(orphan_volumes(project.store)) == []


# Files that may not be read -------------------------------------------------------------

_AS_ANOTHER = """\
import json, os, sys
from pathlib import Path
import highdicom, pydicom
from mvi_ray.errors import ManifestError
from mvi_ray.ingest.dicom import read_part
from mvi_ray.ingest.masks import dicom, rtstruct, seg
from mvi_ray.project import Project

first, second = map(Path, sys.argv[1:])
# Whatever is imported late comes in now: the other user may not be able to read it.
Project(first).ingest(first / "data" / "manifest.csv")
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
data = second / "data"
summary = Project(second).ingest(data / "manifest.csv")
rows = Project(second).store.tables["masks"].read(["patient_id"]).to_pylist()
(data / "manifest.csv").chmod(0)
try:
    Project(second).ingest(data / "manifest.csv")
    whole = ""
except ManifestError as error:
    whole = error.message
problems = [p.to_json() for p in summary.problems]
print(json.dumps({"problems": problems, "masks": [r["patient_id"] for r in rows], "whole": whole}))
"""

_FORBIDDEN = {
    "file": ("image", "image", "cannot be read: Permission denied"),
    "file-packed": ("image", "image", "cannot be read: Permission denied"),
    "dicom": ("image", "image", "Permission denied"),
    "folder": ("image", "folder cannot be read: Permission denied", ""),
    "inside": ("image", "image", "reached: Permission denied"),
    "mask": ("mask", "mask", "cannot be read: Permission denied"),
    "mask-dicom": ("mask", "mask", "cannot be read: Permission denied"),
    "mask-inside": ("mask", "mask", "reached: Permission denied"),
}
"""What is forbidden, the cell that names it, and what is said."""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine reaches; those of pytest are its owner's only."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _forbid(data: Path) -> list[str]:
    """Files and folders without a right to read them, and their lines of the manifest."""
    made = []
    for name, (cell, *_) in _FORBIDDEN.items():
        folder = data / f"{name}-{PLANTED}"
        folder.mkdir()
        source = data / "good" / f"{cell}.nii.gz"
        path = folder
        if name != "folder":
            path = folder / ("IM0001.dcm" if "dicom" in name else f"{PLANTED}.nii.gz")
            shutil.copy(source, path)
        (folder if "inside" in name else path).chmod(0)
        cells = {"image": "good/image.nii.gz", "mask": "good/mask.nii.gz", cell: str(path.relative_to(data))}
        made.append(f"{name},AP,{cells['image']},{cells['mask']}")
    return made


def test_files_that_another_user_may_not_read_are_told_one_by_one(
    open_folder: Path, run_python: Callable[..., Any]
) -> None:
    """Root may read everything, so the test becomes nobody for it; every other user is himself."""
    head = "patient_id,phase,image,mask"
    good = "good/image.nii.gz,good/mask.nii.gz"
    for name in ("first", "second"):
        data = write_study(open_folder / name)
        forbidden = _forbid(data) if name == "second" else []
        text = "\n".join([head, f"A-good,AP,{good}", *forbidden, f"Z-good,AP,{good}", ""])
        (data / "manifest.csv").write_text(text)
    if os.getuid() == 0:
        for path in (open_folder, *open_folder.rglob("*")):
            os.chown(path, 65534, 65534)
    done = run_python(_AS_ANOTHER, str(open_folder / "first"), str(open_folder / "second"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    told = {p["patient_id"]: (p["reason"], p["way_out"]) for p in found["problems"]}
    assert len(found["problems"]) == len(_FORBIDDEN) == len(told)
    for name, (_, *words) in _FORBIDDEN.items():
        reason, way_out = told[name]
        assert re.search(".*".join(map(re.escape, words)), reason), (name, reason)
        assert way_out
        assert not _HIDDEN.search(f"{reason}; {way_out}")
    assert sorted(found["masks"]) == ["A-good", "A-good", "Z-good", "Z-good"]
    assert "manifest.csv cannot be read: Permission denied" in found["whole"]


# Manifests as a whole -------------------------------------------------------------------


@pytest.mark.parametrize("name", list(lines.ACCEPTED))
def test_manifest_as_spreadsheets_write_it_is_no_broken_one(tmp_path: Path, name: str) -> None:
    """Marks, separators and line ends of every locale are read without a word."""
    data = write_study(tmp_path)
    (data / "manifest.csv").write_bytes(lines.ACCEPTED[name])
    summary = Project(tmp_path).ingest(data / "manifest.csv")
    assert (summary.patients, summary.images, summary.masks, summary.problems) == (1, 1, 2, ())


@pytest.mark.parametrize("name", list(lines.REFUSED))
def test_manifest_that_is_no_table_is_refused_before_anything_is_stored(tmp_path: Path, name: str) -> None:
    """The message says what is wrong, names no patient, and no store was made."""
    data = write_study(tmp_path)
    content, words = lines.REFUSED[name]
    (data / "manifest.csv").write_bytes(content)
    with pytest.raises(ManifestError, match=words) as caught:
        Project(tmp_path).ingest(data / "manifest.csv")
    assert str(tmp_path) not in caught.value.message
    assert "ller" not in caught.value.message
    assert not (tmp_path / "store").exists()


# Clinical tables ------------------------------------------------------------------------


def _ingest(folder: Path, content: bytes) -> tuple[tuple[Problem, ...], dict[str, dict[str, Any]]]:
    path = write_study(folder) / "clinical.csv"
    path.write_bytes(content)
    problems = Project(folder).ingest(clinical=path).problems
    rows = Project(folder).store.tables["clinical"].read().to_pylist()
    return problems, {row["patient_id"]: row for row in rows}


@pytest.mark.parametrize("name", list(tables.CELLS))
def test_cell_that_cannot_be_read_costs_this_value_only(tmp_path: Path, name: str) -> None:
    """The patient's other values and the other patient are stored; the cell is empty, never guessed."""
    line, column, words = tables.CELLS[name]
    problems, rows = _ingest(tmp_path, tables.table(line))
    assert [(p.severity, p.line, p.patient_id) for p in problems] == [("error", 3, "P2")]
    assert problems[0].reason.startswith(words)
    _check_text(problems)
    assert rows["P2"][column] is None
    assert None not in rows["P1"].values()
    others = [value for key, value in rows["P2"].items() if key not in (column, "lab_to_surgery")]
    assert None not in others


@pytest.mark.parametrize("name", list(tables.LINES))
def test_line_without_a_patient_of_its_own_is_left_out(tmp_path: Path, name: str) -> None:
    """The first line of a patient counts."""
    line, words = tables.LINES[name]
    problems, rows = _ingest(tmp_path, tables.table(line))
    assert [(p.severity, p.line, p.reason) for p in problems] == [("error", 3, words)]
    _check_text(problems)
    assert {name: row["mvi"] for name, row in rows.items()} == {"P1": 1}


@pytest.mark.parametrize("name", list(tables.ACCEPTED))
def test_table_as_spreadsheets_write_it_is_no_broken_one(tmp_path: Path, name: str) -> None:
    """Byte-order marks, semicolons and decimal commas are read without a word."""
    problems, rows = _ingest(tmp_path, tables.ACCEPTED[name])
    assert problems == ()
    assert (rows["P1"]["age"], rows["P1"]["afp"], rows["P1"]["lab_to_surgery"]) == (61.5, 12.5, 7)
    assert (rows["P2"]["age"], rows["P2"]["afp"], rows["P2"]["site"]) == (60.25, 0.5, "B")


@pytest.mark.parametrize("name", list(tables.REFUSED))
def test_table_that_is_none_is_refused_before_anything_is_stored(tmp_path: Path, name: str) -> None:
    """With a good manifest beside it: not even that is stored, so that nothing is half done."""
    data = write_study(tmp_path)
    (data / "manifest.csv").write_bytes(lines.ACCEPTED["tabs"])
    write, words = tables.REFUSED[name]
    path = data / "clinical.xlsx"
    write(path)
    with pytest.raises(ManifestError, match=words) as caught:
        Project(tmp_path).ingest(data / "manifest.csv", path)
    assert str(tmp_path) not in caught.value.message
    assert "ller" not in caught.value.message
    assert not (tmp_path / "store").exists()


def test_clinical_lines_without_images_and_the_reverse_are_told_and_kept(tmp_path: Path) -> None:
    """Both may be right: the other half may still come."""
    data = write_study(tmp_path)
    text = "patient_id,phase,image,mask\n"
    text += "".join(f"P{n},AP,good/image.nii.gz,good/mask.nii.gz\n" for n in (1, 2))
    (data / "manifest.csv").write_text(text)
    (data / "clinical.csv").write_bytes(tables.table("P7,0,60,male,A,1,,", "P8,0,60,male,A,1,,"))
    problems = Project(tmp_path).ingest(data / "manifest.csv", data / "clinical.csv").problems
    assert [(p.severity, p.reason, p.way_out) for p in problems] == [
        ("warning", "patients with images but no clinical values: 1 (P2)", "models leave them out"),
        (
            "warning",
            "patients with clinical values but no image: 2 (P7, P8)",
            "their images may still come",
        ),
    ]
    stored = _stored(Project(tmp_path))
    assert (set(stored["patients"]), set(stored["images"])) == ({"P1", "P2", "P7", "P8"}, {"P1", "P2"})


def test_the_good_image_survives_a_broken_one_that_shares_its_patient(tmp_path: Path) -> None:
    """A second examination that cannot be read costs this examination only."""
    data = write_study(tmp_path)
    (data / "broken.nii.gz").write_bytes(b"\x1f\x8b")
    text = "patient_id,phase,session,image,mask\nP1,AP,one,good/image.nii.gz,good/mask.nii.gz\n"
    (data / "manifest.csv").write_text(text + "P1,AP,two,broken.nii.gz,good/mask.nii.gz\n")
    summary = Project(tmp_path).ingest(data / "manifest.csv")
    assert [(p.session, p.severity) for p in summary.problems] == [("two", "error")]
    assert {row["session"] for row in _stored(Project(tmp_path))["masks"]["P1"]} == {"one"}
