"""Delta tables: keyed merge, deletion, live files, versions."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from mvi_ray.errors import StoreError
from mvi_ray.store.parquet import is_parquet
from mvi_ray.store.schemas import CR, PATIENTS, SCHEMA_VERSION, TABLES
from mvi_ray.store.tables import Table, now
from mvi_ray.store.upkeep import compact

_WRITER = """
import sys
from pathlib import Path
from mvi_ray.store.schemas import CR
from mvi_ray.store.tables import Table
writer, commits = sys.argv[2], int(sys.argv[3])
table = Table(Path(sys.argv[1]), CR)
sys.stdin.readline()
for number in range(commits):
    for patient in (f"{writer}-{number}", "shared"):
        table.write([{
            "patient_id": patient, "session": "baseline", "phase": "AP", "lesion": "1",
            "region": "intratumoral", "reader": "R1", "image_type": "original",
            "feature_set_id": "f", "input_digest": writer, "glcm_Contrast": 1.0,
        }])
"""


@pytest.fixture
def cr(tmp_path):
    """The table `cr`, not yet written."""
    return Table(tmp_path / "tables" / "cr", CR)


@pytest.fixture
def patients(tmp_path):
    """The table `patients`, not yet written."""
    return Table(tmp_path / "tables" / "patients", PATIENTS)


def _write(table, *names):
    table.write([{"patient_id": name, "centre": None, "ingested_at": now()} for name in names])


def _names(table):
    return sorted(table.read(["patient_id"]).column(0).to_pylist())


def test_an_unwritten_table_reads_as_empty_with_its_columns(cr):
    """Neither reading nor deleting makes the folder."""
    assert cr.read().schema.names == list(CR.columns)
    assert cr.read(["reader"]).schema.names == ["reader"]
    cr.delete({"patient_id": "P1"})
    assert (cr.files(), cr.log_version, cr.folder.exists()) == ([], None, False)


def test_a_merge_inserts_new_keys_and_replaces_known_ones(cr, rows):
    """The second row with a key stands for the first; its neighbour stays."""
    cr.write([rows.cr(1.0), rows.cr(2.0, image_type="square")])
    cr.write([rows.cr(3.0, input_digest="new"), rows.cr(4.0, patient_id="P2")])
    found = cr.read(["patient_id", "image_type", "input_digest", "glcm_Contrast"]).to_pylist()
    assert sorted(tuple(row.values()) for row in found) == [
        ("P1", "original", "new", 3.0),
        ("P1", "square", "image:mask", 2.0),
        ("P2", "original", "image:mask", 4.0),
    ]


def test_the_same_rows_written_twice_stand_once(cr, rows):
    """A repeated run changes nothing but the version."""
    for _ in range(2):
        cr.write([rows.cr(phase=phase) for phase in ("AP", "PP")])
    assert cr.read().num_rows == 2


def test_of_two_rows_with_one_key_in_one_call_the_last_stays(cr, rows):
    """A merge alone would insert both, and fail when they come again."""
    for _ in range(2):
        cr.write([rows.cr(1.0), rows.cr(2.0)])
    assert cr.read(["glcm_Contrast"]).column(0).to_pylist() == [2.0]


def test_a_row_without_a_key_is_refused(cr, rows):
    """Only keys may not be NULL."""
    with pytest.raises(Exception, match=r"(?i)null|reader"):
        cr.write([rows.cr(reader=None)])
    assert cr.read().num_rows == 0


def test_processes_that_merge_at_once_lose_nothing(cr):
    """Three writers, rows of their own and one that all of them write; the table is new."""
    commits = 3
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, cr.folder, f"w{n}", str(commits)], stdin=subprocess.PIPE
        )
        for n in range(3)
    ]
    for writer in writers:
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.stdin.close()
        assert writer.wait(timeout=120) == 0
    expected = [f"w{n}-{number}" for n in range(3) for number in range(commits)]
    assert _names(cr) == ["shared", *expected]


def test_the_schema_version_stands_in_the_properties(patients):
    """As text that any reader of Delta finds."""
    _write(patients, "P1")
    configuration = DeltaTable(str(patients.folder)).metadata().configuration
    assert configuration["mvi.schemaVersion"] == SCHEMA_VERSION
    assert configuration["delta.dataSkippingNumIndexedCols"] == "1"


def test_a_table_of_another_schema_version_is_refused(patients):
    """The message names both versions."""
    _write(patients, "P1")
    DeltaTable(str(patients.folder)).alter.set_table_properties(
        {"mvi.schemaVersion": "7"}, raise_if_not_exists=False
    )
    with pytest.raises(StoreError, match="patients has schema version 7, this program reads and writes 1"):
        patients.read()
    with pytest.raises(StoreError, match="use the version of mvi that wrote it"):
        _write(patients, "P2")


_HOSTILE = ["O'Neil", "x' OR '1'='1", "x') OR (1=1", "x'' OR 1=1 --", "\\' OR 1=1 --", "%", 'a"b', "Müller\\"]


def test_deleting_takes_a_value_literally(patients):
    """A quote in a patient's identifier neither ends the literal nor takes others along."""
    left = ["P1", *_HOSTILE]
    _write(patients, *left)
    for name in _HOSTILE:
        patients.delete({"patient_id": name})
        left.remove(name)
        assert _names(patients) == sorted(left)


def test_deleting_needs_every_column_to_match(cr, rows):
    """Several columns are joined by AND, several values of one by OR."""
    cr.write([rows.cr(patient_id=p, phase=f) for p in ("P1", "P2", "P3") for f in ("AP", "PP")])
    cr.delete({"patient_id": ["P1", "P2"], "phase": "AP"})
    found = cr.read(["patient_id", "phase"]).to_pylist()
    assert sorted(tuple(row.values()) for row in found) == [
        ("P1", "PP"),
        ("P2", "PP"),
        ("P3", "AP"),
        ("P3", "PP"),
    ]


def test_several_conditions_are_one_commit(cr, rows):
    """A row goes when one of them holds; small row groups stay."""
    cr.write([rows.cr(patient_id=f"P{n}", phase=f) for n in range(5000) for f in ("AP", "PP")])
    version = cr.log_version
    cr.delete({"patient_id": "P1", "phase": "AP"}, {"patient_id": ["P2", "P3"]}, {"patient_id": []})
    assert cr.log_version == version + 1
    found = {(r["patient_id"], r["phase"]) for r in cr.read(["patient_id", "phase"]).to_pylist()}
    assert len(found) == 9995
    assert found & {(p, f) for p in ("P1", "P2", "P3") for f in ("AP", "PP")} == {("P1", "PP")}
    assert all(pq.ParquetFile(path).metadata.num_row_groups == 2 for path in cr.files())


def test_deleting_nothing_deletes_nothing(patients):
    """An empty list of values matches no row."""
    _write(patients, "P1")
    patients.delete({"patient_id": []})
    patients.delete()
    assert _names(patients) == ["P1"]


def test_deleting_by_an_unknown_column_is_refused(patients):
    """A column is looked up, never pasted."""
    _write(patients, "P1")
    with pytest.raises(StoreError, match="patients has no column '1=1 OR patient_id'"):
        patients.delete({"1=1 OR patient_id": "x"})


def test_only_live_files_are_listed_after_merge_and_compaction(cr, rows):
    """Files that were replaced still lie in the folder."""
    for number in range(4):
        cr.write([rows.cr(float(number), patient_id=f"P{number}")])
    cr.write([rows.cr(9.0, patient_id="P0")])
    before = cr.files()
    compact(cr)
    after = cr.files()
    on_disk = [str(path) for path in cr.folder.rglob("*.parquet")]
    assert len(after) == 1 < len(before)
    assert set(before + after) <= set(on_disk)
    assert len(set(on_disk)) > len(after)
    assert cr.read().num_rows == len(set(_names(cr))) == 4


def test_compaction_of_one_file_for_each_partition_commits_nothing(cr, rows):
    """A run with nothing to do leaves the version as it is."""
    cr.write([rows.cr(phase="AP"), rows.cr(phase="PP")])
    version = cr.log_version
    compact(cr)
    assert cr.log_version == version


def test_folders_are_phase_and_region_never_the_patient(cr, rows):
    """And their columns come back as text, also when they look like numbers."""
    cr.write([rows.cr(), rows.cr(phase="PP", region="peritumoral"), rows.cr(patient_id="P2")])
    folders = {path.parent.relative_to(cr.folder).as_posix() for path in cr.folder.rglob("*.parquet")}
    assert folders == {"phase=AP/region=intratumoral", "phase=PP/region=peritumoral"}
    assert set(cr.read(["phase"]).column(0).to_pylist()) == {"AP", "PP"}


def test_statistics_are_kept_for_keys_and_not_for_values(cr, rows):
    """Those of a hundred values would only cost space."""
    cr.write([rows.cr()])
    log = (cr.folder / "_delta_log" / f"{cr.log_version:020}.json").read_text().splitlines()
    added = next(json.loads(line)["add"] for line in log if "add" in json.loads(line))
    assert unquote(added["path"]).startswith("phase=AP/region=intratumoral/")
    assert set(json.loads(added["stats"])["minValues"]) <= {*CR.keys, "input_digest"}


def test_every_table_is_described_for_its_schema_file():
    """Keys first and never NULL, partitions among the keys, a comment for each column."""
    for spec in TABLES.values():
        described = spec.to_json()
        assert [c["name"] for c in described["columns"][: len(spec.keys)]] == list(spec.keys)
        assert all(c["nullable"] == (c["name"] not in spec.keys) for c in described["columns"])
        assert set(spec.partition_by) <= set(spec.keys)
        assert all(c["comment"] for c in described["columns"])
        assert "patient_id" not in spec.partition_by


def test_a_log_without_an_entry_is_no_table(tmp_path):
    """What a full disk leaves of a table's creation is made good by the next write."""
    spec = TABLES["patients"]
    table = Table(tmp_path / "patients", spec)
    (table.folder / "_delta_log").mkdir(parents=True)
    assert not table.exists
    assert table.read().num_rows == 0
    table.write([{"patient_id": "P1", "centre": None, "ingested_at": now()}])
    assert table.read().column("patient_id").to_pylist() == ["P1"]


def _operations(table):
    return [commit["operation"] for commit in reversed(DeltaTable(str(table.folder)).history())]


def test_new_keys_are_appended_and_known_ones_merged(cr, rows):
    """A merge reads the whole table, an append does not."""
    cr.write([rows.cr(1.0)])
    cr.write([rows.cr(2.0, patient_id="P2")])
    assert _operations(cr)[-1] == "WRITE"
    cr.write([rows.cr(3.0, patient_id="P3"), rows.cr(4.0)])
    assert _operations(cr)[-1] == "MERGE"
    found = cr.read(["patient_id", "glcm_Contrast"]).to_pylist()
    assert sorted(tuple(r.values()) for r in found) == [("P1", 4.0), ("P2", 2.0), ("P3", 3.0)]


def test_an_append_beside_another_one_looks_again(cr, rows, monkeypatch):
    """What was found out about the keys must still hold when the rows go in."""
    cr.write([rows.cr(1.0, patient_id="P0")])
    looked = Table._knows_any

    def interrupted(self, table, data):
        found = looked(self, table, data)
        if interrupted.first:
            interrupted.first = False
            Table(cr.folder, CR).write([rows.cr(2.0)])
        return found

    interrupted.first = True
    monkeypatch.setattr(Table, "_knows_any", interrupted)
    cr.write([rows.cr(3.0)])
    found = cr.read(["patient_id", "glcm_Contrast"]).to_pylist()
    assert sorted(tuple(r.values()) for r in found) == [("P0", 1.0), ("P1", 3.0)]


def test_a_column_that_came_later_is_null_in_older_rows(cr, rows):
    """A new nullable column is a minor change: older tables go on, and take it with the next row."""
    younger = Table(cr.folder, replace(CR, columns={**CR.columns, "note": (pa.string(), "a later column")}))
    cr.write([rows.cr(1.0)])
    assert younger.read(["patient_id", "note"]).to_pylist() == [{"patient_id": "P1", "note": None}]
    assert not cr.snapshot().mixed
    younger.write([{**rows.cr(2.0, patient_id="P2"), "note": "new"}])
    assert younger.snapshot().mixed
    found = younger.read(["patient_id", "note"]).to_pylist()
    assert sorted(r["patient_id"] + str(r["note"]) for r in found) == ["P1None", "P2new"]


def test_a_version_that_was_never_there_is_refused_in_words(cr, rows):
    """With the way to those that are."""
    cr.write([rows.cr(1.0)])
    with pytest.raises(StoreError, match="version 99 of table cr is gone; `mvi store history` lists"):
        cr.snapshot(99)


@pytest.mark.parametrize("name", ["P1", "ä" * 40, "x" * 200, "O'Neil %20"])
def test_a_stored_key_is_found_whatever_its_text(cr, rows, name):
    """Delta cuts long bounds in its log, and escapes names of folders."""
    for value in (1.0, 2.0):
        cr.write([rows.cr(value, patient_id=name), rows.cr(value, patient_id="M")])
        cr.write([rows.cr(value, patient_id="Z" + name)])
    found = cr.read(["patient_id", "glcm_Contrast"]).to_pylist()
    assert sorted(tuple(row.values()) for row in found) == sorted(
        [(name, 2.0), ("M", 2.0), ("Z" + name, 2.0)]
    )


@pytest.mark.parametrize("damage", ["missing", "cut off"])
def test_a_broken_file_is_told_in_words(cr, rows, damage):
    """To those who read, and to those who look for a key before they write."""
    cr.write([rows.cr(1.0)])
    path = Path(cr.files()[0])
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-8])
    words = r"table cr cannot be read \(.*\); run `mvi store check --repair`"
    with pytest.raises(StoreError, match=words):
        cr.read()
    with pytest.raises(StoreError, match=words):
        cr.write([rows.cr(2.0)])


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1AR1", b"PAR1 and more", b"more and PAR1"])
def test_a_file_without_both_marks_is_no_parquet(tmp_path, content):
    """Nor is one that is not there."""
    path = tmp_path / "x.parquet"
    assert not is_parquet(path)
    path.write_bytes(content)
    assert not is_parquet(path)
    path.write_bytes(b"PAR1" + content + b"PAR1")
    assert is_parquet(path)


def test_a_file_that_cannot_be_opened_is_not_judged(cr, rows):
    """Here the process may open no more files; the file itself is sound."""
    cr.write([rows.cr(1.0)])
    path = Path(cr.files()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(StoreError, match=f"{os.strerror(errno.EMFILE)}.*; check its permissions and"):
            is_parquet(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert is_parquet(path)


def test_a_row_is_inserted_only_where_its_key_is_new(patients):
    """Whoever comes second learns of it, and replaces nothing."""
    first = {"patient_id": "P1", "centre": "A", "ingested_at": now()}
    assert patients.insert(first)
    version = patients.log_version
    assert not patients.insert({**first, "centre": "B"})
    assert patients.log_version == version
    assert patients.read(["centre"]).column(0).to_pylist() == ["A"]
