"""Places: a bucket behaves as a folder does, shows no keys and says when it is out of reach."""

from __future__ import annotations

import pickle

import duckdb
import pytest

from mvi_ray.errors import StoreError, UnreachableError
from mvi_ray.store.parquet import is_parquet
from mvi_ray.store.place import Bucket, files_below, lacks, let_read, reason, relative
from tests.object_store import KEY, SECRET


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path):
    """An empty place of each kind."""
    return tmp_path if request.param == "folder" else request.getfixturevalue("bucket")


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3://b",
        "s3://Bucket/x",
        "s3://bucket//x",
        "s3://bucket/../x",
        "s3://bucket/a*b",
        "s3://bucket/reader=R9",
        "s3://bucket/a%20b",
        "s3://bucket/x?versionId=1",
        "https://bucket.s3.amazonaws.com/x",
        f"s3://{KEY}:{SECRET}@bucket/x",
    ],
)
def test_other_urls_are_refused_and_not_shown(url):
    """What DuckDB or Delta would read otherwise, and where somebody may have put a key."""
    with pytest.raises(StoreError, match=r"not s3://bucket/prefix") as caught:
        Bucket.of(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("url", ["s3://bucket", "s3://my.bucket-1/a/b_c/", "s3://bucket/.hidden/v1.2"])
def test_a_place_is_a_bucket_and_plain_names(url):
    """A slash at the end means nothing."""
    place = Bucket.of(url)
    assert str(place) == url.rstrip("/")
    assert str(place / "tables" / "cr") == f"{place}/tables/cr"
    assert (place / "tables").parent == place
    assert (place / "tables").name == "tables"


def test_a_place_takes_no_keys_along(bucket):
    """Workers get their own from their own surroundings."""
    assert bucket.exists() is False
    sent = pickle.dumps(bucket)
    assert KEY.encode() not in sent
    assert SECRET.encode() not in sent
    assert pickle.loads(sent) == bucket  # noqa: S301
    assert KEY not in repr(bucket.options())
    assert SECRET not in repr(bucket.options())


def test_an_object_is_put_read_and_removed(bucket):
    """As a file is."""
    one = bucket / "images" / "ab" / "x.nii.gz"
    assert not one.exists()
    assert not bucket.is_dir()
    one.write_bytes(b"first")
    one.write_bytes(b"second")
    assert one.read_bytes() == b"second"
    assert one.stat().st_size == len(b"second")
    assert bucket.is_dir()
    assert bucket.files() == [one]
    assert (bucket / "images").files(below=False) == []
    one.unlink()
    assert not one.exists()
    one.unlink(missing_ok=True)


def test_what_is_not_there_is_not_found(bucket):
    """And not taken for a store out of reach."""
    for ask in (Bucket.read_bytes, Bucket.stat, Bucket.unlink):
        with pytest.raises(FileNotFoundError):
            ask(bucket / "x")
    assert bucket.files() == []


def test_files_below_a_place_are_listed_in_order(place):
    """By their names relative to it."""
    assert files_below(place / "absent") == []
    for folder, name in (("b", "2"), ("a", "1"), ("a", "0")):
        file = place / folder / name
        if not isinstance(file, Bucket):
            file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    assert [relative(file, place) for file in files_below(place)] == ["a/0", "a/1", "b/2"]
    there = [str(place / "a" / "0"), str(place / "b" / "2")]
    assert not lacks(place, there)
    assert not lacks(place, [])
    assert lacks(place, [*there, str(place / "a" / "2")])


def test_a_parquet_file_is_told_by_its_ends(place):
    """Whole, cut off and absent."""
    one = place / "x.parquet"
    assert not is_parquet(one)
    duckdb.sql("SELECT 1 AS a").write_parquet("/dev/null")
    for content, whole in ((b"PAR1 rows PAR1", True), (b"PAR1 rows", False), (b"PAR1", False), (b"", False)):
        one.write_bytes(content)
        assert is_parquet(one) == whole


def test_duckdb_reads_an_object_without_an_extension(bucket, tmp_path):
    """Through a file system that is registered for the connection."""
    duckdb.sql("SELECT range AS a FROM range(5)").write_parquet(str(tmp_path / "x.parquet"))
    (bucket / "x.parquet").write_bytes((tmp_path / "x.parquet").read_bytes())
    with duckdb.connect() as connection:
        let_read(connection, bucket)
        let_read(connection, bucket)
        assert connection.sql(f"SELECT sum(a) FROM '{bucket / 'x.parquet'}'").fetchall() == [(10,)]  # noqa: S608


def test_a_plain_connection_must_be_allowed(bucket, monkeypatch):
    """Images would cross a network in plain sight."""
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    for ask in (Bucket.exists, Bucket.options, Bucket.files, Bucket.is_dir):
        with pytest.raises(
            UnreachableError, match="AWS_ALLOW_HTTP=true on every machine when the network between is yours"
        ):
            ask(bucket)


def test_a_server_that_does_not_answer_is_out_of_reach(bucket, monkeypatch):
    """And nothing is taken for absent."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for ask in (Bucket.exists, Bucket.files, Bucket.read_bytes, Bucket.unlink):
        with pytest.raises(UnreachableError, match="cannot be used") as caught:
            ask(bucket / "x")
        assert SECRET not in str(caught.value)


def test_a_bucket_that_is_not_there_takes_nothing(bucket):
    """Nobody's bucket is made by a misspelt name."""
    with pytest.raises(UnreachableError, match="cannot be used"):
        (Bucket.of("s3://misspelt/store") / "x").write_bytes(b"x")


def test_a_reason_tells_the_last_cause():
    """As deltalake writes them, in colours."""
    arrow = "\n  \x1b[31m↳\x1b[0m "
    said = f"Generic LocalFileSystem error{arrow}Unable to copy{arrow}No space left\n"
    assert reason(OSError(said)) == "Generic LocalFileSystem error: No space left"
    assert reason(OSError("one line")) == "one line"
    assert reason(OSError("")) == ""


def test_a_reason_holds_no_keys(monkeypatch):
    """A server that refuses a signature answers with the key that it was asked with."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    answer = f"403 for {KEY}: <?xml?><Error><Code>InvalidAccessKeyId</Code><Id>ASIA0</Id></Error>\n{SECRET}"
    assert reason(OSError(answer)) == "403 for …: InvalidAccessKeyId"
