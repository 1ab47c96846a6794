"""Tests of mvi_ray.project.exporting: what is stored, exactly, and always in the same order."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mvi_ray.errors import MatrixError, StoreError, UsageError
from mvi_ray.ingest.features import KeyRules
from mvi_ray.project import exporting
from mvi_ray.project.exporting import Choice
from tests.conftest import WrittenProject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mvi_ray.project import Project
    from tests.conftest import TinyProject

PLACES = [(phase, region) for phase in ("AP", "PP") for region in ("intratumoral", "peritumoral")]
CR = 107 + 93
NAMES = KeyRules.of(columns="{phase}_{region}_{feature}")


def _fill(written: WrittenProject, patients: Sequence[str] = ("B", "A", "C")) -> Project:
    """Patients in the order given; C has no clinical values and lacks one VOI, A has two lesions."""
    for patient in patients:
        for phase, region in PLACES:
            if (patient, phase, region) != ("C", "PP", "peritumoral"):
                written.voi(patient, phase, region, shift=ord(patient) / 10)
        if patient == "A":
            written.voi("A", "AP", "intratumoral", lesion="2", volume=7.0, shift=0.25)
        written.write()
    written.clinical(
        [
            {"patient_id": "A", "mvi": 0, "centre": "A", "age": 50.5, "sex": "male"},
            {"patient_id": "B", "mvi": 1, "centre": "A", "age": None, "sex": "female"},
        ]
    )
    return written.project


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One project for the tests that only read it."""
    return _fill(WrittenProject(tmp_path_factory.mktemp("exporting") / "project"))


def _import(project: Project, text: str, family: str = "MINE", rules: KeyRules = NAMES) -> None:
    file = project.folder / "table.csv"
    file.write_text(text, encoding="utf-8")
    project.import_features(file, family, rules)


def _read(path: Path) -> pa.Table:
    if path.suffix == ".parquet":
        return pq.read_table(path)
    with pa.ipc.open_file(path) as reader:
        return reader.read_all()


def test_a_row_is_a_patient_session_and_lesion(filled: Project, code: Callable[..., float]) -> None:
    """Sorted; columns are those of matrices in the study's order; what is absent is NULL."""
    table = filled.wide()
    keys = table.select(["patient_id", "session", "lesion"]).to_pylist()
    assert [tuple(row.values()) for row in keys] == [
        ("A", "baseline", "1"),
        ("A", "baseline", "2"),
        ("B", "baseline", "1"),
        ("C", "baseline", "1"),
    ]
    names = table.column_names
    assert len(names) == 3 + 4 * CR + 4 * 512
    assert names[3] == "AP_intratumoral_original_shape_Elongation"
    assert names[3 + CR] == "AP_peritumoral_original_shape_Elongation"
    assert names[3 + 4 * CR] == "AP_intratumoral_dlr_000"
    base = code("AP", "intratumoral", "square", "glcm_Contrast")
    assert table.column("AP_intratumoral_square_glcm_Contrast").to_pylist() == [
        base + 6.5,
        base + 0.25,
        base + 6.6,
        base + 6.7,
    ]
    assert table.column("PP_peritumoral_dlr_007").null_count == 2
    assert table.column("PP_intratumoral_dlr_007").to_pylist()[1] is None


def test_every_value_of_the_view_features_is_there_and_no_other(extracted: TinyProject) -> None:
    """Long and wide say the same as SQL, of values that an engine computed."""
    project = extracted.open()
    wanted = project.sql("SELECT * FROM features ORDER BY ALL").to_pylist()
    long = project.wide(Choice(long=True))
    assert sorted(long.to_pylist(), key=lambda row: str(list(row.values()))) == sorted(
        [{name: row[name] for name in long.column_names} for row in wanted],
        key=lambda row: str(list(row.values())),
    )
    wide = project.wide()
    cells = {
        (row["patient_id"], name): value
        for row in wide.to_pylist()
        for name, value in row.items()
        if value is not None and name not in ("patient_id", "session", "lesion")
    }
    assert cells == {(row["patient_id"], row["feature"]): row["value"] for row in wanted}


def test_the_same_store_gives_the_same_bytes(written: WrittenProject, tmp_path: Path) -> None:
    """Twice, and from a store that was filled in another order."""
    project = _fill(written)
    other = WrittenProject(tmp_path / "other")
    _fill(other, ("C", "A", "B"))
    _import(project, "ID,PP_intratumoral_z,AP_intratumoral_y\nA,1,2\nB,3,4\n")
    _import(other.project, "ID,AP_intratumoral_y,PP_intratumoral_z\nB,4,3\nA,2,1\n")
    for ending in ("parquet", "csv", "arrow"):
        files = [tmp_path / f"{number}.{ending}" for number in range(3)]
        for file, one in zip(files, (project, project, other.project), strict=True):
            one.export(file)
        first, again, elsewhere = (file.read_bytes() for file in files)
        assert first == again == elsewhere


def test_values_in_a_csv_are_exact(written: WrittenProject, tmp_path: Path) -> None:
    """Read as floats they are the same doubles; NULL is empty, NaN is nan, a header may hold quotes."""
    rng = np.random.default_rng(7)
    bits = rng.integers(0, 2**64, 300, dtype=np.uint64).view(np.float64)
    numbers = [float(n) for n in bits if np.isfinite(n)] + [0.1 + 0.2, 5e-324, -0.0, 1e22, 2.0**53, 41.0]
    header = ",".join(f'"n""{at}"' for at in range(len(numbers)))
    lines = f"ID,{header},x\nP1,{','.join(map(repr, numbers))},nan\nP2{',' * len(numbers)},1\n"
    _import(written.project, lines, rules=KeyRules.of(constants=["phase=AP"]))
    summary = written.project.export(tmp_path / "out.csv")
    assert summary.columns == 3 + len(numbers) + 1, "of families without a value there is no column"
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        one, two = csv.DictReader(file)
    for at, number in enumerate(numbers):
        text = one[f'AP_intratumoral_n"{at}']
        assert np.float64(text).tobytes() == np.float64(number).tobytes()
        assert two[f'AP_intratumoral_n"{at}'] == ""
    assert (one["AP_intratumoral_x"], two["AP_intratumoral_x"]) == ("nan", "1")


def test_read_in_parts_the_table_is_the_same(
    written: WrittenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part may end between two lesions of a patient."""
    project = _fill(written)
    _import(project, "ID,Lesion,AP_intratumoral_a,PP_intratumoral_b\nA,1,1,2\nA,2,3,\nC,1,,4\n")
    for choice in (Choice(), Choice(long=True)):
        whole = project.wide(choice)
        with monkeypatch.context() as patch:
            patch.setattr(exporting, "_WIDE", 1)
            patch.setattr(exporting, "_LONG", 1)
            parts = project.wide(choice)
        assert parts.column(0).num_chunks == 4
        assert parts.equals(whole)


def test_parts_are_chosen(filled: Project) -> None:
    """In the study's order and in any case; a line without any of them is not there."""
    table = filled.wide(Choice(("cr",), ("pp",), ("peritumoral", "intratumoral"), ("square",)))
    assert len(table.column_names) == 3 + 2 * 93
    assert table.column_names[3] == "PP_intratumoral_square_firstorder_10Percentile"
    assert table.column("patient_id").to_pylist() == ["A", "B", "C"]
    only = filled.wide(Choice(("DLR",), ("PP",), ("peritumoral",)))
    assert only.column("patient_id").to_pylist() == ["A", "B"]
    both = filled.wide(Choice(image_types=("original",), regions=("peritumoral",), phases=("AP",)))
    assert len(both.column_names) == 3 + 107 + 512


def test_imported_families_come_last_with_the_columns_that_they_have(written: WrittenProject) -> None:
    """By their names; a column that the file has for one phase only is not made for another."""
    project = _fill(written)
    _import(project, "ID,PP_intratumoral_b,AP_intratumoral_b,AP_intratumoral_a\nA,1,2,\nD,,3,nan\n")
    table = project.wide(Choice(("MINE",)))
    assert table.to_pydict()["AP_intratumoral_b"] == [2, 3]
    assert table.column_names[3:] == ["AP_intratumoral_a", "AP_intratumoral_b", "PP_intratumoral_b"]
    assert table.column("patient_id").to_pylist() == ["A", "D"]
    assert table.column("AP_intratumoral_a").null_count == 1
    assert np.isnan(table.column("AP_intratumoral_a")[1].as_py())
    whole = project.wide()
    assert whole.column_names[-3:] == table.column_names[3:]
    assert whole.column("patient_id").to_pylist() == ["A", "A", "B", "C", "D"]


def test_a_name_of_two_families_is_refused_in_wide_and_not_in_long(written: WrittenProject) -> None:
    """As when a table of PyRadiomics was imported beside the study's own."""
    project = _fill(written)
    _import(project, "ID,AP_intratumoral_original_glcm_Contrast\nA,1\n", "STOCK")
    with pytest.raises(
        UsageError, match=r"would stand twice \(CR and STOCK\); choose families with --family"
    ):
        project.wide()
    assert project.wide(Choice(("STOCK",))).column(3).to_pylist() == [1]
    long = project.wide(Choice(("CR", "STOCK"), image_types=("original",), long=True)).to_pylist()
    same = [
        r for r in long if r["feature"] == "AP_intratumoral_original_glcm_Contrast" and r["lesion"] == "1"
    ]
    assert [(r["patient_id"], r["family"]) for r in same][:2] == [("A", "CR"), ("A", "STOCK")]


def test_clinical_values_and_times_stand_beside(written: WrittenProject) -> None:
    """Of a patient without clinical values they are NULL; the time is that of the newest part."""
    project = _fill(written)
    _import(project, "ID,AP_intratumoral_a\nA,1\n")
    _import(project, "ID,AP_intratumoral_b\nC,1\n", "LATER")
    table = project.wide(Choice(("MINE", "LATER"), with_clinical=True, with_times=True))
    rows = table.to_pylist()
    assert [(r["clinical_mvi"], r["clinical_age"], r["clinical_sex"]) for r in rows] == [
        (0, 50.5, "male"),
        (None, None, None),
    ]
    assert table.column_names[:4] == ["patient_id", "session", "lesion", "computed_at"]
    assert table.schema.field("computed_at").type == pa.timestamp("us", tz="UTC")
    times = dict(
        zip(
            *project.sql("SELECT patient_id, max(computed_at) AS t FROM imported GROUP BY 1")
            .to_pydict()
            .values(),
            strict=True,
        )
    )
    assert {r["patient_id"]: r["computed_at"] for r in rows} == times
    assert times["C"] > times["A"]
    plain = project.wide(Choice(("CR",), with_times=True))
    assert plain.column("computed_at").null_count == 4, "rows made by hand have no time"


def test_the_matrix_of_a_model_is_that_of_a_training(written: WrittenProject, tmp_path: Path) -> None:
    """Cohort, outcome and columns; who is incomplete is told."""
    for number in range(12):
        patient = f"P{number:02d}"
        for phase, region in PLACES:
            if (number, phase) != (11, "PP"):
                written.voi(patient, phase, region, shift=number / 8 + (number % 2))
    written.clinical(
        [
            {"patient_id": f"P{n:02d}", "mvi": n % 2, "centre": "A" if n < 8 else "B", "age": 50.0 + n}
            for n in range(12)
        ]
    )
    project = written.project
    summary = project.export(tmp_path / "CR.parquet", Choice(model="CR"))
    assert (summary.rows, summary.patients, summary.left_out) == (11, 11, 1)
    assert summary.notes == ("patients without one of its phases or regions, left out: 1 (P11)",)
    found = pq.read_table(tmp_path / "CR.parquet")
    trained = pq.read_table(project.train().run / "matrices" / "CR.parquet")
    assert found.replace_schema_metadata(None).equals(trained.replace_schema_metadata(None))
    assert found.schema.metadata[b"model"] == b"CR"
    assert found.column_names[:3] == ["patient_id", "cohort", "outcome"]
    with pytest.raises(UsageError, match=r"the study has no model 'CRR'.*did you mean 'CR'"):
        project.wide(Choice(model="CRR"))


@pytest.mark.parametrize("ending", ["parquet", "arrow", "feather"])
def test_the_file_says_what_it_is(extracted: TinyProject, tmp_path: Path, ending: str) -> None:
    """Synthetic, trial weights, settings: in its metadata."""
    project = extracted.open()
    summary = project.export(tmp_path / f"out.{ending}")
    table = _read(summary.file)
    assert (summary.rows, summary.columns, summary.patients) == (2, table.num_columns, 2)
    assert (summary.synthetic, summary.trial_weights) == (True, True)
    marks = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert (marks["study"], marks["synthetic"], marks["trial_weights"]) == ("tiny", "true", "true")
    assert marks["study_digest"] == project.study_digest
    current = project.sql("SELECT feature_set_id FROM feature_sets WHERE is_current").column(0).to_pylist()
    assert all(one in marks["feature_sets"] for one in current)
    assert table.equals(project.wide())
    only = project.export(tmp_path / "cr.parquet", Choice(("CR",)))
    assert only.trial_weights is False


def test_the_store_as_it_was_is_exported(written: WrittenProject) -> None:
    """With the families that it had."""
    project = _fill(written)
    project.settle("ingest")
    _import(project, "ID,AP_intratumoral_a\nA,1\n")
    assert "AP_intratumoral_a" in project.wide().column_names
    assert "AP_intratumoral_a" not in project.wide(as_of="1").column_names
    _import(project, "ID,AP_intratumoral_a\nA,2\n")
    assert project.wide(Choice(("MINE",)), as_of="2").column(3).to_pylist() == [1]
    with pytest.raises(UsageError, match="there is no family 'MINE'; there is CR, DLR"):
        project.wide(Choice(("MINE",)), as_of="1")


def test_a_file_that_is_there_stays(filled: Project, tmp_path: Path) -> None:
    """Unless it may be replaced; nothing half-written is left beside it."""
    target = tmp_path / "out" / "x.csv"
    target.parent.mkdir()
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is there already; name another file, or replace it with --force"):
        filled.export(target)
    assert target.read_text(encoding="utf-8") == "mine"
    filled.export(target, Choice(("CR",)), force=True)
    assert target.read_text(encoding="utf-8").startswith('"patient_id"')
    assert list(target.parent.iterdir()) == [target]


def test_a_failed_export_leaves_what_was_there(
    filled: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the disk is full in the middle."""
    folder = tmp_path / "out"
    folder.mkdir()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_table", full)
        with pytest.raises(UsageError, match=r"x\.parquet cannot be written: No space left on device"):
            filled.export(folder / "x.parquet")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice(families=("MRI",)), "there is no family 'MRI'"),
        (Choice(phases=("HBP",)), "there is no phase 'HBP'; there is AP, PP"),
        (Choice(regions=("peritumor",)), "there is no region 'peritumor' .did you mean 'peritumoral'"),
        (Choice(image_types=("log",)), "there is no image type 'log'; there is original, square"),
        (Choice(("DLR",), image_types=("square",)), "--image-type is about family CR"),
        (Choice(model="CR", phases=("AP",)), "--model writes the matrix of a model as it is"),
        (Choice(model="CR", long=True), "--model writes the matrix of a model as it is"),
        (Choice(long=True, with_times=True), "need a row for each lesion; leave out --long"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(filled: Project, choice: Choice, message: str) -> None:
    """With what there is."""
    with pytest.raises(UsageError, match=message):
        filled.wide(choice)


def test_places_that_do_not_fit_are_refused(filled: Project, tmp_path: Path) -> None:
    """Another ending, a directory that is not there, the store itself."""
    with pytest.raises(UsageError, match=r"x\.xlsx has no ending of \.parquet, \.csv, \.arrow, \.feather"):
        filled.export(tmp_path / "x.xlsx")
    with pytest.raises(UsageError, match=r"there is no directory .*absent; make it first"):
        filled.export(tmp_path / "absent" / "x.csv")
    with pytest.raises(UsageError, match="the store holds its own files only"):
        filled.export(filled.store.root / "tables" / "x.parquet")


def test_an_empty_store_has_nothing_to_export(written: WrittenProject, tmp_path: Path) -> None:
    """Neither before the first ingest nor before the first extraction."""
    with pytest.raises(StoreError, match="the store is empty; run `mvi ingest` first"):
        written.project.export(tmp_path / "x.csv")
    written.clinical([{"patient_id": "A", "mvi": 0}])
    with pytest.raises(MatrixError, match="the store has no values of what is asked for; run `mvi extract`"):
        written.project.export(tmp_path / "x.csv")


def test_lines_are_told_apart_by_the_whole_key(written: WrittenProject) -> None:
    """Also where patient, session and lesion run together to the same text."""
    for patient, session, lesion in (("1", "11", "1"), ("11", "1", "1"), ("1", "1", "11")):
        written.voi(patient, "AP", "intratumoral", session=session, lesion=lesion, shift=float(len(session)))
    written.write()
    table = written.project.wide(Choice(("DLR",), ("AP",), ("intratumoral",)))
    rows = [tuple(row.values()) for row in table.slice(0).select([0, 1, 2, 3]).to_pylist()]
    assert rows == [("1", "1", "11", 1.0), ("1", "11", "1", 2.0), ("11", "1", "1", 1.0)]
