"""The lock of a store: alone or shared, noted by name, gone with its process."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from mvi_ray.errors import StoreBusyError, StoreError
from mvi_ray.store.lock import hold

_HOLDER = """
import sys
from pathlib import Path
from mvi_ray.store.lock import hold
with hold(Path(sys.argv[1]), sys.argv[2], shared=sys.argv[3] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    """A file to hold."""
    return tmp_path / "store" / ".lock"


@pytest.fixture
def elsewhere(path):
    """Holds the file in a process of its own; returns the process."""
    running = []

    def start(verb, kind):
        command = [sys.executable, "-c", _HOLDER, str(path), verb, kind]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"held\n"
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate(timeout=30)


def test_several_share_it_and_nobody_gets_it_alone_meanwhile(path, elsewhere):
    """In one process or in two."""
    elsewhere("extract", "shared")
    refusal = r"writing to this store \(`mvi extract`\); wait for it to end before `mvi ingest`"
    with (
        hold(path, "extract", shared=True),
        hold(path, "extract", shared=True),
        pytest.raises(StoreBusyError, match=refusal),
    ):
        hold(path, "ingest").__enter__()
    with pytest.raises(StoreBusyError, match="another mvi command is writing to this store"):
        hold(path, "store gc").__enter__()


def test_whoever_holds_it_alone_is_named_to_those_who_would_share(path, elsewhere):
    """A command with two words, too."""
    elsewhere("store gc", "alone")
    with pytest.raises(StoreBusyError, match=r"\(`mvi store gc`\); wait for it to end before `mvi extract`"):
        hold(path, "extract", shared=True, patient=True).__enter__()


def test_a_kill_ends_it(path, elsewhere):
    """Nothing has to be removed by hand."""
    holder = elsewhere("ingest", "alone")
    holder.send_signal(signal.SIGKILL)
    holder.communicate(timeout=30)
    with hold(path, "extract", shared=True):
        pass


def test_the_patient_wait_for_what_takes_moments(path):
    """An extraction that makes regions, or an edit of the study that is followed."""
    begun, waited = threading.Event(), []

    def brief():
        with hold(path, "enrolment"):
            begun.set()
            time.sleep(0.3)
            waited.append("let go")

    other = threading.Thread(target=brief)
    other.start()
    begun.wait(10)
    with hold(path, "extract", shared=True, patient=True):
        assert waited == ["let go"]
    other.join()


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    """Here a file stands where the folder should be; a read-only disk is answered alike."""
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match=r"the store cannot be written \(.*\); check the disk's free space"):
        hold(tmp_path / "store" / ".lock", "extract").__enter__()
