"""Random kills of the driver over real images: the final store is that of an undisturbed run.

Three kills by default; ``MVI_KILLS=30`` takes more patients and all 19 image types (docs/reliability.md).
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
_FEW, _MANY = (
    ("STS_002", "STS_003", "STS_008", "STS_012"),
    tuple(f"STS_{n:03}" for n in (2, 3, 8, 12, 15, 18, 19, 24, 25)),
)
_SHORT = "[original, gradient]"
_ALL = "[original, wavelet, log, square, squareroot, logarithm, exponential, gradient, lbp-2D, lbp-3D]"
_STUDY = """\
schema_version: 1
phases: [PET]
regions: {{peritumoral: {{kind: ring, outer_mm: 10}}}}
preprocessing: none
families:
  cr: {{spacing_mm: {spacing}, bin_width: 0.25, image_types: {image_types}}}
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
    """A project of real PET images with their masks, and no feature."""
    many = KILLS > 3
    folder = tmp_path_factory.mktemp("killed") / "ingested"
    folder.mkdir()
    text = _STUDY.format(spacing="[1, 1, 1]" if many else "[2, 2, 2]", image_types=_ALL if many else _SHORT)
    (folder / "study.yaml").write_text(text)
    source = real_data / "sts-mri-pet"
    with (source / "manifest.csv").open(newline="") as file:
        rows = [
            {**row, "image": str(source / row["image"]), "mask": str(source / row["mask"])}
            for row in csv.DictReader(file)
            if row["patient_id"] in (_MANY if many else _FEW) and row["phase"] == "PET"
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
    killed, ended, states = 0, False, []
    while killed < KILLS and not ended:
        process = _begun(disturbed)
        try:
            # Beyond Ray's start: some come before the first commit, some after several, and all together
            # within the work that there is.
            process.wait(timeout=rng.uniform(0.0, min(20.0, 1.6 * work / KILLS)))
            ended = True
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.communicate(timeout=60)
        states.append(Project(disturbed).store.tables["cr"].read(["patient_id"]).num_rows)
    code, last, err = _finished(disturbed, "extract", "--json", "--cpus", "2")
    assert code == 0, err
    # `pytest -s` shows what docs/reliability.md quotes.
    print(f"{killed} kills, an undisturbed run computes for {work:.0f} s; rows after each: {states}")  # noqa: T201
    assert killed, "no kill came in time to mean anything"
    assert json.loads(last)["complete"] == json.loads(out)["complete"] == json.loads(out)["wanted"] > 0
    ours, theirs = (Project(folder).sql(_VALUES) for folder in (disturbed, undisturbed))
    assert ours.equals(theirs)
    keys = "patient_id, session, phase, lesion, region, reader, image_type, feature_set_id"
    twice = f"SELECT {keys} FROM cr_all GROUP BY ALL HAVING count(*) > 1"  # noqa: S608 - of this file
    assert Project(disturbed).sql(twice).num_rows == 0
    assert Project(disturbed).sql("SELECT * FROM quarantine").num_rows == 0
