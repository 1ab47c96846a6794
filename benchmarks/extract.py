"""`mvi extract` against two plain processes on the same units, and against PyRadiomics' own batch mode.

    python benchmarks/extract.py DATA FOLDER [--patients STS_002 ...] [--phases PET ...] [--runs 3] [--batch]

DATA is the folder `sts-mri-pet`. FOLDER gets a project with these patients ingested, once; each run
begins with a copy of it that has no features. The ways run in turn, each in a process of its own:

plain    two processes with one thread in every library take the units of the same plan, the largest
         first, from one queue; results are thrown away. From the start of the processes, as Ray's workers
         load PyRadiomics too, and from the moment when both have loaded it.
mvi      `mvi extract --cpus 2`: workers, commits, catalog, statistics. Beyond Ray's start, and as a whole.
batch    `pyradiomics in.csv -o out.csv --jobs 2`, with the same settings, images and masks. As a whole.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from mvi_ray.cluster.unit import Unit
    from mvi_ray.project import Project

PATIENTS = [f"STS_{number}" for number in ("002", "003", "008", "012", "015", "018", "019", "024", "025")]
CORES = 2

STUDY = """\
schema_version: 1
phases: [{phases}]
regions: {{peritumoral: {{kind: ring, outer_mm: 10}}}}
preprocessing: none
families:
  cr:
    spacing_mm: [1, 1, 1]
    bin_width: {{MR_T1: 10, PET: 0.25}}
    image_types:
      [original, wavelet, log, square, squareroot, logarithm, exponential, gradient, lbp-2D, lbp-3D]
"""


def prepare(data: Path, folder: Path, patients: list[str], phases: list[str]) -> Path:
    """A project with images and masks and without features."""
    project = folder / "project"
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir(parents=True)
    widths = {"MR_T1": 10, "PET": 0.25}
    text = STUDY.format(phases=", ".join(phases)).replace(
        "{MR_T1: 10, PET: 0.25}", json.dumps({phase: widths[phase] for phase in phases})
    )
    (project / "study.yaml").write_text(text, encoding="utf-8")
    with (data / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["patient_id"] in patients and r["phase"] in phases]
    for row in rows:
        row["image"], row["mask"] = str(data / row["image"]), str(data / row["mask"])
    manifest = folder / "manifest.csv"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    mvi = str(Path(sys.executable).with_name("mvi"))
    command = [mvi, "-C", str(project), "ingest", str(manifest), "--no-pictures", "--json"]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return project


def units_of(project: Project) -> list[Unit]:
    """What an extraction would compute, the largest first."""
    from mvi_ray.project.declarations import declarations
    from mvi_ray.project.planning import make_plan

    study = declarations(project)
    project.store.publish(study)
    return make_plan(project, study, ["CR"], retry_failed=False, cores=CORES).units["CR"]


def _plain_worker(folder: str, todo: Any, ready: Any, done: Any) -> None:
    from mvi_ray.cluster.work import compute_cr
    from mvi_ray.extract.stock import stock_engine
    from mvi_ray.project import Project

    settings = Project(folder).study.families.cr_like
    stock_engine()
    ready.wait()
    while True:
        try:
            unit = todo.get(timeout=1)
        except queue.Empty:
            return
        results = compute_cr(unit, settings)
        done.put([result.failure and result.failure.reason for result in results])


def plain(folder: str) -> None:
    """Print the seconds of two processes."""
    from mvi_ray.cluster.session import THREADS
    from mvi_ray.project import Project

    os.environ.update(THREADS)
    units = units_of(Project(folder))
    spawn = multiprocessing.get_context("spawn")
    todo, done, ready = spawn.Queue(), spawn.Queue(), spawn.Barrier(CORES + 1)
    for unit in units:
        todo.put(unit)
    workers = [spawn.Process(target=_plain_worker, args=(folder, todo, ready, done)) for _ in range(CORES)]
    begin = time.perf_counter()
    for worker in workers:
        worker.start()
    ready.wait()
    loaded = time.perf_counter()
    failures = [reason for _ in units for reason in done.get() if reason]
    end = time.perf_counter()
    for worker in workers:
        worker.join()
    print(json.dumps({"seconds": end - begin, "loaded": end - loaded, "failed": len(failures)}))


def mvi(folder: str) -> None:
    """Print the seconds of an extraction, with and without Ray's start."""
    from mvi_ray.project import Project

    first: list[float] = []

    def follow(*_: object, **__: object) -> None:
        first.append(time.perf_counter())

    begin = time.perf_counter()
    summary = Project(folder).extract(cpus=CORES, progress=follow)
    end = time.perf_counter()
    print(json.dumps({"seconds": end - first[0], "whole": end - begin, "failed": summary.failed}), flush=True)


def batch(folder: str) -> None:
    """Print the seconds of PyRadiomics' command line, called once for each phase, as bins differ."""
    from mvi_ray.extract.cr import engine_settings
    from mvi_ray.extract.image_types import enabled_image_types, image_type_names
    from mvi_ray.project import Project

    project = Project(folder)
    settings = project.study.families.cr
    enabled = enabled_image_types(settings.image_types, image_type_names(settings.image_types))
    seconds = 0.0
    for phase in project.study.phases:
        units = [unit for unit in units_of(project) if unit.phase == phase]
        place = Path(folder)
        with (place / "in.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["Image", "Mask"])
            writer.writerows(
                [unit.store / unit.image.path, unit.store / voi.mask.path]
                for unit in units
                for voi in unit.vois
            )
        parameters = {"setting": engine_settings(settings, phase), "imageType": enabled}
        (place / "parameters.yaml").write_text(json.dumps(parameters), encoding="utf-8")
        program = str(Path(sys.executable).with_name("pyradiomics"))
        command = [program, "in.csv", "-o", "out.csv", "-f", "csv", "--jobs", str(CORES)]
        begin = time.perf_counter()
        subprocess.run(  # noqa: S603
            [*command, "--param", "parameters.yaml"], check=True, capture_output=True, cwd=place
        )
        seconds += time.perf_counter() - begin
    print(json.dumps({"seconds": seconds}))


def _measured(way: str, template: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=template.parent) as folder:
        project = Path(folder) / "project"
        shutil.copytree(template, project)
        command = [sys.executable, __file__, f"--{way}", str(project)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if result.get("failed"):
        sys.exit(f"{way}: {result['failed']} VOIs failed")
    return result


def _line(name: str, values: list[float], unit: str) -> None:
    spread = f"({min(values):.2f}–{max(values):.2f}, n={len(values)})"
    print(f"{name:<34} {statistics.median(values):8.2f} {unit}  {spread}")


def main() -> None:
    """Print medians and ranges, and the ratios of each round."""
    ways: dict[str, Callable[[str], None]] = {"run-plain": plain, "run-mvi": mvi, "run-batch": batch}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--patients", nargs="+", default=PATIENTS)
    parser.add_argument("--phases", nargs="+", default=["MR_T1", "PET"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--batch", action="store_true")
    for way in ways:
        parser.add_argument(f"--{way}", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    for way, run in ways.items():
        project = getattr(asked, way.replace("-", "_"))
        if project:
            return run(project)
    template = prepare(asked.data.resolve(), asked.folder.resolve(), asked.patients, asked.phases)
    names = list(ways)[: 3 if asked.batch else 2]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(asked.runs):
        for name in names:
            found[name].append(_measured(name, template))
            print(f"  {name.removeprefix('run-'):<6} {found[name][-1]['seconds']:8.2f} s", file=sys.stderr)
    ours, theirs = found["run-mvi"], found["run-plain"]
    _line("two plain processes", [r["seconds"] for r in theirs], "s")
    _line("  once they have loaded PyRadiomics", [r["loaded"] for r in theirs], "s")
    _line("mvi extract beyond Ray's start", [r["seconds"] for r in ours], "s")
    for name, since in (("throughput against plain", "seconds"), ("  against loaded ones", "loaded")):
        _line(name, [p[since] / m["seconds"] for p, m in zip(theirs, ours, strict=True)], " ")
    _line("mvi extract as a whole", [r["whole"] for r in ours], "s")
    if asked.batch:
        _line("pyradiomics --jobs 2", [r["seconds"] for r in found["run-batch"]], "s")
        ratios = [b["seconds"] / m["whole"] for b, m in zip(found["run-batch"], ours, strict=True)]
        _line("times as long as mvi extract", ratios, " ")
    return None


if __name__ == "__main__":
    main()
