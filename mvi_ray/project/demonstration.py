"""`mvi demo`: the whole way on a synthetic cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvi_ray.errors import UsageError
from mvi_ray.project.extraction import ExtractSummary
from mvi_ray.project.ingestion import IngestSummary
from mvi_ray.project.project import Project
from mvi_ray.project.training import TrainSummary
from mvi_ray.study import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mvi_ray.project.progress import Progress

PATIENTS = 24
"""Enough for folds of both classes in both centres, few enough for minutes on two cores."""


Step = IngestSummary | ExtractSummary | TrainSummary


def run_demo(folder: Path, patients: int | None, seed: int, progress: Progress) -> Iterator[Step]:
    """Make a cohort, ingest, extract, train. An unfinished demo in the folder goes on.

    Yields:
        The summary of each step as soon as it is done.

    Raises:
        UsageError: the folder holds something else, or a demo of another size or seed.
    """
    from mvi_ray.demo.cohort import make_cohort

    count = patients or PATIENTS
    label = f"Synthetic cohort made by `mvi demo`: {count} patients, seed {seed}.\n"
    mark = folder / "demo.txt"
    if not mark.exists():
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; name a new directory for the demo")
        folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(label, encoding="utf-8")
    elif mark.read_text(encoding="utf-8") != label:
        raise UsageError(f"{folder} holds a demo of another size or seed; name a new directory")
    if not (folder / FILE_NAME).exists():
        # The study file is written last: without it the making of the cohort was interrupted.
        for name in ("manifest.csv", "clinical.csv"):
            (folder / name).unlink(missing_ok=True)
        make_cohort(
            folder,
            patients=count,
            seed=seed,
            progress=lambda done, total: progress(
                "make cohort", done, total, f"{done} of {total} synthetic patients"
            ),
        )
    project = Project(folder)
    yield project.ingest(folder / "manifest.csv", folder / "clinical.csv", progress=progress)
    yield project.extract(progress=progress)
    yield project.train(progress=progress)
