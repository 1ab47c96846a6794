"""One image with all masks drawn on it: from files to canonical volumes and regions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mvi_ray.errors import CaseError
from mvi_ray.ingest.drawn import DrawnMask, agreed, carried, read_drawn
from mvi_ray.ingest.images import read_image
from mvi_ray.ingest.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mvi_ray.ingest.dicom import Scanner
    from mvi_ray.ingest.manifest import ManifestRow
    from mvi_ray.study import Study
    from mvi_ray.volume import Volume


@dataclass(frozen=True, slots=True, eq=False)
class ImageCase:
    """What one image of the manifest became.

    Args:
        patient_id, session, phase: its key.
        volume: the canonical image; None when it could not be read.
        masks: drawn masks that can be used.
        problems: what was left out or is worth a look.
        scanner: facts of the DICOM header; None for other files.
    """

    patient_id: str
    session: str
    phase: str
    volume: Volume | None
    masks: tuple[DrawnMask, ...] = ()
    problems: tuple[Problem, ...] = field(default=())
    scanner: Scanner | None = None


def read_case(
    rows: Sequence[tuple[int, ManifestRow]],
    folder: Path,
    study: Study,
    donors: Sequence[tuple[int, ManifestRow]] = (),
) -> ImageCase:
    """Read one image and its masks; one bad mask does not cost the others.

    Args:
        rows: lines of the manifest with the same patient, session and phase.
        folder: what relative paths start from.
        study: says how files are read and which regions are made.
        donors: lines of the phase whose masks this image takes.
    """
    line, first = rows[0]
    patient, session, phase = first.image_key
    case = {"patient_id": patient, "session": session, "phase": phase}
    try:
        image = read_image(folder / first.image, first.series, first.part, study.dicom)
    except CaseError as error:
        return ImageCase(patient, session, phase, None, (), (Problem.of(error, line=line, **case),))
    problems = [Problem.remark(text, line=line, **case) for text in image.remarks]
    volume = image.volume.to_canonical()
    masks: list[DrawnMask] = []
    for drawn_rows in _by_drawn(rows):
        at, row = drawn_rows[0]
        try:
            drawn, found = read_drawn(drawn_rows, folder, image.volume.geometry, volume, study)
        except CaseError as error:
            problems.append(Problem.of(error, line=at, **row.case))
        else:
            masks.append(drawn)
            problems.extend(found)
    if donors:
        own = {row.drawn_key for _, row in rows if row.mask is not None}
        taken, found = _carried(donors, own, folder, volume, study, case | {"line": line})
        masks.extend(taken)
        problems.extend(found)
    together, found = agreed(masks, volume, study, case)
    masks.extend(together)
    problems.extend(found)
    return ImageCase(patient, session, phase, volume, tuple(masks), tuple(problems), image.scanner)


def _by_drawn(rows: Sequence[tuple[int, ManifestRow]]) -> list[list[tuple[int, ManifestRow]]]:
    """Lines of each drawn tumour, its own line first; those without a mask stand for the image only."""
    groups: dict[tuple[str, str], list[tuple[int, ManifestRow]]] = {}
    for line, row in rows:
        if row.mask is not None:
            groups.setdefault(row.drawn_key, []).append((line, row))
    return [sorted(group, key=lambda item: not item[1].is_tumour) for group in groups.values()]


def _carried(
    donors: Sequence[tuple[int, ManifestRow]],
    own: set[tuple[str, str]],
    folder: Path,
    volume: Volume,
    study: Study,
    case: dict[str, object],
) -> tuple[list[DrawnMask], list[Problem]]:
    """Masks of another phase on the grid of this image; those drawn on this one are left alone."""
    first = donors[0][1]
    try:
        image = read_image(folder / first.image, first.series, first.part, study.dicom)
    except CaseError as error:
        return [], [Problem.of(error, **case)]
    other = image.volume.to_canonical()
    masks: list[DrawnMask] = []
    problems: list[Problem] = []
    for rows in _by_drawn(donors):
        row = rows[0][1]
        if row.drawn_key in own:
            continue
        place = {**case, "lesion": row.lesion, "reader": row.reader}
        try:
            # What is wrong with the mask itself is told at the phase that it was drawn on.
            drawn, _ = read_drawn(rows, folder, image.volume.geometry, other, study)
            mask, found = carried(drawn, first.phase, other, volume, study, place)
        except CaseError as error:
            problems.append(Problem.of(error, **place))
        else:
            masks.append(mask)
            problems.extend(found)
    return masks, problems
