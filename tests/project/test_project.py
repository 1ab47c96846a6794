"""The project as a reader sees it whose store may only be read."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def read_only(extracted, monkeypatch):
    """A project whose store answers that it may not be written, as a read-only disk does."""
    project = extracted.open()
    project.refresh()
    allowed = os.access

    def access(path, mode):
        inside = str(path).startswith(str(project.store.root))
        return False if inside and mode == os.W_OK else allowed(path, mode)

    monkeypatch.setattr(os, "access", access)
    return extracted


def test_a_store_that_may_only_be_read_is_read(read_only):
    """Through the catalog that is there."""
    found = read_only.open().sql("SELECT count(*) AS n FROM images").to_pylist()
    assert found == [{"n": 4}]


def test_an_edited_study_counts_also_where_nothing_can_be_written(read_only):
    """The catalog that is there is of the old study: another one is made aside."""
    project = read_only.open()
    before = project.store.catalog.read_bytes()
    assert project.sql("SELECT count(*) AS n FROM cr").to_pylist()[0]["n"] > 0
    read_only.write_study(binning="bin_count: 16", dlr=True)
    edited = read_only.open()
    assert edited.sql("SELECT count(*) AS n FROM cr").to_pylist() == [{"n": 0}]
    assert {row["complete"] for row in edited.status().coverage if row["family"] == "CR"} == {0}
    assert edited.gc(dry_run=True).stale != ()
    assert project.store.catalog.read_bytes() == before
