"""Engine `fast` against the stock one on the same VOIs: CPU seconds, peak memory, and whether they agree.

    python benchmarks/cr_engine.py DATA FOLDER [--patients STS_002 …] [--runs 1] [--bin-width 5]

DATA is the folder `sts-mri-pet`: T1 MRI and PET with tumour and ring, all 19 image types at 1 mm. Each VOI is
computed by both engines in turn, each time in a process of its own with one thread in every library.
Loading the engine is not counted; the fast one has compiled its loops before.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PATIENTS = [f"STS_{number:03}" for number in (2, 3, 8, 10, 12, 15)]
ENGINES = ("pyradiomics", "fast")


def compute(folder: str, number: str, engine: str, width: str) -> None:
    """Print seconds, bytes and values of one VOI."""
    from extract import units_of

    from mvi_ray.extract.cr import extract_cr, image_type_names, load_engine
    from mvi_ray.extract.threads import pin_threads
    from mvi_ray.project import Project

    project = Project(folder)
    voi, unit = [(voi, unit) for unit in units_of(project) for voi in unit.vois][int(number)]
    cr = project.study.families.cr.model_copy(update={"engine": engine, "bin_width": float(width)})
    volume, mask = unit.image.load_image(unit.store), voi.mask.load_mask(unit.store)
    load_engine(engine)
    pin_threads(1)
    names = image_type_names(cr.image_types)
    begin = time.process_time()
    values = extract_cr(volume, mask, cr, unit.phase, names)
    seconds = time.process_time() - begin
    memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "memory": memory, "values": values}))


def main() -> None:
    """Print a line for each VOI, and the ratios."""
    from extract import prepare, units_of

    from mvi_ray.cluster.session import THREADS
    from mvi_ray.extract.referee import differences
    from mvi_ray.project import Project

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", nargs="+", default=PATIENTS)
    parser.add_argument("--phases", nargs="+", default=["MR_T1", "PET"])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--bin-width", default="5")
    asked = parser.parse_args()
    os.environ.update(THREADS)
    folder = str(prepare(asked.data.resolve(), asked.folder.resolve(), asked.patients, asked.phases))
    units = units_of(Project(folder))
    ratios: dict[str, list[float]] = {phase: [] for phase in asked.phases}
    print("voi                          stock s   fast s   ratio  stock GiB  fast GiB  unexplained")
    several = [(unit, voi) for unit in units for voi in unit.vois]
    for number, (unit, voi) in enumerate(several):
        found: dict[str, list[dict[str, Any]]] = {engine: [] for engine in ENGINES}
        for _ in range(asked.runs):
            for engine in ENGINES:
                command = [sys.executable, __file__, "--one", folder, str(number), engine, asked.bin_width]
                done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
                found[engine].append(json.loads(done.stdout.splitlines()[-1]))
        stock, fast = (statistics.median(one["seconds"] for one in found[engine]) for engine in ENGINES)
        peaks = [max(one["memory"] for one in found[engine]) / 2**30 for engine in ENGINES]
        rows = [found[engine][0]["values"] for engine in ENGINES]
        odd = [d for name in rows[0] for d in differences(rows[1][name], rows[0][name]) if d.reason is None]
        key = dict(voi.key)
        ratios[unit.phase].append(stock / fast)
        name = f"{key['patient_id']} {key['phase']} {key['region']}"
        print(
            f"{name:<28} {stock:8.2f} {fast:8.2f} {stock / fast:7.1f} {peaks[0]:10.2f} {peaks[1]:9.2f}"
            f" {len(odd):12} {odd[:1] or ''}",
            flush=True,
        )
    for phase, some in ratios.items():
        print(
            f"{phase}: geometric mean {statistics.geometric_mean(some):.1f}, "
            f"median {statistics.median(some):.1f}, least {min(some):.1f}, n={len(some)}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        compute(*sys.argv[2:])
    else:
        main()
