"""Readers and writers at once, in processes of their own, with compaction running."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

# A minute was run by hand; a few seconds already hold dozens of commits that meet each other.
_SECONDS = float(os.environ.get("MVI_HAMMER_SECONDS", "3"))

_COMMON = """
import sys, time, json
from pathlib import Path
from mvi_ray.store import tables
from mvi_ray.store.declarations import Declarations
from mvi_ray.store.history import Event
from mvi_ray.store.store import Store
from mvi_ray.store.upkeep import compact
# Four that write without a pause to one table may be held up for long on a busy machine.
tables._ATTEMPTS = 1000
store = Store(Path(sys.argv[1]))
name = sys.argv[2]
current = tuple(("CR", "AP", kind, f"cr-{kind}") for kind in ("original", "square"))
regions = ("intratumoral", "peritumoral")
study = Declarations("hammer", "d", False, ("AP",), regions, ("R1",), {"CR": 2}, current)
done = 0
"""
# All begin at once, however long it takes to start them.
_BEGIN = """
print(flush=True)
sys.stdin.readline()
until = time.monotonic() + float(sys.argv[3])
"""
_WRITER = (
    _COMMON
    + _BEGIN
    + """
def rows(patient, value):
    return [{
        "patient_id": patient, "session": "baseline", "phase": "AP", "lesion": "1", "region": region,
        "reader": "R1", "image_type": kind, "feature_set_id": f"cr-{kind}", "input_digest": name,
        "glcm_Contrast": value,
    } for region in regions for kind in ("original", "square")]
while time.monotonic() < until:
    # Rows with new keys are appended; every third time there is a row to replace, and a merge.
    shared = rows("shared", hash((name, done)) % 1e6) if done % 3 == 0 else []
    store.tables["cr"].write(rows(f"{name}-{done}", float(done)) + shared)
    done += 1
    if done % 3 == 0:
        store.publish(study, Event("hammer", name))
store.publish(study, Event("hammer", name))
print(json.dumps(done))
"""
)
_COMPACTOR = (
    _COMMON
    + _BEGIN
    + """
while time.monotonic() < until:
    compact(store.tables["cr"])
    store.publish(study, Event("compact"))
    done += 1
    time.sleep(0.2)
print(json.dumps(done))
"""
)
_SEEN = """
import sys, time, json, collections
import duckdb
done, seen, bad = 0, collections.Counter(), []
"""
_READ = """
while time.monotonic() < until:
    with duckdb.connect(sys.argv[1] + "/mvi.duckdb", read_only=True) as connection:
        found = connection.execute(
            "SELECT patient_id, count(*), count(DISTINCT (region, image_type)), "
            "min(glcm_Contrast) = max(glcm_Contrast) FROM cr_all GROUP BY ALL"
        ).fetchall()
    bad += [row for row in found if row[1:] != (4, 4, True)]
    now = collections.Counter(row[0].partition("-")[0] for row in found)
    bad += [f"{name}: {seen[name]} patients, then {now[name]}" for name in seen if now[name] < seen[name]]
    seen, done = now, done + 1
print(json.dumps([done, bad]))
"""
_READER = _SEEN + _BEGIN + _READ


@pytest.mark.slow
def test_a_reader_never_sees_half_a_commit_and_no_row_is_lost(store, study, rows, record_property):
    """Three writers with rows of their own and one row that all replace; two readers; one compactor."""
    store.tables["cr"].write(
        [
            {
                **rows.cr(0.0, patient_id="shared", image_type=kind, feature_set_id=f"cr-{kind}"),
                "region": region,
            }
            for region in ("intratumoral", "peritumoral")
            for kind in ("original", "square")
        ]
    )
    store.publish(study)
    scripts = {"w0": _WRITER, "w1": _WRITER, "w2": _WRITER, "c0": _COMPACTOR, "r0": _READER, "r1": _READER}
    running = {
        name: subprocess.Popen(
            [sys.executable, "-c", script, str(store.root), name, str(_SECONDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, script in scripts.items()
    }
    for process in running.values():
        process.stdout.readline()
    for process in running.values():
        process.stdin.write("\n")
        process.stdin.flush()
    answers = {}
    for name, process in running.items():
        out, err = process.communicate(timeout=_SECONDS + 120)
        assert process.returncode == 0, f"{name}: {err}"
        answers[name] = json.loads(out)
    for reader in ("r0", "r1"):
        count, bad = answers[reader]
        assert bad == []
        assert count > 0
    assert answers["c0"] > 0
    found = store.tables["cr"].read(["patient_id", "region", "image_type"]).to_pylist()
    keys = [tuple(row.values()) for row in found]
    assert len(keys) == len(set(keys))
    wanted = {f"{name}-{number}" for name in ("w0", "w1", "w2") for number in range(answers[name])}
    assert {patient for patient, _, _ in keys} == {"shared", *wanted}
    assert len(keys) == 4 * (len(wanted) + 1)
    published = store.query("SELECT count(*) AS n FROM cr_all").to_pylist()
    store.publish(study)
    # The last to publish put nothing older in place.
    assert store.query("SELECT count(*) AS n FROM cr_all").to_pylist() == published
    record_property("commits", [answers[name] for name in ("w0", "w1", "w2")])
    record_property("reads", [answers[name][0] for name in ("r0", "r1")])
