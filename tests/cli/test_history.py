"""`--as-of`, `mvi store history`, `check` and `gc` from the command line."""

from __future__ import annotations

import json

import pytest

_COUNT = "SELECT count(*) AS n FROM images"


@pytest.fixture
def mvi(extracted, mvi_inside):
    """Run `mvi` in a project of two patients that were ingested one after the other."""

    def run(*args, code=0):
        done = mvi_inside("-C", extracted.folder, *args)
        assert done.returncode == code, done.stderr
        return done

    return run


def test_history_lists_states_that_as_of_shows(mvi):
    """By number, by run and by time."""
    found = json.loads(mvi("store", "history", "--json").stdout)["history"]
    # An extraction records its end, and before it states that come by time.
    first, second, *extractions = (row["command"] for row in found)
    assert (first, second) == ("ingest", "ingest")
    assert len(extractions) >= 1
    assert set(extractions) == {"extract"}
    assert len({row["run_id"] for row in found[2:]}) == 1
    assert all(row["readable"] for row in found)
    assert "images" in found[0]["changed"]
    assert found[2]["run_id"].startswith("extract-")
    assert "cr" in found[2]["changed"]
    for reference, count in (("1", 2), (found[2]["run_id"], 4), (found[0]["created_at"], 2)):
        out = mvi("sql", _COUNT, "--as-of", reference, "--format", "csv").stdout
        assert out.split() == ['"n"', str(count)]


def test_history_reads_well(mvi):
    """As a table on the screen."""
    out = mvi("store", "history").stdout
    assert "States of the store (UTC)" in out
    assert "extract-" in out.replace("\n", "")


def test_a_wrong_reference_is_wrong_usage(mvi):
    """Exit code 2, one line, and where to look."""
    newest = len(json.loads(mvi("store", "history", "--json").stdout)["history"])
    done = mvi("sql", _COUNT, "--as-of", "1700", code=2)
    assert f"there is no snapshot 1700, the newest is {newest}; see `mvi store history`" in done.stderr


def test_check_says_that_nothing_is_wrong(mvi):
    """And how much was read."""
    mvi("status")
    out = mvi("store", "check").stdout
    assert (
        "Nothing wrong: files, keys, values, feature sets, counts and catalog, 12 images and masks read."
        in out
    )
    assert json.loads(mvi("store", "check", "--json", "--quick").stdout) == {
        "findings": [],
        "errors": 0,
        "volumes": None,
    }


def test_check_ends_with_one_when_damage_is_left(mvi, extracted):
    """And with nothing when it was mended."""
    path = next((extracted.folder / "store" / "masks").rglob("*.gz"))
    path.write_bytes(b"")
    out = mvi("store", "check", code=1).stdout
    assert "damage" in out
    assert "mended" in mvi("store", "check", "--repair").stdout
    assert "damage that is left" in mvi("store", "check").stdout


def test_gc_tells_what_it_removes(mvi, extracted):
    """A dry run says it would; files that were replaced stay for a week."""
    extracted.write_study(binning="bin_count: 16", dlr=True)
    out = mvi("store", "gc", "--dry-run").stdout
    assert "Would remove feature set" in out
    found = json.loads(mvi("store", "gc", "--json", "--keep-days", "0").stdout)
    assert sum(one["rows"] for one in found["stale_feature_sets"]) == 16
    assert found["files"]["table files"] > 0
    assert "Removed table files: 0 files" in mvi("store", "gc").stdout


def test_results_are_never_written_into_a_store(mvi, extracted, tmp_path):
    """Its files are the program's own; elsewhere a file appears whole."""
    live = next((extracted.folder / "store" / "tables" / "images").glob("*.parquet"))
    before = live.read_bytes()
    assert "lies in a store" in mvi("sql", _COUNT, "-o", str(live), code=2).stderr
    assert "lies in a store" in mvi("features", "-o", str(live.with_name("x.csv")), code=2).stderr
    assert live.read_bytes() == before
    mvi("sql", _COUNT, "-o", str(tmp_path / "x.csv"))
    assert (tmp_path / "x.csv").read_text().split() == ['"n"', "4"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".mvi")] == []


def test_a_query_is_asked_for_when_nobody_is_at_the_terminal(mvi):
    """Scripts get exit code 2, not a prompt that waits for ever."""
    assert "give a query, or '-' to read it from standard input" in mvi("sql", code=2).stderr
