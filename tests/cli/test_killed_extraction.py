"""Random kills of the driver over real images: the final store is that of an undisturbed run.

Three kills and four patients by default; ``MVI_KILLS=30`` takes the whole cohort (docs/reliability.md).
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mvi_ray.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

KILLS = int(os.environ.get("MVI_KILLS", "3"))
SEED = 20_261_124
_MANY = KILLS > 3
_FEW = ("STS_002", "STS_003", "STS_008", "STS_012")
_STUDY = """\
schema_version: 1
phases: [MR_T1, PET]
regions: {peritumoral: {kind: ring, outer_mm: 10}}
preprocessing: none
families:
  cr:
    spacing_mm: [2, 2, 2]
    bin_width: {MR_T1: 20, PET: 0.25}
    image_types: [original, gradient, log, square, exponential]
"""
_VALUES = (
    "SELECT COLUMNS(lambda c: c NOT IN ('run_id', 'duration_s', 'computed_at')) FROM cr_all ORDER BY ALL"
)


def _mvi(folder: Path, *args: str) -> subprocess.Popen[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MVI_", "RAY_"))}
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("mvi")), "-C", str(folder), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )


def _finished(folder: Path, *args: str) -> tuple[int, str, str]:
    process = _mvi(folder, *args)
    out, err = process.communicate(timeout=3000)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def ingested(real_data, tmp_path_factory):
    """A project of real images with their masks, and no feature."""
    folder = tmp_path_factory.mktemp("killed") / "ingested"
    folder.mkdir()
    (folder / "study.yaml").write_text(_STUDY)
    source = real_data / "sts-mri-pet"
    with (source / "manifest.csv").open(newline="") as file:
        rows = [
            {**row, "image": str(source / row["image"]), "mask": str(source / row["mask"])}
            for row in csv.DictReader(file)
            if (_MANY or row["patient_id"] in _FEW) and row["phase"] in ("MR_T1", "PET")
        ]
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    code, _, err = _finished(folder, "ingest", str(folder / "manifest.csv"), "--no-pictures", "--json")
    assert code == 0, err
    return folder


def _has_begun(process: subprocess.Popen[str]) -> bool:
    """Whether one of its workers computes."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"ray::compute_cr" in path.read_bytes() and _below(int(path.parent.name), process.pid):
                return True
        except OSError:
            continue
    return False


def _begun(folder: Path) -> subprocess.Popen[str]:
    """An extraction, once it computes or has nothing to compute."""
    process = _mvi(folder, "extract", "--json", "--cpus", "2")
    while process.poll() is None and not _has_begun(process):
        time.sleep(0.05)
    return process


def _below(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def test_killed_at_random_the_store_ends_as_that_of_an_undisturbed_run(ingested, tmp_path):
    """Row by row and bit by bit; nothing twice, nothing in quarantine."""
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        shutil.copytree(ingested, folder)
    process = _begun(undisturbed)
    begin = time.monotonic()
    out, err = process.communicate(timeout=3000)
    work = time.monotonic() - begin
    assert process.returncode == 0, err
    rng = np.random.default_rng(SEED)
    # Beyond Ray's start. Some come before the first commit of their run, and some after several. All
    # together they leave the work unfinished, so that each finds something to disturb.
    moments = rng.uniform(size=KILLS)
    states = []
    for moment in moments * 0.8 * work / moments.sum():
        process = _begun(disturbed)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=moment)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        states.append(Project(disturbed).store.tables["cr"].read(["patient_id"]).num_rows)
    code, last, err = _finished(disturbed, "extract", "--json", "--cpus", "2")
    assert code == 0, err
    # `pytest -s` shows what docs/reliability.md quotes.
    print(f"{KILLS} kills, an undisturbed run computes for {work:.0f} s; rows after each: {states}")  # noqa: T201
    assert json.loads(last)["complete"] == json.loads(out)["complete"] == json.loads(out)["wanted"] > 0
    ours, theirs = (Project(folder).sql(_VALUES) for folder in (disturbed, undisturbed))
    assert ours.equals(theirs)
    keys = "patient_id, session, phase, lesion, region, reader, image_type, feature_set_id"
    twice = f"SELECT {keys} FROM cr_all GROUP BY ALL HAVING count(*) > 1"  # noqa: S608 - of this file
    assert Project(disturbed).sql(twice).num_rows == 0
    assert Project(disturbed).sql("SELECT * FROM quarantine").num_rows == 0
