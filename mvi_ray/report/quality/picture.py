"""One slice as a small picture: outlines, scale bar, sides of the patient, an overview."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.report.quality.outline import STYLES, Role, contours, stroke

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from PIL import Image, ImageDraw

    from mvi_ray.report.quality.plane import Plane

SIDE = 400
"""Pixels along each side of a picture."""
LARGEST = 20_000
"""Bytes that a picture should have; finer ones are compressed more, and only pure noise needs more."""
WINDOW = (1.0, 99.5)
"""Percentiles of the slice that are shown as black and white."""

_ZOOM = 2
_QUALITIES = (72, 60, 48, 36, 24, 12)
_LEAST_MM = 60.0
_ROOM = 1.7
"""The field of view is so much wider than what is outlined."""
_OVERVIEW = 92
_BARS_MM = (1, 2, 5, 10, 20, 50, 100, 200)
_EDGE = 6
_INK, _HALO = "#FFFFFF", "#000000"


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn slice.

    Args:
        content: a WebP file.
        window: intensities shown as black and as white.
    """

    content: bytes
    window: tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Field:
    """What part of a slice is shown: its upper left corner in voxels, and pixels for one voxel."""

    corner: tuple[float, float]
    scale: tuple[float, float]
    side_mm: float


def draw(
    cut: npt.NDArray[Any], plane: Plane, outlines: Sequence[tuple[Role, npt.NDArray[np.bool_]]]
) -> Picture:
    """Draw a slice around what is outlined on it, true to millimetres.

    Args:
        cut: intensities of a slice as `Plane.cut` returns it.
        plane: its plane.
        outlines: what a mask of the same slice is, and the mask.
    """
    from PIL import Image, ImageDraw

    low, high = (float(v) for v in np.percentile(cut, WINDOW))
    if high <= low:
        low, high = float(cut.min()), float(cut.max())
    grey = Image.fromarray(_grey(cut, low, high))
    around = [mask for role, mask in outlines if role != "organ" and mask.any()]
    field = _field(cut.shape, plane.pixel_mm, around)
    picture = _shown(grey, field).convert("RGBA")
    lines = Image.new("RGBA", (_ZOOM * SIDE, _ZOOM * SIDE), (0, 0, 0, 0))
    canvas = ImageDraw.Draw(lines)
    for role, style in STYLES.items():
        for _, mask in (one for one in outlines if one[0] == role):
            stroke(canvas, contours(mask, field.scale, field.corner), style, _ZOOM)
    picture.alpha_composite(lines.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    picture = picture.convert("RGB")
    _overview(picture, grey, plane.pixel_mm, field)
    pen = ImageDraw.Draw(picture)
    _sides(pen, plane.letters)
    _scale_bar(pen, field.side_mm)
    return Picture(_encoded(picture), (low, high))


def _grey(cut: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    if high <= low:
        return np.full(cut.shape, 128, dtype=np.uint8)
    share = (cut.astype(np.float64) - low) / (high - low)
    whole: npt.NDArray[np.uint8] = np.rint(255 * share.clip(0, 1)).astype(np.uint8)
    return whole


def _field(
    shape: tuple[int, ...], pixel_mm: tuple[float, float], around: list[npt.NDArray[np.bool_]]
) -> _Field:
    """A square with room around all masks, shifted into the slice as far as it fits."""
    size = np.multiply(shape, pixel_mm)
    side, centre = float(size.max()), size / 2
    if around:
        together = np.logical_or.reduce(around)
        ends = [np.flatnonzero(together.any(axis=1 - a))[[0, -1]] + (0, 1) for a in range(2)]
        box = np.array(ends) * np.reshape(pixel_mm, (2, 1))
        side = min(side, max(_LEAST_MM, _ROOM * float(np.ptp(box, axis=1).max())))
        wanted = box.mean(axis=1)
        centre = np.where(
            size > side, np.clip(wanted, side / 2, np.maximum(size - side / 2, side / 2)), centre
        )
    corner = (centre - side / 2) / pixel_mm
    scale = SIDE / side * np.asarray(pixel_mm)
    return _Field((float(corner[0]), float(corner[1])), (float(scale[0]), float(scale[1])), side)


def _shown(grey: Image.Image, field: _Field) -> Image.Image:
    from PIL import Image

    (top, left), (down, across) = field.corner, field.scale
    # The part of the field that the slice covers; what is beyond stays black.
    box = (
        max(0.0, left),
        max(0.0, top),
        min(float(grey.width), left + SIDE / across),
        min(float(grey.height), top + SIDE / down),
    )
    at = [round((box[0] - left) * across), round((box[1] - top) * down)]
    end = [round((box[2] - left) * across), round((box[3] - top) * down)]
    size = (max(1, end[0] - at[0]), max(1, end[1] - at[1]))
    canvas = Image.new("L", (SIDE, SIDE), 0)
    canvas.paste(grey.resize(size, Image.Resampling.BICUBIC, box=box), (at[0], at[1]))
    return canvas


def _overview(picture: Image.Image, grey: Image.Image, pixel_mm: tuple[float, float], field: _Field) -> None:
    """The whole slice in the lower right corner, unless it is shown nearly whole anyway."""
    from PIL import Image, ImageDraw

    height, width = grey.height * pixel_mm[0], grey.width * pixel_mm[1]
    if field.side_mm > 0.7 * max(height, width):
        return
    scale = _OVERVIEW / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = grey.resize(size, Image.Resampling.BICUBIC).convert("RGB")
    top, left = field.corner[0] * pixel_mm[0] * scale, field.corner[1] * pixel_mm[1] * scale
    side = field.side_mm * scale
    ImageDraw.Draw(small).rectangle((left, top, left + side, top + side), outline=STYLES["tumour"].colour)
    place = (SIDE - size[0], SIDE - size[1])
    frame = (place[0] - 2, place[1] - 2, SIDE, SIDE)
    ImageDraw.Draw(picture).rectangle(frame, fill="#8A8A8A")
    picture.paste(small, place)


def _sides(pen: ImageDraw.ImageDraw, letters: tuple[str, str, str, str]) -> None:
    left, right, top, bottom = letters
    _write(pen, (_EDGE, SIDE / 2), left, "lm")
    _write(pen, (SIDE - _EDGE, SIDE / 2), right, "rm")
    _write(pen, (SIDE / 2, _EDGE), top, "mt")
    _write(pen, (SIDE / 2, SIDE - _EDGE), bottom, "mb")


def _scale_bar(pen: ImageDraw.ImageDraw, side_mm: float) -> None:
    length = max((mm for mm in _BARS_MM if mm <= side_mm / 4), default=_BARS_MM[0])
    pixels = length / side_mm * SIDE
    begin, y = 10, SIDE - 12
    pen.rectangle((begin - 1, y - 2, begin + pixels + 1, y + 2), fill=_HALO)
    pen.rectangle((begin, y - 1, begin + pixels, y + 1), fill=_INK)
    _write(pen, (begin, y - 7), f"{length} mm", "ls")


def _write(pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, anchor: str) -> None:
    from PIL import ImageFont

    font = ImageFont.load_default(21)
    pen.text(at, text, fill=_INK, font=font, anchor=anchor, stroke_width=2, stroke_fill=_HALO)


def _encoded(picture: Image.Image) -> bytes:
    content = b""
    for quality in _QUALITIES:
        out = io.BytesIO()
        picture.save(out, "WEBP", quality=quality, method=4)
        content = out.getvalue()
        if len(content) <= LARGEST:
            break
    return content
