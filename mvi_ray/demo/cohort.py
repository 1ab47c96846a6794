"""The synthetic cohort as files, as a hospital would hand them over."""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.demo.clinical import Patient, draw_patient
from mvi_ray.demo.phantom import LIVER, PHASES, Phantom
from mvi_ray.demo.scanner import SCANNERS
from mvi_ray.errors import UsageError
from mvi_ray.study import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import numpy.typing as npt

    from mvi_ray.volume import Geometry

MANIFEST, CLINICAL, README = "manifest.csv", "clinical.csv", "README.txt"

_README_TEXT = """\
SYNTHETIC DATA - NOT FROM PATIENTS

A program drew these images, masks and clinical values: {patients} synthetic patients, seed {seed}.
They exist to try the software. Nothing measured on them says anything about medicine.

images/SYN-001/AP.nii.gz          arterial phase (PP portal venous, HBP hepatobiliary)
masks/SYN-001/AP_tumour.nii.gz    the tumour, label 1
organs/SYN-001/AP_organs.nii.gz   liver, label {liver}, and spleen
manifest.csv                      which file is what
clinical.csv                      outcome (mvi), centre and clinical variables
study.yaml                        the study: phases, regions, features, models

Body and tumours are smaller than in life, so that a trial takes minutes: the body is half as
large, tumours measure 0.8 to 1.4 cm. Centre A and centre B have different scanners.
"""


def make_cohort(
    folder: Path,
    *,
    patients: int = 20,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a synthetic study: images, masks, organ masks, tables, README and `study.yaml`.

    The same seed writes the same bytes, and a patient does not depend on how many others
    there are. The tables and the study come last: where they are, everything is.

    Args:
        folder: where to write; it is made when absent.
        patients: number of synthetic patients; from 6 on, both centres have both outcomes.
        seed: of every random number, 0 or more.
        progress: called after each patient with the number done and the number of all.

    Raises:
        UsageError: a number is too small, or the folder holds a study already.
    """
    if patients < 1 or seed < 0:
        raise UsageError(f"patients must be 1 or more and seed 0 or more, got {patients} and {seed}")
    for name in (MANIFEST, CLINICAL, FILE_NAME):
        if (folder / name).exists():
            raise UsageError(f"the folder holds a {name} already: name a new folder for the demo")
    cohort, drawings = [], []
    for index in range(patients):
        patient, rows = _write_patient(folder, index, seed)
        cohort.append(patient.row)
        drawings += rows
        if progress is not None:
            progress(index + 1, patients)
    _write_text(folder / README, _README_TEXT.format(patients=patients, seed=seed, liver=LIVER))
    _write_table(folder / MANIFEST, drawings)
    _write_table(folder / CLINICAL, cohort)
    _write_text(folder / FILE_NAME, study_text())


def study_text() -> str:
    """The commented study file of the demo."""
    return files("mvi_ray.demo").joinpath(FILE_NAME).read_text(encoding="utf-8")


def _write_patient(folder: Path, index: int, seed: int) -> tuple[Patient, list[dict[str, str]]]:
    """Write the images of one patient; return the patient and the rows of the manifest."""
    # The child that SeedSequence(seed).spawn gives at this place, however many there are.
    sequence = np.random.SeedSequence(seed, spawn_key=(index,))
    for_table, for_body, *for_scans = (np.random.default_rng(s) for s in sequence.spawn(2 + len(PHASES)))
    patient = draw_patient(index, for_table)
    phantom = Phantom.draw(for_body, patient.diameter_mm, patient.mvi)
    scanner = SCANNERS[patient.centre]
    rows = []
    for phase, rng in zip(PHASES, for_scans, strict=True):
        # Each breath-hold leaves the body elsewhere; masks are drawn on each phase anew.
        x, y, z = rng.normal(0.0, (0.5, 0.5, 1.0))
        grid = scanner.grid((float(x), float(y), float(z)))
        points = _points(grid)
        signal = phantom.signal(points, phase).reshape(grid.shape)
        names = {
            "image": f"images/{patient.patient_id}/{phase}.nii.gz",
            "mask": f"masks/{patient.patient_id}/{phase}_tumour.nii.gz",
            "organ_mask": f"organs/{patient.patient_id}/{phase}_organs.nii.gz",
        }
        lesion = phantom.lesion(points).astype(np.uint8).reshape(grid.shape)
        _write_image(folder / names["image"], scanner.acquire(signal, points, rng), grid)
        _write_image(folder / names["mask"], lesion, grid)
        _write_image(folder / names["organ_mask"], phantom.organs(points).reshape(grid.shape), grid)
        row = {"patient_id": patient.patient_id, "phase": phase, **names}
        rows.append(row | {"organ_label": str(LIVER), "centre": patient.centre})
    return patient, rows


def _points(grid: Geometry) -> npt.NDArray[np.float64]:
    """LPS millimetres of every voxel, shape (3, voxels), in the order of the array."""
    steps = np.indices(grid.shape, dtype=np.float64)[::-1].reshape(3, -1)
    points: npt.NDArray[np.float64] = (grid.matrix * grid.spacing) @ steps
    points += np.asarray(grid.origin)[:, np.newaxis]
    return points


def _write_image(path: Path, array: npt.NDArray[Any], grid: Geometry) -> None:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(grid.direction)
    # Becomes the description in the NIfTI header: the mark goes where the file goes.
    image.SetMetaData("ITK_FileNotes", "synthetic, made by a program")
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=True, compressionLevel=1)


def _write_table(path: Path, rows: Iterable[dict[str, str]]) -> None:
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
