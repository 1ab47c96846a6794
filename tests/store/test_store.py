"""The store: lock, catalog kept up, and what a query may reach."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from mvi_ray.errors import QueryError, StoreError
from mvi_ray.store.store import Store

_HOLDER = """
import sys
from pathlib import Path
from mvi_ray.store.store import Store
with Store(Path(sys.argv[1])).locked("extract"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory, study, rows):
    """One row of `cr`, published; only read."""
    return _publish(Store(tmp_path_factory.mktemp("published") / "store"), study, rows)


@pytest.fixture
def own(store, study, rows):
    """The same for a test that changes it."""
    return _publish(store, study, rows)


def _publish(store, study, rows):
    store.tables["images"].write([rows.image()])
    store.tables["masks"].write([rows.mask()])
    store.tables["cr"].write([rows.cr(7.5)])
    store.publish(study)
    return store


@pytest.fixture
def secret(tmp_path):
    """A file outside the tables' folder."""
    path = tmp_path / "secret.csv"
    path.write_text("name\nMustermann\n")
    return path


def test_a_store_without_a_catalog_says_what_to_do(store):
    """Reading never makes one."""
    with pytest.raises(StoreError, match="the store is empty; run `mvi ingest` first"):
        store.query("SELECT 1")
    assert not store.root.exists()


@pytest.mark.parametrize(
    "read",
    [
        "FROM read_csv('{}')",
        "FROM read_text('{}')",
        "FROM read_blob('{}')",
        "FROM '{}'",
        "FROM sniff_csv('{}')",
        "FROM read_text('{tables}/../../secret.csv')",
        "FROM glob('{folder}/*')",
        "FROM read_parquet('s3://bucket/x.parquet')",
        "FROM read_parquet('https://localhost/x.parquet')",
    ],
)
def test_a_query_reads_no_file_outside_the_tables(published, secret, read):
    """Neither by a function nor by a name in quotes, nor by climbing out of the folder."""
    text = read.format(secret, tables=published.root / "tables", folder=secret.parent)
    with pytest.raises(QueryError, match="Permission Error"):
        published.query(text)


@pytest.mark.parametrize(
    "write",
    [
        "COPY (SELECT 1) TO '{}'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{}'",
        "EXPLAIN (ANALYZE /*) SELECT 1 -- */) COPY (SELECT 1) TO '{}'",
        "WITH x AS (COPY (SELECT 1) TO '{}') FROM x",
        "EXPLAIN ANALYZE WITH x AS (COPY (SELECT 1) TO '{}') FROM x",
    ],
)
def test_a_query_writes_no_file_even_beside_the_tables(published, write):
    """DuckDB itself would: the folder is one that it may use."""
    target = published.root / "tables" / "planted.csv"
    with pytest.raises(QueryError, match=r"give one SELECT|syntax error"):
        published.query(write.format(target))
    assert not target.exists()


@pytest.mark.parametrize(
    "change",
    [
        "FROM enable_logging('QueryLog')",
        "FROM enable_profiling()",
        "SELECT set_config('threads', '1')",
    ],
)
def test_a_query_changes_no_setting(published, change):
    """Functions that set something are refused by name, by the locked configuration, or do not exist."""
    with pytest.raises(QueryError, match=r"is refused|configuration|does not exist"):
        published.query(change)


def test_the_connection_cannot_be_opened_up_again(published, secret):
    """Not even by a statement that no check has seen."""
    import duckdb

    with published.connect() as connection:
        for statement in (
            "SET enable_external_access = true",
            "SET allowed_directories = ['/']",
            "SET lock_configuration = false",
            "INSTALL httpfs",
            "LOAD httpfs",
            f"ATTACH '{secret}.db'",
            "CREATE TABLE t (i INT)",
            f"COPY (SELECT 1) TO '{secret}.out'",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)


def test_a_table_is_never_looked_up_among_variables(published):
    """`values` is a variable of the method that runs the query, and must not become a table."""
    with pytest.raises(QueryError, match="Table with name values does not exist"):
        published.query('SELECT * FROM "values" WHERE 1 = $a', {"a": 1})


def test_values_are_bound_by_place_and_by_name(published):
    """What looks like SQL in a value stays a value."""
    nasty = "'; DROP VIEW cr; --"
    assert published.query("SELECT ? AS a", [nasty]).column(0).to_pylist() == [nasty]
    assert published.query("SELECT $a AS a", {"a": nasty}).column(0).to_pylist() == [nasty]
    query = "SELECT glcm_Contrast FROM cr WHERE patient_id = $p"
    assert published.query(query, {"p": "P1"}).column(0).to_pylist() == [7.5]
    assert published.query(query, {"p": "P1' OR '1'='1"}).num_rows == 0


def test_a_value_that_is_missing_is_a_query_error(published):
    """And not a traceback of DuckDB."""
    with pytest.raises(QueryError, match=r"(?i)parameter|prepared"):
        published.query("SELECT ? AS a")


def test_errors_of_a_query_are_those_of_duckdb(published):
    """An unknown column is named with what is near to it."""
    with pytest.raises(QueryError, match="glcm_Contrast"):
        published.query("SELECT glcm_Contrst FROM cr")


def test_the_catalog_is_behind_after_a_commit_and_up_again_after_publishing(own, study, rows):
    """By the versions of all tables."""
    assert own.is_published("d")
    own.tables["cr"].write([rows.cr(image_type="square", feature_set_id="cr-square")])
    assert not own.is_published("d")
    own.publish(study)
    assert own.is_published("d")


def test_a_moved_store_is_not_published(own, study, tmp_path):
    """Views hold absolute paths."""
    own.root.rename(tmp_path / "elsewhere")
    moved = Store(tmp_path / "elsewhere")
    assert not moved.is_published("d")
    moved.publish(study)
    assert moved.query("SELECT glcm_Contrast FROM cr").column(0).to_pylist() == [7.5]


def test_a_damaged_catalog_is_written_anew(own, study):
    """It holds nothing that the tables do not hold."""
    own.catalog.write_bytes(b"not a database")
    assert not own.is_published("d")
    own.publish(study)
    assert own.query("FROM cr").num_rows == 1


def test_a_second_writer_is_told_to_wait(store):
    """At once, and with the command in the message."""
    with (
        store.locked("ingest"),
        pytest.raises(StoreError, match=r"another mvi command is writing.*`mvi extract`"),
        Store(store.root).locked("extract"),
    ):
        pytest.fail("two writers at once")
    with store.locked("extract"):
        pass


def test_the_lock_ends_with_a_killed_process(store):
    """Nothing has to be removed by hand."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(store.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(StoreError, match="another mvi command"), store.locked("extract"):
        pytest.fail("two writers at once")
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=30)
    with store.locked("extract"):
        pass


def test_readers_are_served_while_the_catalog_is_published(published, study):
    """The rename is atomic: no query ever finds a missing or half-written file."""
    faults = []
    stop = threading.Event()

    def read():
        while not stop.is_set():
            try:
                assert published.query("SELECT count(*) FROM cr").column(0).to_pylist() == [1]
            except Exception as error:  # noqa: BLE001 - handed to the test
                faults.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(5):
        published.publish(study)
    stop.set()
    reader.join()
    assert faults == []


@pytest.mark.parametrize("name", ["two words", 'O\'Neil – Müller 50% "a#1*" {x};y+z&'])
def test_a_store_may_lie_in_a_folder_of_any_usual_name(tmp_path, study, rows, name):
    """Spaces, umlauts and quotes: Delta escapes them, DuckDB does not."""
    store = _publish(Store(tmp_path / name), study, rows)
    store.tables["cr"].write([rows.cr(8.5), rows.cr(patient_id="P2")])
    store.tables["cr"].delete({"patient_id": "P2"})
    store.publish(study)
    assert store.is_published("d")
    assert store.query("SELECT glcm_Contrast FROM cr").column(0).to_pylist() == [8.5]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "name", ["a[1]", "a%20b", "a\\b", "a^b", "a|b", "a?b", "phase=AP", "centre=A", "reader=R9"]
)
def test_a_folder_whose_name_would_be_misread_is_refused(tmp_path, name):
    """Delta aborts or looks elsewhere, and DuckDB would give every row another phase."""
    with pytest.raises(StoreError, match=r"a store cannot lie under .*rename the folders"):
        Store(tmp_path / name / "store")
