"""What reading a mask hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from mvi_ray.volume import Mask

GeometryRule = Literal["exact", "resample"]


class Remark(NamedTuple):
    """Something worth a look in a mask that was taken.

    Args:
        reason: what was found.
        way_out: what to do about it.
    """

    reason: str
    way_out: str


@dataclass(frozen=True, slots=True, eq=False)
class ReadMask:
    """A mask on the grid of its image.

    Args:
        mask: the voxels inside.
        remarks: what is worth a look.
        resampled_from: the grid it was drawn on, in words, when it had to be resampled; else None.
    """

    mask: Mask
    remarks: tuple[Remark, ...] = ()
    resampled_from: str | None = None
