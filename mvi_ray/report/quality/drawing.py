"""From an image and its masks to a picture and what was measured: the part that is worth keeping."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from mvi_ray.report.quality.measure import Inside, measure
from mvi_ray.report.quality.picture import Picture, draw
from mvi_ray.report.quality.plane import Plane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mvi_ray.report.quality.outline import Role
    from mvi_ray.volume import Mask, Volume

VERSION = 1
"""Raised when pictures or measures change: what was kept of an earlier version is made anew."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is known about a picture.

    Args:
        plane: axial, coronal or sagittal.
        slice: the one shown, counted from 1.
        slices: of the image.
        pixel_mm: (down, across) in the slice, native.
        step_mm: millimetres from slice to slice.
        window: intensities shown as black and as white.
        inside: of each drawn mask, in the order given.
    """

    plane: str
    slice: int
    slices: int
    pixel_mm: tuple[float, float]
    step_mm: float
    window: tuple[float, float]
    inside: tuple[Inside, ...]

    def to_text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of_text(cls, text: str) -> Self | None:
        """Undo `to_text`; None of anything else."""
        try:
            content = json.loads(text)
            inside = tuple(Inside.of_json(one) for one in content.pop("inside"))
            pixel, window = (tuple(content.pop(name)) for name in ("pixel_mm", "window"))
            return cls(**content, pixel_mm=pixel, window=window, inside=inside)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def draw_case(
    volume: Volume, drawn: Sequence[Mask], regions: Sequence[Mask] = (), organ: Mask | None = None
) -> tuple[Picture, Drawn]:
    """Draw the slice in which the first mask is largest, and measure inside every drawn mask.

    Without a mask the middle slice is drawn.

    Args:
        volume: a canonical image.
        drawn: masks of one lesion by different readers, on the grid of the image.
        regions: derived from the first of them.
        organ: that the regions were clipped to.
    """
    plane = Plane.of(volume.geometry)
    slices = volume.array.shape[plane.axis]
    at = plane.largest(drawn[0]) if drawn else slices // 2
    roles: list[tuple[Role, Mask]] = [("reader" if n else "tumour", mask) for n, mask in enumerate(drawn)]
    roles += [("ring", mask) for mask in regions]
    roles += [] if organ is None else [("organ", organ)]
    outlines = [(role, plane.cut(mask.array, at) != 0) for role, mask in roles]
    picture = draw(plane.cut(volume.array, at), plane, outlines)
    inside = tuple(measure(volume, mask, plane, drawn[0] if n else None) for n, mask in enumerate(drawn))
    return picture, Drawn(plane.name, at + 1, slices, plane.pixel_mm, plane.step_mm, picture.window, inside)
