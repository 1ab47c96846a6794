"""Twenty thousand units through planner, scheduler and committer, with a stand-in for the extractor.

    python benchmarks/scale.py FOLDER [--units 20000] [--cores 2] [--costs benchmarks/unit_costs.csv]

A store gets the rows of so many images, each with a tumour and a ring, and no volume. `Project.extract`
then runs as ever, on a Ray of its own, but its tasks return random values at once: what is left is what
planning, claiming, submitting, collecting and committing cost. The second part draws costs of units from
those recorded on real images and lets 2, 16, 128 and 1,000 cores work through them, the largest first,
behind one driver that needs the measured time for each unit.
"""

from __future__ import annotations

import argparse
import csv
import heapq
import resource
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mvi_ray.project import Project

STUDY = """\
schema_version: 1
name: benchmark of the extraction
synthetic: true
phases: [AP, PP, HBP]
regions: {peritumoral: {kind: ring, outer_mm: 10}}
preprocessing: none
families:
  cr:
    spacing_mm: [1, 1, 1]
    bin_width: 10
    image_types:
      [original, wavelet, log, square, squareroot, logarithm, exponential, gradient, lbp-2D, lbp-3D]
"""
REGIONS = ("intratumoral", "peritumoral")
CORES = (2, 16, 128, 1000)


def make_store(folder: Path, units: int) -> Project:
    """A project with so many images and two masks on each."""
    from mvi_ray.project import Project
    from mvi_ray.regions.derive import definition_text
    from mvi_ray.store.tables import now

    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    project = Project(folder)
    rng = np.random.default_rng(0)
    grid = {
        **{f"size_{axis}": 100 for axis in "xyz"},
        **{f"spacing_{axis}_mm": 1.0 for axis in "xyz"},
        **{f"origin_{axis}_mm": 0.0 for axis in "xyz"},
        "direction": [1.0, 0, 0, 0, 1, 0, 0, 0, 1],
        "source_orientation": "LPS",
        "source_origin_mm": [0.0, 0.0, 0.0],
    }
    definitions = project.study.regions
    made = {"intratumoral": None, **{name: definition_text(name, definitions) for name in definitions}}
    images: list[dict[str, Any]] = []
    masks: list[dict[str, Any]] = []
    for number in range(units):
        patient, phase = f"P{number // 3:05d}", ("AP", "PP", "HBP")[number % 3]
        key = {"patient_id": patient, "session": "baseline", "phase": phase}
        digest = f"{patient}{phase}"
        images.append({**key, "image_digest": digest, "path": f"images/{digest}.nii.gz", **grid})
        for region in REGIONS:
            voxels = int(rng.lognormal(10.5, 0.8))
            masks.append(
                {
                    **key,
                    "lesion": "1",
                    "region": region,
                    "reader": "R1",
                    "image_digest": digest,
                    "mask_digest": digest + region,
                    "input_digest": digest + region,
                    "path": f"masks/{digest}{region}.nii.gz",
                    "definition": made[region],
                    "voxels": voxels,
                    "volume_mm3": float(voxels),
                    **grid,
                }
            )
    tables = project.store.tables
    tables["images"].write(images)
    tables["masks"].write(masks)
    patients = sorted({row["patient_id"] for row in images})
    tables["patients"].write([{"patient_id": patient, "ingested_at": now()} for patient in patients])
    project.settle("benchmark")
    return project


def stand_in(unit: Any, settings: Any) -> Iterator[Any]:  # noqa: ARG001 - as `each_cr`
    """Random values at once, as many as the extractor would return."""
    from mvi_ray.cluster.unit import VoiResult
    from mvi_ray.features import CR_FEATURES, features_of

    for voi in unit.vois:
        rng = np.random.default_rng(int(voi.cost * 1000))
        rows = []
        for name, identifier in voi.feature_sets.items():
            defined = set(features_of(name))
            numbers = rng.normal(size=len(CR_FEATURES)).tolist()
            values = {
                f: value if f in defined else None for f, value in zip(CR_FEATURES, numbers, strict=True)
            }
            rows.append({"image_type": name, "feature_set_id": identifier, **values})
        yield VoiResult(voi, tuple(rows), duration_s=voi.cost, family=unit.family)


def through_everything(project: Project, cores: int) -> float:
    """Run an extraction of stand-ins; print what it costs and return the driver's seconds for each unit."""
    from mvi_ray.cluster import scheduler
    from mvi_ray.project import committing

    scheduler.each_cr = stand_in
    spent: list[tuple[float, int]] = []
    commit = committing.Committer.commit

    def timed(self: Any) -> None:
        begin = time.perf_counter()
        commit(self)
        spent.append((time.perf_counter() - begin, len(project.store.tables["cr"].files())))

    committing.Committer.commit = timed  # type: ignore[method-assign]
    first: list[float] = []

    def follow(*_: object, **__: object) -> None:
        first.append(time.perf_counter())

    units = project.store.tables["images"].read(["patient_id"]).num_rows
    begin, cpu = time.perf_counter(), time.process_time()
    summary = project.extract(cpus=cores, progress=follow)
    end = time.perf_counter()
    driver = time.process_time() - cpu
    if summary.failed or summary.computed != 2 * units:
        message = f"{summary.computed} of {2 * units} VOIs were computed, {summary.failed} failed"
        raise SystemExit(message)
    wall = first[-1] - first[0]
    print(f"units {units}, VOIs {summary.computed}, values {summary.values:,}")
    print(f"plan and Ray's start      {first[0] - begin:8.1f} s")
    print(f"units, {cores} workers          {wall:8.1f} s   {1000 * wall / units:6.2f} ms a unit")
    print(f"end: joining, statistics  {end - first[-1]:8.1f} s")
    print(f"driver's CPU time         {driver:8.1f} s   {1000 * driver / units:6.2f} ms a unit")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"driver's peak memory      {peak:8.2f} GiB")
    print("commit latency (median s, files of `cr`) by tenths of the run:")
    for part in np.array_split(np.arange(len(spent)), min(10, len(spent))):
        chosen = [spent[index] for index in part]
        seconds, files = statistics.median(s for s, _ in chosen), chosen[-1][1]
        print(f"  {seconds:6.2f} s  {files:5d} files")
    return driver / units


def efficiency(costs: np.ndarray, cores: int, driver_s: float) -> float:
    """Sum of costs over cores × time, when one driver hands out units, the largest first.

    Args:
        costs: seconds of each unit.
        cores: workers.
        driver_s: seconds that the driver needs for a unit, one after the other.
    """
    free = [0.0] * cores
    handed = 0.0
    for cost in np.sort(costs)[::-1]:
        handed += driver_s
        heapq.heappush(free, max(heapq.heappop(free), handed) + float(cost))
    return float(costs.sum() / (cores * max(free)))


def main() -> None:
    """Print both parts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--units", type=int, default=20_000)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--costs", type=Path, default=Path(__file__).with_name("unit_costs.csv"))
    asked = parser.parse_args()
    project = make_store(asked.folder / "scale", asked.units)
    driver_s = through_everything(project, asked.cores)
    with asked.costs.open(encoding="utf-8", newline="") as file:
        seconds: dict[str, float] = {}
        for row in csv.DictReader(file):
            seconds[row["unit"]] = seconds.get(row["unit"], 0.0) + float(row["seconds"])
    recorded = np.array(list(seconds.values()))
    drawn = np.random.default_rng(0).choice(recorded, asked.units)
    print(
        f"\n{asked.units} units drawn from {recorded.size} recorded: "
        f"median {np.median(recorded):.0f} s, longest {recorded.max():.0f} s"
    )
    print("cores   efficiency   hours")
    for cores in CORES:
        share = efficiency(drawn, cores, driver_s)
        print(f"{cores:5d}   {share:10.3f}   {drawn.sum() / 3600 / cores / share:6.2f}")


if __name__ == "__main__":
    main()
