"""One reader's mask of one lesion with its regions: read, carried from another phase, or agreed on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import hypot
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import CaseError, MaskError
from mvi_ray.ingest.masks import SegmentChoice, read_mask
from mvi_ray.ingest.problem import Problem
from mvi_ray.regions.carry import carry_along, carry_mask
from mvi_ray.regions.consensus import consensus
from mvi_ray.regions.derive import Region, derive_regions
from mvi_ray.regions.facts import mask_facts
from mvi_ray.study import DRAWN
from mvi_ray.volume import Mask

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from mvi_ray.ingest.manifest import ManifestRow
    from mvi_ray.ingest.masks import ReadMask
    from mvi_ray.regions.registration import Motion
    from mvi_ray.study import Study
    from mvi_ray.volume import Geometry, Volume

_Case = dict[str, Any]
_DRAW = "draw it on this phase, or leave it out"


@dataclass(frozen=True, slots=True, eq=False)
class DrawnMask:
    """One reader's mask of one lesion, with its regions.

    Args:
        lesion, reader: whose mask of what.
        regions: the drawn region first, then the others that could be made.
        organ: mask of the organ that clips rings, when one was given.
        resampled_from: region to the grid that its file lay on, when it had to be resampled.
        carried_from: phase that it was drawn on, when that is another one.
        motion: how it was moved from there.
        refused: region to why its own file cannot be used.
        without_organ: why the organ's file cannot be used; None when it can, or none was given.
    """

    lesion: str
    reader: str
    regions: tuple[Region, ...]
    organ: Mask | None
    resampled_from: Mapping[str, str]
    carried_from: str | None = None
    motion: Motion | None = None
    refused: Mapping[str, CaseError] = field(default_factory=dict)
    without_organ: CaseError | None = None

    @property
    def tumour(self) -> Mask:
        """The drawn region."""
        return self.regions[0].mask

    @property
    def given(self) -> dict[str, Mask]:
        """Regions that were files of their own."""
        return {region.name: region.mask for region in self.regions[1:] if region.is_given}


def read_drawn(
    rows: Sequence[tuple[int, ManifestRow]], folder: Path, grid: Geometry, volume: Volume, study: Study
) -> tuple[DrawnMask, list[Problem]]:
    """Read the mask of a tumour, and regions of it that were drawn by hand.

    Args:
        rows: lines of one lesion and reader, that of the tumour first.
        folder: what relative paths start from.
        grid: the grid of the image file.
        volume: the canonical image.
        study: says how files are read and which regions are made.

    Raises:
        CaseError: the mask of the tumour cannot be used.
    """
    line, row = rows[0]
    if not row.is_tumour:
        raise MaskError(f"the region {row.region} stands without the drawn tumour; add its line")
    problems: list[Problem] = []
    resampled: dict[str, str] = {}

    def read(at: int, one: ManifestRow) -> Mask:
        found = _read(one, folder, grid, study)
        problems.extend(_remarks(found, "mask", {"line": at, **one.case}))
        if found.resampled_from is not None:
            resampled[one.region] = found.resampled_from
        return found.mask.to_canonical(grid.orientation)

    drawn = read(line, row)
    thin = _check_extent(drawn)
    if thin:
        problems.append(Problem("warning", *thin, line=line, **row.case))
    given: dict[str, Mask] = {}
    refused: dict[str, CaseError] = {}
    for at, other in rows[1:]:
        try:
            given[other.region] = read(at, other)
        except CaseError as error:
            refused[other.region] = error
            problems.append(Problem.of(error, line=at, of_file=True, **other.case))
    case = {"line": line, **row.case}
    organ, without_organ = None, None
    try:
        if row.organ_mask is not None:
            found = _read_organ(row, folder / row.organ_mask, grid, study)
            problems.extend(_remarks(found, "organ mask", case))
            # The organ only cuts voxels away, so it shares the grid of the mask it cuts to the last bit.
            organ = Mask(found.mask.array, grid).to_canonical(grid.orientation)
    except CaseError as error:
        without_organ = error
    regions, failed = _regions(drawn, organ, volume, given, study, case, refused, without_organ)
    mask = DrawnMask(
        row.lesion, row.reader, regions, organ, resampled, refused=refused, without_organ=without_organ
    )
    return mask, [*problems, *failed]


def carried(
    drawn: DrawnMask, phase: str, other: Volume, volume: Volume, study: Study, case: _Case
) -> tuple[DrawnMask, list[Problem]]:
    """A mask of another phase on the grid of this image.

    Args:
        drawn: as it was drawn.
        phase: on which.
        other: the canonical image of that phase.
        volume: the canonical image that takes the mask.
        study: says whether the two are registered.
        case: key of the new mask, for problems.

    Raises:
        CaseError: the registration failed, or nothing of the mask lies in the image.
    """
    found = carry_mask(drawn.tumour, other, volume, study.masks[case["phase"]].registration)
    problems: list[Problem] = []
    if found.outside_mm3 > 0:
        problems.append(
            Problem(
                "warning",
                f"{found.outside_mm3:.0f} mm³ of the mask of {phase} lie outside this image",
                "check that both phases show the same part of the body",
                **case,
            )
        )
    organ, without_organ = None, drawn.without_organ
    if drawn.organ is not None:
        try:
            organ = carry_along(drawn.organ, found.motion, volume).mask
        except CaseError:
            without_organ = MaskError(f"nothing of the organ mask of {phase} lies in this image; {_DRAW}")
    given: dict[str, Mask] = {}
    refused = dict(drawn.refused)
    for name, mask in drawn.given.items():
        try:
            given[name] = carry_along(mask, found.motion, volume).mask
        except CaseError as error:
            refused[name] = error
    problems.extend(_without_file(refused, case))
    regions, failed = _regions(found.mask, organ, volume, given, study, case, refused, without_organ)
    taken = replace(
        drawn,
        regions=regions,
        organ=organ,
        carried_from=phase,
        motion=found.motion,
        refused=refused,
        without_organ=without_organ,
    )
    return taken, [*problems, *failed]


def agreed(
    masks: Sequence[DrawnMask], volume: Volume, study: Study, case: _Case
) -> tuple[list[DrawnMask], list[Problem]]:
    """The consensus of the readers for each lesion that all of them have drawn."""
    rule = study.readers.consensus
    made: list[DrawnMask] = []
    problems: list[Problem] = []
    if rule is None:
        return made, problems
    for lesion in dict.fromkeys(mask.lesion for mask in masks):
        own = {mask.reader: mask for mask in masks if mask.lesion == lesion}
        place = {**case, "lesion": lesion, "reader": rule.name}
        absent = [reader for reader in study.readers.drawing if reader not in own]
        if absent:
            problems.append(
                Problem(
                    "warning",
                    f"no consensus: {', '.join(absent)} has no mask of it",
                    "add the mask, or take the reader out of the study",
                    **place,
                )
            )
            continue
        drawn = [own[reader] for reader in study.readers.drawing]
        # A region drawn by hand is agreed on like the tumour, where all readers drew it.
        by_hand = [name for name in study.regions if all(name in one.given for one in drawn)]
        try:
            mask = consensus([one.tumour for one in drawn], rule.method, rule.threshold)
        except CaseError as error:
            problems.append(Problem.of(error, **place))
            continue
        given: dict[str, Mask] = {}
        refused = {name: error for one in drawn for name, error in one.refused.items()}
        for name in by_hand:
            try:
                given[name] = consensus([one.given[name] for one in drawn], rule.method, rule.threshold)
            except CaseError as error:
                refused[name] = error
        organ = next((one.organ for one in drawn if one.organ is not None), None)
        faults = [one.without_organ for one in drawn if one.without_organ is not None]
        without_organ = faults[0] if faults and organ is None else None
        problems.extend(_without_file(refused, place))
        regions, failed = _regions(mask, organ, volume, given, study, place, refused, without_organ)
        made.append(_together(drawn, DrawnMask(lesion, rule.name, regions, organ, {})))
        problems.extend(failed)
    return made, problems


def _together(drawn: Sequence[DrawnMask], consensus: DrawnMask) -> DrawnMask:
    """A consensus with where its inputs came from: it is as good as the one that went farthest."""
    grids: dict[str, dict[str, None]] = {}
    for one in drawn:
        for region, grid in one.resampled_from.items():
            grids.setdefault(region, {})[grid] = None
    moved = [one for one in drawn if one.carried_from is not None]
    motions = [one.motion for one in moved if one.motion is not None]
    return replace(
        consensus,
        resampled_from={region: ", ".join(found) for region, found in grids.items()},
        carried_from=moved[0].carried_from if moved else None,
        motion=max(motions, key=lambda one: (hypot(*one.shift_mm), one.rotation_deg), default=None),
    )


def _without_file(refused: Mapping[str, CaseError], case: _Case) -> list[Problem]:
    """Regions drawn by hand that a mask lacks which was made from others."""
    return [Problem.of(error, of_file=True, **{**case, "region": name}) for name, error in refused.items()]


def _regions(
    drawn: Mask,
    organ: Mask | None,
    volume: Volume,
    given: Mapping[str, Mask],
    study: Study,
    case: _Case,
    refused: Collection[str],
    without_organ: CaseError | None,
) -> tuple[tuple[Region, ...], list[Problem]]:
    made, failed = derive_regions(drawn, study.regions, organ, volume, given, refused, without_organ)
    problems = [
        Problem.of(error, of_file=error is without_organ, **{**case, "region": name})
        for name, error in failed.items()
    ]
    if without_organ is not None and without_organ not in failed.values():
        # Nothing is cut to it, in this study.
        problems.append(Problem.of(without_organ, of_file=True, **case))
    return (Region(DRAWN, drawn, mask_facts(drawn)), *made), problems


def _read(row: ManifestRow, folder: Path, grid: Geometry, study: Study) -> ReadMask:
    if row.mask is None:
        raise MaskError("mask is blank; name the file of the drawn mask")
    label = row.label if "label" in row.model_fields_set else None
    patterns = study.segments.tumour if row.is_tumour else ()
    choice = SegmentChoice.of(label, row.segment, patterns, tumour=True)
    return read_mask(
        folder / row.mask, choice, grid, geometry=study.geometry, fractional=study.dicom.fractional
    )


def _remarks(found: ReadMask, what: str, case: _Case) -> list[Problem]:
    remarks = [Problem("warning", *remark, **case) for remark in found.remarks]
    if found.resampled_from is not None:
        reason = f"{what} was resampled from its own grid ({found.resampled_from})"
        remarks.append(Problem("warning", reason, "look at it on the quality page", **case))
    return remarks


def _read_organ(row: ManifestRow, path: Path, grid: Geometry, study: Study) -> ReadMask:
    choice = SegmentChoice.of(row.organ_label, None, study.segments.organ)
    return read_mask(
        path,
        choice,
        grid,
        geometry=study.geometry,
        fractional=study.dicom.fractional,
        what="organ mask",
    )


def _check_extent(mask: Mask) -> tuple[str, str] | None:
    """Refuse masks no texture is defined on, and those that mark nothing off; remark on flat ones."""
    extent = [span.stop - span.start for span in reversed(mask.box)]
    if mask.voxels == mask.array.size:
        raise MaskError(f"mask covers the whole image, all {mask.voxels} voxels; draw the tumour only")
    if mask.voxels == 1:
        raise MaskError("mask is a single voxel; draw the tumour in at least two directions")
    if sum(n > 1 for n in extent) < 2:
        raise MaskError(f"mask is a line of {mask.voxels} voxels; draw the tumour in at least two directions")
    if min(extent) == 1:
        axis = "xyz"[extent.index(1)]
        return f"mask is one slice thick along {axis}", "features of shape and 3D texture mean little"
    return None
