"""`mvi ingest` that is killed at any moment and run again leaves the store of one that was not."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mvi_ray.project import Project
from tests.ingest.masks.conftest import GRID
from tests.project.broken.folder import write_study
from tests.project.broken.kind import block, write_volume

if TYPE_CHECKING:
    from pathlib import Path

_PATIENTS = 100
"""More than an ingest commits at once, so that there are two commits."""
_KNOWN = 30
"""Patients of an earlier ingest; half of them have been drawn anew since."""
_TABLES = ("masks", "images", "patients")
"""In the order in which an ingest commits them."""
# The process ends itself, so that no machine is too slow or too quick for the moment.
_KILLED = """
import os, signal, sys
from mvi_ray.cli import main
from mvi_ray.project import conversion
from mvi_ray.store.tables import Table
from mvi_ray.volume import Mask

kind, moment = sys.argv.pop(1), sys.argv.pop(1)
save, write, images = conversion.save_volume, Table.write, 0

def killed():
    os.kill(os.getpid(), signal.SIGKILL)

def save_volume(place, volume):
    global images
    images += not isinstance(volume, Mask)
    if kind == "image" and images == int(moment):
        killed()
    return save(place, volume)

def written(table, rows):
    write(table, rows)
    if kind == "table" and table.spec.name == moment:
        killed()

conversion.save_volume, Table.write = save_volume, written
main()
"""


pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Cohort:
    """Files to ingest, and what comes of them.

    Args:
        base: project after the earlier ingest.
        manifest: of all patients; one of the images is damaged.
        whole: rows of each table after an ingest that was not killed.
    """

    base: Path
    manifest: Path
    whole: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Ingest some patients, change their files, and see what an undisturbed second ingest makes."""
    base = tmp_path_factory.mktemp("killed") / "base"
    data = write_study(base)
    lines = ["patient_id,phase,image,mask"]
    for number in range(_PATIENTS):
        noise = np.random.default_rng(number).normal(100, 20, GRID.shape).astype(np.float32)
        write_volume(data / f"{number}.nii", noise)
        write_volume(data / f"{number}-mask.nii", np.roll(block(), number % 5, axis=2))
        lines.append(f"P{number:03},AP,{number}.nii,{number}-mask.nii")
    manifest = data / "manifest.csv"
    manifest.write_text("\n".join([*lines[: _KNOWN + 1], ""]))
    Project(base).ingest(manifest)
    for number in range(0, _KNOWN, 2):
        write_volume(data / f"{number}-mask.nii", np.roll(block(), -1, axis=1))
    (data / "77.nii").write_bytes((data / "77.nii").read_bytes()[:1000])
    manifest.write_text("\n".join([*lines, ""]))
    undisturbed = shutil.copytree(base, base.with_name("undisturbed"))
    Project(undisturbed).ingest(manifest)
    return Cohort(base, manifest, _rows(undisturbed))


def _rows(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows in the order of their keys, apart from times."""
    store = Project(folder).store
    found = {}
    for name in (*_TABLES, "quarantine"):
        rows = store.tables[name].read().to_pylist()
        kept = [{k: v for k, v in row.items() if k not in ("ingested_at", "failed_at")} for row in rows]
        found[name] = sorted(kept, key=repr)
    return found


def _version(folder: Path, table: str) -> int:
    """Number of the last commit of a table; 0: made, and nothing in it."""
    return max((int(p.stem) for p in _log(folder, table).glob("*.json")), default=0)


def _log(folder: Path, table: str) -> Path:
    return folder / "store" / "tables" / table / "_delta_log"


def _volumes(folder: Path) -> int:
    return sum(1 for _ in (folder / "store" / "images").glob("*/*.nii.gz"))


def _kill(folder: Path, manifest: Path, kind: str, moment: object) -> None:
    """Run `mvi ingest` in a process that is killed at a moment.

    Args:
        folder: the project.
        manifest: what is ingested.
        kind: `image`, before one is stored, or `table`, after the first commit to one.
        moment: number of the image, or name of the table.
    """
    script = (sys.executable, "-c", _KILLED, kind, str(moment))
    done = subprocess.run(
        [*script, "-C", str(folder), "ingest", str(manifest), "--no-pictures"],
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def _check_whole(folder: Path, cohort: Cohort) -> None:
    """Run the ingest to its end, and compare."""
    summary = Project(folder).ingest(cohort.manifest)
    assert [(p.patient_id, p.severity) for p in summary.problems] == [("P077", "error")]
    found = _rows(folder)
    for name, rows in cohort.whole.items():
        assert found[name] == rows, name
    assert Project(folder).check().findings == ()


def test_what_is_compared_holds_every_patient(cohort: Cohort) -> None:
    """The ingest that was not killed has all rows: those of the damaged image are missing."""
    counts = {name: len(rows) for name, rows in cohort.whole.items()}
    good = _PATIENTS - 1
    assert counts == {"masks": 2 * good, "images": good, "patients": good, "quarantine": 1}


def test_ingest_killed_again_and_again_while_it_reads_ends_the_same(cohort: Cohort, tmp_path: Path) -> None:
    """Three times on one store: at its first image, and after some more images each time."""
    folder = shutil.copytree(cohort.base, tmp_path / "project")
    rng = np.random.default_rng(20)
    seen = [_volumes(folder)]
    for image in (1, int(rng.integers(5, 25)), int(rng.integers(35, 60))):
        _kill(folder, cohort.manifest, "image", image)
        seen.append(_volumes(folder))
    assert seen[1] < seen[2] < seen[3] < _PATIENTS
    _check_whole(folder, cohort)


@pytest.mark.parametrize("table", _TABLES)
def test_ingest_killed_right_after_a_commit_ends_the_same(cohort: Cohort, tmp_path: Path, table: str) -> None:
    """Masks without their image, images without their patient, and patients without a snapshot."""
    later = {"masks": "images", "images": "patients", "patients": "snapshots"}[table]
    folder = shutil.copytree(cohort.base, tmp_path / "project")
    before = {name: _version(folder, name) for name in (table, later)}
    _kill(folder, cohort.manifest, "table", table)
    assert _version(folder, table) == before[table] + 1
    assert _version(folder, later) == before[later]
    _check_whole(folder, cohort)
