"""One image with all masks drawn on it: from files to canonical volumes and regions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mvi_ray.errors import CaseError, MaskError
from mvi_ray.ingest.files import read_volume
from mvi_ray.ingest.masks import SegmentChoice, read_mask
from mvi_ray.ingest.problem import Problem
from mvi_ray.regions.derive import Region, derive_regions
from mvi_ray.regions.facts import mask_facts
from mvi_ray.study import DRAWN
from mvi_ray.volume import Mask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mvi_ray.ingest.manifest import ManifestRow
    from mvi_ray.study import Definition
    from mvi_ray.volume import Geometry, Volume


@dataclass(frozen=True, slots=True, eq=False)
class DrawnMask:
    """One reader's mask of one lesion, with its regions.

    Args:
        lesion, reader: whose mask of what.
        regions: the drawn region first, then the derived ones that could be made.
        organ: mask of the organ that clips rings, when one was given.
    """

    lesion: str
    reader: str
    regions: tuple[Region, ...]
    organ: Mask | None


@dataclass(frozen=True, slots=True, eq=False)
class ImageCase:
    """What one image of the manifest became.

    Args:
        patient_id, session, phase: its key.
        volume: the canonical image; None when it could not be read.
        masks: drawn masks that can be used.
        problems: what was left out or is worth a look.
    """

    patient_id: str
    session: str
    phase: str
    volume: Volume | None
    masks: tuple[DrawnMask, ...] = ()
    problems: tuple[Problem, ...] = field(default=())


def read_case(
    rows: Sequence[tuple[int, ManifestRow]], folder: Path, definitions: Mapping[str, Definition]
) -> ImageCase:
    """Read one image and its masks; one bad mask does not cost the others.

    Args:
        rows: lines of the manifest with the same patient, session and phase.
        folder: what relative paths start from.
        definitions: regions of the study beside the drawn one.
    """
    line, first = rows[0]
    patient, session, phase = first.image_key
    try:
        source = read_volume(folder / first.image)
    except CaseError as error:
        case = {"patient_id": patient, "session": session, "phase": phase}
        return ImageCase(patient, session, phase, None, (), (Problem.of(error, line=line, **case),))
    volume = source.to_canonical()
    masks: list[DrawnMask] = []
    problems: list[Problem] = []
    for at, row in rows:
        try:
            drawn, found = _read_drawn(row, at, folder, source.geometry, volume, definitions)
        except CaseError as error:
            problems.append(Problem.of(error, line=at, **row.case))
        else:
            masks.append(drawn)
            problems.extend(found)
    return ImageCase(patient, session, phase, volume, tuple(masks), tuple(problems))


def _read_drawn(
    row: ManifestRow,
    line: int,
    folder: Path,
    grid: Geometry,
    volume: Volume,
    definitions: Mapping[str, Definition],
) -> tuple[DrawnMask, list[Problem]]:
    if row.mask is None:
        raise CaseError("mask is blank; name the file of the drawn mask")
    label = row.label if "label" in row.model_fields_set else None
    found = read_mask(folder / row.mask, SegmentChoice.of(label, row.segment, tumour=True), grid)
    source = found.mask
    problems = [Problem("warning", *remark, line=line, **row.case) for remark in found.remarks]
    thin = _check_extent(source)
    if thin:
        problems.append(Problem("warning", *thin, line=line, **row.case))
    code = grid.orientation
    drawn = source.to_canonical(code)
    organ = _read_organ(row, folder, source.geometry)
    if organ is not None:
        organ = organ.to_canonical(code)
    made, failed = derive_regions(drawn, definitions, organ, volume)
    for name, error in failed.items():
        problems.append(Problem.of(error, line=line, region=name, **row.case))
    tumour = Region(DRAWN, drawn, mask_facts(drawn))
    return DrawnMask(row.lesion, row.reader, (tumour, *made), organ), problems


def _check_extent(mask: Mask) -> tuple[str, str] | None:
    """Refuse masks no texture is defined on; remark on flat ones."""
    extent = [span.stop - span.start for span in reversed(mask.box)]
    if mask.voxels == 1:
        raise MaskError("mask is a single voxel; draw the tumour in at least two directions")
    if sum(n > 1 for n in extent) < 2:
        raise MaskError(f"mask is a line of {mask.voxels} voxels; draw the tumour in at least two directions")
    if min(extent) == 1:
        axis = "xyz"[extent.index(1)]
        return f"mask is one slice thick along {axis}", "features of shape and 3D texture mean little"
    return None


def _read_organ(row: ManifestRow, folder: Path, grid: Geometry) -> Mask | None:
    if row.organ_mask is None:
        return None
    choice = SegmentChoice.of(row.organ_label, None)
    organ = read_mask(folder / row.organ_mask, choice, grid, what="organ mask").mask
    # The organ only cuts voxels away, so it shares the grid of the mask it cuts to the last bit.
    return Mask(organ.array, grid)
