"""Copies of a bucket's volumes: none outlives its process, and none that is in use is taken away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from mvi_ray.store import copies
from mvi_ray.store.copies import copies_folder, sweep, sweep_once

_READER = """
import sys
from mvi_ray.store.copies import copies_folder
with copies_folder() as folder:
    (folder / "a.nii.gz").write_bytes(b"an image")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _tmp(monkeypatch, tmp_path):
    """A folder for temporary files, in which nobody else is."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sweep_once.cache_clear()
    yield
    sweep_once.cache_clear()


@pytest.fixture
def reader(tmp_path):
    """A process that holds a copy, and the folder of it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _READER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    folder = process.stdout.readline().strip()
    yield process, tmp_path / Path(folder).name
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=30)


def test_a_copy_goes_at_its_end(tmp_path):
    """Also when what was done with it failed."""

    def fail():
        with copies_folder() as folder:
            (folder / "a").write_bytes(b"x")
            assert folder.parent == tmp_path
            assert folder.name.startswith(f"mvi-copy-{os.getpid()}-")
            raise ValueError("no image")

    with pytest.raises(ValueError, match="no image"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_one(reader, tmp_path):
    """At once, and not before it is dead."""
    process, left = reader
    sweep()
    assert (left / "a.nii.gz").exists()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert left.exists()
    with copies_folder() as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_a_copy_in_use_stays_however_old_and_whoever_counts(reader, tmp_path):
    """In another container its process has another number, or none that is known here."""
    _, used = reader
    other = tmp_path / "mvi-copy-999999999-x"
    used.rename(other)
    os.utime(other, (0, 0))
    sweep()
    assert (other / "a.nii.gz").exists()


def test_a_number_that_is_given_again_keeps_nothing_for_long(tmp_path):
    """A folder that nobody holds is nobody's after a minute."""
    left = tmp_path / f"mvi-copy-{os.getpid()}-x"
    left.mkdir()
    sweep()
    assert left.exists()
    long_ago = time.time() - 2 * copies._YOUNG_S
    os.utime(left, (long_ago, long_ago))
    sweep()
    assert not left.exists()


def test_links_and_folders_of_others_are_left_alone(tmp_path, monkeypatch):
    """Whatever they are called."""
    target = tmp_path / "mine"
    target.mkdir()
    link = tmp_path / "mvi-copy-999999999-link"
    link.symlink_to(target)
    (tmp_path / "mvi-copy-999999999-file").write_bytes(b"x")
    sweep()
    assert (target.is_dir(), link.is_symlink()) == (True, True)
    theirs = tmp_path / "mvi-copy-999999999-theirs"
    theirs.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: -1)
    sweep()
    assert theirs.is_dir()
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sweep()
    assert not theirs.exists()
