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

from mvi_ray.cluster.session import THREADS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads the process tree from /proc"),
]

_SCRIPT = """
import json, signal, sys, time
from pathlib import Path
import ray
from mvi_ray.cluster.processes import _UNNEEDED, processes_of
from mvi_ray.cluster.session import ray_session

def work(mark):
    Path(mark).touch()
    time.sleep(600)

def own_handler(*_):
    sys.exit(3)

told = Path(sys.argv[1])
signs = (signal.SIGTERM, signal.SIGHUP)
for sign in signs:
    signal.signal(sign, own_handler)
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
            commands = [Path(f"/proc/{one.pid}/cmdline").read_bytes() for one in processes_of(folder)]
            assert not [one for one in commands for name in _UNNEEDED if name in one]
            with told.open("a") as file:
                print(json.dumps([folder, [one.pid for one in processes_of(folder)]]), file=file)
            if end == "error":
                raise ZeroDivisionError
            if end == "wait":
                told.with_suffix(".ready").touch()
                time.sleep(600)
    except ZeroDivisionError:
        pass
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        assert [signal.getsignal(sign) for sign in signs] == [own_handler] * 2
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


@pytest.mark.parametrize("library", ["OMP", "OPENBLAS", "MKL", "VECLIB"])
def test_each_library_of_a_worker_is_told_to_use_one_thread(library):
    """Apple's vecLib is NumPy's BLAS on macOS."""
    names = [name for name in THREADS if name.startswith(f"{library}_") and name.endswith("_THREADS")]
    assert [THREADS[name] for name in names] == ["1"]


@pytest.mark.parametrize(
    ("ends", "sign"),
    [(("success", "error"), signal.SIGTERM), ((), signal.SIGINT)],
    ids=["sigterm", "ctrl-c"],
)
def test_nothing_is_left_behind(tmp_path, ends, sign):
    """By success, error or a signal: no process though a task still runs, no folder, no token at home.

    Nor a handler of signals in the program that goes on. What an own instance has no use for went at once.
    """
    process = _start(tmp_path, *ends, "wait")
    deadline = time.monotonic() + 180
    ready = tmp_path / "told.ready"
    while not ready.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(sign)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    sessions = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    assert len(sessions) == len(ends) + 1
    for folder, pids in sessions:
        assert len(pids) > 3
        deadline = time.monotonic() + 3
        while any(map(_lives, pids)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [pid for pid in pids if _lives(pid)] == []
        assert not Path(folder).exists()
    assert list((tmp_path / "home").rglob("*")) == []
