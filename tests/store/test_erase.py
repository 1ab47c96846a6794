"""The store's part of an erasure: what a patient is searched by, and a log that begins anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mvi_ray.errors import StoreError
from mvi_ray.store.erase import drop_dead_files, end_log, remove_unpublished
from mvi_ray.store.patient import count_rows, gather_needles, is_known, volumes_without
from mvi_ray.store.upkeep import compact, vacuum

VALUE, EARLIER, COMMON = 0.1234567890123, -3.2109876543210123, 7.6543210987654321
IMAGE, MASK, ORGAN = ("ab" * 32, "cd" * 32, "ef" * 32)


@pytest.fixture
def cr(store, rows):
    """P1 and O'Neil; the row of P1 was replaced once."""
    table = store.tables["cr"]
    table.write([rows.cr(EARLIER)])
    table.write([rows.cr(VALUE, glcm_Id=2 / 3, glcm_Idm=COMMON), rows.cr(COMMON, patient_id="O'Neil")])
    return table


def _log(table):
    return sorted(path.name for path in (table.folder / "_delta_log").iterdir())


def test_values_of_earlier_versions_are_needles(store, cr):
    """Not those that others have, in whatever column, and no fraction."""
    needles = gather_needles(store, "P1")
    assert needles.values.tolist() == sorted([VALUE, EARLIER])
    assert needles.texts == ("P1",)
    assert needles.others == ("O'Neil",)


def test_digests_are_needles_unless_others_have_them(store, rows):
    """Two patients may share an image; messages show twelve digits."""
    own = rows.mask(IMAGE, MASK, organ_digest=ORGAN, input_digest="12" * 32)
    other = rows.mask(IMAGE, "0" * 64, patient_id="P2", input_digest="34" * 32)
    store.tables["masks"].write([own, other])
    assert set(gather_needles(store, "P1").texts) == {"P1", MASK[:12], ORGAN[:12], "12" * 6}
    assert set(gather_needles(store, "P2").texts) == {"P2", "0" * 12, "34" * 6}


def test_embeddings_stand_behind_each_other_unless_others_have_them(store, rows):
    """In their own order, since two neighbours are one needle."""
    own, common = (np.random.default_rng(seed).normal(size=512).astype(np.float32) for seed in (1, 2))
    store.tables["dlr"].write(
        [
            rows.dlr(embedding=own.tolist()),
            rows.dlr(embedding=common.tolist(), phase="PP"),
            rows.dlr(embedding=common.tolist(), patient_id="P2"),
        ]
    )
    assert gather_needles(store, "P1").floats.tobytes() == own.tobytes()


def test_values_in_lists_are_needles(store, rows):
    """Imported ones, but not those of another patient."""
    more = {"feature_set_id": "i", "feature_names": ["a", "b"]}
    store.tables["imported"].write(
        [
            {**rows.voi(), **more, "feature_values": [VALUE, COMMON]},
            {**rows.voi("P2"), **more, "feature_values": [COMMON, 1.0]},
        ]
    )
    assert gather_needles(store, "P1").values.tolist() == [VALUE]


def test_a_patient_is_known_as_long_as_a_file_has_rows(store, cr, rows):
    """A kill may leave them in files that no version needs; half a file says nothing."""
    cr.delete({"patient_id": "P1"})
    (cr.folder / "half.parquet").write_bytes(b"PAR1")
    assert count_rows(store, "P1") == {}
    assert is_known(store, "P1")
    drop_dead_files(cr)
    assert not is_known(store, "P1")
    assert count_rows(store, "O'Neil") == {"cr": 1}


def test_volumes_of_others_stay(store, rows):
    """Named by their rows; an orphan may be an earlier image of the patient."""
    names = ("images/ab/own", "images/ab/shared", "images/cd/orphan", "masks/ab/own", "masks/ab/organ")
    for name in names:
        (store.root / name).parent.mkdir(parents=True, exist_ok=True)
        (store.root / name).touch()
    image = rows.image()
    store.tables["images"].write(
        [
            {**image, "path": names[0]},
            {**image, "phase": "PP", "path": names[1]},
            {**image, "patient_id": "P2", "path": names[1]},
        ]
    )
    store.tables["masks"].write([rows.mask(path=names[3]), rows.mask(patient_id="P2", organ_path=names[4])])
    gone = [path.relative_to(store.root).as_posix() for path in volumes_without(store, "P1")]
    assert gone == [names[0], names[2], names[3]]


def test_the_log_begins_with_the_end_of_the_old_one(cr, rows):
    """One commit that says nothing, one checkpoint; stray files go, and numbers go on."""
    cr.open().create_checkpoint()
    cr.delete({"patient_id": "P1"})
    (cr.folder / "_delta_log" / "_sidecars").mkdir()
    for name in ("00000000000000000001.crc", "_commit_1.json.tmp", "_sidecars/part.parquet"):
        (cr.folder / "_delta_log" / name).write_text("P1")
    last = cr.log_version
    drop_dead_files(cr)
    end_log(cr)
    number = f"{last + 1:020}"
    assert _log(cr) == [f"{number}.checkpoint.parquet", f"{number}.json", "_last_checkpoint"]
    text = (cr.folder / "_delta_log" / f"{number}.json").read_text()
    assert [next(iter(json.loads(line))) for line in text.splitlines()] == ["commitInfo", "metaData"]
    held = str(pq.read_table(cr.folder / "_delta_log" / f"{number}.checkpoint.parquet").to_pylist())
    assert "P1" not in text + held
    assert "Neil" in held
    assert cr.log_version == cr.open().version() == last + 1


@pytest.mark.parametrize("removed", range(5))
def test_a_kill_while_the_old_log_goes_leaves_a_table_that_opens(cr, rows, monkeypatch, removed):
    """After the checkpoint and any number of removals; a second call ends the log."""
    cr.open().create_checkpoint()
    cr.delete({"patient_id": "P1"})
    drop_dead_files(cr)
    before, last, left = cr.read(), cr.log_version, removed
    unlink = Path.unlink

    def killed(path):
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        unlink(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            end_log(cr)
    # A commit of each version, and a checkpoint.
    assert len(_log(cr)) == 3 + (last + 1) + 1 - removed
    assert cr.read().equals(before)
    end_log(cr)
    assert len(_log(cr)) == 3
    assert cr.read().equals(before)
    cr.write([rows.cr(1.0, patient_id="P3")])
    assert cr.read().num_rows == before.num_rows + 1


def test_a_table_lives_on_after_its_log_was_ended(cr, rows):
    """Append, merge, delete, compaction and vacuum; the first version is the one of the end."""
    drop_dead_files(cr)
    end_log(cr)
    first = cr.log_version
    files = cr.snapshot(first).files
    for gone in range(first):
        with pytest.raises(StoreError, match=f"version {gone} of table cr is gone"):
            cr.at(gone)
    cr.write([rows.cr(1.0, patient_id="P3")])
    cr.write([rows.cr(2.0, patient_id="P3"), rows.cr(3.0, phase="PP")])
    cr.delete({"patient_id": "P3"})
    compact(cr)
    assert cr.snapshot(first).files == files
    vacuum(cr, 0, [first, 0])
    assert sorted(cr.read(["glcm_Contrast"]).column(0).to_pylist()) == [VALUE, 3.0, COMMON]
    assert cr.at(first).version() == first
    end_log(cr)
    with pytest.raises(StoreError, match="is gone"):
        cr.at(first)


def test_nothing_is_dropped_while_a_live_file_is_missing(cr):
    """The table would look smaller than it is."""
    live = cr.files()
    cr.folder.joinpath(live[0]).unlink()
    before = sorted(cr.folder.rglob("*"))
    with pytest.raises(StoreError, match="table cr lacks 1 of its files; run `mvi store check --repair`"):
        drop_dead_files(cr)
    assert sorted(cr.folder.rglob("*")) == before


def test_what_was_never_written_is_left_alone(store):
    """No folder appears."""
    drop_dead_files(store.tables["cr"])
    end_log(store.tables["cr"])
    assert not store.tables["cr"].folder.exists()


def test_unpublished_catalogs_go(store):
    """The one in use stays."""
    (store.root / ".publish-x").mkdir(parents=True)
    store.catalog.touch()
    remove_unpublished(store)
    assert sorted(p.name for p in store.root.iterdir()) == [".publish.lock", "mvi.duckdb"]
