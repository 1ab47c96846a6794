"""CPU seconds and memory of family CR for each VOI of real images: the costs that scale.py draws from.

    python benchmarks/unit_costs.py DATA FOLDER [--minutes 60] > benchmarks/unit_costs.csv

DATA is the folder `sts-mri-pet`: T1 MRI and PET of 28 patients, all 19 image types at 1 mm. Units come in an
order drawn at random, each in a process of its own with one thread, until the time is over.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from extract import prepare, units_of

if TYPE_CHECKING:
    from mvi_ray.cluster.unit import Unit


def measured(folder: str, unit: Unit) -> tuple[float, int]:
    """CPU seconds of one VOI, and the most memory of its process in bytes."""
    from mvi_ray.cluster.work import compute_cr
    from mvi_ray.extract.stock import stock_engine
    from mvi_ray.project import Project

    settings = Project(folder).study.families.cr_like
    stock_engine()
    begin = time.process_time()
    (result,) = compute_cr(unit, settings)
    if result.failure is not None:
        raise RuntimeError(result.failure.reason)
    return time.process_time() - begin, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Write a line for each VOI."""
    from mvi_ray.cluster.session import THREADS
    from mvi_ray.project import Project

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    asked = parser.parse_args()
    os.environ.update(THREADS)
    patients = [f"STS_{number:03}" for number in range(1, 52)]
    project = prepare(asked.data.resolve(), asked.folder.resolve(), patients, ["MR_T1", "PET"])
    units = units_of(Project(project))
    order = np.random.default_rng(0).permutation(len(units))
    end = time.monotonic() + 60 * asked.minutes
    spawn = multiprocessing.get_context("spawn")
    print("unit,phase,region,voxels,seconds,memory_bytes", flush=True)
    for number in order:
        for one in (units[number].of([voi]) for voi in units[number].vois):
            if time.monotonic() > end:
                return
            with spawn.Pool(1, maxtasksperchild=1) as pool:
                seconds, memory = pool.apply(measured, (str(project), one))
            key = dict(one.vois[0].key)
            voxels = int(one.vois[0].mask.load_mask(one.store).array.sum())
            line = f"{number},{key['phase']},{key['region']},{voxels},{seconds:.2f},{memory}"
            print(line, flush=True)
    print("all units were measured", file=sys.stderr)


if __name__ == "__main__":
    main()
