"""Snapshots: what is recorded, how a state is named, and what can no longer be read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mvi_ray.errors import StoreError, UsageError
from mvi_ray.store.declarations import Declarations
from mvi_ray.store.history import Event, Moment
from mvi_ray.store.upkeep import compact, vacuum

_INGEST = Event("ingest")


@pytest.fixture
def grown(store, study, rows):
    """Three snapshots: one patient, a second one, and the first one's value changed."""
    tables = store.tables
    for name in ("P1", "P2"):
        tables["images"].write([rows.image(name)])
        tables["masks"].write([rows.mask(patient_id=name)])
        tables["cr"].write([rows.cr(float(name[1]), patient_id=name)])
        store.publish(study, Event("extract", f"run-{name}"))
    tables["cr"].write([rows.cr(9.0)])
    store.publish(study, Event("extract", "run-again"))
    return store


def _values(store, reference, folder):
    then = store.as_of(folder / "then.duckdb", store.history.find(reference))
    found = then.query("SELECT patient_id, glcm_Contrast FROM cr ORDER BY ALL").to_pylist()
    return [tuple(row.values()) for row in found]


def test_a_snapshot_shows_the_rows_of_its_time(grown, tmp_path):
    """By number and by run; later writes do not reach it."""
    assert _values(grown, "1", tmp_path) == [("P1", 1.0)]
    assert _values(grown, "run-P2", tmp_path) == [("P1", 1.0), ("P2", 2.0)]
    assert _values(grown, "3", tmp_path) == [("P1", 9.0), ("P2", 2.0)]


def test_compaction_changes_no_earlier_state(grown, study, tmp_path):
    """The files that it joined stay for those who ask for them."""
    compact(grown.tables["cr"])
    grown.publish(study, Event("compact"))
    assert len(grown.tables["cr"].files()) == 1
    assert _values(grown, "1", tmp_path) == [("P1", 1.0)]
    assert _values(grown, "4", tmp_path) == [("P1", 9.0), ("P2", 2.0)]


def test_a_time_means_the_newest_snapshot_not_after_it(grown):
    """Exactly at its time counts, and a date means its end."""
    rows = grown.history.rows()
    for row in rows:
        assert grown.history.find(row["created_at"].isoformat()).versions == row["table_versions"]
    before = (rows[1]["created_at"] - timedelta(microseconds=1)).isoformat()
    assert grown.history.find(before).versions == rows[0]["table_versions"]
    assert grown.history.find(f"{rows[0]['created_at']:%Y-%m-%d}").versions == rows[-1]["table_versions"]


def test_a_time_without_zone_is_utc(grown):
    """Whatever the machine's zone is."""
    last = grown.history.rows()[-1]
    naive = last["created_at"].replace(tzinfo=None).isoformat()
    assert grown.history.find(naive).versions == last["table_versions"]


def test_the_time_that_the_history_shows_names_its_own_state(grown):
    """It is shown to the second, and means the end of it."""
    last = grown.history.rows()[-1]
    for shown in (f"{last['created_at']:%Y-%m-%dT%H:%M:%S}", f"{last['created_at']:%Y-%m-%d %H:%M}"):
        assert grown.history.find(shown).versions == last["table_versions"]
        assert grown.history.find(shown + "Z").versions == last["table_versions"]


def test_the_history_is_that_of_today_in_every_state(grown, tmp_path):
    """An earlier state does not know what came after it, its reader does."""
    then = grown.as_of(tmp_path / "then.duckdb", grown.history.find("1"))
    assert then.query("SELECT count(*) AS n FROM snapshots").to_pylist() == [{"n": 3}]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("17", "there is no snapshot 17, the newest is 3; see `mvi store history`"),
        ("yesterday", "'yesterday' is no run, no number of a snapshot and no time"),
        ("2001-01-01", "nothing was stored by 2001-01-01, the first snapshot is of 20"),
        ("run-p1", "'run-p1' is no run"),
        ("²", "'²' is no run, no number of a snapshot"),
        ("9" * 5000, "is no run, no number of a snapshot"),
    ],
)
def test_a_name_of_nothing_is_refused_in_words(grown, reference, message):
    """The message says what there is."""
    with pytest.raises(UsageError, match=message):
        grown.history.find(reference)


def test_an_unchanged_state_is_recorded_once(grown, study):
    """Publishing again is no event; another study is."""
    grown.publish(study, _INGEST)
    assert len(grown.history.rows()) == 3
    grown.publish(replace(study, phases=("AP",)), _INGEST)
    assert [row["command"] for row in grown.history.rows()] == ["extract", "extract", "extract", "ingest"]


def test_an_earlier_state_is_seen_with_the_study_of_its_time(grown, study, rows, tmp_path):
    """Settings that were current then are current there."""
    later = tuple(("CR", f, t, "new settings") for f, t in (("AP", "original"), ("PP", "original")))
    grown.tables["cr"].write([rows.cr(5.0, feature_set_id="new settings")])
    grown.publish(replace(study, current=later), Event("extract", "after the edit"))
    assert _values(grown, "after the edit", tmp_path) == [("P1", 5.0)]
    assert _values(grown, "run-again", tmp_path) == [("P1", 9.0), ("P2", 2.0)]


def test_a_state_whose_files_are_gone_is_refused_in_words(grown, study, tmp_path):
    """A vacuum ends it; the newest state stays, and so does one that is kept on purpose."""
    first = grown.history.find("1")
    table = grown.tables["cr"]
    compact(table)
    grown.publish(study, Event("compact"))
    vacuum(table, 0, keep_versions=[first.versions["cr"]])
    assert _values(grown, "1", tmp_path) == [("P1", 1.0)]
    with pytest.raises(StoreError, match="files of cr were removed by `mvi store gc` or `erase`"):
        _values(grown, "2", tmp_path)
    readable = grown.history.are_readable(row["table_versions"] for row in grown.history.rows())
    assert readable == [True, False, False, True]


def test_a_table_that_was_not_written_yet_is_empty_then(grown, rows, study, tmp_path):
    """With its columns."""
    grown.tables["dlr"].write([rows.dlr()])
    grown.publish(study, _INGEST)
    then = grown.as_of(tmp_path / "then.duckdb", grown.history.find("3"))
    assert then.query("FROM dlr").num_rows == 0
    assert grown.query("FROM dlr").num_rows == 1


def test_the_view_snapshots_shows_the_history(grown):
    """In SQL, with the versions as a map."""
    query = "SELECT snapshot, command, run_id, table_versions['cr'] AS cr FROM snapshots ORDER BY ALL"
    found = [tuple(row.values()) for row in grown.query(query).to_pylist()]
    versions = [row["table_versions"]["cr"] for row in grown.history.rows()]
    names = ["run-P1", "run-P2", "run-again"]
    assert found == [(n, "extract", r, v) for n, r, v in zip((1, 2, 3), names, versions, strict=True)]
    assert versions == sorted(set(versions))


def test_declarations_survive_being_written_down(study):
    """Tuples, None and numbers come back as they were."""
    rich = replace(study, filters={"gradient": {"use_spacing": True}})
    assert Declarations.of_json(rich.to_json()) == rich
    assert rich.content_digest != study.content_digest


def test_a_moment_without_a_recorded_study_is_refused(grown):
    """Better than showing it with another study's settings."""
    grown.tables["studies"].delete({"declarations_digest": grown.history.rows()[0]["declarations_digest"]})
    with pytest.raises(StoreError, match="the study of this snapshot is not recorded; name a later one"):
        grown.history.find("1")


def test_check_accepts_the_present(grown, study):
    """Nothing of it is gone."""
    versions = {n: t.log_version for n, t in grown.tables.items() if t.log_version is not None}
    grown.history.check(Moment(versions, study))
    assert datetime.now(UTC) >= grown.history.rows()[-1]["created_at"]
