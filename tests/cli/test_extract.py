"""`mvi extract` with its own Ray: streams, exit code, a kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def _mvi(tiny, *args):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MVI_", "RAY_"))}
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("mvi")), "-C", str(tiny.folder), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )


def _processes_of(parent):
    """Ids of the processes below one, by the kernel's own tree."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(path.parent.name))
    return [one for child in found for one in (child, *_processes_of(child))]


def _works(pid):
    """Whether a process still runs and may compute; Ray's two idle agents end a minute later."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z" and b"Agent" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def _left(pid):
    """Whether an agent of ours is still there, and not another process of that number."""
    try:
        return b"Agent" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.fixture
def partly(tiny):
    """A project with enough to do that a kill comes in the middle; one VOI cannot be computed."""
    tiny.write_study(binning="bin_width: 1", image_types="original: ", dlr=False)
    cases = [(f"P{n}", phase) for n in range(1, 7) for phase in ("AP", "PP")]
    for patient, phase in cases:
        tiny.write_case(patient, phase, peak=1e5 if (patient, phase) == ("P1", "AP") else 0.0)
    tiny.open().ingest(tiny.write_manifest(cases))
    return tiny


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process tree from /proc")
def test_a_killed_extraction_keeps_what_it_committed_and_the_next_one_does_the_rest(partly):
    """No key twice, no lock left, no process left; exit code 3 for the one that cannot be computed."""
    script = (
        "import sys; from mvi_ray.project import extraction; extraction._COMMIT_VOIS = 2; "
        "sys.argv[0] = 'mvi'; from mvi_ray.cli import main; main()"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MVI_", "RAY_"))}
    command = [sys.executable, "-c", script, "-C", str(partly.folder), "extract", "--cpus", "1"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    log = partly.folder / "store" / "tables" / "cr" / "_delta_log"
    deadline = time.monotonic() + 60
    while len(list(log.glob("*.json"))) < 3 and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    second = _mvi(partly, "extract")
    _, refused = second.communicate(timeout=60)
    below = _processes_of(first.pid)
    running = first.poll() is None
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=30)
    assert running, "it was to be killed in the middle"
    assert second.returncode == 1
    assert refused.startswith("error: another mvi command is writing to this store")
    assert len(below) > 2
    deadline = time.monotonic() + 30
    while any(map(_works, below)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(map(_works, below))
    for agent in filter(_left, below):
        os.kill(agent, signal.SIGTERM)

    kept = partly.open().sql("SELECT patient_id, phase, region, run_id FROM cr ORDER BY ALL").to_pylist()
    assert 0 < len(kept) < 23
    third = _mvi(partly, "extract", "--json")
    out, err = third.communicate(timeout=120)
    assert (third.returncode, err) == (3, "")
    summary = json.loads(out)
    assert (summary["failed"] + summary["quarantined"], summary["computed"]) == (1, 23 - len(kept))
    rows = partly.open().sql("SELECT patient_id, phase, region, run_id FROM cr ORDER BY ALL").to_pylist()
    assert len(rows) == len({tuple(row.values())[:3] for row in rows}) == 23
    assert all(row in rows for row in kept)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_stopped_extraction_says_so_and_keeps_what_is_done(partly, sign):
    """One line, exit code 130, no traceback; what was computed is committed, not only what was due."""
    process = _mvi(partly, "extract", "--cpus", "1")
    deadline = time.monotonic() + 90
    # A worker is busy: Ray has started, and its own handlers are in place.
    while time.monotonic() < deadline and not _busy(process.pid):
        time.sleep(0.02)
    process.send_signal(sign)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 130, err
    assert "stopped; what was finished is kept" in err
    assert "Traceback" not in err
    assert out == ""
    rest = partly.extract()
    assert (rest.complete, rest.wanted) == (23, 24)


def _busy(parent):
    """Whether a worker of ours computes."""
    for pid in _processes_of(parent):
        try:
            if b"compute_cr" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return True
        except OSError:
            continue
    return False
