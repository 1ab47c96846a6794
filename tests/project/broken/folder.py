"""The folder of broken inputs: all kinds, two good patients, and the one manifest that names them."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from tests.project.broken.dicom import DICOM
from tests.project.broken.images import IMAGES
from tests.project.broken.kind import IMAGE, MASK, Kind, block, values, write_volume
from tests.project.broken.lines import LINES
from tests.project.broken.masks import MASKS

if TYPE_CHECKING:
    from pathlib import Path

KINDS: tuple[Kind, ...] = tuple(k for kinds in (IMAGES, DICOM, MASKS, LINES) for k in kinds.found)
GOOD = ("A-good", "Z-good")
"""Patients on the first and the last line of the manifest."""

STUDY = """\
schema_version: 1
name: broken
synthetic: true
phases: [AP]
regions: {peritumoral: {kind: ring, outer_mm: 4, clip: none}}
preprocessing: none
families:
  cr: {spacing_mm: null, bin_count: 8, image_types: [original]}
clinical:
  outcome: mvi
  centre: site
  variables:
    age: {unit: years, allowed: [18, 120]}
    afp: {unit: ng/ml}
    sex: {kind: categorical, levels: [female, male]}
    lab_to_surgery: {}
  dates: {lab: lab_date, surgery: surgery_date}
  intervals: {lab_to_surgery: [lab, surgery]}
"""


def write_study(folder: Path) -> Path:
    """Write study.yaml and the good image with its mask; returns the folder of data."""
    data = folder / "data"
    (data / "good").mkdir(parents=True)
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    write_volume(data / IMAGE, values())
    write_volume(data / MASK, block())
    return data


def write_folder(folder: Path) -> tuple[Path, dict[str, set[int]]]:
    """Write everything.

    Returns:
        The manifest, and of each kind the numbers of its lines.
    """
    data = write_study(folder)
    good = {"phase": "AP", "image": IMAGE, "mask": MASK, "reader": "R1"}
    lines = [{"patient_id": GOOD[0], **good}]
    where: dict[str, set[int]] = {}
    for kind in KINDS:
        added = kind.lines(data)
        where[kind.name] = {len(lines) + 2 + at for at in range(len(added))}
        lines += added
    lines.append({"patient_id": GOOD[1], **good})
    manifest = data / "manifest.csv"
    with manifest.open("w", encoding="utf-8", newline="") as file:
        columns = dict.fromkeys(column for line in lines for column in line)
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(lines)
    return manifest, where
