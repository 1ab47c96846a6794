"""An own Ray begins and ends with its session, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads the process tree from /proc"),
]

_SCRIPT = """
import json, sys, time
from pathlib import Path
import ray
from mvi_ray.cluster.processes import processes_of
from mvi_ray.cluster.session import ray_session

def work(mark):
    Path(mark).touch()
    time.sleep(600)

told = Path(sys.argv[1])
for end in sys.argv[2:]:
    mark = told.with_suffix(".begun")
    mark.unlink(missing_ok=True)
    try:
        with ray_session(cpus=1) as resources:
            assert resources.own
            running = ray.remote(max_retries=0)(work).remote(str(mark))
            while not mark.exists():
                time.sleep(0.02)
            folder = ray._private.worker.global_worker.node.get_temp_dir_path()
            told.write_text(json.dumps([folder, [one.pid for one in processes_of(folder)]]))
            if end == "error":
                raise ZeroDivisionError
            if end == "wait":
                told.with_suffix(".ready").touch()
                time.sleep(600)
    except ZeroDivisionError:
        pass
    except KeyboardInterrupt:
        sys.exit(130)
"""


def _start(tmp_path, *ends):
    (tmp_path / "home").mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    return subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(tmp_path / "told"), *ends],
        env={**env, "HOME": str(tmp_path / "home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _nothing_is_left(tmp_path):
    folder, pids = json.loads((tmp_path / "told").read_text())
    assert len(pids) > 3
    deadline = time.monotonic() + 3
    while any(map(_lives, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [pid for pid in pids if _lives(pid)] == []
    assert not Path(folder).exists()
    assert list((tmp_path / "home").rglob("*")) == []


@pytest.mark.parametrize("end", ["success", "error"])
def test_nothing_is_left_behind(tmp_path, end):
    """No process though a task still runs, no folder, no token in the home folder; also the second time."""
    process = _start(tmp_path, "success", end)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    _nothing_is_left(tmp_path)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_nothing_is_left_behind_by_a_signal(tmp_path, sign):
    """The task that ran ends with its session."""
    process = _start(tmp_path, "wait")
    deadline = time.monotonic() + 60
    ready = tmp_path / "told.ready"
    while not ready.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(sign)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    _nothing_is_left(tmp_path)
