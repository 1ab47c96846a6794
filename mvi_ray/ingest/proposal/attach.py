"""Which masks belong to which images: by what they refer to, by coordinates, or by name."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from mvi_ray.errors import CaseError
from mvi_ray.ingest.dicom.elements import load
from mvi_ray.ingest.dicom.places import axes_of
from mvi_ray.ingest.problem import Problem
from mvi_ray.ingest.proposal.files import drawn_of
from mvi_ray.ingest.proposal.row import Drawn
from mvi_ray.ingest.silence import quiet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from mvi_ray.ingest.dicom import Part, Series
    from mvi_ray.ingest.proposal.find import Found
    from mvi_ray.ingest.proposal.row import ProposedRow
    from mvi_ray.ingest.proposal.series import Candidate

_KINDS = {"segmentation": "SEG", "contours": "RTSTRUCT"}
_SHARED, _PER_FRAME, _PLACE, _POSITION = 0x52009229, 0x52009230, 0x00209113, 0x00200032
_SAME_MM = 0.05
"""A frame of a mask within this distance of a slice, along the normal, is drawn on it."""
_NO_MASK = "no mask: name one, or take that of another phase (masks in study.yaml)"


def attach_series(
    candidates: Sequence[Candidate], series: Iterable[Series], sources: Mapping[str, str]
) -> tuple[list[ProposedRow], list[Problem]]:
    """Give the images of a patient the SEG and RTSTRUCT files that belong to them.

    A mask belongs to the slices it refers to, else to the series, else to every image with its
    frame of reference whose slices lie where the mask's do: so one SEG serves all time points
    of a dynamic series.

    Args:
        candidates: of one patient.
        series: of the same patient; masks among them.
        sources: phases that take the mask of another one: they stay without where a mask is of both.
    """
    masks: dict[int, list[Drawn]] = defaultdict(list)
    lost: dict[str, int] = defaultdict(int)
    for one in series:
        if one.kind not in _KINDS:
            continue
        places = _without_served(_places(one, candidates), candidates, sources)
        kind = _KINDS[one.kind]
        if not places:
            lost[kind] += 1
        for path in dict.fromkeys(instance.path for instance in one.instances):
            for at in places:
                masks[at].append(Drawn(path, kind))
    rows = [row for at, one in enumerate(candidates) for row in _rows(one.row, masks[at], sources)]
    patient = candidates[0].row.patient if candidates else None
    problems = [
        Problem(
            "warning",
            f"{count} {kind} {'belongs' if count == 1 else 'belong'} to none of these images",
            "it was drawn on a series that is not here or no phase",
            patient_id=patient,
        )
        for kind, count in lost.items()
    ]
    return rows, problems


def _places(mask: Series, candidates: Sequence[Candidate]) -> list[int]:
    """Numbers of the images that a mask belongs to."""
    referred = [
        at
        for at, one in enumerate(candidates)
        if mask.referenced_instances & {instance.key for instance in one.part.instances}
    ]
    if referred:
        return referred
    if mask.referenced_series or mask.referenced_instances:
        return [at for at, one in enumerate(candidates) if one.row.series in mask.referenced_series]
    frame = mask.frame_of_reference
    shared = [
        at for at, one in enumerate(candidates) if frame and one.part.series.frame_of_reference == frame
    ]
    if mask.kind == "segmentation" and shared:
        positions = _positions(mask.instances[0].path)
        shared = [at for at in shared if _lies_on(candidates[at].part, positions)]
    return shared


def _positions(path: Path) -> list[tuple[float, ...]]:
    """Places of the frames of a SEG; empty when they cannot be read."""
    try:
        with quiet():
            found = load(path, (_SHARED, _PER_FRAME))
            groups = [*found.items(_PER_FRAME), *found.items(_SHARED)]
            items = [item for group in groups if (item := group.item(_PLACE)) is not None]
            return [place for item in items if len(place := item.numbers(_POSITION)) == 3]
    except (CaseError, OSError):
        return []


def _lies_on(part: Part, positions: Sequence[tuple[float, ...]]) -> bool:
    """Whether each frame of a mask lies in a slice of the part, however far it reaches within."""
    import numpy as np

    orientation = part.instances[0].orientation
    places = [i.position for i in part.instances if i.position is not None]
    if orientation is None or not places or not positions:
        return False
    normal = axes_of(orientation)[2]
    there = np.array(places) @ normal
    wanted = np.array(positions) @ normal
    return bool((np.abs(wanted[:, None] - there[None, :]).min(axis=1) <= _SAME_MM).all())


def _without_served(
    places: list[int], candidates: Sequence[Candidate], sources: Mapping[str, str]
) -> list[int]:
    """A mask of several phases is that of the phase which the others take it from."""
    phases = {candidates[at].row.phase for at in places}
    return [at for at in places if sources.get(candidates[at].row.phase) not in phases]


def _rows(row: ProposedRow, masks: Sequence[Drawn], sources: Mapping[str, str]) -> list[ProposedRow]:
    if masks:
        return row.with_masks(masks)
    return [row.served() if row.phase in sources else row.remarked(_NO_MASK)]


def attach_files(
    candidates: Sequence[Candidate], found: Iterable[Found], sources: Mapping[str, str]
) -> tuple[list[ProposedRow], list[Problem]]:
    """Give images the files that a pattern found, by patient, session and phase.

    A file whose name tells no phase serves all images of its patient when they lie on one grid;
    otherwise it is told and left out.
    """
    masks: dict[int, list[Drawn]] = defaultdict(list)
    faults: dict[tuple[str | None, str, str], int] = defaultdict(int)
    for one in found:
        places = [at for at, image in enumerate(candidates) if _belongs(one, image)]
        grids = {candidates[at].grid for at in places}
        if one.fault:
            fault = one.reason
        elif not places:
            fault = "mask without an image of its patient, session and phase", "correct the name of the file"
        elif not one.phase and len(places) > 1 and (len(grids) > 1 or None in grids):
            fault = "mask that may be of several images", "write {phase} into the pattern and the names"
        else:
            for at in _without_served(places, candidates, sources):
                masks[at].append(drawn_of(one))
            continue
        faults[one.patient or None, *fault] += 1
    rows = [row for at, one in enumerate(candidates) for row in _rows(one.row, masks[at], sources)]
    return rows, [
        Problem("error", reason if count == 1 else f"{reason} ({count} files)", way_out, patient_id=patient)
        for (patient, reason, way_out), count in faults.items()
    ]


def _belongs(mask: Found, image: Candidate) -> bool:
    row = image.row
    return (
        mask.patient == row.patient
        and mask.values.get("session", row.session) == row.session
        and mask.phase in ("", row.phase)
    )
