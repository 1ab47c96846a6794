"""The committer: batches by key, so that what is committed twice stands once."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from mvi_ray.cluster.unit import Failure, VoiResult
from mvi_ray.errors import ClusterError, StoreError, UnreachableError
from mvi_ray.extract.cr import cr_feature_sets
from mvi_ray.features import features_of
from mvi_ray.project import committing
from mvi_ray.project.committing import Committer
from mvi_ray.project.declarations import declarations
from mvi_ray.project.extraction import ExtractSummary, failed
from mvi_ray.project.planning import make_plan


@pytest.fixture
def project(tiny):
    """Two patients that nothing was computed of."""
    tiny.write_study(image_types="original: ", dlr=False)
    tiny.add("P1")
    tiny.add("P2")
    return tiny.open()


@pytest.fixture
def vois(project):
    """Every VOI that is missing."""
    study = declarations(project)
    project.store.publish(study)
    units = make_plan(project, study, ("CR",), retry_failed=False).units["CR"]
    return [voi for unit in units for voi in unit.vois]


def _committer(project, run_id="run-1", known=()):
    return Committer(project, declarations(project), ExtractSummary(), run_id, known)


def _result(project, voi, value=1.0):
    ids = cr_feature_sets(project.study, dict(voi.key)["phase"])
    values = dict.fromkeys(features_of("original"), value)
    return VoiResult(voi, ({"image_type": "original", "feature_set_id": ids["original"].id, **values},))


def _count(project, table="cr"):
    return project.store.tables[table].read().num_rows


def test_a_commit_that_is_made_again_leaves_no_second_row(project, vois, monkeypatch):
    """Its outcome was unknown: the rows were in, and the catalog was not published."""
    monkeypatch.setattr(committing, "_PUBLISH_S", 0.0)
    committer = _committer(project)
    store = type(project.store)
    publish = store.publish

    def fails(*_):
        monkeypatch.setattr(store, "publish", publish)
        raise StoreError("the catalog could not be published; check the disk")

    monkeypatch.setattr(store, "publish", fails)
    committer.add("CR", [_result(project, voi) for voi in vois])
    with pytest.raises(StoreError, match="could not be published"):
        committer.commit()
    # As after a kill: the same results come once more, from another run.
    again = _committer(project, "run-2")
    again.add("CR", [_result(project, voi, 2.0) for voi in vois])
    again.commit()
    assert _count(project) == len(vois) == 8
    assert set(project.store.tables["cr"].read(["run_id"]).column(0).to_pylist()) == {"run-2"}


def test_what_could_not_be_written_is_kept_for_another_call(project, vois, monkeypatch):
    """And counted when it is stored, not before."""
    committer = _committer(project)
    summary = committer._summary
    committer.add("CR", [_result(project, voi) for voi in vois])
    table = project.store.tables["cr"]
    write = type(table).write

    def full(*_):
        raise StoreError("table cr cannot be written (No space left on device); check the disk")

    monkeypatch.setattr(type(table), "write", full)
    with pytest.raises(StoreError, match="No space left"):
        committer.commit()
    assert (summary.computed, summary.values) == (0, 0)
    monkeypatch.setattr(type(table), "write", write)
    committer.commit()
    committer.commit()
    assert (summary.computed, summary.values, _count(project)) == (8, 8 * len(features_of("original")), 8)


def test_the_catalog_is_written_more_seldom_than_rows(project, vois, monkeypatch):
    """It costs as much as several commits; what it does not show yet is stored, and is found."""
    published = []
    monkeypatch.setattr(type(project.store), "publish", lambda *_: published.append(1))
    committer = _committer(project)
    for voi in vois:
        committer.add("CR", [_result(project, voi)])
        committer.commit()
    assert published == []
    assert _count(project) == len(vois)
    monkeypatch.setattr(committing, "_PUBLISH_S", 0.0)
    committer.add("CR", [_result(project, vois[0], 2.0)])
    committer.commit()
    assert published == [1]
    monkeypatch.undo()
    assert project.sql("SELECT count(*) AS n FROM cr").to_pylist() == [{"n": len(vois)}]


def test_two_committers_take_turns_without_losing_a_row(project, vois):
    """The catalog of the later one shows the rows of both."""
    one, two = _committer(project, "run-1"), _committer(project, "run-2")
    for voi in vois[:4]:
        one.add("CR", [_result(project, voi)])
        one.commit()
        two.add("CR", [_result(project, vois[4 + vois.index(voi)])])
        two.commit()
    one.settle(is_last=False)
    two.settle(is_last=True)
    runs = project.sql("SELECT run_id, count(*) AS n FROM cr GROUP BY ALL ORDER BY ALL").to_pylist()
    assert runs == [{"run_id": "run-1", "n": 4}, {"run_id": "run-2", "n": 4}]


def _failure(voi, error="ExtractionError"):
    failure = Failure("it failed", "look", error, "Traceback: here", 2, duration_s=1.5, memory_bytes=10**9)
    return VoiResult(voi, failure=failure)


def test_a_failure_is_listed_with_everything_that_is_known(project, vois):
    """As `mvi status --failed` shows it, until the VOI is computed."""
    committer = _committer(project)
    committer.add("CR", [_failure(vois[0])])
    committer.commit()
    (row,) = failed(project)
    assert {k: row[k] for k in ("stage", "family", "reason", "way_out", "error", "traceback")} == {
        "stage": "extract",
        "family": "CR",
        "reason": "it failed",
        "way_out": "look",
        "error": "ExtractionError",
        "traceback": "Traceback: here",
    }
    assert (row["attempts"], row["duration_s"], row["memory_bytes"]) == (2, 1.5, 10**9)
    assert row["run_id"] == "run-1"
    known = [("CR", *(value for _, value in vois[0].key))]
    later = _committer(project, "run-2", known)
    later.add("CR", [_result(project, vois[0])])
    later.commit()
    assert failed(project) == []


def test_a_store_that_is_gone_is_no_failure_of_its_vois(project, vois):
    """Every one that is left would be given up for a disk that was unmounted."""
    committer = _committer(project)
    committer.add("CR", [_failure(vois[0], "StoreError")])
    with pytest.raises(UnreachableError, match="it failed; look"):
        committer.add("CR", [_failure(vois[1], "UnreachableError")])
    committer.commit()
    assert _count(project, "quarantine") == 1


@pytest.mark.parametrize(
    "error", [ClusterError("Ray is gone; start it"), StoreError("the disk is full; clear it")]
)
def test_trouble_with_cluster_or_store_gives_no_voi_up(tiny, monkeypatch, error):
    """The next call plans all of it again, and nothing counts as an attempt."""
    from mvi_ray.cluster import scheduler, session

    @contextmanager
    def nowhere(*_):
        yield session.Resources(1, 0)

    def breaks(units, *, claims, **_):
        assert claims.take(units)
        yield []
        raise error

    tiny.write_study(image_types="original: ", dlr=False)
    tiny.add("P1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "ray_session", nowhere)
        patch.setattr(scheduler, "run_cr", breaks)
        for _ in range(3):
            with pytest.raises(type(error), match=error.reason):
                tiny.open().extract()
    assert _count(tiny.open(), "quarantine") == 0
    attempts = []

    def counts(units, *, claims, **_):
        attempts.extend(unit.attempts for unit in claims.take(units))
        claims.release(units)
        yield []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "ray_session", nowhere)
        patch.setattr(scheduler, "run_cr", counts)
        tiny.open().extract()
    assert attempts == [0, 0]
