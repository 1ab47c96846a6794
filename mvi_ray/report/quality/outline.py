"""Outlines of masks on a picture: lines that differ in colour and in dashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from PIL import ImageDraw

    Line = npt.NDArray[np.float64]

Role = Literal["tumour", "ring", "organ", "reader"]


@dataclass(frozen=True, slots=True)
class Style:
    """How one kind of mask is outlined.

    Args:
        colour: near one of Okabe and Ito's palette, which is told apart with every common kind of
            colour vision; two are brighter, for thin lines on dark tissue.
        dashes: pixels drawn and left out, in turn; empty for a line without gaps.
        width: pixels.
    """

    colour: str
    dashes: tuple[float, ...]
    width: float


STYLES: dict[Role, Style] = {
    "organ": Style("#00B383", (2.5, 3.5), 2.5),
    "ring": Style("#56B4E9", (8, 4), 2.5),
    "reader": Style("#F58ACB", (8, 3, 2, 3), 2),
    "tumour": Style("#F0C000", (), 2.5),
}
"""In the order of drawing: what comes last lies on top."""

_HALO = (0, 0, 0, 150)


def contours(
    mask: npt.NDArray[np.bool_], scale: tuple[float, float], corner: tuple[float, float]
) -> list[Line]:
    """Closed lines around a mask, half-way between voxels inside and outside.

    Args:
        mask: one slice (down, across).
        scale: pixels of the picture for one voxel, (down, across).
        corner: upper left corner of the picture in voxels, counted from the corner of voxel (0, 0).

    Returns:
        Points (n, 2) of each line as (across, down) in pixels of the picture.
    """
    from contourpy import contour_generator

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return []
    top, left = int(rows[0]), int(columns[0])
    # A margin closes the lines at the edge of the image.
    window = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1].astype(np.float64), 1)
    lines = contour_generator(z=window).lines(0.5)
    # Point (0, 0) of the window is the centre of its first voxel.
    offset = np.array([left - 0.5 - corner[1], top - 0.5 - corner[0]])
    return [(np.asarray(line) + offset) * (scale[1], scale[0]) for line in lines]


def stroke(canvas: ImageDraw.ImageDraw, lines: list[Line], style: Style, zoom: int) -> None:
    """Draw lines with a dark halo, so that they are seen on bright tissue as well.

    Args:
        canvas: a transparent picture, `zoom` times as large.
        lines: in pixels of the final picture.
        style: colour, width and dashes.
        zoom: how much larger the canvas is.
    """
    pieces = [
        [(float(x), float(y)) for x, y in piece * zoom]
        for line in lines
        for piece in (_dashed(line, style.dashes) if style.dashes else [line])
    ]
    for colour, width in ((_HALO, style.width + 1.5), (style.colour, style.width)):
        for piece in pieces:
            canvas.line(piece, fill=colour, width=round(width * zoom), joint="curve")


def _dashed(line: Line, dashes: tuple[float, ...]) -> Iterator[Line]:
    """Pieces of a line, by length along it."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    rounds = int(along[-1] / sum(dashes)) + 1
    ends = np.concatenate([[0.0], np.cumsum(np.tile(dashes, rounds))])
    for begin, end in zip(ends[0::2], ends[1::2], strict=False):
        stop = min(end, along[-1])
        if begin >= stop:
            return
        between = along[(along > begin) & (along < stop)]
        at = np.concatenate([[begin], between, [stop]])
        yield np.stack([np.interp(at, along, line[:, k]) for k in range(2)], axis=1)
