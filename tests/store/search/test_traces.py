"""The search for traces: each kind of file with a needle and without, and what cannot be searched."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvi_ray.store.search import contents
from mvi_ray.store.search.contents import Limits
from mvi_ray.store.search.needles import Needles
from mvi_ray.store.search.traces import Trace, find_traces

_DIGEST = "0123456789abcdef" * 4
_VALUE = 0.7390851332151607
_EMBEDDING = np.random.default_rng(1).random(512, np.float32)
_PRESENT = Needles.of(["Patient-7", _DIGEST], [_VALUE], _EMBEDDING)
_ABSENT = Needles.of(["Patient-8", _DIGEST[::-1]], [_VALUE / 3], _EMBEDDING[::-1])


def _parquet(columns, **options):
    target = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), target, **options)
    return target.getvalue()


def _zip(**members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            # Without the time: the bytes name tests, which two workers must collect alike.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _tar(name, content):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def _npy(array):
    target = io.BytesIO()
    np.save(target, array)
    return target.getvalue()


def _duckdb(*statements):
    def write(path):
        with duckdb.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)

    return write


def _found(folder, needles=_PRESENT, **options):
    return {(trace.kind, trace.what) for trace in find_traces(folder, needles, **options)}


_PACKED = {"compression": "zstd", "write_statistics": False}
_NESTED = pa.StructArray.from_arrays(
    [pa.array([["x", "Patient-7"], None]), pa.array([[("k", "Patient-7")], []], pa.map_("str", "str"))],
    ["words", "pairs"],
)
_TEXT = b'{"patient": "Patient-7"}'
_KINDS = {
    "text": ("a.json", _TEXT, "raw bytes", "1 × pseudonym"),
    "bytes": ("a.bin", b"\0\xffPatient-7\0", "raw bytes", "1 × pseudonym"),
    "digest": ("a.bin", b"\0" + _DIGEST.encode(), "raw bytes", "1 × digest"),
    "value": ("a.bin", b"\0\1\2" + np.float64(_VALUE).tobytes() + b"\3", "raw bytes", "1 × value"),
    "embedding": ("a.bin", b"\0" + _EMBEDDING[:3].tobytes(), "raw bytes", "2 × value"),
    "number": ("a.csv", f"x;{_VALUE!r}\n".encode(), "raw bytes", "1 × value"),
    "strings": ("a.parquet", _parquet({"id": ["Patient-7"] * 3}, **_PACKED), "parquet", "3 × pseudonym"),
    "doubles": ("a.parquet", _parquet({"x": [None, _VALUE, 1.0]}, **_PACKED), "parquet", "1 × value"),
    "plain": (
        "a.parquet",
        _parquet({"x": [_VALUE]}, use_dictionary=False, compression="none", write_statistics=False),
        "parquet",
        "1 × value",
    ),
    "nested": ("a.parquet", _parquet({"s": _NESTED}, **_PACKED), "parquet", "2 × pseudonym"),
    "dictionary": (
        "a.parquet",
        _parquet({"d": pa.array(["Patient-7", "x"]).dictionary_encode()}, **_PACKED),
        "parquet",
        "1 × pseudonym",
    ),
    "embeddings": (
        "a.parquet",
        _parquet({"e": pa.array([_EMBEDDING.tolist()], pa.list_(pa.float32()))}, **_PACKED),
        "parquet",
        "511 × value",
    ),
    "matrix": (
        "a.parquet",
        _parquet({f"dlr_{i}": [0.25, float(v)] for i, v in enumerate(_EMBEDDING)}, **_PACKED),
        "parquet",
        "511 × value",
    ),
    "binary": ("a.parquet", _parquet({"b": [_TEXT]}, **_PACKED), "parquet", "1 × pseudonym"),
    "column": ("a.parquet", _parquet({"Patient-7": [1]}, **_PACKED), "parquet", "1 × pseudonym"),
    "key-value": (
        "a.parquet",
        _parquet(pa.table({"x": [1]}, metadata={"made for": "Patient-7"}), **_PACKED),
        "parquet",
        "1 × pseudonym",
    ),
    "gzip": ("a.gz", gzip.compress(_TEXT), "gzip", "1 × pseudonym"),
    "members": ("a.gz", gzip.compress(b"x") + gzip.compress(_TEXT) + b"\0\0", "gzip", "1 × pseudonym"),
    "voxels": ("a.nii.gz", gzip.compress(b"\0" * 9999 + b"Patient-7\0"), "gzip", "1 × pseudonym"),
    "bzip2": ("a.bz2", bz2.compress(_TEXT), "bzip2", "1 × pseudonym"),
    "xz": ("a.xz", lzma.compress(_TEXT), "xz", "1 × pseudonym"),
    "zip": ("model.skops", _zip(a=_TEXT), "zip", "1 × pseudonym"),
    "zip name": ("a.zip", _zip(**{"x/Patient-7.txt": b""}), "zip", "1 × pseudonym"),
    "npz": ("a.npz", _zip(a=_npy(np.array(["P", "Patient-7"]))), "zip > npy", "1 × pseudonym"),
    "npy bytes": ("a.npy", _npy(np.array([b"Patient-7"])), "npy", "1 × pseudonym"),
    "npy wide": ("a.npy", _npy(_EMBEDDING.astype(np.float64)), "npy", "511 × value"),
    "tar": ("a.tar.gz", gzip.compress(_tar("x", _TEXT)), "gzip > tar", "1 × pseudonym"),
    "tar name": ("a.tar", _tar("Patient-7", b""), "tar", "1 × pseudonym"),
    "zip in gzip": ("a.gz", gzip.compress(_zip(a=_TEXT)), "gzip > zip", "1 × pseudonym"),
    "parquet in zip": (
        "a.zip",
        _zip(a=_parquet({"x": ["Patient-7"]}, **_PACKED)),
        "zip > parquet",
        "1 × pseudonym",
    ),
    "duckdb table": (
        "a.duckdb",
        _duckdb("CREATE SCHEMA s", f"CREATE TABLE s.t AS SELECT {_VALUE}::DOUBLE AS x"),
        "duckdb",
        "1 × value",
    ),
    "duckdb nested": (
        "a.duckdb",
        _duckdb("CREATE TABLE t AS SELECT [{'id': 'Patient-7'}] AS x, map {'a': 'Patient-7'} AS m"),
        "duckdb",
        "2 × pseudonym",
    ),
    "duckdb comment": (
        "a.duckdb",
        _duckdb("CREATE TABLE t (x INT)", "COMMENT ON COLUMN t.x IS 'not of Patient-7'"),
        "duckdb",
        "1 × pseudonym",
    ),
}


@pytest.mark.parametrize("kind", _KINDS)
def test_a_needle_is_found_in_this_kind_of_file(tmp_path, kind):
    """And counted; another patient's needles are not found in it."""
    name, content, expected, what = _KINDS[kind]
    path = tmp_path / "runs" / name
    path.parent.mkdir()
    content(path) if callable(content) else path.write_bytes(content)
    assert (expected, what) in _found(tmp_path)
    assert _found(tmp_path, _ABSENT) == set()


def test_a_duckdb_file_shows_the_sql_of_views_and_types(tmp_path):
    """Each in several texts of the catalog; no view is run, so a file that is gone does not matter."""
    _duckdb(
        "CREATE TABLE t (patient_id VARCHAR)",
        "CREATE VIEW v AS SELECT * FROM t WHERE patient_id = 'Patient-7'",
        "CREATE TYPE who AS ENUM ('Patient-7')",
    )(tmp_path / "a.duckdb")
    assert {"duckdb"} <= {trace.kind for trace in find_traces(tmp_path, _PRESENT)}
    assert _found(tmp_path, _ABSENT) == set()


def test_the_log_and_a_checkpoint_of_delta_are_searched(tmp_path):
    """Bounds, predicates and what a commit says of itself; also in a path."""
    location = tmp_path.as_uri()
    rows = pa.table({"patient_id": ["Patient-7", "Patient-9"], "x": [1.5, 2.5]})
    write_deltalake(location, rows, partition_by=["patient_id"])
    table = DeltaTable(location)
    table.create_checkpoint()
    table.delete("patient_id = 'Patient-7'", commit_properties=CommitProperties({"by": "hand"}))
    kinds = {trace.kind for trace in find_traces(tmp_path, _PRESENT)}
    assert kinds >= {"delta log", "delta checkpoint", "file name"}
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert "delta log" in {trace.kind for trace in find_traces(tmp_path, _PRESENT)}
    assert _found(tmp_path, _ABSENT) == set()


def test_names_of_files_folders_and_links_count(tmp_path):
    """A link is not followed, but its target is a text as well."""
    (tmp_path / "Patient-7" / "x").mkdir(parents=True)
    (tmp_path / "Patient-7-AP.png").touch()
    (tmp_path / "link").symlink_to("images/Patient%2D7.nii")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to("itself")
    assert find_traces(tmp_path, _PRESENT) == [
        Trace(Path(name), "file name", "1 × pseudonym") for name in ("Patient-7", "Patient-7-AP.png", "link")
    ]


@pytest.fixture
def linked(tmp_path):
    """A project whose `runs` and `data` are links to a folder elsewhere that names the patient."""
    project, disk = tmp_path / "project", tmp_path / "disk"
    project.mkdir()
    for name in ("runs", "data"):
        (disk / name / "r").mkdir(parents=True)
        (disk / name / "r" / "a.json").write_bytes(_TEXT)
        (project / name).symlink_to(disk / name)
    return project


def test_a_linked_folder_is_searched_where_that_is_asked_for(linked):
    """And shown below the link; links in it count as well."""
    (linked / "runs" / "one").symlink_to(linked / "runs" / "r")
    (linked / "runs" / "two").symlink_to(linked / "data" / "r")
    assert find_traces(linked, _PRESENT, follow=[Path("runs"), linked / "absent"]) == [
        Trace(Path("data"), "unreadable", "a link, not searched"),
        Trace(Path("runs/r/a.json"), "raw bytes", "1 × pseudonym"),
        Trace(Path("runs/two"), "unreadable", "a link, not searched"),
    ]
    assert find_traces(linked, _ABSENT, follow=["runs", linked / "data"]) == []
    assert find_traces(linked, _PRESENT, follow=["runs"], skip=["runs", linked / "data"]) == []


@pytest.mark.parametrize("name", ["disk/data", "disk/data/r/a.json", "disk/unmounted", ".", "project-2"])
def test_a_link_to_what_is_not_searched_is_reported(linked, name):
    """To a folder, a file, nothing at present, one above, or one whose name begins alike."""
    for place in ("runs", "data"):
        (linked / place).unlink()
    (linked / "x").symlink_to(linked.parent / name)
    assert find_traces(linked, _ABSENT) == [Trace(Path("x"), "unreadable", "a link, not searched")]


def test_a_followed_folder_that_is_not_there_is_reported(linked):
    """Its disk may come back."""
    (linked / "runs").unlink()
    (linked / "runs").symlink_to(linked.parent / "unmounted")
    assert Trace(Path("runs"), "unreadable", "a link, not searched") in find_traces(
        linked, _ABSENT, follow=["runs"]
    )


@pytest.mark.parametrize("pseudonym", ["17", "a1"])
def test_the_first_digits_of_a_digest_are_no_name(tmp_path, pseudonym):
    """Volumes lie in folders of two hexadecimal digits."""
    (tmp_path / "images" / pseudonym).mkdir(parents=True)
    (tmp_path / "a.parquet").write_bytes(_parquet({"path": [f"images/{pseudonym}/{pseudonym}0.nii.gz"]}))
    assert _found(tmp_path, Needles.of([pseudonym])) == set()
    (tmp_path / "runs" / pseudonym).mkdir(parents=True)
    assert _found(tmp_path, Needles.of([pseudonym])) == {("file name", "1 × pseudonym")}


def test_a_number_as_pseudonym_is_found_in_columns_of_patients_only(tmp_path):
    """Lesions and counts are numbers as well."""
    needles = Needles.of(["17"])
    columns = {"lesion": ["17"], "n": [17], "note": ["17"]}
    (tmp_path / "a.parquet").write_bytes(_parquet(columns))
    assert _found(tmp_path, needles) == set()
    (tmp_path / "b.parquet").write_bytes(
        _parquet({"patient_id": ["17", "170"], "patient": [17, 3]}, **_PACKED)
    )
    assert _found(tmp_path, needles) == {("parquet", "2 × pseudonym")}


def test_a_short_pseudonym_is_found_in_decoded_strings(tmp_path):
    """Not in the bytes around them."""
    (tmp_path / "a.parquet").write_bytes(_parquet({"x": ["P1", "P10", "P1 AP: empty"]}, compression="none"))
    (tmp_path / "a.bin").write_bytes(b"\0\0P1\0\0")
    assert _found(tmp_path, Needles.of(["P1"])) == {("parquet", "3 × pseudonym")}


def test_skipped_files_and_folders_are_left_out(tmp_path):
    """Relative to the folder, or absolute."""
    for name in ("kept/Patient-7", "data/Patient-7", "Patient-7.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(_TEXT)
    traces = find_traces(tmp_path, _PRESENT, skip=[Path("data"), tmp_path / "Patient-7.txt"])
    assert {trace.path for trace in traces} == {Path("kept/Patient-7")}


def test_progress_ends_with_all_bytes(tmp_path):
    """In bytes of files."""
    for name, size in (("a", 10), ("b", 0), ("c", 32)):
        (tmp_path / name).write_bytes(b"x" * size)
    seen = []
    find_traces(tmp_path, _PRESENT, progress=lambda *bytes_: seen.append(bytes_))
    assert seen == [(10, 42), (10, 42), (42, 42)]


def test_a_relative_folder_is_searched(tmp_path, monkeypatch):
    """As commands give it."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "a.json").write_bytes(_TEXT)
    monkeypatch.chdir(tmp_path)
    found = find_traces(Path("project"), _PRESENT, skip=[Path("b")])
    assert found == [Trace(Path("a.json"), "raw bytes", "1 × pseudonym")]


@pytest.mark.parametrize("shift", range(-12, 3))
def test_what_lies_across_two_blocks_is_found_once(tmp_path, monkeypatch, shift):
    """Blocks overlap, and nothing is counted twice."""
    monkeypatch.setattr(contents, "_BLOCK", 8192)
    monkeypatch.setattr(contents, "_TEXT_BLOCK", 8192)
    needles = b"\xffPatient-7\xff" + np.float64(_VALUE).tobytes() + b"\xff" + _DIGEST.encode()
    (tmp_path / "a.bin").write_bytes(b"\0" * (8192 + shift) + needles + b"\0" * 20000)
    (tmp_path / "b.txt").write_bytes(b" " * (8192 + shift) + _TEXT + b" " * 20000)
    assert find_traces(tmp_path, _PRESENT) == [
        Trace(Path("a.bin"), "raw bytes", "1 × digest, 1 × pseudonym, 1 × value"),
        Trace(Path("b.txt"), "raw bytes", "1 × pseudonym"),
    ]
    (tmp_path / "b.txt").write_bytes(b" " * (8192 + shift) + b"Patient-77" + b" " * 20000)
    assert len(find_traces(tmp_path, _PRESENT)) == 1


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.binary(max_size=3000),
    st.binary(max_size=50),
    st.sampled_from([bytes, gzip.compress, lambda b: _zip(a=b)]),
)
def test_a_value_is_found_at_any_offset_of_a_file(tmp_path, before, after, pack):
    """As bytes, and packed."""
    (tmp_path / "a").write_bytes(pack(before + np.float64(_VALUE).tobytes() + after))
    assert any("value" in what for _, what in _found(tmp_path))


_GZIP = gzip.compress(np.random.default_rng(0).bytes(5000))
_FILE = _parquet({"x": list(range(1000))})


def _locked():
    data = bytearray(_zip(a=b"secret"))
    # The flag of an encrypted member, in its own header and in the directory.
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def _changed(data, at):
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.gz", _GZIP[:-20], r"gzip: could not be decoded \(EOFError\)"),
        ("a.gz", _changed(_GZIP, 2000), r"gzip: could not be decoded"),
        ("a.gz", gzip.compress(b"x", mtime=0) + b"more", r"gzip: could not be decoded"),
        ("a.gz", b"no gzip", "named as gzip, which it is not"),
        ("a.parquet", _FILE[:-30], r"parquet: could not be decoded \(ArrowInvalid\)"),
        ("a.parquet", _FILE[4:], "named as parquet, which it is not"),
        ("a.zip", _zip(a=b"x")[:-10], r"zip: could not be decoded \(BadZipFile\)"),
        ("a.zip", _changed(_zip(a=b"x" * 99), 32), "zip: a member could not be decoded"),
        ("a.zip", _locked(), r"zip: a member could not be decoded \(RuntimeError\)"),
        ("a.zip", _zip(a=_GZIP[:-20], b=_TEXT), r"zip > gzip: could not be decoded \(EOFError\)"),
        ("a.npy", _npy(np.array([{}], object)), r"npy: could not be decoded \(ValueError\)"),
        ("a.tar", _tar("a", b"x" * 2000)[:1500], r"tar: could not be decoded"),
        ("a.duckdb", b"\0" * 8 + b"DUCK" + b"\0" * 5000, "duckdb: could not be decoded"),
        ("a.zst", b"\x28\xb5\x2f\xfd\x00\x00", "a format that is not decoded"),
    ],
)
def test_what_cannot_be_decoded_is_reported(tmp_path, name, content, reason):
    """Absence was not shown for it."""
    import re

    (tmp_path / name).write_bytes(content)
    unreadable = [trace for trace in find_traces(tmp_path, _ABSENT) if trace.kind == "unreadable"]
    assert [trace.path for trace in unreadable] == [Path(name)]
    assert re.match(reason, unreadable[0].what)


def test_what_a_damaged_file_still_shows_is_found(tmp_path):
    """The other members of an archive, and the bytes before a break."""
    (tmp_path / "a.zip").write_bytes(_zip(a=_GZIP[:-20], b=_TEXT))
    (tmp_path / "b.gz").write_bytes(gzip.compress(_TEXT + np.random.default_rng(0).bytes(9000))[:-9])
    found = {(trace.path.name, trace.kind) for trace in find_traces(tmp_path, _PRESENT)}
    assert {("a.zip", "zip"), ("b.gz", "gzip"), ("a.zip", "unreadable"), ("b.gz", "unreadable")} <= found


def test_a_file_that_cannot_be_read_is_reported(tmp_path, monkeypatch):
    """Its rights, or a failing disk."""
    (tmp_path / "a.json").write_bytes(_TEXT)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(contents.Contents, "search", refuse)
    assert find_traces(tmp_path, _PRESENT) == [Trace(Path("a.json"), "unreadable", "Permission denied")]


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path, monkeypatch):
    """And the others are searched."""
    import os

    (tmp_path / "closed").mkdir()
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a.json").write_bytes(_TEXT)
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert find_traces(tmp_path, _PRESENT) == [
        Trace(Path("closed"), "unreadable", "Permission denied"),
        Trace(Path("open/a.json"), "raw bytes", "1 × pseudonym"),
    ]


def test_a_bomb_is_cut_off_and_reported(tmp_path):
    """A thousandth of its size on disk; other files are searched to their ends."""
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"\0" * 30_000_000 + _TEXT))
    (tmp_path / "b.zip").write_bytes(_zip(**dict.fromkeys("abc", b"\x00" * 9000000)))
    (tmp_path / "c.gz").write_bytes(gzip.compress(_TEXT))
    limits = Limits(decoded=20_000_000)
    assert find_traces(tmp_path, _PRESENT, limits=limits) == [
        Trace(Path("a.gz"), "unreadable", "gzip: more than 20000000 bytes when decoded"),
        Trace(Path("b.zip"), "unreadable", "zip: more than 20000000 bytes when decoded"),
        Trace(Path("c.gz"), "gzip", "1 × pseudonym"),
    ]


def test_a_parquet_bomb_is_cut_off_and_reported(tmp_path):
    """Equal values take no place on disk."""
    (tmp_path / "a.parquet").write_bytes(_parquet({"x": np.zeros(3_000_000)}, compression="zstd"))
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    assert _found(tmp_path, limits=Limits(decoded=20_000_000)) == {
        ("unreadable", "parquet: more than 20000000 bytes when decoded")
    }
    assert _found(tmp_path) == set()


def test_containers_too_deep_or_too_large_are_reported(tmp_path):
    """One inside the other, like Russian dolls."""
    data = _TEXT
    for _ in range(4):
        data = gzip.compress(data)
    (tmp_path / "a.gz").write_bytes(data)
    assert _found(tmp_path, limits=Limits(depth=3)) == {("unreadable", "containers more than 3 deep")}
    assert _found(tmp_path, limits=Limits(depth=4)) == {("gzip > gzip > gzip > gzip", "1 × pseudonym")}
    assert _found(tmp_path, limits=Limits(held=10)) == {("unreadable", "gzip > gzip: larger than 10 bytes")}


def test_a_duckdb_file_inside_an_archive_is_searched(tmp_path):
    """From a copy that is removed."""
    path = tmp_path / "a.duckdb"
    _duckdb("CREATE TABLE t AS SELECT 'Patient-7' AS x")(path)
    (tmp_path / "a.zip").write_bytes(_zip(a=path.read_bytes()))
    path.unlink()
    assert ("zip > duckdb", "1 × pseudonym") in _found(tmp_path)
    assert _found(tmp_path, _ABSENT) == set()


def test_no_trace_repeats_what_was_found(tmp_path):
    """Neither the pseudonym nor a value, also where a decoder's own message would."""
    for name, content, *_ in _KINDS.values():
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        content(folder / name) if callable(content) else (folder / name).write_bytes(content)
        if not callable(content):
            (folder / "cut").write_bytes(content[:-7])
    traces = find_traces(tmp_path, _PRESENT)
    assert {"unreadable", "parquet", "duckdb", "gzip", "zip"} <= {trace.kind for trace in traces}
    for trace in traces:
        shown = f"{trace.kind} {trace.what} {trace.path}"
        assert not any(secret in shown for secret in ("Patient-7", _DIGEST, "0.739", str(tmp_path)))


def _kinds(folder, pseudonym):
    needles = Needles.of([pseudonym], others=["P1", "O'Neil"])
    return {trace.kind for trace in find_traces(folder, needles, skip=[Path("data")])}


def test_a_real_store_holds_its_patients_and_no_other(extracted):
    """P1 and O'Neil stand in tables and logs; P10 and Neil in nothing, and nothing is unreadable."""
    project = extracted.open()
    project.publish()
    for table in project.store.tables.values():
        if table.exists:
            table.open().create_checkpoint()
    digests = project.store.query("SELECT image_digest AS d FROM images WHERE patient_id = 'P1'").to_pydict()[
        "d"
    ]
    for pseudonym in ("P1", "O'Neil"):
        assert _kinds(extracted.folder, pseudonym) >= {"parquet", "delta log", "delta checkpoint"}
    for pseudonym in ("P10", "Neil", "17"):
        assert _kinds(extracted.folder, pseudonym) == set()
    found = find_traces(extracted.folder, Needles.of(digests[:1]), skip=[Path("data")])
    assert {"file name", "parquet"} <= {trace.kind for trace in found}


def test_values_of_a_real_store_are_found_in_its_tables(extracted):
    """Those of the patient, and none when they are another one's."""
    project = extracted.open()
    project.publish()
    store = project.store
    rows = store.query("SELECT value FROM features WHERE patient_id = 'P1' AND family = 'CR'")
    vectors = store.query("SELECT embedding FROM dlr_all WHERE patient_id = 'P1'").column(0).to_pylist()
    values = np.array(rows.column(0).to_pylist(), float)
    kinds = {t.kind for t in find_traces(store.root, Needles.of(["P10"], values))}
    assert "parquet" in kinds
    assert "parquet" in {t.kind for t in find_traces(store.root, Needles.of(["P10"], floats=vectors))}
    needles = Needles.of(["P10"], values * (1 + 1e-9), np.nextafter(np.float32(vectors), 9))
    assert find_traces(store.root, needles) == []


def test_matrices_of_a_run_are_searched(written, tmp_path):
    """Rows written by hand, and their export."""
    written.voi("P1", "AP", "intratumoral")
    written.write()
    matrix = pa.table({"patient_id": ["P1"], "x": [_VALUE]})
    (tmp_path / "project" / "runs" / "r" / "matrices").mkdir(parents=True)
    pq.write_table(matrix, tmp_path / "project" / "runs" / "r" / "matrices" / "CR.parquet")
    places = {trace.path.parts[0] for trace in find_traces(tmp_path / "project", Needles.of(["P1"]))}
    assert places == {"runs", "store"}
    assert find_traces(tmp_path / "project", Needles.of(["P10", "P"])) == []
    values = find_traces(tmp_path / "project", Needles.of(["P10"], [_VALUE]))
    assert {trace.path.parts[0] for trace in values} == {"runs"}


def test_what_a_json_log_says_of_two_patients_is_told_apart(tmp_path):
    """One line for many: bounds, a predicate and a path."""
    stats = json.dumps({"minValues": {"patient_id": "P1"}, "maxValues": {"patient_id": "P12"}})
    log = {"add": {"path": "phase=AP/part-1.parquet", "stats": stats}, "predicate": ["patient_id IN ('P2')"]}
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "_delta_log" / "0.json").write_text(json.dumps(log), encoding="utf-8")
    for pseudonym, expected in (("P1", 1), ("P12", 1), ("P2", 1), ("P", 0), ("P3", 0)):
        found = _found(tmp_path, Needles.of([pseudonym]))
        assert found == ({("delta log", "1 × pseudonym")} if expected else set())
