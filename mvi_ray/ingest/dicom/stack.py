"""Slices of one part to a right-angled grid, or to the reason why they make none."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import CaseError, GeometryError
from mvi_ray.ingest.dicom.places import SAME_COSINE, SAME_MM, axes_of, orientations_of
from mvi_ray.volume import Geometry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from mvi_ray.ingest.dicom.headers import Instance, Pixels
    from mvi_ray.ingest.dicom.parts import Part

_EVEN = 0.01
"""Share of the spacing by which a slice may be off its place on the even grid, at least SAME_MM."""
_ASIDE = 0.1
"""Share of a pixel by which a slice may lie aside of the axis through the others."""
_LEAST_STACK = 3
"""Slices that make a stack of their own; fewer are strays."""
_LARGEST = 8 * 2**30
"""Bytes of a volume at 8 for each voxel; a larger one is refused before anything is allocated."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Slices in order, and their grid.

    Args:
        places: for each slice of the grid, from its origin upwards, the instances that lie
            there: one, or several when a slice is doubled.
        geometry: the grid; its third axis is the normal of the slices.
        pixels: how pixels are stored, the same in all slices.
        remarks: what is worth a look.
    """

    places: tuple[tuple[Instance, ...], ...]
    geometry: Geometry
    pixels: Pixels
    remarks: tuple[str, ...]


def stack_of(part: Part) -> Stack:
    """Put the slices of a part in order, and check that they make a volume.

    The spacing is measured between slice centres; SliceThickness is another thing. Every slice
    has to lie within 1 % of the spacing (at least 0.01 mm) of its place on the even grid, and
    within a tenth of a pixel of the axis through the first and last slice.

    Raises:
        CaseError: slices are no grey images of one size, or hold no place.
        GeometryError: slices are missing, uneven, tilted, of several orientations, or of several stacks.
    """
    instances = part.instances
    pixels = _one_kind_of_pixels(instances)
    spacing = _one_spacing(instances)
    axes = _one_orientation(instances)
    positions = np.array([instance.position for instance in instances], np.float64)
    along = positions @ axes[2]
    order = np.argsort(along, kind="stable")
    places = _doubled(order, along)
    if len(places) == 1:
        raise GeometryError("the series has a single slice; a volume takes at least two")
    _check_size(pixels, len(places))
    first = [place[0] for place in places]
    _check_one_stack([instances[at] for at in first], along[first])
    _check_even(along[first])
    _check_straight(positions[first] @ axes.T, min(spacing))
    step = float((along[first[-1]] - along[first[0]]) / (len(first) - 1))
    orientation = instances[first[0]].orientation or ()
    origin = instances[first[0]].position or ()
    columns = np.array([orientation[:3], orientation[3:], axes[2]], np.float64)
    geometry = Geometry(
        size=(pixels.columns, pixels.rows, len(places)),
        spacing=(spacing[1], spacing[0], step),
        origin=tuple(origin),  # type: ignore[arg-type]
        direction=tuple(columns.T.ravel().tolist()),
    )
    remarks = list(part.remarks)
    if pixels.photometric == "MONOCHROME1":
        remarks.append("low values are meant to be shown bright (MONOCHROME1); values are those of the file")
    return Stack(tuple(tuple(instances[i] for i in p) for p in places), geometry, pixels, tuple(remarks))


def _counted(values: Mapping[Any, int]) -> str:
    return ", ".join(
        f"{count} of {' × '.join(f'{v:g}' for v in value)}"
        for value, count in sorted(values.items(), key=lambda pair: -pair[1])[:4]
    )


def _one_kind_of_pixels(instances: Sequence[Instance]) -> Pixels:
    found = [instance.pixels for instance in instances if instance.pixels is not None]
    without = len(instances) - len(found)
    if without:
        raise CaseError(
            f"{without} of {len(instances)} slices do not give the size of their pixel data; export them anew"
        )
    if any(p.samples != 1 or not p.photometric.startswith("MONOCHROME") for p in found):
        raise CaseError(
            "slices are in colour, or a picture of a screen; choose the series of measured values"
        )
    sizes = Counter((float(p.columns), float(p.rows)) for p in found)
    if len(sizes) > 1:
        raise GeometryError(
            f"slices have different sizes ({_counted(sizes)} pixels); choose or split the series"
        )
    kinds = set(found)
    if len(kinds) > 1 and len({(p.allocated, p.stored, p.high, p.signed) for p in kinds}) > 1:
        raise CaseError("slices store their values in different ways; export the series anew")
    if len(kinds) > 1:
        raise CaseError("some slices are MONOCHROME1 and others MONOCHROME2; export the series anew")
    return found[0]


def _one_spacing(instances: Sequence[Instance]) -> tuple[float, float]:
    found = [instance.spacing for instance in instances if instance.spacing is not None]
    without = len(instances) - len(found)
    if without:
        raise GeometryError(
            f"{without} of {len(instances)} slices do not give their pixel spacing; "
            "choose the series of measured values"
        )
    spacings = np.array(found)
    if spacings.min() <= 0:
        raise GeometryError(f"pixel spacing is {spacings.min():g} mm in the header; export the series anew")
    if np.ptp(spacings, axis=0).max() > 1e-4 * abs(spacings).max():
        shown = _counted(Counter(found))
        raise GeometryError(f"slices have different pixel spacings ({shown} mm); choose or split the series")
    return found[0][0], found[0][1]


def _one_orientation(instances: Sequence[Instance]) -> npt.NDArray[np.float64]:
    numbers = orientations_of(instances)
    without = sum(n is None or i.position is None for n, i in zip(numbers, instances, strict=True))
    if without:
        raise GeometryError(
            f"{without} of {len(instances)} slices do not say where in the patient they lie "
            "(a secondary capture?); choose the original series"
        )
    counts = Counter(numbers)
    if len(counts) > 1:
        shown = ", ".join(str(count) for _, count in counts.most_common(6))
        raise GeometryError(
            f"slices have {len(counts)} orientations ({shown} slices each; a localizer?); "
            "choose another series"
        )
    axes = axes_of(instances[0].orientation or ())
    if abs(float(axes[0] @ axes[1])) > SAME_COSINE or np.linalg.norm(axes, axis=1).min() < 0.5:
        raise GeometryError("rows and columns are not at right angles in the header; export the series anew")
    return axes


def _doubled(order: npt.NDArray[np.intp], along: npt.NDArray[np.float64]) -> list[list[int]]:
    places: list[list[int]] = []
    for at in order.tolist():
        if places and along[at] - along[places[-1][0]] <= SAME_MM:
            places[-1].append(at)
        else:
            places.append([at])
    return places


def _check_size(pixels: Pixels, slices: int) -> None:
    needed = pixels.rows * pixels.columns * slices * 8
    if needed > _LARGEST:
        raise CaseError(
            f"the volume would take {needed / 2**30:.1f} GiB, more than {_LARGEST // 2**30}; "
            "cut it out smaller"
        )


def _check_one_stack(instances: Sequence[Instance], along: npt.NDArray[np.float64]) -> None:
    """Tell stacks that lie apart from a stack that lost slices: of those the numbers have no gap.

    Args:
        instances: one for each place, in order along the normal.
        along: their places in mm.
    """
    steps = np.diff(along)
    least = float(steps.min())
    within = steps <= least + max(SAME_MM, _EVEN * least)
    gaps = np.flatnonzero(steps > 1.5 * least)
    ends = [0, *(gaps + 1).tolist(), len(along)]
    stacks = [instances[start:stop] for start, stop in pairwise(ends)]
    if not gaps.size or int(within.sum()) + len(gaps) < len(steps) or min(map(len, stacks)) < _LEAST_STACK:
        return
    if not _numbered_through(instances) and not _acquired_apart(stacks):
        return
    counts = " and ".join(str(len(stack)) for stack in stacks)
    apart = ", ".join(f"{steps[gap]:.4g}" for gap in gaps)
    raise GeometryError(
        f"the series holds {len(stacks)} stacks of {counts} slices {least:.4g} mm apart, with {apart} mm "
        "between them; export each stack as a series of its own"
    )


def _numbered_through(instances: Sequence[Instance]) -> bool:
    """Whether the numbers of the slices have no gap, so that none was lost."""
    numbers = {instance.number for instance in instances}
    known = sorted(number for number in numbers if number is not None)
    return len(known) == len(instances) and known[-1] - known[0] == len(known) - 1


def _acquired_apart(stacks: Sequence[Sequence[Instance]]) -> bool:
    """Whether each stack is an acquisition of its own."""
    acquisitions = [{instance.timing.acquisition for instance in stack} for stack in stacks]
    every = set[int | None]().union(*acquisitions)
    return None not in every and all(len(one) == 1 for one in acquisitions) and len(every) == len(stacks)


def _check_even(along: npt.NDArray[np.float64]) -> None:
    steps = np.diff(along)
    mean = float(along[-1] - along[0]) / len(steps)
    grid = along[0] + mean * np.arange(len(along))
    off = float(np.abs(along - grid).max())
    if off <= max(SAME_MM, _EVEN * mean):
        return
    least = float(steps.min())
    multiples = np.rint(steps / least)
    step = float(steps[multiples == 1].mean())
    whole = np.abs(steps - multiples * step) <= np.maximum(SAME_MM, _EVEN * step * multiples)
    if whole.all() and multiples.max() > 1:
        gaps = np.flatnonzero(multiples > 1)
        count = int((multiples[gaps] - 1).sum())
        where = ", ".join(f"between {along[g]:.2f} and {along[g + 1]:.2f} mm" for g in gaps[:3])
        more = f" and in {len(gaps) - 3} more gaps" if len(gaps) > 3 else ""
        raise GeometryError(
            f"{count} slice{'s are' if count > 1 else ' is'} missing ({where} along the normal{more}; "
            f"{len(along)} are there, {step:.4g} mm apart); export the whole series"
        )
    raise GeometryError(
        f"slices are unevenly spaced, {least:.4g} to {steps.max():.4g} mm; "
        "resample the series onto an even grid"
    )


def _check_straight(along: npt.NDArray[np.float64], pixel: float) -> None:
    """Check that slices are stacked along their normal; columns are row, column and normal in mm."""
    aside = along[:, :2] - along[0, :2]
    limit = max(SAME_MM, _ASIDE * pixel)
    if float(np.linalg.norm(aside, axis=1).max()) <= limit:
        return
    share = (along[:, 2] - along[0, 2]) / (along[-1, 2] - along[0, 2])
    drift = float(np.linalg.norm(aside[-1]))
    if float(np.linalg.norm(aside - share[:, None] * aside[-1], axis=1).max()) <= limit:
        angle = math.degrees(math.atan2(drift, float(along[-1, 2] - along[0, 2])))
        raise GeometryError(
            f"slices are tilted by {angle:.2f} degrees against the axis they are stacked along (a tilted "
            "gantry); resample the series onto a right-angled grid"
        )
    most = np.linalg.norm(aside, axis=1).max()
    raise GeometryError(
        f"slices are shifted sideways against each other, by up to {most:.3g} mm; choose or split the series"
    )
