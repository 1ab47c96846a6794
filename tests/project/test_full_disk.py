"""A disk that is full, or that may only be read: one clear error, nothing damaged, resume works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

from mvi_ray.errors import StoreError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small disk"),
]

_VALUES = "SELECT COLUMNS(lambda c: c NOT IN ('run_id', 'duration_s', 'computed_at')) FROM cr ORDER BY ALL"


def _mount(place, options):
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("a small disk cannot be mounted here")


@pytest.fixture(scope="module")
def ingested(make_tiny):
    """Two patients without a value."""
    project = make_tiny()
    project.write_study(image_types="original: ", dlr=False)
    project.add("P1")
    project.add("P2")
    return project


@pytest.fixture(scope="module")
def values(ingested, tmp_path_factory):
    """What an extraction gives that nothing disturbs."""
    whole = type(ingested)(tmp_path_factory.mktemp("whole") / "tiny")
    shutil.copytree(ingested.folder, whole.folder)
    whole.extract()
    return whole.open().sql(_VALUES)


@pytest.fixture
def small(ingested, tmp_path):
    """A project whose store lies on a disk of 8 MiB of its own."""
    tiny = type(ingested)(tmp_path / "tiny")
    place = tiny.folder / "store"
    place.mkdir(parents=True)
    _mount(place, "size=8m")
    try:
        shutil.copytree(ingested.folder, tiny.folder, dirs_exist_ok=True)
        tiny.open().refresh()
        yield tiny
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextmanager
def _filled(tiny, left):
    """The disk with so many bytes left."""
    filler = tiny.folder / "store" / "filler"
    stat = os.statvfs(filler.parent)
    filler.write_bytes(bytes(max(0, stat.f_bavail * stat.f_frsize - left)))
    try:
        yield
    finally:
        filler.unlink()


@pytest.mark.parametrize("left", [0, 16 << 10, 48 << 10, 96 << 10, 160 << 10, 1 << 20])
def test_a_full_disk_costs_nothing_but_time(small, values, left):
    """Wherever the space runs out: at the start, at a claim, at values, at the catalog."""
    with _filled(small, left), pytest.raises(StoreError, match="check the disk's free space"):
        small.extract()
    # Rows may be there that no catalog shows yet; the next command publishes it.
    assert {(f.check, f.severity) for f in small.open().check().findings} <= {("catalog", "note")}
    summary = small.extract()
    assert (summary.complete, summary.wanted, summary.left_out) == (8, 8, 0)
    assert small.open().sql(_VALUES).equals(values)
    assert small.open().sql("FROM cr").num_rows == 8
    assert small.open().check().findings == ()
    assert small.open().store.tables["attempts"].files() == []


def test_a_store_that_may_only_be_read_is_said_before_ray_starts(small, monkeypatch):
    """And everything is there when it may be written again."""
    from mvi_ray.cluster import session

    monkeypatch.setattr(session, "ray_session", lambda *_: pytest.fail("Ray was started"))
    place = str(small.folder / "store")
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    try:
        with pytest.raises(StoreError, match=r"the store cannot be written \(Read-only file system\)"):
            small.open().extract()
    finally:
        subprocess.run(["mount", "-o", "remount,rw", place], check=True)
    monkeypatch.undo()
    assert small.extract().computed == 8
