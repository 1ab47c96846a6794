"""What VOIs cost against what is predicted: seconds of one core, and peak memory of a worker.

    python benchmarks/cost.py DATA PATIENT:PHASE [PATIENT:PHASE ...] [--bin-width W] [--filters]
    python benchmarks/cost.py DATA --tail COPIES

DATA is a folder with `manifest.csv`, for example `sts-mri-pet` with STS_002:PET STS_002:MR_T1. The
images are ingested into an empty project; tumour and ring of 10 mm of each, resampled to 1 mm, are
measured on all image types, each VOI by the code of a worker in a process of its own with one
thread. Seconds are those of the processor, so that a busy machine disturbs them little. With
`--filters` each filter is timed alone, too: what the constants of `extract/cost.py` are fitted to.

`--tail` takes all images of DATA so many times over and simulates, with predicted costs, how well
the cores are used when units above a share of a core's work are divided.
"""

from __future__ import annotations

import csv
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mvi_ray.cluster.session import THREADS
from mvi_ray.extract.cost import VoiSize
from mvi_ray.project import Project
from mvi_ray.project.declarations import declarations
from mvi_ray.project.forecast import makespan
from mvi_ray.project.planning import make_plan, split_giants
from mvi_ray.voi import VOI_KEY

if TYPE_CHECKING:
    from mvi_ray.cluster.unit import Unit
    from mvi_ray.project.planning import Plan
    from mvi_ray.study import ConventionalRadiomics

STUDY = """\
schema_version: 1
phases: [{phases}]
regions: {{peritumoral: {{kind: ring, outer_mm: 10}}}}
preprocessing: none
families:
  cr:
    spacing_mm: [1, 1, 1]
    {binning}
    image_types:
      original:
      wavelet:
      log: {{sigma_mm: [1.0, 2.0, 3.0]}}
      square:
      squareroot:
      logarithm:
      exponential:
      gradient:
      lbp-2D:
      lbp-3D:
"""


def _child() -> None:
    """Compute the unit that comes in on stdin; seconds and peak bytes go out."""
    import resource

    from mvi_ray.cluster.work import compute_cr

    unit, settings = pickle.load(sys.stdin.buffer)  # noqa: S301 - from this program
    # The engine is loaded before the clock starts, as in a worker that has done a unit before.
    import radiomics.featureextractor  # noqa: F401

    begin = time.process_time()
    (result,) = compute_cr(unit, {unit.family: settings})
    seconds = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    pickle.dump((seconds, peak, result.failure and result.failure.reason), sys.stdout.buffer)


def _measured(unit: Unit, settings: ConventionalRadiomics) -> tuple[float, float]:
    done = subprocess.run(  # noqa: S603 - this program itself
        [sys.executable, __file__, "--child"],
        input=pickle.dumps((unit, settings)),
        env=os.environ | THREADS,
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds, peak, failure = pickle.loads(done.stdout)  # noqa: S301 - from this program
    if failure:
        sys.exit(f"{unit.vois[0].name}: {failure}")
    return seconds, peak


def _rows(manifest: Path, wanted: list[str]) -> list[dict[str, str]]:
    """Rows of the chosen images, or of all, with absolute paths."""
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if not wanted or f"{row['patient_id']}:{row['phase']}" in wanted
        ]
    return [{**row, **{k: str(manifest.parent / row[k]) for k in ("image", "mask")}} for row in rows]


def _groups(names: list[str]) -> dict[str, list[str]]:
    """Filter to its images."""
    groups: dict[str, list[str]] = {}
    for name in names:
        group = name if name.startswith("lbp-2D") else name.split("-")[0]
        groups.setdefault(group, []).append(name)
    return groups


def _summary(name: str, ratios: list[float]) -> None:
    low, high = min(ratios), max(ratios)
    print(f"{name}: measured to predicted, median {statistics.median(ratios):.2f} ({low:.2f}-{high:.2f})")


def _compare(project: Project, plan: Plan, *, by_filter: bool) -> None:
    """A line for each VOI, then the medians."""
    masks = project.store.tables["masks"].read().to_pylist()
    sizes = {tuple(row[k] for k in VOI_KEY): VoiSize.of_row(row) for row in masks}
    settings = project.study.families.cr
    print(f"{'VOI':<44}{'inside':>9}{'box':>9}{'predicted':>12}{'taken':>9}{'predicted':>12}{'taken':>10}")
    seconds, memory = [], []
    for single in [part for unit in plan.units["CR"] for part in map(unit.of, ([voi] for voi in unit.vois))]:
        (voi,) = single.vois
        size = sizes[tuple(value for _, value in voi.key)]
        taken, peak = _measured(single, settings)
        seconds.append(taken / voi.cost)
        memory.append(peak / voi.memory_bytes)
        print(
            f"{voi.name:<44}{size.inside((1, 1, 1)):>9,.0f}{size.filtered((1, 1, 1)):>9,.0f}"
            f"{voi.cost:>10.1f} s{taken:>7.1f} s"
            f"{voi.memory_bytes / 2**20:>8,.0f} MiB{peak / 2**20:>6,.0f} MiB",
            flush=True,
        )
        for group, names in _groups(list(voi.feature_sets)).items() if by_filter else ():
            part = replace(voi, feature_sets={name: voi.feature_sets[name] for name in names})
            taken, peak = _measured(replace(single, vois=(part,)), settings)
            print(f"    {group:<14}{len(names):>3}{taken:>9.2f} s{peak / 2**20:>8,.0f} MiB", flush=True)
    _summary("seconds", seconds)
    _summary("memory", memory)


def _tail(plan: Plan, copies: int) -> None:
    """Efficiency of each number of cores by the share above which units are divided."""
    whole: dict[str, Unit] = {}
    for unit in plan.units["CR"]:
        # The plan may have divided an image already.
        known = whole.get(unit.image.path)
        whole[unit.image.path] = replace(unit, vois=unit.vois + (known.vois if known else ()))
    units = list(whole.values()) * copies
    work = sum(unit.cost for unit in units)
    costs = sorted(unit.cost for unit in units)
    middle = statistics.median(costs)
    print(f"{len(units)} units, {work / 3600:.1f} h, median {middle:.1f} s, most {costs[-1]:.0f} s")
    for cores in (2, 16, 128, 1_000):
        line = f"{cores:>6} cores"
        for share in (float("inf"), 0.1, 0.05, 0.02, 0.01):
            parts = split_giants(units, work, cores, share=share)
            used = work / cores / makespan((part.cost for part in parts), cores)
            line += f"   {share:g}: {used:.3f} ({len(parts) - len(units)} more)"
        print(line)


def main() -> None:
    """Ingest what is named; compare, or simulate."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("images", nargs="*", metavar="PATIENT:PHASE")
    parser.add_argument("--tail", type=int, metavar="COPIES")
    parser.add_argument("--bin-width", type=float)
    parser.add_argument("--filters", action="store_true")
    chosen = parser.parse_args()
    rows = _rows(chosen.data.resolve() / "manifest.csv", chosen.images)
    if not rows:
        sys.exit("none of these images is in the manifest")
    phases = ", ".join(dict.fromkeys(row["phase"] for row in rows))
    binning = f"bin_width: {chosen.bin_width}" if chosen.bin_width else "bin_count: 32"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "study.yaml").write_text(STUDY.format(phases=phases, binning=binning), encoding="utf-8")
        manifest = Path(folder, "manifest.csv")
        with manifest.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        project = Project(folder)
        project.ingest(manifest)
        plan = make_plan(project, declarations(project), ["CR"], retry_failed=False)
        if chosen.tail:
            _tail(plan, chosen.tail)
        else:
            _compare(project, plan, by_filter=chosen.filters)


if __name__ == "__main__":
    _child() if "--child" in sys.argv[1:] else main()
