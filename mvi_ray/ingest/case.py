"""One image with all masks drawn on it: from files to canonical volumes and regions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mvi_ray.errors import CaseError, MaskError
from mvi_ray.ingest.files import on_grid_of, read_labels, read_volume
from mvi_ray.ingest.problem import Problem
from mvi_ray.regions.derive import Region, derive_regions
from mvi_ray.regions.facts import mask_facts
from mvi_ray.study import DRAWN
from mvi_ray.volume import Mask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mvi_ray.ingest.manifest import ManifestRow
    from mvi_ray.study import Ring
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


def read_case(rows: Sequence[tuple[int, ManifestRow]], folder: Path, rings: Mapping[str, Ring]) -> ImageCase:
    """Read one image and its masks; one bad mask does not cost the others.

    Args:
        rows: lines of the manifest with the same patient, session and phase.
        folder: what relative paths start from.
        rings: derived regions of the study.
    """
    line, first = rows[0]
    patient, session, phase = first.image_key
    try:
        source = read_volume(folder / first.image)
    except CaseError as error:
        case = {"patient_id": patient, "session": session, "phase": phase}
        return ImageCase(patient, session, phase, None, (), (Problem.of(error, line=line, **case),))
    masks: list[DrawnMask] = []
    problems: list[Problem] = []
    for at, row in rows:
        try:
            drawn, found = _read_drawn(row, at, folder, source.geometry, rings)
        except CaseError as error:
            problems.append(Problem.of(error, line=at, **row.case))
        else:
            masks.append(drawn)
            problems.extend(found)
    return ImageCase(patient, session, phase, source.to_canonical(), tuple(masks), tuple(problems))


def _read_drawn(
    row: ManifestRow, line: int, folder: Path, grid: Geometry, rings: Mapping[str, Ring]
) -> tuple[DrawnMask, list[Problem]]:
    if row.mask is None:
        raise CaseError("mask is blank; name the file of the drawn mask")
    labels = read_labels(folder / row.mask)
    on_grid_of(grid, labels.geometry)
    label = row.label if row.segment is None else labels.label_of(row.segment)
    source = labels.select(label)
    problems = []
    thin = _check_extent(source)
    if thin:
        problems.append(Problem("warning", *thin, line=line, **row.case))
    code = grid.orientation
    drawn = source.to_canonical(code)
    organ = _read_organ(row, folder, source.geometry)
    if organ is not None:
        organ = organ.to_canonical(code)
    made, failed = derive_regions(drawn, rings, organ)
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
    labels = read_labels(folder / row.organ_mask, "organ mask")
    on_grid_of(grid, labels.geometry, "organ mask")
    label = row.organ_label
    there = labels.labels
    if not there:
        raise MaskError("organ mask is empty; draw the organ, or leave organ_mask blank")
    if label is None:
        if len(there) != 1:
            raise MaskError(
                f"organ mask holds {len(there)} labels ({', '.join(map(str, there[:8]))}); "
                "name one in organ_label"
            )
        label = there[0]
    try:
        organ = labels.select(label)
    except MaskError as error:
        raise MaskError(f"organ mask: {error.message}") from None
    # The organ only cuts voxels away, so it shares the grid of the mask it cuts to the last bit.
    return Mask(organ.array, grid)
