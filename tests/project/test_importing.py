"""Tests of mvi_ray.project.importing: foreign features become a family, once and exactly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mvi_ray.errors import ManifestError, UsageError
from mvi_ray.ingest.features import KeyRules
from mvi_ray.project import importing
from mvi_ray.store.tables import Table

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.project import Project
    from mvi_ray.project.importing import ImportSummary
    from tests.conftest import TinyProject, WrittenProject

AP = KeyRules.of(constants=["phase=AP"])
# Doubles that a careless way through text or float32 changes.
HARD = ("0.1", "0.30000000000000004", "5e-324", "1.7976931348623157e308", "-0.0", "123456789.12345679")


def _import(project: Project, *lines: str, family: str = "MINE", **options: object) -> ImportSummary:
    file = project.folder / "table.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return project.import_features(file, family, **{"rules": AP, **options})  # type: ignore[arg-type]


def _counts(summary: ImportSummary) -> tuple[int, int, int]:
    return summary.new, summary.replaced, summary.unchanged


def _values(project: Project, columns: str = "patient_id, feature, value") -> list[tuple[object, ...]]:
    query = f"SELECT {columns} FROM features WHERE family = 'MINE' ORDER BY ALL"  # noqa: S608
    return [tuple(row.values()) for row in project.sql(query).to_pylist()]


def test_values_come_in_to_the_last_bit_under_their_names(written: WrittenProject) -> None:
    """An empty cell is NULL, `nan` is NaN; a name may hold quotes, blanks and any letter."""
    project = written.project
    names = ['a "q"', "b c", "d'e", "größe", "$f", "g%h"]
    header = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    summary = _import(project, f"ID,{header}", f"P1,{','.join(HARD)}", "P2,nan,,1,1,1,1")
    assert (summary.features, summary.patients, _counts(summary)) == (6, 2, (2, 0, 0))
    rows = {(p, f): v for p, f, v in _values(project)}
    for name, text in zip(names, HARD, strict=True):
        found = rows["P1", f"AP_intratumoral_{name}"]
        assert np.float64(found).tobytes() == np.float64(text).tobytes()
    assert np.isnan(rows["P2", 'AP_intratumoral_a "q"'])
    assert ("P2", "AP_intratumoral_b c") not in rows
    (row,) = project.sql("SELECT * FROM imported WHERE patient_id = 'P2'").to_pylist()
    assert row["feature_names"] == sorted(names)
    assert row["feature_values"][row["feature_names"].index("b c")] is None
    assert row["run_id"] == summary.run_id
    found = project.sql(
        "SELECT feature, vois, missing, not_a_number FROM feature_statistics WHERE family = 'MINE'"
    )
    assert {tuple(r.values()) for r in found.to_pylist()} >= {
        ('a "q"', 2, 0, 1),
        ("b c", 2, 1, 0),
        ("größe", 2, 0, 0),
    }


def test_the_feature_set_says_where_the_values_are_from(written: WrittenProject) -> None:
    """Family, software, settings and columns, under the hash of these."""
    summary = _import(
        written.project,
        "Patient,diagnostics_Versions_PyRadiomics,diagnostics_Configuration_Settings,original_glcm_Contrast",
        "P1,v3.0.1,{'binWidth': 25},41.5",
        family="STOCK",
    )
    query = "SELECT * FROM feature_sets WHERE family = 'STOCK'"
    (row,) = written.project.sql(query).to_pylist()
    assert row["feature_set_id"] == summary.feature_set_id
    assert (row["image_type"], row["is_current"]) == (None, True)
    settings = json.loads(row["settings"])
    assert settings["source"]["software"] == {"name": "PyRadiomics", "version": "v3.0.1"}
    assert settings["source"]["Settings"] == {"binWidth": 25}
    assert settings["features"] == ["original_glcm_Contrast"]
    assert summary.software == "PyRadiomics v3.0.1"


def test_the_same_file_again_changes_nothing(written: WrittenProject) -> None:
    """Neither rows nor versions nor snapshots; a changed value replaces its row."""
    project = written.project
    first = _import(project, "ID,a,b", "P1,1,nan", "P2,3,")
    versions = {name: table.log_version for name, table in project.store.tables.items()}
    again = _import(project, "ID,b,a", "P2,,3", "P1,nan,1")
    assert (_counts(again), again.run_id) == ((0, 0, 2), None)
    assert again.feature_set_id == first.feature_set_id
    assert {name: table.log_version for name, table in project.store.tables.items()} == versions
    changed = _import(project, "ID,a,b", "P1,1,nan", "P2,3,0")
    assert _counts(changed) == (0, 1, 1)
    assert [row for row in _values(project) if row[0] == "P2"] == [
        ("P2", "AP_intratumoral_a", 3.0),
        ("P2", "AP_intratumoral_b", 0.0),
    ]


def test_minus_zero_is_another_value_than_zero(written: WrittenProject) -> None:
    """To the last bit."""
    _import(written.project, "ID,a", "P1,0.0")
    assert _counts(_import(written.project, "ID,a", "P1,-0.0")) == (0, 1, 0)
    assert np.signbit(_values(written.project)[0][2])


def test_a_second_file_with_the_same_columns_adds_its_patients(written: WrittenProject) -> None:
    """One feature set, current for both."""
    one = _import(written.project, "ID,a,b", "P1,1,2")
    two = _import(written.project, "ID,b,a", "P2,4,3")
    assert two.feature_set_id == one.feature_set_id
    assert _counts(two) == (1, 0, 0)
    assert [v for _, _, v in _values(written.project)] == [1, 2, 3, 4]


def test_of_a_family_the_table_imported_last_is_current(written: WrittenProject) -> None:
    """Also when that is an older one again; the other stays in imported_all, and each is told."""
    project = written.project
    old = _import(project, "ID,a", "P1,1")
    new = _import(project, "ID,a,b", "P1,5,6")
    assert [v for _, _, v in _values(project)] == [5, 6]
    assert any("MINE had another table" in note for note in new.notes)
    back = _import(project, "ID,a", "P1,1")
    assert (_counts(back), back.feature_set_id) == ((0, 0, 1), old.feature_set_id)
    assert back.run_id is not None
    assert [v for _, _, v in _values(project)] == [1]
    assert project.sql("SELECT count(*) AS n FROM imported_all").to_pylist() == [{"n": 2}]
    with project.reading(new.run_id) as then:
        assert then.query("SELECT value FROM features ORDER BY ALL").column(0).to_pylist() == [5, 6]


def _kill_import_at_second_commit(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    write, written_so_far = Table.write_arrow, []

    def killed(table: Table, data: object) -> None:
        if table.spec.name == "imported":
            written_so_far.append(data)
            if len(written_so_far) == 2:
                raise KeyboardInterrupt
        write(table, data)

    with monkeypatch.context() as patch:
        patch.setattr(Table, "write_arrow", killed)
        with pytest.raises(KeyboardInterrupt):
            _import(project, "ID,a,b", "P1,5,6", "P2,7,8")


def test_a_killed_import_leaves_the_table_before_it_current(
    written: WrittenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are there already are found by the next one, which makes the table current."""
    project = written.project
    monkeypatch.setattr(importing, "_VALUES", 2)
    _import(project, "ID,a", "P1,1", "P2,2")
    _kill_import_at_second_commit(project, monkeypatch)
    project.refresh()
    assert [v for _, _, v in _values(project)] == [1, 2]
    assert project.sql("SELECT count(*) AS n FROM imported_all").to_pylist() == [{"n": 3}]
    after = _import(project, "ID,a,b", "P1,5,6", "P2,7,8")
    assert _counts(after) == (1, 0, 1)
    assert [v for _, _, v in _values(project)] == [5, 6, 7, 8]


def test_a_first_import_that_was_killed_is_not_shown(
    written: WrittenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a table is none; the next call completes it."""
    project = written.project
    monkeypatch.setattr(importing, "_VALUES", 2)
    _kill_import_at_second_commit(project, monkeypatch)
    project.publish()
    assert project.sql("SELECT count(*) AS n FROM imported_all").to_pylist() == [{"n": 1}]
    assert _values(project) == []
    _import(project, "ID,a,b", "P1,5,6", "P2,7,8")
    assert [v for _, _, v in _values(project)] == [5, 6, 7, 8]


def test_patients_that_the_store_does_not_know_come_in_and_are_told(written: WrittenProject) -> None:
    """Cohort predicates see them, without a centre; those that are known keep theirs."""
    project = written.project
    written.clinical([{"patient_id": "P1", "mvi": 1, "centre": "A"}])
    summary = _import(project, "ID,a", "P1,1", "P9,2")
    assert summary.notes == ("patients without images and clinical values: 1 (P9)",)
    rows = project.sql("SELECT patient_id, centre FROM patients ORDER BY ALL").to_pylist()
    assert [tuple(row.values()) for row in rows] == [("P1", "A"), ("P9", None)]
    other = _import(project, "ID,a", "01,1")
    assert other.notes[1] == (
        "no patient of the table is in the store: patient_id must be the same in both (store: P1, table: 01)"
    )


def test_only_the_modelling_reader_is_shown(tiny: TinyProject) -> None:
    """A table of another reader alone is told."""
    project = tiny.open()
    rules = KeyRules.of(constants=["phase=AP", "reader=R2"])
    summary = _import(project, "ID,a", "P1,1", rules=rules)
    assert "no row is of the modelling reader R1: only imported_all shows the table" in summary.notes
    assert project.sql("SELECT count(*) AS n FROM imported").to_pylist() == [{"n": 0}]
    assert project.sql("SELECT reader FROM imported_all").to_pylist() == [{"reader": "R2"}]
    _import(project, "ID,a", "P1,2")
    assert [v for _, _, v in _values(project)] == [2]


def test_a_dry_run_reads_and_writes_nothing(written: WrittenProject) -> None:
    """It counts as the import itself would."""
    project = written.project
    planned = _import(project, "ID,a,note", "P1,1,x", "P2,2,y", dry_run=True)
    assert (_counts(planned), planned.dry_run, planned.run_id) == ((2, 0, 0), True, None)
    assert planned.dropped == {"note": "text"}
    assert not project.store.root.exists()
    _import(project, "ID,a", "P1,1")
    versions = {name: table.log_version for name, table in project.store.tables.items()}
    assert _counts(_import(project, "ID,a", "P1,3", "P2,2", dry_run=True)) == (1, 1, 0)
    assert {name: table.log_version for name, table in project.store.tables.items()} == versions


def test_rows_with_a_problem_stay_outside_and_are_counted(written: WrittenProject) -> None:
    """The line is of the table of features."""
    summary = _import(written.project, "ID,a", "P1,1", ",2", "P3,x")
    assert (summary.left_out, _counts(summary)) == (2, (1, 0, 0))
    assert {(p.line, p.table) for p in summary.problems} == {(3, "features"), (4, "features")}
    content = json.loads(json.dumps(summary.to_json()))
    assert (content["left_out"], content["new"], content["family"]) == (2, 1, "MINE")


def test_a_table_without_a_usable_row_is_a_failure(written: WrittenProject) -> None:
    """Nothing is written."""
    rules = KeyRules.of(keys=["phase=P"])
    with pytest.raises(
        ManifestError, match="no row of the table can be used, first line 2: the study has no"
    ):
        _import(written.project, "ID,P,a", "P1,HBP,1", "P2,HBP,2", rules=rules)
    assert not written.project.store.root.exists()


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("cr", "cr is the study's own; choose another name"),
        ("DLR", "DLR is the study's own"),
        ("Clinical", "Clinical is the study's own"),
        ("1st", "--family: '1st' is not a name"),
        ("a b", "--family: 'a b' is not a name"),
    ],
)
def test_names_of_families_are_names(written: WrittenProject, family: str, message: str) -> None:
    """And not those of the study."""
    with pytest.raises(UsageError, match=message):
        _import(written.project, "ID,a", "P1,1", family=family)


def test_families_do_not_differ_by_case_alone(written: WrittenProject) -> None:
    """One of the two would be a slip."""
    _import(written.project, "ID,a", "P1,1")
    with pytest.raises(
        UsageError, match="the store has a family MINE, which differs in upper and lower case"
    ):
        _import(written.project, "ID,a", "P1,1", family="mine")


def test_many_rows_are_written_in_several_commits(
    written: WrittenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same result as in one."""
    lines = ["ID,a,b", *(f"P{n},{n},{-n}" for n in range(7))]
    _import(written.project, *lines)
    whole = _values(written.project)
    monkeypatch.setattr(importing, "_VALUES", 5)
    other = _import(written.project, *lines, family="PARTS")
    assert _counts(other) == (7, 0, 0)
    query = "SELECT patient_id, feature, value FROM features WHERE family = 'PARTS' ORDER BY ALL"
    assert [tuple(row.values()) for row in written.project.sql(query).to_pylist()] == whole


def test_features_of_a_region_without_a_mask_come_in(written: WrittenProject, tmp_path: Path) -> None:
    """Whoever computed them had one; extraction plans nothing for it."""
    file = tmp_path / "wide.csv"
    file.write_text("ID,PP_peritumoral_x,AP_intratumoral_x\nP1,1,2\n", encoding="utf-8")
    rules = KeyRules.of(columns="{phase}_{region}_{feature}")
    summary = written.project.import_features(file, "MINE", rules)
    assert summary.new == 2
    assert [f for _, f, _ in _values(written.project)] == ["AP_intratumoral_x", "PP_peritumoral_x"]
    assert written.project.sql("SELECT count(*) AS n FROM coverage").to_pylist() == [{"n": 0}]
