"""One `mvi extract` over VOIs that crash, hang, raise and exhaust memory: each is recorded, no other lost.

Real images that do so are rare, so a module that Python loads at its start acts before the extractor does;
all else is the program as it is. ``MVI_MEMORY_MONITOR=1`` lets a worker grow until Ray's own monitor ends it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory"),
]

MONITOR = os.environ.get("MVI_MEMORY_MONITOR") == "1"
_GIB = 1024**3
_ACT = f"""\
import ctypes, functools, time
import numpy as np
from mvi_ray.cluster import work

plain = work.each_cr


def exhaust():
    if {MONITOR}:
        held = []
        while True:
            held.append(np.ones({_GIB} // 16))
            time.sleep(0.05)
    import resource

    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (8 * {_GIB}, most))
    np.ones(2 * {_GIB})


@functools.wraps(plain)
def each_cr(unit, settings):
    patient = dict(unit.vois[0].key)["patient_id"]
    if patient == "segfault":
        ctypes.string_at(0)
    elif patient == "hang":
        ctypes.PyDLL(None).sleep(600)  # holds Python's lock, as C code does
    elif patient == "raise":
        raise ZeroDivisionError("not a number")
    elif patient == "memory":
        exhaust()
    yield from plain(unit, settings)


work.each_cr = each_cr
"""
_STUDY = """\
schema_version: 1
synthetic: true
phases: [AP]
preprocessing: none
families:
  cr: {spacing_mm: null, bin_count: 8, image_types: [original]}
"""
# Long enough for a fresh worker on a busy machine to load the extractor and compute a good one.
_MINUTES = "0.6"
_BAD = ("segfault", "hang", "raise", "memory")
_GOOD = ("P1", "P2", "P3")


@pytest.fixture
def environment(tmp_path):
    """Of a process whose extractor acts by the patient's name."""
    (tmp_path / "sitecustomize.py").write_text(_ACT, encoding="utf-8")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MVI_", "RAY_"))}
    env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    if MONITOR:
        fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        total, free = (int(fields[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
        env["RAY_memory_usage_threshold"] = f"{min(0.95, 1 - free / total + 0.12):.3f}"
        env["RAY_memory_monitor_refresh_ms"] = "100"
    return env


def _mvi(folder, env, *args):
    done = subprocess.run(
        [str(Path(sys.executable).with_name("mvi")), "-C", str(folder), *args],
        env=env,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def test_each_bad_voi_is_recorded_with_its_reason_and_all_others_are_computed(tiny, environment):
    """Exit code 3; not cached as done: they stay until they are asked for again, and are solved then."""
    (tiny.folder / "study.yaml").write_text(_STUDY, encoding="utf-8")
    cases = [(patient, "AP") for patient in (*_BAD, *_GOOD)]
    for patient, phase in cases:
        tiny.write_case(patient, phase)
    tiny.open().ingest(tiny.write_manifest(cases))
    code, summary, err = _mvi(tiny.folder, environment, "extract", "--json", "--time-limit", _MINUTES)
    assert code == 3, err
    assert (summary["computed"], summary["failed"]) == (len(_GOOD), len(_BAD))
    found = tiny.open().sql("SELECT DISTINCT patient_id FROM cr ORDER BY ALL").column(0).to_pylist()
    assert found == list(_GOOD)

    code, status, err = _mvi(tiny.folder, environment, "status", "--failed", "--json")
    assert code == 0, err
    rows = {row["patient_id"]: row for row in status["failed"]}
    assert sorted(rows) == sorted(_BAD)
    assert len(status["failed"]) == len(_BAD)
    for name, words in {
        "segfault": "the worker process died after ",
        "hang": "it did not end within ",
        "raise": "not a number",
        "memory": "the worker ran out of memory",
    }.items():
        assert rows[name]["reason"].startswith(words), rows[name]["reason"]
    assert "ZeroDivisionError" in rows["raise"]["traceback"]

    code, again, err = _mvi(tiny.folder, environment, "extract", "--json")
    assert code == 3, err
    assert (again["computed"], again["failed"], again["quarantined"]) == (0, 0, len(_BAD))
    well = {k: v for k, v in environment.items() if not k.startswith("RAY_")} | {
        "PYTHONPATH": os.environ.get("PYTHONPATH", "")
    }
    code, mended, err = _mvi(tiny.folder, well, "extract", "--json", "--retry-failed")
    assert code == 0, err
    assert (mended["computed"], mended["complete"], mended["wanted"]) == (len(_BAD), len(cases), len(cases))
    assert tiny.open().sql("FROM quarantine").num_rows == 0
