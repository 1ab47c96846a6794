"""A store in a bucket: it answers, keeps and refuses as one in a folder does, for several machines."""

from __future__ import annotations

import subprocess
import sys

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from mvi_ray.errors import QueryError, StoreError, UnreachableError
from mvi_ray.store.check_tables import check_files
from mvi_ray.store.check_volumes import check_volumes
from mvi_ray.store.erase import erase_from_tables
from mvi_ray.store.garbage import find_garbage, orphan_volumes, remove_garbage
from mvi_ray.store.history import Event
from mvi_ray.store.patient import is_known
from mvi_ray.store.place import files_below, relative
from mvi_ray.store.schemas import CR
from mvi_ray.store.store import Store
from mvi_ray.store.tables import Table
from mvi_ray.store.upkeep import compact, dead_files, forget_broken_files, vacuum
from mvi_ray.store.volumes import save_volume
from mvi_ray.volume import Geometry, Mask, Volume
from tests.object_store import KEY, SECRET

_AXES = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
_WRITER = """
import sys
from mvi_ray.store import tables
from mvi_ray.store.place import Bucket
from mvi_ray.store.schemas import CR
from mvi_ray.store.tables import Table
table = Table(Bucket.of(sys.argv[1]), CR)
# The server of the tests is slow, and four on it are slower.
tables._ATTEMPTS = 100
sys.stdin.readline()
for number in range(2):
    for patient in (f"{sys.argv[2]}-{number}", "shared"):
        table.write([{
            "patient_id": patient, "session": "baseline", "phase": "AP", "lesion": "1",
            "region": "intratumoral", "reader": "R1", "image_type": "original",
            "feature_set_id": "f", "input_digest": sys.argv[2], "glcm_Contrast": 1.0,
        }])
"""
_RECORDER = """
import sys
from mvi_ray.store.declarations import Declarations
from mvi_ray.store.history import Event
from mvi_ray.store.place import Bucket
from mvi_ray.store.store import Store
from pathlib import Path
store = Store(Path(sys.argv[2]), place=Bucket.of(sys.argv[1]))
study = Declarations.of_json(sys.argv[3])

def record(number):
    row = {"patient_id": f"{sys.argv[4]}-{number}", "centre": None}
    store.tables["patients"].write([row])
    store.publish(study, Event("ingest", f"{sys.argv[4]}-{number}"))

sys.stdin.readline()
record(0)
record(1)
print(flush=True)
sys.stdin.readline()
record(2)
"""


@pytest.fixture
def store(bucket, tmp_path):
    """A store in a bucket that nothing was written to, with its catalog in a folder."""
    return Store(tmp_path / ".mvi", place=bucket)


@pytest.fixture
def filled(store, rows, study):
    """Three patients in both families."""
    _fill(store, rows, study)
    return store


def _fill(store, rows, study):
    names = [f"PAT-{number}" for number in range(3)]
    for number, name in enumerate(names):
        store.tables["cr"].write(
            [rows.cr(float(number), patient_id=name, phase=phase) for phase in ("AP", "PP")]
        )
    store.tables["dlr"].write([rows.dlr(patient_id=name) for name in names])
    store.tables["images"].write([rows.image(name) for name in names])
    store.tables["masks"].write([rows.mask(patient_id=name) for name in names])
    store.tables["patients"].write([{"patient_id": name, "centre": "A"} for name in names])
    store.publish(study, Event("extract", "run-1"))


def _names(table):
    return sorted(table.read(["patient_id"]).column(0).to_pylist())


def _quiet(done, total):
    """Hears how many volumes were read."""


def _volume(kind=Volume):
    array = (
        np.random.default_rng(7).normal(size=(4, 5, 6)) if kind is Volume else np.zeros((4, 5, 6), np.uint8)
    )
    array[1:3, 1:4, 2:5] = 1
    return kind(array, Geometry((6, 5, 4), (0.7, 0.8, 2.5), (1.5, -2.25, 3.1), _AXES)).to_canonical()


def test_it_holds_what_a_store_in_a_folder_holds(filled, rows, study, tmp_path):
    """The same writes give the same answers."""
    folder = Store(tmp_path / "store")
    _fill(folder, rows, study)
    for sql in (
        "SELECT * FROM cr ORDER BY ALL",
        "SELECT * FROM dlr ORDER BY ALL",
        "SELECT * FROM coverage ORDER BY ALL",
        "SELECT patient_id, feature, value FROM features ORDER BY ALL",
        "SELECT snapshot, command, run_id FROM snapshots",
    ):
        assert filled.query(sql).equals(folder.query(sql))
    assert filled.query("SELECT count(*) AS n FROM cr_all").to_pylist() == [{"n": 6}]
    assert filled.versions() == folder.versions()


def test_nothing_of_a_patient_lies_in_the_folder_but_the_catalog(filled):
    """Which holds views only."""
    assert sorted(path.name for path in filled.root.iterdir()) == [".publish.lock", "mvi.duckdb"]
    assert filled.place.is_dir()
    content = filled.catalog.read_bytes()
    assert b"PAT-" not in content
    assert SECRET.encode() not in content
    assert KEY.encode() not in content


def test_no_key_is_written_into_the_bucket(filled):
    """Neither into files nor into their names."""
    objects = filled.place.files()
    assert len(objects) > 20
    for one in objects:
        content = one.read_bytes()
        assert SECRET.encode() not in content
        assert KEY.encode() not in content


def test_rows_are_replaced_and_deleted_by_key(filled, rows):
    """As in a folder."""
    cr = filled.tables["cr"]
    cr.write([rows.cr(9.0, patient_id="PAT-1")])
    assert cr.read().num_rows == 6
    assert sorted(cr.read(["glcm_Contrast"]).column(0).to_pylist()) == [0.0, 0.0, 1.0, 2.0, 2.0, 9.0]
    cr.delete({"patient_id": "PAT-0"})
    assert _names(cr) == ["PAT-1", "PAT-1", "PAT-2", "PAT-2"]


def test_columns_of_the_clinical_table_follow_the_study(store):
    """It is written whole."""
    for columns in ({"age": [41.0]}, {"afp": [3.5], "sex": ["female"]}):
        store.tables["clinical"].replace_all(pa.table({"patient_id": ["P1"], **columns}))
    assert store.tables["clinical"].read().to_pylist() == [{"patient_id": "P1", "afp": 3.5, "sex": "female"}]


@pytest.mark.slow
def test_four_that_write_at_once_lose_nothing(bucket):
    """Of two commits of one version the server takes one; the other is tried again."""
    place = bucket / "tables" / "cr"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(place), f"W{n}"], stdin=subprocess.PIPE)
        for n in range(4)
    ]
    for writer in writers:
        writer.stdin.write(b"\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=240)
    assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
    names = _names(Table(place, CR))
    assert names == sorted([f"W{n}-{i}" for n in range(4) for i in range(2)] + ["shared"])


@pytest.mark.slow
def test_two_machines_record_their_states_side_by_side(store, study, tmp_path):
    """No lock holds both up, and no number of a snapshot means two states."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _RECORDER, str(store.place), str(tmp_path / m), study.to_json(), m],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for m in ("a", "b")
    ]
    for writer in writers:
        writer.stdin.write(b"\n")
        writer.stdin.flush()
    for writer in writers:
        writer.stdout.readline()
    # One may have recorded what both wrote; a last state of each is its own.
    for writer in writers:
        writer.communicate(b"\n", timeout=240)
    assert [writer.returncode for writer in writers] == [0, 0]
    found = store.history.rows()
    assert [row["snapshot"] for row in found] == list(range(1, len(found) + 1))
    assert {row["run_id"][0] for row in found} == {"a", "b"}
    assert len(_names(store.tables["patients"])) == 6


def test_another_machine_sees_what_was_written(filled, study, tmp_path):
    """Its own catalog is behind until it is published there."""
    other = Store(tmp_path / "other", place=filled.place)
    assert other.exists
    assert not other.is_published("d")
    with pytest.raises(StoreError, match="store is empty"):
        other.query("SELECT 1")
    other.publish(study)
    assert other.is_published("d")
    assert other.query("SELECT count(*) AS n FROM patients").to_pylist() == [{"n": 3}]
    other.tables["patients"].write([{"patient_id": "P9", "centre": None}])
    assert not filled.is_published("d")


def test_an_empty_place_is_no_store(store, study, tmp_path):
    """And says what is to be done."""
    assert not store.exists
    with pytest.raises(StoreError, match="run `mvi ingest` first"), store.connect():
        pass
    for ask in (store.pinned, store.export):
        with pytest.raises(StoreError, match="run `mvi ingest` first"):
            ask(tmp_path / "x.duckdb", study)


def test_a_query_reads_the_tables_and_nothing_else(filled, bucket):
    """Neither volumes in the same bucket nor files of the machine."""
    (bucket / "images" / "x.csv").write_bytes(b"a\n1\n")
    (bucket / "tables" / "x.csv").write_bytes(b"a\n1\n")
    for place in (bucket / "images" / "x.csv", "s3://other/tables/x.csv", filled.root / ".publish.lock"):
        with pytest.raises(QueryError, match=r"disabled by configuration|Permission"):
            filled.query(f"SELECT * FROM read_csv('{place}')")  # noqa: S608
    assert filled.query(f"SELECT * FROM read_csv('{bucket / 'tables' / 'x.csv'}')").num_rows == 1  # noqa: S608


def test_earlier_states_can_be_asked(filled, rows, study, tmp_path):
    """Their files stay until they are vacuumed."""
    filled.tables["cr"].write([rows.cr(9.0, patient_id="P7")])
    filled.publish(study, Event("extract", "run-2"))
    before = filled.as_of(tmp_path / "before.duckdb", filled.history.find("run-1"))
    pinned = filled.pinned(tmp_path / "now.duckdb", study)
    assert before.query("SELECT count(*) AS n FROM cr_all").to_pylist() == [{"n": 6}]
    filled.tables["cr"].delete({"patient_id": "P7"})
    assert pinned.query("SELECT count(*) AS n FROM cr_all").to_pylist() == [{"n": 7}]


def test_files_are_joined_and_dead_ones_removed(filled):
    """A state whose files went can no longer be read, and says so."""
    cr = filled.tables["cr"]
    versions = filled.history.rows()[-1]["table_versions"]
    compact(cr)
    assert len(cr.files()) == 2
    assert dead_files(cr, 168) == []
    assert filled.history.is_readable(versions)
    dead = dead_files(cr, 0)
    assert len(dead) == 6
    assert vacuum(cr, 0, [versions["cr"]]) == []
    assert sorted(vacuum(cr, 0)) == sorted(dead)
    assert not any(one.exists() for one in dead)
    assert len(_names(cr)) == 6
    assert not filled.history.is_readable(versions)
    with pytest.raises(StoreError, match="files of cr were removed"):
        filled.history.check(filled.history.find("run-1"))


def test_a_pin_is_not_taken_for_gone_when_the_server_is_silent(filled, monkeypatch):
    """Else a clean-up would remove what a training needs."""
    versions = filled.history.rows()[-1]["table_versions"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match="cannot be used"):
        filled.history.is_readable(versions)


@pytest.mark.parametrize("kind", [Volume, Mask])
def test_a_volume_comes_back_as_it_was(store, tmp_path, kind):
    """Under the name and with the bytes that it has in a folder."""
    grid = _volume(kind)
    stored = save_volume(store.place, grid)
    assert save_volume(tmp_path, grid) == stored
    assert save_volume(store.place, grid) == stored
    assert [relative(one, store.place) for one in store.place.files()] == [stored.path]
    assert (store.place / stored.path).read_bytes() == (tmp_path / stored.path).read_bytes()
    back = stored.load_image(store.place) if kind is Volume else stored.load_mask(store.place)
    assert back.digest == grid.digest
    np.testing.assert_array_equal(back.array, grid.array)


def test_a_volume_that_was_changed_or_lost_is_found(store, rows):
    """And comes back when it is stored again."""
    grid = _volume()
    stored = save_volume(store.place, grid)
    other = save_volume(store.place, _volume(Mask))
    store.tables["images"].write(
        [{**rows.image(digest=stored.digest), **stored.columns()}, {**rows.image("P2"), **stored.columns()}]
    )
    assert [relative(one, store.place) for one in orphan_volumes(store)] == [other.path]
    place = store.place / stored.path
    place.write_bytes((store.place / other.path).read_bytes())
    with pytest.raises(StoreError, match="was changed"):
        stored.load_image(store.place)
    place.unlink()
    with pytest.raises(StoreError, match="is missing"):
        stored.load_image(store.place)
    save_volume(store.place, grid)
    assert stored.load_image(store.place).digest == grid.digest
    found = list(check_volumes(store, _quiet))
    assert [(one.check, one.keys) for one in found if one.severity == "error"] == [
        ("volumes", ({"patient_id": "P2", "session": "baseline", "phase": "AP"},))
    ]


def test_a_volume_out_of_reach_is_not_called_missing(store, monkeypatch):
    """Nobody should ingest again because a network was down."""
    stored = save_volume(store.place, _volume())
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match="cannot be used"):
        stored.load_image(store.place)
    with pytest.raises(UnreachableError, match="cannot be used"):
        save_volume(store.place, _volume())


def test_lost_table_files_are_found_and_taken_out(filled):
    """Their rows are gone; the others can be read again."""
    cr = filled.tables["cr"]
    assert list(check_files(filled)) == []
    lost, cut = files_below(cr.folder / "phase=AP")[:2]
    lost.unlink()
    cut.write_bytes(b"PAR1")
    (found,) = check_files(filled)
    assert "1 files are missing, 1 are damaged" in found.what
    with pytest.raises(StoreError, match="table cr cannot be read"):
        cr.read()
    forget_broken_files(cr)
    assert cr.read().num_rows == 4
    assert list(check_files(filled)) == []


def test_garbage_of_the_last_day_stays(filled, tmp_path):
    """It may be what another machine is about to commit."""
    compact(filled.tables["cr"])
    save_volume(filled.place, _volume())
    before = filled.place.files()
    for clean in (find_garbage, remove_garbage):
        with pytest.raises(StoreError, match="keep 1 days or more"):
            clean(filled, 0.5, {}, tmp_path / "runs")
        garbage = clean(filled, 1, {}, tmp_path / "runs")
        assert {kind: len(found) for kind, found in garbage.files.items()} == {
            "table files": 0,
            "volumes": 0,
            "leftovers": 0,
        }
    assert filled.place.files() == before


def test_no_patient_is_erased_from_a_bucket(filled, study):
    """Earlier versions of objects may stay where this program does not see them."""
    before = filled.place.files()
    with pytest.raises(StoreError, match="no patient is erased from an object store"):
        is_known(filled, "PAT-1")
    with pytest.raises(StoreError, match="copy the bucket's prefix to store/"):
        erase_from_tables(filled, "PAT-1", lambda: filled.publish(study))
    assert filled.place.files() == before


def test_an_export_holds_rows_and_views(filled, study, tmp_path, monkeypatch):
    """Plain DuckDB opens it where no object store can be reached."""
    wanted = {
        name: filled.query(f"SELECT * FROM {name} ORDER BY ALL")  # noqa: S608
        for name in ("cr", "dlr", "coverage", "features", "patients", "snapshots")
    }
    file = tmp_path / "liver.duckdb"
    file.write_bytes(b"an older one")
    filled.export(file, study)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with duckdb.connect(file, read_only=True, config={"enable_external_access": False}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, rows in wanted.items():
            assert connection.sql(f"SELECT * FROM {name} ORDER BY ALL").to_arrow_table().equals(rows)  # noqa: S608
        place = connection.sql("SELECT tables_folder FROM catalog_info").fetchall()
        assert place == [(None,)]
        comment = connection.sql("SELECT comment FROM duckdb_views() WHERE view_name = 'coverage'").fetchall()
        assert comment[0][0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mvi", "liver.duckdb"]


def test_a_table_out_of_reach_says_so(filled, monkeypatch):
    """Reading and writing name the way out, and no key."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    table = filled.tables["patients"]
    for ask in (table.read, lambda: table.write([{"patient_id": "P1", "centre": None}])):
        with pytest.raises(UnreachableError, match="cannot be used") as caught:
            ask()
        assert SECRET not in str(caught.value)
