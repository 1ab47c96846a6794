"""`mvi import` and `mvi export`: options, exit codes, what is printed."""

from __future__ import annotations

import json
from functools import partial

import pyarrow.parquet as pq
import pytest


@pytest.fixture
def mvi(mvi_inside):
    """Run the command in an empty directory."""
    return partial(mvi_inside, COLUMNS="200")


@pytest.fixture
def table(tmp_path):
    """A table with columns of two phases, a text column, and a patient that is blank."""
    lines = ["Case,AP:x,PP:x,note", "P1,1,2,a", ",3,4,b", "P2,5,,c"]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["table.csv", "--family", "MINE", "--key", "patient_id=Case", "--columns", "{phase}:{feature}"]


def test_import_lists_what_stays_outside_and_export_gives_it_back(mvi, tiny, table, tmp_path):
    """Exit code 3 for the row without a patient; the second time nothing is new."""
    project = ["-C", tiny.folder]
    planned = mvi(*project, "import", *table, "--dry-run")
    assert planned.returncode == 3, planned.stderr
    assert "Would import 3 VOIs of 2 patients with 1 feature, as family MINE: 3 new" in planned.stdout
    assert not (tiny.folder / "store").exists()
    done = mvi(*project, "import", *table)
    assert (done.returncode, done.stderr) == (3, "")
    said = " ".join(done.stdout.split())
    assert "left out" in said
    assert "patient_id is blank" in said
    assert "Columns that stay outside" in said
    assert (
        "Imported 3 VOIs of 2 patients with 1 feature, as family MINE: 3 new, 0 replaced, 0 as stored."
        in said
    )
    assert "SYNTHETIC" in said
    again = mvi(*project, "import", *table)
    assert (
        "Nothing to import: 3 VOIs of 2 patients with 1 feature are in family MINE already." in again.stdout
    )

    out = mvi(*project, "export", "out.parquet", "--with-times", "--with-clinical")
    assert (out.returncode, out.stderr) == (0, "")
    assert "Wrote 2 rows × 6 columns of 2 patients to out.parquet." in out.stdout.replace("\n", " ")
    assert "`mvi store erase` does not reach it" in out.stdout
    assert "SYNTHETIC" in out.stdout
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.column_names[-2:] == ["AP_intratumoral_x", "PP_intratumoral_x"]
    assert found.column("PP_intratumoral_x").to_pylist() == [2, None]


def test_both_speak_json(mvi, tiny, table):
    """One object each."""
    done = mvi("-C", tiny.folder, "import", *table, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["new"], found["left_out"], found["dry_run"]) == (3, 3, 1, False)
    assert found["problems"][0]["table"] == "features"
    done = mvi("-C", tiny.folder, "export", "out.csv", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["rows"], found["columns"], found["synthetic"]) == (0, 2, 5, True)


def test_parts_are_named_by_options_that_repeat(mvi, extracted, tmp_path):
    """And the choice reaches the file."""
    args = ["--family", "CR", "--phase", "PP", "--image-type", "original", "--region", "peritumoral"]
    done = mvi("-C", extracted.folder, "export", "out.parquet", *args, "--region", "intratumoral")
    assert done.returncode == 0, done.stderr
    assert pq.read_table(tmp_path / "out.parquet").num_columns == 3 + 2 * 107
    done = mvi("-C", extracted.folder, "export", "long.parquet", *args, "--long")
    assert pq.read_table(tmp_path / "long.parquet").num_rows == 2 * 107
    assert "Trial weights" not in done.stdout


def test_errors_are_one_line(mvi, tiny, table, tmp_path):
    """2 for wrong usage, 1 for a store that cannot be used."""
    project = ["-C", tiny.folder]
    (tmp_path / "there.csv").write_text("mine", encoding="utf-8")
    for args, code, text in (
        (["import", "table.csv", "--family", "CR"], 2, "CR is the study's own"),
        (["import", *table, "--layout", "excel"], 2, "there is no layout 'excel'"),
        (["import", *table, "--set", "phase"], 2, "'phase' sets nothing; write PART=VALUE"),
        (["import", "absent.csv", "--family", "MINE"], 2, "absent.csv"),
        (["export", "there.csv"], 2, "is there already"),
        (["export", "new.csv"], 1, "the store is empty; run `mvi ingest` first"),
        (
            ["export", "new.csv", "--model", "CR", "--long"],
            2,
            "--model writes the matrix of a model as it is",
        ),
    ):
        done = mvi(*project, *args)
        assert (done.returncode, done.stdout) == (code, ""), args
        assert len(done.stderr.splitlines()) == 1
        assert text in done.stderr
    assert (tmp_path / "there.csv").read_text(encoding="utf-8") == "mine"
