"""Upkeep of one table: joined, cleaned, mended."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mvi_ray.store.schemas import CR
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


def test_of_rows_with_one_key_the_newest_is_kept(cr, rows):
    """Whoever wrote them both."""
    from datetime import UTC, datetime

    import pyarrow as pa
    from deltalake import write_deltalake

    twice = [
        {**rows.cr(float(day), patient_id="P0"), "computed_at": datetime(2026, 1, day, tzinfo=UTC)}
        for day in (2, 3, 1)
    ]
    write_deltalake(cr.open(), pa.Table.from_pylist(twice, schema=CR.schema), mode="append")
    key = {name: twice[0][name] for name in CR.keys}
    keep_newest(cr, [key])
    found = [
        r for r in cr.read(["patient_id", "phase", "glcm_Contrast"]).to_pylist() if r["patient_id"] == "P0"
    ]
    assert sorted((r["phase"], r["glcm_Contrast"]) for r in found) == [("AP", 3.0), ("PP", 0.0)]
    assert len(_patients(cr)) == 20
