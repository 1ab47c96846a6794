"""A project whose store lies in a bucket: the whole way of the data."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mvi_ray.errors import StoreError
from mvi_ray.store.tables import now
from tests.object_store import KEY, SECRET, bucket, object_store  # noqa: F401 - fixtures


@pytest.fixture
def away(tiny, bucket):  # noqa: F811
    """A project of one patient that names a bucket."""
    tiny.write_study(image_types="original: ", dlr=False, more=f"store: {bucket}\n")
    tiny.add("P1")
    return tiny


@pytest.mark.slow
def test_images_go_into_the_bucket_and_come_out_as_values(away, bucket):  # noqa: F811
    """Nothing of the store lies in the project but the catalog; a second project sees all of it."""
    away.extract()
    project = away.open()
    assert project.sql("SELECT state, count(*) AS n FROM coverage GROUP BY ALL").to_pylist() == [
        {"state": "complete", "n": 4}
    ]
    assert not (away.folder / "store").exists()
    assert {path.name for path in (away.folder / ".mvi").iterdir()} <= {
        "mvi.duckdb",
        ".lock",
        ".publish.lock",
        ".settle.lock",
        ".extractions",
    }
    assert {one.url.removeprefix(f"{bucket}/").partition("/")[0] for one in bucket.files()} == {
        "images",
        "masks",
        "tables",
    }
    again = away.open().extract()
    assert again.planned == 0
    status = away.open().status()
    assert KEY not in repr(status)
    assert SECRET not in repr(status)
    summary = away.open().check()
    assert [one for one in summary.findings if one.severity == "error"] == []
    away.open().gc(keep_days=1)
    with pytest.raises(StoreError, match="no patient is erased from an object store"):
        away.open().erase("P1")


def test_a_clean_up_ends_what_runs_of_other_machines_left_a_week_ago(away):
    """Nobody here can know whether those of this week go on."""
    attempts = away.open().store.tables["attempts"]
    voi = dict(zip(attempts.spec.keys[:6], ("P1", "baseline", "AP", "1", "intratumoral", "R1"), strict=True))
    for run, days in (("over", 8), ("elsewhere", 6)):
        row = {"family": "CR", "attempt": 1, "state": "begun", "run_id": run, "input_digest": "i"}
        attempts.write([{**voi, **row, "feature_sets": ["s"], "noted_at": now() - timedelta(days=days)}])
    away.open().gc(keep_days=1)
    assert attempts.read(["run_id"]).column(0).to_pylist() == ["elsewhere"]


def test_a_place_that_is_none_is_refused(away):
    """Before anything is read or written."""
    away.write_study(more="store: s3://Not_A_Bucket\n")
    with pytest.raises(StoreError, match=r"not s3://bucket/prefix"):
        away.open().status()


def test_the_word_store_elsewhere_means_nothing(tiny):
    """Only the key does."""
    text = (tiny.folder / "study.yaml").read_text()
    (tiny.folder / "study.yaml").write_text(text.replace("name: tiny", "name: 'a store: of ours'"))
    assert tiny.open().store.root == (tiny.folder / "store").resolve()
