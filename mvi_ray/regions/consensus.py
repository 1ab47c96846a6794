"""One mask from those of several readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from mvi_ray.errors import GeometryError, MaskError
from mvi_ray.volume import Mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt


def consensus(masks: Sequence[Mask], method: Literal["majority", "staple"], threshold: float = 0.5) -> Mask:
    """Voxels on which the readers agree.

    A voxel is inside when more than ``threshold`` speaks for it, so that a tie at one half is
    outside: of the readers (``majority``), or the probability of STAPLE, which weighs each
    reader by how well he agrees with all (Warfield et al., IEEE Trans Med Imaging 23:903, 2004).
    STAPLE looks at the box around all masks and one voxel more: its result must not depend on
    how much of the body an image shows.

    Args:
        masks: of one lesion, one for each reader, on one grid.
        method: how votes are counted.
        threshold: share or probability, at least 0 and below 1.

    Returns:
        The consensus on the grid of the first mask.

    Raises:
        GeometryError: the masks lie on different grids.
        MaskError: fewer than two masks, or the readers agree on no voxel.
    """
    if len(masks) < 2:
        raise MaskError(
            f"a consensus needs the masks of two readers, got {len(masks)}; draw the lesion once more"
        )
    first = masks[0]
    for other in masks[1:]:
        difference = first.geometry.difference(other.geometry)
        if difference is not None:
            raise GeometryError(f"masks of two readers differ: {difference}; draw both on the same image")
    box = _around([mask.box for mask in masks])
    drawn = [mask.array[box] for mask in masks]
    found = _majority(drawn, threshold) if method == "majority" else _staple(drawn, threshold)
    if not found.any():
        raise MaskError(
            f"the {len(masks)} readers agree on no voxel ({method}, threshold {threshold:g}); "
            "check that they drew the same lesion, or lower the threshold"
        )
    array = np.zeros(first.array.shape, dtype=np.uint8)
    array[box] = found
    return Mask(array, first.geometry, first.reorientation)


def _around(boxes: Sequence[tuple[slice, slice, slice]]) -> tuple[slice, slice, slice]:
    z, y, x = (
        slice(min(span.start for span in spans), max(span.stop for span in spans))
        for spans in zip(*boxes, strict=True)
    )
    return z, y, x


def _majority(drawn: Sequence[npt.NDArray[np.uint8]], threshold: float) -> npt.NDArray[np.bool_]:
    votes = np.stack(drawn).sum(axis=0, dtype=np.int64)
    more: npt.NDArray[np.bool_] = votes > threshold * len(drawn)
    return more


def _staple(drawn: Sequence[npt.NDArray[np.uint8]], threshold: float) -> npt.NDArray[np.bool_]:
    import SimpleITK as sitk

    staple = sitk.STAPLEImageFilter()
    staple.SetForegroundValue(1)
    staple.SetNumberOfThreads(1)
    # The border of one voxel is background to every reader: without any, STAPLE divides by zero.
    probability = staple.Execute([sitk.GetImageFromArray(np.pad(one, 1)) for one in drawn])
    inside: npt.NDArray[np.bool_] = sitk.GetArrayFromImage(probability)[1:-1, 1:-1, 1:-1] > threshold
    return inside
