"""Which extractions live, and which were killed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from mvi_ray.errors import StoreError
from mvi_ray.store.presence import Presence

_RUN = """
import sys
from pathlib import Path
from mvi_ray.store.presence import Presence
with Presence(Path(sys.argv[1])).entered("killed"):
    print("there", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def presence(tmp_path):
    """Of an empty store."""
    return Presence(tmp_path)


def test_a_run_lives_until_it_leaves(presence, tmp_path):
    """Nothing of it stays."""
    with presence.entered("one"), presence.entered("two"):
        assert presence.living() == ["one", "two"]
        assert presence.is_alive("one")
        assert not presence.was_killed("one")
        presence.forget(["one"])
        assert presence.is_alive("one")
    assert presence.living() == []
    assert not presence.is_alive("one")
    assert not presence.was_killed("one")
    assert list((tmp_path / ".extractions").iterdir()) == []


def test_a_run_that_fails_has_left_and_was_not_killed(presence):
    """Only a kill counts against what it computed."""
    with pytest.raises(KeyboardInterrupt), presence.entered("one"):
        raise KeyboardInterrupt
    assert not presence.was_killed("one")


def test_a_killed_run_is_known_until_it_is_forgotten(presence, tmp_path):
    """By another process, after SIGKILL."""
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"there\n"
    assert presence.is_alive("killed")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert not presence.is_alive("killed")
    assert presence.was_killed("killed")
    assert presence.killed() == ["killed"]
    presence.forget(["killed", "never there"])
    assert presence.killed() == []
    assert not presence.was_killed("killed")


def test_a_store_that_cannot_be_written_is_said_at_once(tmp_path):
    """Before anything is computed for it."""
    with pytest.raises(StoreError, match=r"the store cannot be written \(.*\); check the disk's free space"):
        Presence(tmp_path / "not there").entered("one").__enter__()
