"""Upkeep of one table: joined, cleaned, mended."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from mvi_ray.errors import StoreError
from mvi_ray.store.schemas import CLINICAL, CR, SCHEMA_VERSION
from mvi_ray.store.tables import Table
from mvi_ray.store.upkeep import compact, dead_files, forget_broken_files, keep_newest, vacuum


@pytest.fixture
def cr(tmp_path, rows):
    """Ten patients, written one by one and not in order, in two partitions."""
    table = Table(tmp_path / "tables" / "cr", CR)
    for number in (3, 1, 4, 0, 5, 9, 2, 6, 8, 7):
        table.write([rows.cr(float(number), patient_id=f"P{number}", phase=f) for f in ("AP", "PP")])
    return table


def _patients(table):
    return sorted(table.read(["patient_id"]).column(0).to_pylist())


def test_compaction_leaves_one_sorted_file_for_each_partition(cr):
    """Sorted rows let a query for one patient skip the others."""
    before = _patients(cr)
    compact(cr)
    assert len(cr.files()) == 2
    for path in cr.files():
        names = pq.ParquetFile(path).read(["patient_id"]).column(0).to_pylist()
        assert names == sorted(names)
        assert len(names) == 10
    assert _patients(cr) == before


def test_compaction_leaves_partitions_with_few_files_alone(cr, rows):
    """Joining is worth its time only where files pile up."""
    compact(cr)
    cr.write([rows.cr(1.0, patient_id="P99")])
    version = cr.log_version
    compact(cr, more_than=2)
    assert cr.log_version == version


def test_a_table_without_rows_is_left_alone(cr):
    """All of its partitions are gone."""
    cr.delete({"phase": ["AP", "PP"]})
    version = cr.log_version
    compact(cr)
    assert cr.log_version == version


def test_a_vacuum_removes_what_was_replaced_and_nothing_else(cr):
    """At once when asked to, else after the time that readers have."""
    compact(cr)
    assert dead_files(cr, 168) == []
    dead = dead_files(cr, 0)
    assert len(dead) == 20
    vacuum(cr, 0)
    assert {str(path) for path in cr.folder.rglob("*.parquet") if "_delta_log" not in path.parts} == set(
        cr.files()
    )
    assert len(_patients(cr)) == 20


def test_entries_of_the_log_are_kept_for_as_long_as_somebody_pins_them(cr, rows):
    """Delta itself would drop those of 30 days ago at its next checkpoint."""
    import os
    import time

    from mvi_ray.store.schemas import PATIENTS
    from mvi_ray.store.tables import now

    table = Table(cr.folder.parent / "patients", PATIENTS)
    for number in range(3):
        table.write([{"patient_id": f"P{number}", "ingested_at": now()}])
    long_ago = time.time() - 40 * 86_400
    for path in (table.folder / "_delta_log").glob("*.json"):
        os.utime(path, (long_ago, long_ago))
    for number in range(3, 104):
        table.write([{"patient_id": f"P{number}", "ingested_at": now()}])
    assert list((table.folder / "_delta_log").glob("*.checkpoint.parquet"))
    assert len(table.snapshot(2).files) == 2
    assert dead_files(table, 0, keep_versions=[2]) == []


def test_a_file_that_belongs_to_no_version_is_dead(cr):
    """A kill may leave one."""
    stray = Path(cr.files()[0]).parent / "part-00000-stray.parquet"
    stray.write_bytes(b"half of")
    assert dead_files(cr, 0) == [stray]


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_broken_files_are_taken_out_of_the_table(cr, damage):
    """Their rows are lost; all others can be read again."""
    path = Path(cr.files()[0])
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-10])
    forget_broken_files(cr)
    assert len(_patients(cr)) == 19


def test_a_file_that_cannot_be_read_is_not_removed(cr):
    """Whether its rows are sound nobody knows, so no other file goes either."""
    damaged, unreadable = map(Path, cr.files()[:2])
    damaged.write_bytes(b"half of")
    aside = unreadable.rename(unreadable.with_suffix(".aside"))
    unreadable.symlink_to(unreadable)
    version = cr.log_version
    with pytest.raises(StoreError, match=r"cannot be read \(.*\); check its permissions and the disk"):
        forget_broken_files(cr)
    assert (cr.log_version, damaged.exists()) == (version, True)
    aside.replace(unreadable)
    forget_broken_files(cr)
    assert len(_patients(cr)) == 19


def _append(table, rows, schema):
    write_deltalake(table.open(), pa.Table.from_pylist(rows, schema=schema), mode="append")


def _made(rows, value, day, **changes):
    at = None if day is None else datetime(2026, 1, day, tzinfo=UTC)
    return {**rows.cr(value, **changes), "computed_at": at}


def _key(row, spec):
    return {name: row[name] for name in spec.keys}


def _values(table):
    found = table.read(["patient_id", "phase", "glcm_Contrast"]).to_pylist()
    return sorted((r["patient_id"], r["phase"], r["glcm_Contrast"]) for r in found)


def test_of_rows_with_one_key_the_newest_is_kept(cr, rows):
    """Whoever wrote them both; one without a time is older than any with one."""
    before = {(p, f): v for p, f, v in _values(cr)}
    twice = [_made(rows, float(day), day, patient_id="P0") for day in (12, 13, 11)]
    odd = [_made(rows, float(day), day, patient_id="P5", phase="PP") for day in (22, 21)]
    _append(cr, [*twice, *odd, _made(rows, 5.0, None, patient_id="P0")], CR.schema)
    keep_newest(cr, [_key(row, CR) for row in (twice[0], odd[0])])
    after = {**before, ("P0", "AP"): 13.0, ("P5", "PP"): 22.0}
    assert _values(cr) == sorted((p, f, v) for (p, f), v in after.items())


def test_keeping_the_newest_is_one_commit(cr, rows):
    """A kill finds the table before it or after it, never without the row."""
    keys = []
    for number in range(8):
        twice = [_made(rows, 1.0, day, patient_id=f"P{number}") for day in (1, 2)]
        _append(cr, twice, CR.schema)
        keys.append(_key(twice[0], CR))
    version = cr.log_version
    files = set(cr.files())
    keep_newest(cr, keys)
    assert cr.log_version == version + 1
    assert len(_patients(cr)) == len(_values(cr)) == 20
    opened = cr.open()
    assert opened.metadata().configuration["mvi.schemaVersion"] == SCHEMA_VERSION
    assert tuple(opened.metadata().partition_columns) == CR.partition_by
    # Files of the other phase and of other patients are as they were.
    assert sum("phase=PP" in path for path in files & set(cr.files())) == 10
    assert all("phase=AP" in path for path in files - set(cr.files()))


@pytest.mark.parametrize("name", ["O'Neil", "x' OR '1'='1", "Müller\\", "%", "P 1"])
def test_the_newest_of_a_key_is_kept_whatever_its_text(cr, rows, name):
    """It stands in the condition, which Delta and DuckDB must read alike."""
    before = _values(cr)
    twice = [_made(rows, float(day), day, patient_id=name) for day in (1, 2)]
    _append(cr, twice, CR.schema)
    keep_newest(cr, [_key(twice[0], CR)])
    assert _values(cr) == sorted([*before, (name, "AP", 2.0)])


def test_clinical_values_outlive_a_patient_who_stands_twice(tmp_path):
    """Its columns are those of the study; without a time the row that came last is the newest."""
    table = Table(tmp_path / "tables" / "clinical", CLINICAL)
    schema = pa.schema(
        {"patient_id": pa.string(), "mvi": pa.int64(), "age": pa.float64(), "sex": pa.string()}
    )
    known = [{"patient_id": f"P{n}", "mvi": n % 2, "age": 50.0 + n, "sex": None} for n in range(3)]
    table.replace_all(pa.Table.from_pylist(known, schema=schema))
    newer = {**known[1], "age": 61.5, "sex": "female"}
    _append(table, [newer], schema)
    keep_newest(table, [{"patient_id": "P1"}])
    found = table.read()
    assert found.schema.names == schema.names
    assert sorted(found.to_pylist(), key=lambda r: r["patient_id"]) == [known[0], newer, known[2]]


def test_columns_of_a_later_version_outlive_a_row_that_stands_twice(cr, rows):
    """What this version does not know it does not lose."""
    younger = Table(cr.folder, replace(CR, columns={**CR.columns, "note": (pa.string(), "a later column")}))
    younger.write([{**_made(rows, 1.0, 1, patient_id="P99"), "note": "kept"}])
    twice = _made(rows, 2.0, 2, patient_id="P99")
    _append(cr, [{**twice, "note": "newer"}], younger.spec.schema)
    keep_newest(cr, [_key(twice, CR)])
    notes = {r["patient_id"]: r["note"] for r in younger.read(["patient_id", "note"]).to_pylist()}
    assert (notes["P99"], notes["P1"], len(_patients(cr))) == ("newer", None, 21)
