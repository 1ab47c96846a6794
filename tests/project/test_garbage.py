"""`mvi store gc`: what goes, what stays, and that a dry run says the same."""

from __future__ import annotations

import os
import time

import pytest

from mvi_ray.errors import StoreError, UsageError
from mvi_ray.project.history import write_pin
from mvi_ray.store.history import Moment


@pytest.fixture
def edited(extracted):
    """Features of a setting that the study no longer has, beside those that it wants."""
    extracted.write_study(binning="bin_count: 16", dlr=True)
    extracted.extract()
    return extracted.open()


def _sets(project):
    return {row["feature_set_id"] for row in project.store.tables["feature_sets"].read().to_pylist()}


def _old(*paths):
    long_ago = time.time() - 30 * 86_400
    for path in paths:
        os.utime(path, (long_ago, long_ago))


def test_feature_sets_that_the_study_no_longer_names_go(edited):
    """With their rows, and nothing else; embeddings did not change."""
    current = edited.sql("SELECT count(*) AS n FROM cr").to_pylist()
    embeddings = edited.sql("SELECT count(*) AS n FROM dlr_all").to_pylist()
    assert edited.sql("SELECT count(*) AS n FROM cr_all").to_pylist()[0]["n"] == 2 * current[0]["n"]
    told = edited.gc(dry_run=True)
    done = edited.gc()
    assert told.stale == done.stale
    assert sum(one.rows for one in done.stale) == current[0]["n"]
    assert edited.sql("SELECT count(*) AS n FROM cr_all").to_pylist() == current
    assert edited.sql("SELECT count(*) AS n FROM dlr_all").to_pylist() == embeddings
    assert not {one.feature_set_id for one in done.stale} & _sets(edited)
    assert edited.gc().stale == ()


def test_a_dry_run_changes_nothing(edited):
    """No file and no row."""
    before = {path: path.stat().st_size for path in edited.store.root.rglob("*.parquet")}
    edited.gc(dry_run=True, keep_days=0)
    assert {path: path.stat().st_size for path in edited.store.root.rglob("*.parquet")} == before


def test_files_of_earlier_versions_stay_for_a_week(edited):
    """Unless another time is named."""
    assert edited.gc().counts["table files"] == 0
    done = edited.gc(keep_days=0)
    assert done.counts["table files"] > 0
    live = {path for table in edited.store.tables.values() for path in table.files()}
    on_disk = {
        str(p) for p in (edited.store.root / "tables").rglob("*.parquet") if "_delta_log" not in p.parts
    }
    assert on_disk == live


def test_what_a_training_pinned_stays_readable(edited):
    """Even when all other earlier states are removed at once."""
    old = edited.store.history.find("3")
    run = edited.runs / "20260101T000000Z-abcdef"
    run.mkdir(parents=True)
    write_pin(run, old)
    (run / "metrics.json").write_text('{"created": "2026-01-01T00:00:00+00:00"}')
    query = "SELECT count(*) AS n, sum(glcm_Contrast) AS s FROM cr"
    before = edited.sql(query, as_of=run.name)
    done = edited.gc(keep_days=0)
    assert done.pinned_runs == 1
    assert len(done.stale) > 0
    assert edited.sql(query, as_of=run.name).equals(before)
    assert before.to_pylist()[0]["n"] > 0
    gone = [row for row in edited.history() if not row.readable]
    assert gone
    with pytest.raises(StoreError, match=r"files of .* were removed by `mvi store gc`"):
        edited.sql(query, as_of=str(gone[0].snapshot))


def test_what_a_training_at_work_reads_stays_too(edited):
    """Its directory bears a dot until it ends."""
    run = edited.runs / ".20260101T000000Z-abcdef"
    run.mkdir(parents=True)
    old = edited.store.history.find("4")
    write_pin(run, old)
    edited.gc(keep_days=0)
    assert edited.store.history.is_readable(old.versions)


def test_a_training_that_never_ended_goes_after_a_day(edited):
    """A kill left it."""
    run = edited.runs / ".20260101T000000Z-abcdef"
    run.mkdir(parents=True)
    (run / "matrix").write_bytes(b"half")
    assert edited.gc().counts["leftovers"] == 0
    _old(run)
    assert edited.gc().counts["leftovers"] == 1
    assert not run.exists()


def test_a_run_whose_state_is_gone_is_told(edited):
    """It pins nothing any more."""
    run = edited.runs / "20260101T000000Z-abcdef"
    run.mkdir(parents=True)
    old = edited.store.history.find("3")
    write_pin(run, Moment({**old.versions, "cr": 999}, old.study))
    assert edited.gc().kept == (f"nothing of what {run.name} read: files of that state are gone already",)


def test_orphan_volumes_go_when_they_are_old_enough(extracted):
    """An image that a new one replaced belongs to no row; those in use stay."""
    project = extracted.open()
    extracted.write_case("P1", "AP", peak=50.0)
    project.ingest(extracted.write_manifest([("P1", "AP")]))
    volumes = [path for kind in ("images", "masks") for path in (project.store.root / kind).rglob("*.gz")]
    assert project.gc().counts["volumes"] == 0
    _old(*volumes)
    assert project.gc().counts["volumes"] == 1
    assert project.check().findings == ()


def test_leftovers_of_a_kill_go_after_a_day(extracted):
    """Younger ones may be of a command that runs now."""
    project = extracted.open()
    aside = project.store.root / ".publish-abc"
    aside.mkdir()
    (aside / "mvi.duckdb").write_bytes(b"half")
    assert project.gc().counts["leftovers"] == 0
    _old(aside)
    done = project.gc()
    assert (done.counts["leftovers"], done.size["leftovers"]) == (1, 4)
    assert not aside.exists()


def test_embeddings_stay_when_the_weights_are_not_here(extracted, tmp_path):
    """Nobody can tell then which of them the study means."""
    study = (extracted.folder / "study.yaml").read_text()
    (extracted.folder / "study.yaml").write_text(study.replace("weights: random", "weights: own.pth"))
    project = extracted.open()
    before = project.sql("SELECT count(*) AS n FROM dlr_all").to_pylist()
    done = project.gc()
    assert done.stale == ()
    assert "the study's weights are not here" in done.kept[0]
    assert project.sql("SELECT count(*) AS n FROM dlr_all").to_pylist() == before


def test_wrong_use_is_refused(extracted, tiny):
    """In words."""
    with pytest.raises(UsageError, match="--keep-days is -1; it must be 0 or more"):
        extracted.open().gc(keep_days=-1)
    with pytest.raises(StoreError, match="the store is empty; run `mvi ingest` first"):
        tiny.open().gc()


def test_a_training_s_pin_outlives_the_end_of_what_extractions_held(edited):
    """It names the versions of all tables, also of those whose log a clean-up ends."""
    with edited.reading() as store:
        versions = store.versions()
    assert "attempts" in versions
    run = edited.runs / "20260101T000000Z-abcdef"
    run.mkdir(parents=True)
    write_pin(run, Moment(versions, edited.store.history.find("3").study))
    (run / "metrics.json").write_text('{"created": "2026-01-01T00:00:00+00:00"}')
    query = "SELECT count(*) AS n FROM cr_all"
    before = edited.sql(query)
    for _ in range(2):
        done = edited.gc(keep_days=0)
        assert (done.pinned_runs, [text for text in done.kept if run.name in text]) == (1, [])
    assert edited.sql(query, as_of=run.name).equals(before)


def test_a_state_without_its_study_can_be_pinned(extracted):
    """Pins hold what the study said, so that a later edit does not reach them."""
    project = extracted.open()
    moment = project.store.history.find("1")
    run = project.runs / "run"
    run.mkdir(parents=True)
    write_pin(run, moment)
    from mvi_ray.project.history import pins

    assert [(folder.name, found) for folder, found in pins(project)] == [
        ("run", Moment(dict(moment.versions), moment.study))
    ]


def test_the_table_that_was_imported_last_stays(extracted, tmp_path):
    """Of one family; an earlier table with other columns goes."""
    project = extracted.open()
    for names in (("a",), ("a", "b")):
        table = tmp_path / "mine.csv"
        lines = ["patient_id,phase," + ",".join(names), "P1,AP," + ",".join("0.5" for _ in names)]
        table.write_text("\n".join(lines) + "\n")
        project.import_features(table, "MINE")
    stale = project.gc().stale
    assert [(one.family, one.rows) for one in stale] == [("MINE", 1)]
    found = project.sql("SELECT feature_names FROM imported_all").to_pylist()
    assert found == [{"feature_names": ["a", "b"]}]
