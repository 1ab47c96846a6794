"""One part of a series to a volume of real values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import CaseError, GeometryError
from mvi_ray.ingest.dicom.pixels import stored_values
from mvi_ray.ingest.dicom.stack import stack_of
from mvi_ray.ingest.dicom.suv import suv_factor
from mvi_ray.ingest.silence import quiet
from mvi_ray.volume import Volume

if TYPE_CHECKING:
    import numpy.typing as npt

    from mvi_ray.ingest.dicom.headers import Instance, Pixels
    from mvi_ray.ingest.dicom.parts import Part
    from mvi_ray.ingest.dicom.stack import Stack

_WHOLE_TYPES = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A volume and what is worth a look about it."""

    volume: Volume
    remarks: tuple[str, ...]


def read_part(part: Part, *, suv: bool = False) -> Reading:
    """Read one stack of slices.

    Each slice is rescaled by its own slope and intercept. Where all of them are whole numbers the
    voxels are whole too, of the smallest type that holds every value the stored bits can mean;
    otherwise they are float64: a stored value times a slope such as 0.0691 has no exact float32.
    MONOCHROME1 is about display only and changes no value (SimpleITK would turn the values round).

    Args:
        part: from `parts_of`.
        suv: PET becomes SUV by body weight; see `suv_factor`.

    Raises:
        CaseError: pixel data are missing, damaged or of a kind that is not read, or SUV cannot
            be computed.
        GeometryError: the slices make no right-angled, even and complete grid.
    """
    with quiet():
        stack = stack_of(part)
        factor = suv_factor(part) if suv and part.series.modality == "PT" else 1.0
        array, doubled = _filled(stack, factor)
    remarks = stack.remarks
    if doubled:
        remarks = (
            *remarks,
            f"{_slices(doubled)} twice with the same pixels and counted once; remove the copies",
        )
    return Reading(Volume(array, stack.geometry), remarks)


def _slices(count: int) -> str:
    return "1 slice stands" if count == 1 else f"{count} slices stand"


def _filled(stack: Stack, factor: float) -> tuple[npt.NDArray[Any], int]:
    """The array (z, y, x), and how many slices were equal to another one."""
    everywhere = [instance for place in stack.places for instance in place]
    dtype = _value_type(everywhere, stack.pixels, factor)
    array = np.empty(stack.geometry.shape, dtype)
    filled = np.zeros(len(stack.places), bool)
    where = {id(instance): at for at, place in enumerate(stack.places) for instance in place}
    files: dict[Any, list[Instance]] = {}
    for instance in everywhere:
        files.setdefault(instance.path, []).append(instance)
    doubled = differing = 0
    for instances in files.values():
        for instance, stored in zip(instances, stored_values(instances), strict=True):
            at = where[id(instance)]
            values = _real(stored, instance, factor, dtype)
            if not filled[at]:
                array[at] = values
                filled[at] = True
            elif np.array_equal(array[at], values):
                doubled += 1
            else:
                differing += 1
    if differing:
        raise GeometryError(
            f"{_slices(differing)} at the place of another one with different pixels; if they are time "
            "points say under dicom.split what tells them apart, else remove them"
        )
    return array, doubled


def _value_type(instances: list[Instance], pixels: Pixels, factor: float) -> np.dtype[Any]:
    slopes = {instance.slope for instance in instances}
    intercepts = {instance.intercept for instance in instances}
    if 0.0 in slopes:
        raise CaseError("the rescale slope of a slice is 0, so its values are lost; export the series anew")
    if factor != 1.0 or not all(v.is_integer() for v in slopes | intercepts):
        return np.dtype(np.float64)
    low, high = (
        (-(2 ** (pixels.stored - 1)), 2 ** (pixels.stored - 1) - 1)
        if pixels.signed
        else (0, 2**pixels.stored - 1)
    )
    ends = [int(s) * v + int(i) for s in slopes for i in intercepts for v in (low, high)]
    for dtype in _WHOLE_TYPES:
        limits = np.iinfo(dtype)
        if limits.min <= min(ends) and max(ends) <= limits.max:
            return np.dtype(dtype)
    return np.dtype(np.float64)


def _real(
    stored: npt.NDArray[Any], instance: Instance, factor: float, dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    if dtype.kind != "f":
        if (instance.slope, instance.intercept) == (1.0, 0.0):
            return stored
        return stored.astype(np.int64) * int(instance.slope) + int(instance.intercept)
    real = stored * np.float64(instance.slope) + np.float64(instance.intercept)
    return real if factor == 1.0 else real * factor
