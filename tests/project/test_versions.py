"""Stores of other versions of the program: opened when they may be, else refused in words."""

from __future__ import annotations

import shutil

import duckdb
import pytest
from deltalake import DeltaTable

from mvi_ray.errors import StoreError


def _of_version(table, version):
    DeltaTable(str(table.folder)).alter.set_table_properties(
        {"mvi.schemaVersion": version}, raise_if_not_exists=False
    )


def test_a_store_of_before_there_was_a_history_goes_on(extracted):
    """Tables that came later are empty at first; nothing has to be migrated."""
    project = extracted.open()
    project.refresh()
    before = project.sql("SELECT * FROM cr ORDER BY ALL")
    for name in ("snapshots", "studies", "feature_statistics", "imported"):
        shutil.rmtree(project.store.root / "tables" / name, ignore_errors=True)
    project.store.catalog.unlink()
    again = extracted.open()
    assert again.sql("SELECT * FROM cr ORDER BY ALL").equals(before)
    assert again.history() == []
    assert extracted.extract().planned == 0
    extracted.add("P9")
    # With nothing to compute, an extraction renews the statistics, which were lost.
    assert [row.command for row in again.history()] == ["extract", "ingest"]
    assert again.sql("SELECT count(*) AS n FROM feature_statistics").to_pylist()[0]["n"] > 0


@pytest.mark.parametrize("verb", ["sql", "extract", "check", "gc", "status"])
def test_a_table_of_an_unknown_version_is_refused_in_words(extracted, verb):
    """Whatever is asked of it, before anything is written."""
    project = extracted.open()
    project.refresh()
    _of_version(project.store.tables["cr"], "2")
    log = project.store.tables["cr"].log_version
    calls = {
        "sql": lambda: extracted.open().sql("SELECT 1"),
        "extract": extracted.extract,
        "check": lambda: extracted.open().check(),
        "gc": lambda: extracted.open().gc(),
        "status": lambda: extracted.open().status(),
    }
    words = r"table cr has schema version 2, this program reads and writes 1; use the version of mvi"
    with pytest.raises(StoreError, match=words):
        calls[verb]()
    assert project.store.tables["cr"].log_version == log


def test_a_catalog_of_another_version_is_made_anew(extracted):
    """The tables are what counts; the catalog is made from them."""
    project = extracted.open()
    project.refresh()
    with duckdb.connect(project.store.catalog) as connection:
        connection.execute("UPDATE catalog_info SET schema_version = '2'")
    with pytest.raises(StoreError, match=r"the catalog mvi.duckdb has schema version 2, this program reads"):
        project.store.query("SELECT 1")
    assert project.sql("SELECT schema_version FROM catalog_info").to_pylist() == [{"schema_version": "1"}]


def test_the_version_stands_in_every_table_and_in_the_catalog(extracted):
    """For any reader of Delta, and for plain DuckDB."""
    project = extracted.open()
    project.refresh()
    for table in project.store.tables.values():
        if table.exists:
            found = DeltaTable(str(table.folder)).metadata().configuration["mvi.schemaVersion"]
            assert found == "1"
    with duckdb.connect(project.store.catalog, read_only=True) as connection:
        assert connection.execute("SELECT schema_version FROM catalog_info").fetchall() == [("1",)]
