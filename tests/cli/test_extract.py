"""`mvi extract` with its own Ray: streams, exit code, a kill in the middle."""

from __future__ import annotations

import json
import os
import re
import shutil
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


# Two VOIs make a commit, so that there is a middle to be killed in.
_SCRIPT = """
import sys, time
from mvi_ray.cluster import supply
from mvi_ray.project import claims, committing

committing._COMMIT_VOIS, supply._AHEAD_S = 2, 0.0
together, take = int(sys.argv.pop(1)), claims.StoreClaims.take


def take_when_all_are_there(self, units):
    while together > len(list(self._store.root.glob(".extractions/*.lock"))) and self._own == {}:
        time.sleep(0.05)
    return take(self, units)


claims.StoreClaims.take = take_when_all_are_there
sys.argv[0] = "mvi"
from mvi_ray.cli import main

main()
"""


def _slow_mvi(tiny, *args, together=1, **options):
    """`mvi` that commits and claims little at a time, and begins when so many extractions are there."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MVI_", "RAY_"))}
    command = [sys.executable, "-c", _SCRIPT, str(together), "-C", str(tiny.folder), *args, "--cpus", "1"]
    return subprocess.Popen(command, env=env, text=True, **options)


def _wait(condition, process, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


def _commits(tiny, table="cr"):
    return len(list((tiny.folder / "store" / "tables" / table / "_delta_log").glob("*.json")))


def _kill(process):
    """SIGKILL in the middle, and the end of what it had started."""
    below = _processes_of(process.pid)
    assert process.poll() is None, "it was to be killed in the middle"
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    assert len(below) > 2
    deadline = time.monotonic() + 30
    while any(map(_works, below)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(map(_works, below))
    for agent in filter(_left, below):
        os.kill(agent, signal.SIGTERM)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process tree from /proc")
def test_a_killed_extraction_keeps_what_it_committed_and_the_next_one_does_the_rest(partly):
    """No key twice, no lock left, no process left; exit code 3 for the one that cannot be computed."""
    first = _slow_mvi(partly, "extract", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _wait(lambda: _commits(partly) >= 3, first)
    # It lives, and cannot end before it is killed.
    first.send_signal(signal.SIGSTOP)
    second = _mvi(partly, "ingest", str(partly.manifest))
    _, refused = second.communicate(timeout=60)
    _kill(first)
    assert second.returncode == 1
    assert refused.startswith("error: another mvi command is writing to this store (`mvi extract`)")

    kept = partly.open().sql("SELECT patient_id, phase, region, run_id FROM cr ORDER BY ALL").to_pylist()
    assert 0 < len(kept) < 23
    third = _mvi(partly, "extract", "--json")
    out, err = third.communicate(timeout=120)
    assert third.returncode == 3
    assert {json.loads(line)["event"] for line in err.splitlines()} == {"progress"}
    summary = json.loads(out)
    assert (summary["failed"] + summary["quarantined"], summary["computed"]) == (1, 23 - len(kept))
    rows = partly.open().sql("SELECT patient_id, phase, region, run_id FROM cr ORDER BY ALL").to_pylist()
    assert len(rows) == len({tuple(row.values())[:3] for row in rows}) == 23
    assert all(row in rows for row in kept)
    _nothing_is_left(partly)


def _nothing_is_left(tiny):
    assert tiny.open().store.tables["attempts"].files() == []
    assert list((tiny.folder / "store" / ".extractions").iterdir()) == []


_VALUES = "SELECT COLUMNS(lambda c: c NOT IN ('run_id', 'duration_s', 'computed_at')) FROM cr ORDER BY ALL"
_FAILED = "SELECT patient_id, phase, region, reason, attempts FROM quarantine ORDER BY ALL"


def test_two_extractions_at_once_compute_each_voi_once(partly, tmp_path):
    """Together they leave what one leaves, to the last bit; each says what the other did."""
    alone = type(partly)(shutil.copytree(partly.folder, tmp_path / "alone"))
    alone.extract()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [_slow_mvi(partly, "extract", "--json", together=2, **pipes) for _ in range(2)]
    answers = [one.communicate(timeout=180) for one in both]
    assert {one.returncode for one in both} <= {0, 3}, answers
    found = [json.loads(out) for out, _ in answers]
    assert sum(one["computed"] for one in found) == 23
    assert min(one["computed"] for one in found) > 0
    assert sum(one["failed"] for one in found) == 1
    for one in found:
        # What the other failed at counts as in quarantine.
        told = (one[name] for name in ("computed", "failed", "elsewhere", "quarantined"))
        assert sum(told) == one["planned"]
    assert partly.open().sql(_VALUES).equals(alone.open().sql(_VALUES))
    assert partly.open().sql(_FAILED).equals(alone.open().sql(_FAILED))
    runs = "SELECT count(DISTINCT run_id) AS runs FROM cr GROUP BY patient_id, phase"
    assert {row["runs"] for row in partly.open().sql(runs).to_pylist()} == {1}
    _nothing_is_left(partly)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process tree from /proc")
def test_when_one_of_two_is_killed_the_other_does_its_work_too(partly):
    """What the killed one had committed stays, what it held is taken over."""
    first = _slow_mvi(partly, "extract", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _wait(lambda: _commits(partly) >= 3, first)
    # It lives and holds what it has begun, and goes no further.
    first.send_signal(signal.SIGSTOP)
    second = _mvi(partly, "extract", "--json", "--cpus", "1")
    presence = partly.folder / "store" / ".extractions"
    _wait(lambda: len(list(presence.glob("*.lock"))) == 2, second)
    assert len(list(presence.glob("*.lock"))) == 2
    _kill(first)
    kept = len(partly.open().sql("FROM cr"))
    out, err = second.communicate(timeout=120)
    assert second.returncode == 3, err
    summary = json.loads(out)
    assert 0 < kept < 23
    assert (summary["complete"], summary["wanted"], summary["elsewhere"]) == (23, 24, 0)
    assert len(partly.open().sql("SELECT DISTINCT patient_id, phase, region FROM cr")) == 23
    assert len(partly.open().sql("FROM cr")) == 23
    _nothing_is_left(partly)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process tree from /proc")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_stopped_extraction_says_so_and_keeps_what_is_done(partly, sign):
    """One line, exit code 130, no traceback; what was computed is committed, not only what was due."""
    process = _mvi(partly, "extract", "--cpus", "1")
    deadline = time.monotonic() + 90
    # A worker is busy: Ray has started, and its own handlers are in place.
    while time.monotonic() < deadline and not _busy(process.pid):
        time.sleep(0.02)
    below, folders = _processes_of(process.pid), _folders_of(process.pid)
    assert len(below) > 2
    assert len(folders) == 1
    process.send_signal(sign)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 130, err
    assert not any(map(_works, below))
    assert not any(folder.exists() for folder in folders)
    assert "stopped; what was finished is kept" in err
    assert "Traceback" not in err
    assert out == ""
    rest = partly.extract()
    assert (rest.complete, rest.wanted) == (23, 24)
    _nothing_is_left(partly)


def _folders_of(parent):
    """Where Ray's processes below one keep their sockets and logs."""
    lines = [_command(pid) for pid in _processes_of(parent)]
    return {Path(found) for line in lines for found in re.findall(r"/\w+/mvi-ray-[^/\s\0]+", line)}


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def _busy(parent):
    """Whether a worker of ours computes."""
    return any("compute_cr" in _command(pid) for pid in _processes_of(parent))
