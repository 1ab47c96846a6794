"""`mvi extract --dry-run`, `mvi status --failed`, `mvi store export`: what they print and leave alone."""

from __future__ import annotations

import json
import shutil

import duckdb
import pytest

_PEAK = 1e5


@pytest.fixture
def partly(tiny):
    """Two images of which one is refused by the engine: too many grey levels."""
    tiny.write_study(binning="bin_width: 1", image_types="original: ", dlr=False)
    for patient in ("P1", "P2"):
        tiny.write_case(patient, "AP", peak=_PEAK if patient == "P1" else 0.0)
    tiny.open().ingest(tiny.write_manifest([("P1", "AP"), ("P2", "AP")]))
    return tiny


def _files(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_dry_run_tells_units_time_and_memory_and_writes_nothing(partly, mvi_inside):
    """Not even the catalog; the same figures as a table and as JSON."""
    store = partly.folder / "store"
    before = _files(store)
    told = mvi_inside("-C", partly.folder, "extract", "--dry-run", "--cpus", 2)
    assert (told.returncode, told.stderr) == (0, "")
    assert "To be computed" in told.stdout
    assert "on 2 cores" in told.stdout
    assert "the store holds nothing like it yet" in " ".join(told.stdout.split())
    found = json.loads(mvi_inside("-C", partly.folder, "extract", "--dry-run", "--json").stdout)
    (family,) = found["families"]
    assert (family["family"], family["units"], family["vois"], family["rows"]) == ("CR", 2, 4, 4)
    assert found["wall_s"] > 0 < found["cpu_s"]
    assert found["memory_bytes"] > 2**27
    assert _files(store) == before


def test_a_dry_run_for_a_cluster_says_that_its_size_is_not_known(partly, mvi_inside):
    """Instead of a time for the cores of this machine."""
    told = mvi_inside("-C", partly.folder, "extract", "--dry-run", "--address", "10.1.2.3:6379")
    assert told.returncode == 0
    words = " ".join(told.stdout.split())
    assert "of one core; how long that takes depends on the cluster, whose size is not known yet." in words
    assert "cores" not in words


def test_failures_are_shown_whole_and_stay_out_of_a_dry_run(partly, mvi_inside):
    """Reason, way out, time, memory, traceback; then quarantine, until asked for."""
    summary = partly.extract()
    assert (summary.computed, summary.failed) == (3, 1)
    told = mvi_inside("-C", partly.folder, "status", "--failed")
    assert told.returncode == 0
    assert "P1 AP 1 intratumoral R1 CR (extract)" in told.stdout
    assert "grey levels in the VOI" in told.stdout
    assert "its worker held" in told.stdout
    assert "Traceback (most recent call last)" in told.stdout
    (row,) = json.loads(mvi_inside("-C", partly.folder, "status", "--failed", "--json").stdout)["failed"]
    assert row["error"] == "ExtractionError"
    assert row["duration_s"] >= 0 < row["memory_bytes"]
    again = mvi_inside("-C", partly.folder, "extract", "--dry-run")
    assert "Nothing to compute." in again.stdout
    assert "1 VOIs are in quarantine and would not be tried" in again.stdout
    retried = mvi_inside("-C", partly.folder, "extract", "--dry-run", "--retry-failed", "--json")
    assert json.loads(retried.stdout)["families"][0]["vois"] == 1


def test_nothing_in_quarantine_is_said(extracted, mvi_inside):
    """An empty answer would leave a question."""
    assert mvi_inside("-C", extracted.folder, "status", "--failed").stdout == "Nothing is in quarantine.\n"


def test_an_exported_store_answers_without_the_store(extracted, mvi_inside, tmp_path):
    """The same rows in the same views, after the store is gone."""
    expected = extracted.open().sql("SELECT * FROM features ORDER BY ALL")
    file = tmp_path / "all.duckdb"
    assert mvi_inside("-C", extracted.folder, "store", "export", file).returncode == 0
    refused = mvi_inside("-C", extracted.folder, "store", "export", file)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "is there already; name another file, or add --force" in refused.stderr
    again = mvi_inside("-C", extracted.folder, "store", "export", file, "--force", "--json")
    assert json.loads(again.stdout)["bytes"] == file.stat().st_size
    shutil.rmtree(extracted.folder)
    with duckdb.connect(file, read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.sql("SELECT * FROM features ORDER BY ALL").to_arrow_table()
        assert found.equals(expected)
        assert connection.sql("SELECT count(*) FROM coverage WHERE state = 'complete'").fetchall() == [(16,)]


@pytest.mark.parametrize(
    ("name", "words"),
    [("all.db", "does not end in .duckdb"), ("store/all.duckdb", "lies in the store")],
    ids=["ending", "inside"],
)
def test_a_place_that_is_none_for_an_export_is_refused(name, words, extracted, mvi_inside):
    """Before anything is written."""
    told = mvi_inside("-C", extracted.folder, "store", "export", extracted.folder / name)
    assert told.returncode == 2
    assert words in told.stderr
    assert not (extracted.folder / name).exists()
