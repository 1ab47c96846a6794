"""No identifier of a header, cell, file or folder enters what `mvi ingest` writes or prints."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import highdicom
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes

from mvi_ray.ingest.pseudonym import make_key
from mvi_ray.project import Project
from mvi_ray.store.search.needles import Needles
from mvi_ray.store.search.traces import find_traces
from tests.ingest.clinical.conftest import Workbooks
from tests.ingest.dicom.writing import IDENTITY, ORIGIN, SPACING, base, save, uid, write_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_STUDY = """\
schema_version: 1
phases: [AP, PP]
preprocessing: none
regions: {peritumoral: {kind: ring, outer_mm: 3}}
segments: {tumour: ["Tumor*"]}
families: {cr: {spacing_mm: null, bin_count: 8, image_types: [original]}}
clinical: {outcome: mvi, variables: {age: {unit: years}}}
"""
PHASES = "phases: {AP: {modality: MR, part: 1}, PP: {modality: MR, part: 2}}"
DYNAMIC, STATIC, FOREIGN = "PID4711", "PID4712", "PID4713"
PLACES = {
    "PatientAddress": "ROSENWEG 5",
    "PatientTelephoneNumbers": "TEL5550177",
    "OtherPatientNames": "GEBORENESCHULZ",
    "OperatorsName": "OPSCHMIDT^ERNA",
    "PerformingPhysicianName": "PERFORMWEBER",
    "InstitutionName": "KLINIKUMNORD",
    "InstitutionAddress": "HAFENSTRASSE",
    "StationName": "STATIONWEST",
    "DeviceSerialNumber": "SN990077",
    "StudyDescription": "STUDYOFHANSEN",
    "ProtocolName": "PROTOCOLHANSEN",
    "ImageComments": "COMMENTLEHMANN called her son",
    "PatientComments": "COMMENTBAUMANN",
    "AdmissionID": "ADM778899",
    "StudyID": "STUDYID66",
}
TEXTS = (
    *(name for name in IDENTITY if name != "HANS"),
    *("ROSENWEG", "TEL5550177", "GEBORENESCHULZ", "OPSCHMIDT", "PERFORMWEBER", "KLINIKUMNORD"),
    *("HAFENSTRASSE", "STATIONWEST", "SN990077", "STUDYOFHANSEN", "PROTOCOLHANSEN", "COMMENTLEHMANN"),
    *("COMMENTBAUMANN", "ADM778899", "STUDYID66", "PRIVATEVOGEL", "SEGLABELKRAUS", "ROILABELBUSCH"),
    *("SETLABELHAHN", "SETNAMEHAHN", "SEGDESCKRAUS", STATIC, FOREIGN, "FOLDERKOENIG", "BROKENFUCHS"),
    *("CELLSEIDEL", "CELLBRANDT", "HEADHAAS", "山田太郎", "ヤマダ", "Иванов", "Sørensen"),
)
"""Unlike anything else, so that they are looked for as parts of words, in upper and lower case."""
DAYS = ("20200214", "2020-02-14", "20200601", "2020-06-01")
NAMES = {
    "ISO_IR 100": "Sørensen^Åse",
    "ISO_IR 144": "Иванов^Иван",
    r"\ISO 2022 IR 87": "Yamada^Tarou=山田太郎",
    r"ISO 2022 IR 13\ISO 2022 IR 87": "ﾔﾏﾀﾞ^ﾀﾛｳ=山田太郎=ヤマダ^タロウ",
    "ISO_IR 192": "山田太郎^Иванов",
}


@dataclass
class Export:
    """A folder as a PACS exports it, and what must not be found of it.

    Args:
        path: the folder.
        uids: of everything in it.
    """

    path: Path
    uids: frozenset[str]


def _planted(one: Dataset, _: int = 0) -> None:
    """Identifiers in every element that may hold one."""
    for key, value in PLACES.items():
        setattr(one, key, value)
    one.PatientSex, one.DeviceUID = "O", uid("device")
    block = one.private_block(0x0019, "MUELLER PRIVATE", create=True)
    block.add_new(0x01, "LO", "PRIVATEVOGEL")
    block.add_new(0x02, "UN", b"PRIVATEVOGEL in bytes")
    one.RequestAttributesSequence = Sequence([Dataset()])
    one.RequestAttributesSequence[0].ScheduledProcedureStepDescription = "STUDYOFHANSEN"


def _array(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(50, 300, (5, 12, 14)).astype(np.int16)


def _ball() -> np.ndarray:
    inside = np.zeros((5, 12, 14), np.uint8)
    inside[1:4, 4:9, 5:10] = 1
    return inside


def _dynamic(folder: Path, patient: str, **header: Any) -> list[Path]:
    paths = []
    for at in range(2):
        paths += write_series(
            folder,
            _array(at),
            study=patient,
            series=(patient, 1),
            first=1 + 5 * at,
            change=_planted,
            PatientID=patient,
            AcquisitionNumber=at + 1,
            AcquisitionTime=f"10{15 + at}00",
            ContentTime=f"10{15 + at}00",
            **header,
        )
    return paths


def _seg(path: Path, sources: Iterable[Path]) -> None:
    images = [pydicom.dcmread(one) for one in sources]
    described = highdicom.seg.SegmentDescription(
        1,
        "Tumor SEGLABELKRAUS",
        codes.SCT.MorphologicallyAbnormalStructure,
        codes.SCT.Neoplasm,
        highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_id="SEGLABELKRAUS",
        tracking_uid=uid("tracking"),
    )
    made = highdicom.seg.Segmentation(
        images,
        _ball(),
        "BINARY",
        [described],
        uid("seg series"),
        7,
        uid("seg"),
        1,
        "maker",
        "model",
        "1",
        "SN990077",
        content_description="SEGDESCKRAUS",
        content_creator_name="OPSCHMIDT^ERNA",
    )
    _planted(made)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path)


def _contours(path: Path, patient: str) -> None:
    one = base("RTSTRUCT", patient, (patient, 9))
    one.PatientID = patient
    _planted(one)
    one.SOPClassUID, one.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", uid("rtstruct", patient)
    one.StructureSetLabel, one.StructureSetName = "SETLABELHAHN", "SETNAMEHAHN"
    region, lines, frame, study, series = (Dataset() for _ in range(5))
    region.ROINumber = lines.ReferencedROINumber = 1
    region.ROIName = "Tumor ROILABELBUSCH"
    region.ROIDescription = "ROILABELBUSCH"
    region.ReferencedFrameOfReferenceUID = frame.FrameOfReferenceUID = uid("frame", patient)
    series.SeriesInstanceUID = uid("series", (patient, 1))
    study.RTReferencedSeriesSequence = Sequence([series])
    frame.RTReferencedStudySequence = Sequence([study])
    one.ReferencedFrameOfReferenceSequence = Sequence([frame])
    lines.ContourSequence = Sequence([])
    for z in (1, 2, 3):
        item = Dataset()
        corners = [(4.5, 3.5), (9.5, 3.5), (9.5, 8.5), (4.5, 8.5)]
        points = [
            f"{o + s * i:.6g}" for x, y in corners for o, s, i in zip(ORIGIN, SPACING, (x, y, z), strict=True)
        ]
        item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", 4
        item.ContourData = points
        lines.ContourSequence.append(item)
    one.StructureSetROISequence, one.ROIContourSequence = Sequence([region]), Sequence([lines])
    save(one, path)


def _export(path: Path, *, broken: bool = False) -> Export:
    """Two patients with masks, one of whom came twice; others whose names are in other scripts."""
    top = path / "MUELLER_HANS" / "FOLDERKOENIG"
    first = _dynamic(top / "MUELLER 19530417", DYNAMIC)
    _seg(top / "SEG MUELLER" / "SEGLABELKRAUS.dcm", first[:5])
    later = dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"), "20200601")
    _dynamic(top / STATIC, STATIC, **later)
    _contours(top / STATIC / "ROILABELBUSCH.dcm", STATIC)
    for at, (charset, name) in enumerate(NAMES.items()):
        write_series(
            top / f"山田太郎 ヤマダ {at}",
            _array(at),
            study=name,
            series=name,
            change=_planted,
            PatientID=f"{FOREIGN}-{at}",
            PatientName=name,
            SpecificCharacterSet=charset.split("\\"),
            SeriesDescription="Sørensen" if charset == "ISO_IR 100" else name.split("^")[0][:16],
        )
    if broken:
        _break(top, first)
    uids = set()
    for file in top.rglob("*.dcm"):
        try:
            header = pydicom.dcmread(file)
        except pydicom.errors.InvalidDicomError:
            continue
        uids |= {str(e.value) for e in header.iterall() if e.VR == "UI" and "UID" in e.keyword}
    # Those of the standard name no patient.
    return Export(path, frozenset(one for one in uids if not one.startswith("1.2.840.10008.")))


def _break(top: Path, good: list[Path]) -> None:
    """Files that are told: cut, without pixels, without an identifier, text, and a series with a gap."""
    place = top / "BROKENFUCHS"
    place.mkdir()
    content = good[0].read_bytes()
    for size in (200, 700, len(content) // 2, len(content) - 9):
        (place / f"MUELLER_cut{size}.dcm").write_bytes(content[:size])
    (place / "MUELLER.dcm").write_text("BROKENFUCHS of MUELLER")
    (place / "MUELLER.zip").write_bytes(b"PK\3\4 MUELLER")
    bad = pydicom.dcmread(good[1])
    bad.PatientID = ""
    bad.SeriesInstanceUID, bad.SOPInstanceUID = uid("nobody"), uid("nobody", 1)
    bad.save_as(place / "DRWHO.dcm")
    bad.PatientID, bad.Rows = DYNAMIC, 9999
    bad.SeriesInstanceUID, bad.SOPInstanceUID = uid("large"), uid("large", 1)
    bad.save_as(place / "ACC0815.dcm")
    gap = _dynamic(place / "gap", "PID4714")
    gap[2].unlink()
    gap[7].unlink()
    _contours(place / "gap.dcm", "PID4714")
    wrong = pydicom.dcmread(next((top / "SEG MUELLER").iterdir()))
    wrong.SeriesInstanceUID, wrong.SOPInstanceUID = uid("wrong"), uid("wrong", 1)
    wrong.SegmentSequence[0].SegmentLabel = "Other SEGLABELKRAUS"
    wrong.PixelData = wrong.PixelData[:4]
    wrong.save_as(place / "SEGLABELKRAUS 2.dcm")


def _views(path: Path) -> list[bytes]:
    """What a file holds: raw, and decoded by its format."""
    content = path.read_bytes()
    found = [content]
    if content[:2] == b"\x1f\x8b":
        found.append(gzip.decompress(content))
    elif content[:4] == b"PAR1":
        table = pq.read_table(path)
        found += [str(table.schema.metadata).encode(), str(table.to_pylist()).encode()]
    elif content[:4] == b"PK\3\4":
        with zipfile.ZipFile(path) as archive:
            found += [archive.read(name) + name.encode() for name in archive.namelist()]
    elif content[8:12] == b"DUCK":
        with duckdb.connect(path, read_only=True) as connection:
            names = connection.sql(
                "SELECT schema_name, view_name, sql FROM duckdb_views() WHERE NOT internal"
            ).fetchall()
            tables = connection.sql("SELECT schema_name, table_name, sql FROM duckdb_tables()").fetchall()
            found.append(str([names, tables]).encode())
            for schema, table, _ in [*names, *tables]:
                rows = connection.sql(f'FROM "{schema}"."{table}"').fetchall()
                found.append(str(rows).encode())
    return found


def _sightings(folder: Path, wanted: Iterable[str]) -> set[tuple[str, str]]:
    """A search of its own: (text, file) wherever a text stands, as part of a word too, in any case."""
    forms = {text: _forms(text) for text in wanted}
    seen = set()
    for path in folder.rglob("*"):
        for view in (path.name.encode(), *(_views(path) if path.is_file() else ())):
            try:
                low = view.decode().casefold().encode()
            except UnicodeDecodeError:
                low = view.lower()
            seen |= {
                (text, path.relative_to(folder).as_posix())
                for text, there in forms.items()
                if any(form in low or form in view for form in there)
            }
    return seen


def _forms(text: str) -> set[bytes]:
    """How a text may stand in a file: as letters of several encodings, or escaped in JSON."""
    found = {json.dumps(text)[1:-1].encode()}
    for one in (text, text.casefold()):
        for encoding in ("utf-8", "utf-16-le", "latin-1", "iso8859_5", "iso2022_jp"):
            with suppress(UnicodeEncodeError):
                found.add(one.encode(encoding))
    return found


def _needles(export: Export) -> list[str]:
    return [*TEXTS, *sorted(export.uids)]


def _mvi(folder: Path, *args: object, code: int = 0) -> str:
    """Run a command; returns all that it printed."""
    state = folder.parent / "state"
    done = subprocess.run(
        [str(Path(sys.executable).with_name("mvi")), "-C", str(folder), *map(str, args)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=folder.parent,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("MVI_")},
            "XDG_STATE_HOME": str(state),
            "COLUMNS": "200",
        },
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def asked(mvi_inside: Callable[..., Any]) -> Callable[..., str]:
    """Run a command that only asks, in this process; returns all that it printed."""

    def ask(folder: Path, *args: object, code: int = 0) -> str:
        surroundings = {"XDG_STATE_HOME": str(folder.parent / "state"), "COLUMNS": "200"}
        done = mvi_inside("-C", folder, *args, **surroundings)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return ask


def _project(tmp_path: Path, dates: str = "drop") -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "study.yaml").write_text(f"{_STUDY}dicom: {{dates: {dates}, {PHASES}}}\n", encoding="utf-8")
    make_key(tmp_path / "key")
    return folder


def _check(folder: Path, printed: str, export: Export) -> None:
    """Nothing of the export is found, by two searches, in files and in what was printed."""
    (folder / "printed.txt").write_text(printed, encoding="utf-8")
    wanted = _needles(export)
    assert _sightings(folder, [*wanted, *DAYS]) == set()
    assert find_traces(folder, Needles.of(TEXTS)) == []


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Written once; no test changes it."""
    return _export(tmp_path_factory.mktemp("export"))


def test_the_searches_find_each_identifier_in_each_kind_of_file(export: Export, tmp_path: Path) -> None:
    """Text, page, NIfTI header, Parquet, DuckDB, zip and file name; what a search misses proves nothing."""
    wanted = _needles(export)
    text = " | ".join(wanted)
    (tmp_path / "log.json").write_text(json.dumps({"x": text}, ensure_ascii=False))
    (tmp_path / "quality.html").write_text(f"<p>{text}</p>", encoding="utf-8")
    (tmp_path / "v.nii.gz").write_bytes(gzip.compress(b"\0\1\2" * 200 + text.encode() + b"\0" * 90))
    pq.write_table(
        pa.table({"a": wanted}), tmp_path / "t.parquet", compression="zstd", write_statistics=False
    )
    with duckdb.connect(tmp_path / "c.duckdb") as connection:
        connection.execute("CREATE TABLE t AS SELECT unnest(?) AS a", [wanted])
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", text)
    kinds = sorted(path.name for path in tmp_path.iterdir())
    assert _sightings(tmp_path, wanted) == {(one, kind) for one in wanted for kind in kinds}
    for one in TEXTS:
        # A number of eight digits cannot be told from a count or a size there.
        if not one.isdigit():
            found = {str(trace.path) for trace in find_traces(tmp_path, Needles.of([one]))}
            assert found == set(kinds), one
    names = tmp_path / "names"
    names.mkdir()
    for one in wanted:
        (names / f"a_{one}_b.png").touch()
    assert {(one, f"a_{one}_b.png") for one in wanted} <= _sightings(names, wanted)


def test_the_export_holds_what_is_looked_for(export: Export) -> None:
    """In its files or names; else absence afterwards would mean nothing."""
    there = {text for text, _ in _sightings(export.path, [*TEXTS, "20200214", "20200601"])}
    elsewhere = {"CELLSEIDEL", "CELLBRANDT", "HEADHAAS", "BROKENFUCHS"}
    assert set(TEXTS) - elsewhere - there == set()
    assert {"20200214", "20200601"} <= there
    assert len(export.uids) > 40


@pytest.mark.parametrize("way", ["key", "crosswalk", "shift"])
def test_nothing_of_a_header_is_kept_or_told(
    export: Export, asked: Callable[..., str], tmp_path: Path, way: str
) -> None:
    """From the export to the store by one command, with everything that is written at its end."""
    folder = _project(tmp_path, "shift" if way == "shift" else "drop")
    names = [DYNAMIC, STATIC, *(f"{FOREIGN}-{n}" for n in range(len(NAMES)))]
    options: list[object] = ["--key", tmp_path / "key"]
    if way == "crosswalk":
        lines = ["identifier,patient_id", *(f"{name},CASE{at}" for at, name in enumerate(names))]
        (tmp_path / "crosswalk.csv").write_text("\n".join(lines), encoding="utf-8")
        options = ["--crosswalk", tmp_path / "crosswalk.csv"]
    manifest = tmp_path / "manifest.csv"
    printed = _mvi(folder, "ingest", "--dicom", export.path, *options, "--yes", "-o", manifest, code=3)
    printed += asked(folder, "status") + asked(folder, "sql", "FROM images")
    printed += asked(folder, "sql", "FROM masks") + asked(folder, "sql", "FROM quarantine")
    opened = Project(folder)
    assert opened.sql("SELECT DISTINCT patient_id FROM masks").num_rows == 2
    assert opened.sql("SELECT count(*) AS n FROM masks").to_pylist() == [{"n": 6}]
    assert (folder / "quality.html").is_file()
    # Paths stand in the manifest alone, which lies outside of the project.
    with manifest.open(encoding="utf-8", newline="") as file:
        cells = [v for row in csv.DictReader(file) for k, v in row.items() if k not in ("image", "mask")]
    assert [text for text in _needles(export) for cell in cells if text.casefold() in cell.casefold()] == []
    _check(folder, printed.replace(str(manifest), ""), export)
    dates = opened.sql("SELECT DISTINCT acquired_on FROM images").to_pylist()
    if way != "shift":
        assert dates == [{"acquired_on": None}]


def test_dates_are_moved_and_their_distances_stay(tmp_path: Path) -> None:
    """Of one patient whose examinations lie 108 days apart."""
    folder = _project(tmp_path, "shift")
    days = [date(2020, 2, 14), date(2020, 6, 1)]
    rows = ["patient_id,session,phase,image,mask"]
    for session, day in zip(("before", "after"), days, strict=True):
        when = {"AcquisitionDate": f"{day:%Y%m%d}"}
        write_series(tmp_path / session, _array(1), study=session, series=(session, 1), **when)
        _contours(tmp_path / f"{session}.dcm", session)
        rows.append(f"P1,{session},AP,{session},{session}.dcm")
    (tmp_path / "m.csv").write_text("\n".join(rows), encoding="utf-8")
    dates_key = bytes.fromhex((tmp_path / "key").read_text())
    opened = Project(folder)
    opened.ingest(tmp_path / "m.csv", dates_key=dates_key)
    stored = {
        row["session"]: row["acquired_on"]
        for row in opened.sql("SELECT session, acquired_on FROM images").to_pylist()
    }
    assert stored["after"] - stored["before"] == days[1] - days[0]
    assert 1 <= (days[0] - stored["before"]).days <= 365


def test_broken_files_are_told_without_a_name(asked: Callable[..., str], tmp_path: Path) -> None:
    """Errors and warnings of every step: scan, proposal, ingest, quarantine, page."""
    found = _export(tmp_path / "export", broken=True)
    folder = _project(tmp_path)
    manifest = tmp_path / "manifest.csv"
    command = ("ingest", "--dicom", found.path, "--key", tmp_path / "key", "--yes", "-o", manifest)
    printed = _mvi(folder, *command, code=3)
    for told in (
        "patient identifier is blank (1 of them, 1 series)",
        "its header ends early (3 times)",
        "archive that was not opened",
        "1 slice is missing",
        "keep one",
    ):
        assert told in printed
    printed += _mvi(folder, *command, "--force", "--json", code=3)
    printed += asked(folder, "sql", "FROM quarantine") + asked(folder, "store", "check")
    assert Project(folder).sql("FROM quarantine").num_rows > 0
    _check(folder, printed.replace(str(manifest), ""), found)


def test_tables_with_other_columns_keep_them_outside(
    export: Export, asked: Callable[..., str], tmp_path: Path
) -> None:
    """Names and texts beside what the study declares, in the manifest, a CSV and a workbook."""
    folder = _project(tmp_path)
    shutil.copytree(export.path / "MUELLER_HANS" / "FOLDERKOENIG" / STATIC, tmp_path / STATIC)
    (tmp_path / "m.csv").write_text(
        "patient_id,phase,image,mask,part,surname,note\n"
        f"P1,AP,{STATIC},{STATIC}/ROILABELBUSCH.dcm,1,CELLBRANDT,born 19530417\n"
        f"P1,XX,{STATIC},{STATIC}/ROILABELBUSCH.dcm,2,CELLBRANDT,\n",
        encoding="utf-8",
    )
    rows = [
        ["patient_id", "mvi", "age", "surname", "remarks"],
        ["P1", 1, 61, "CELLSEIDEL", "CELLBRANDT 山田太郎"],
        ["P2", 0, "CELLSEIDEL", "Sørensen", "19530417"],
        ["P3", "CELLBRANDT", 50, "Иванов", None],
    ]
    Workbooks().xlsx(tmp_path / "c.xlsx", {"MUELLER": rows})
    (tmp_path / "c.csv").write_text(
        "patient_id;mvi;age;surname\nP4;1;55,5;CELLSEIDEL\nP5;CELLBRANDT;x;Sørensen\n", encoding="utf-8"
    )
    tables = ("--clinical", tmp_path / "c.xlsx", "--clinical", tmp_path / "c.csv")
    printed = _mvi(folder, "ingest", tmp_path / "m.csv", *tables, code=3)
    printed += asked(folder, "sql", "FROM clinical") + asked(folder, "enrolment")
    # Without its first line, that of a patient stands for the names of columns.
    (tmp_path / "n.csv").write_text("HEADHAAS,AP,CELLSEIDEL,19530417\nP9,AP,x,y\n", encoding="utf-8")
    Workbooks().xlsx(tmp_path / "n.xlsx", {"MUELLER": [["HEADHAAS", 1, "CELLSEIDEL"], ["P9", 0, 1]]})
    printed += _mvi(folder, "ingest", tmp_path / "n.csv", code=1)
    for name in ("n.csv", "n.xlsx"):
        printed += _mvi(folder, "ingest", "--clinical", tmp_path / name, code=1)
    patients = Project(folder).sql("SELECT patient_id FROM clinical").to_pylist()
    assert {"P1", "P4"} <= {row["patient_id"] for row in patients}
    assert Project(folder).sql("FROM masks").num_rows == 2
    _check(folder, printed, export)
