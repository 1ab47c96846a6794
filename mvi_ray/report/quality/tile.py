"""What the page shows of one lesion on one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mvi_ray.report.quality.drawing import Drawn
    from mvi_ray.report.quality.measure import Inside


@dataclass(frozen=True, slots=True)
class Reading:
    """One drawn mask.

    Args:
        reader: who drew it.
        voxels: inside; None where the store does not say.
        volume_mm3: inside.
        diameter_mm: longest distance of two voxel centres.
        clipped: derived region to the share of it that was cut off, 0 to 1.
        levels: predicted number of grey levels; None without texture or picture.
        fixed_levels: whether the study says their number, so that it says nothing about the image.
        resampled: whether the mask came on another grid.
        carried: where the mask was taken from and how far it was moved, in words; empty when it was
            drawn on this image.
        inside: what was measured; None where image or mask could not be read.
    """

    reader: str
    voxels: int | None
    volume_mm3: float | None
    diameter_mm: float | None = None
    clipped: Mapping[str, float] | None = None
    levels: int | None = None
    fixed_levels: bool = False
    resampled: bool = False
    carried: str = ""
    inside: Inside | None = None


@dataclass(frozen=True, slots=True)
class Tile:
    """One place of the page: a lesion on an image, or an image that is missing.

    Args:
        patient_id, session, phase, lesion: whose.
        readings: drawn masks, that of the picture first.
        picture: name of its file; None when there is none.
        drawn: what is known about it.
        regions: derived regions that are outlined.
        organ: whether an organ is outlined.
        problem: why something is missing, in words; empty when nothing is.
        missing: `image` when there is none, `mask` when nobody drew the lesion, `file` when the
            store cannot read its own; empty otherwise.
        stale: readers whose masks were drawn on an image that was replaced since.
    """

    patient_id: str
    session: str
    phase: str
    lesion: str
    readings: tuple[Reading, ...] = ()
    picture: str | None = None
    drawn: Drawn | None = None
    regions: tuple[str, ...] = ()
    organ: bool = False
    problem: str = ""
    missing: str = ""
    stale: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Patient, session, phase, lesion."""
        return self.patient_id, self.session, self.phase, self.lesion
