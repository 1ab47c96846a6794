"""`mvi ingest`: manifest and clinical table into the store; good cases in, bad ones listed."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import UsageError
from mvi_ray.ingest.case import DrawnMask, ImageCase, read_case
from mvi_ray.ingest.clinical import read_clinical
from mvi_ray.ingest.manifest import read_manifest
from mvi_ray.project.clinical import store_clinical
from mvi_ray.project.problems import record_problems
from mvi_ray.project.progress import Progress, silent
from mvi_ray.project.regions import region_row
from mvi_ray.project.remarks import orphans, unmatched, with_store
from mvi_ray.store.tables import now
from mvi_ray.store.volumes import save_volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from mvi_ray.ingest.manifest import Manifest
    from mvi_ray.ingest.problem import Problem
    from mvi_ray.project.project import Project

_COMMIT_EVERY = 64


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """What one ingest did.

    Args:
        patients, images, masks: stored in this call; masks count derived regions.
        clinical: patients with clinical values after this call.
        problems: what was left out (errors) or is worth a look (warnings).
        synthetic: whether the images are made by a program.
    """

    patients: int
    images: int
    masks: int
    clinical: int
    problems: tuple[Problem, ...]
    synthetic: bool = False

    @property
    def left_out(self) -> int:
        """Number of errors."""
        return sum(p.severity == "error" for p in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "patients": self.patients,
            "images": self.images,
            "masks": self.masks,
            "clinical": self.clinical,
            "left_out": self.left_out,
            "synthetic": self.synthetic,
            "problems": [p.to_json() for p in self.problems],
        }


def ingest(
    project: Project, manifest: Path | None, clinical: Path | None, progress: Progress | None
) -> IngestSummary:
    """Read, check and store; a problem costs its case only.

    Raises:
        UsageError: neither file is given.
        ManifestError: a file as a whole cannot be read; nothing was stored then.
        StoreError: another command writes to the store.
    """
    if manifest is None and clinical is None:
        raise UsageError("give a manifest, a clinical table (--clinical), or both")
    study = project.study
    # Both files are read before anything is written: a wrong path loses nothing.
    rows = None if manifest is None else read_manifest(manifest, study)
    table = None if clinical is None else read_clinical(clinical, study.clinical)
    with project.store.locked("ingest"):
        counts = _Counts()
        if rows is not None:
            counts.problems.extend(rows.problems)
            _store_images(project, rows, counts, progress or silent)
        if table is not None:
            counts.problems.extend(table.problems)
            stored, problems = store_clinical(project, table)
            counts.patients.update(stored)
            counts.problems.extend(problems)
        counts.problems.extend(unmatched(project.store))
        project.settle("ingest")
    with_clinical = project.store.tables["clinical"].read(["patient_id"]).num_rows
    return IngestSummary(
        len(counts.patients),
        counts.images,
        counts.masks,
        with_clinical,
        tuple(counts.problems),
        study.synthetic,
    )


class _Counts:
    def __init__(self) -> None:
        self.patients: set[str] = set()
        self.images = 0
        self.masks = 0
        self.problems: list[Problem] = []


def _store_images(project: Project, manifest: Manifest, counts: _Counts, progress: Progress) -> None:
    total = len(manifest.groups)
    images: list[dict[str, Any]] = []
    masks: list[dict[str, Any]] = []
    time = now()
    centres = {
        row.patient_id: row.centre for rows in manifest.groups.values() for _, row in rows if row.centre
    }
    for number, (case, new_image, new_masks) in enumerate(_converted(project, manifest, time), start=1):
        counts.problems.extend(case.problems)
        _drop_replaced(project, case.problems)
        if new_image is not None:
            images.append(new_image)
            masks.extend(new_masks)
            counts.patients.add(case.patient_id)
            counts.images += 1
            counts.masks += len(new_masks)
        if len(images) >= _COMMIT_EVERY:
            _commit(project, images, masks, centres, time)
        progress("ingest", number, total, f"{number} of {total} images")
    _commit(project, images, masks, centres, time)
    counts.problems.extend(orphans(project.store, counts.patients))
    counts.problems = with_store(project.store, counts.problems)
    patients = {key[0] for key in manifest.groups}
    patients.update(p.patient_id for p in manifest.problems if p.patient_id is not None)
    record_problems(project.store.tables["quarantine"], counts.problems, patients)


def _converted(
    project: Project, manifest: Manifest, time: datetime
) -> Iterator[tuple[ImageCase, dict[str, Any] | None, list[dict[str, Any]]]]:
    """Cases in the order of the manifest, converted on all cores, a few ahead of the caller."""
    root = project.store.root

    def convert(
        rows: list[Any],
    ) -> tuple[ImageCase, dict[str, Any] | None, list[dict[str, Any]]]:
        case = read_case(rows, manifest.folder, project.study.regions)
        if case.volume is None:
            return case, None, []
        stored = save_volume(root, case.volume)
        key = {"patient_id": case.patient_id, "session": case.session, "phase": case.phase}
        image = {
            **key,
            "image_digest": stored.digest,
            "voxel_type": case.volume.array.dtype.name,
            **stored.columns(),
            "ingested_at": time,
        }
        masks = [row for drawn in case.masks for row in _mask_rows(root, key, stored.digest, drawn, time)]
        # Voxels are on disk now; only the remarks travel on.
        slim = ImageCase(case.patient_id, case.session, case.phase, None, (), case.problems)
        return slim, image, masks

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Any]] = deque()
        for rows in manifest.groups.values():
            waiting.append(pool.submit(convert, rows))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _mask_rows(
    root: Path, image_key: dict[str, str], image: str, drawn: DrawnMask, time: datetime
) -> list[dict[str, Any]]:
    organ_columns = {}
    if drawn.organ is not None:
        organ = save_volume(root, drawn.organ)
        organ_columns = {"organ_digest": organ.digest, "organ_path": organ.path}
    return [
        {
            **region_row(root, region, image),
            **image_key,
            "lesion": drawn.lesion,
            "reader": drawn.reader,
            **organ_columns,
            "ingested_at": time,
        }
        for region in drawn.regions
    ]


def _commit(
    project: Project,
    images: list[dict[str, Any]],
    masks: list[dict[str, Any]],
    centres: dict[str, str],
    time: datetime,
) -> None:
    """Masks before images before patients: what is counted last is complete."""
    if not images:
        return
    tables = project.store.tables
    tables["masks"].write(masks)
    tables["images"].write(images)
    known = dict(zip(*(tables["patients"].read(["patient_id", "centre"]).to_pydict().values()), strict=True))
    patients = sorted({row["patient_id"] for row in images})
    tables["patients"].write(
        [{"patient_id": p, "centre": centres.get(p) or known.get(p), "ingested_at": time} for p in patients]
    )
    images.clear()
    masks.clear()


def _drop_replaced(project: Project, problems: tuple[Problem, ...]) -> None:
    """What cannot be read any more must not live on, in models least of all, from an earlier ingest.

    Only the entries go. Files and values stay, and count again when the same image or mask
    is ingested again.
    """
    tables = project.store.tables
    for problem in problems:
        if problem.severity != "error":
            continue
        names = ["patient_id", "session", "phase"]
        if problem.lesion is not None:
            names += ["lesion", "reader"]
        if problem.region is not None:
            names.append("region")
        key = {name: str(getattr(problem, name)) for name in names}
        tables["images" if problem.lesion is None else "masks"].delete(key)
