"""What a header says of the scanner and its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvi_ray.ingest.dicom.elements import as_day, load
from mvi_ray.ingest.silence import quiet

if TYPE_CHECKING:
    from datetime import date

    from mvi_ray.ingest.dicom.elements import Elements
    from mvi_ray.ingest.dicom.parts import Part

_TAGS = (
    *(0x00080005, 0x00080020, 0x00080021, 0x00080022, 0x0008002A, 0x00080060, 0x00080070, 0x00081090),
    *(0x00180050, 0x00180080, 0x00180081, 0x00180087, 0x00181314, 0x52009229, 0x52009230),
)
_TEXT = 64
_LARGEST_TESLA = 25.0
_GAUSS = (2000.0, 150_000.0)
"""Fields of 0.2 to 15 T in gauss, as some old scanners write them."""


@dataclass(frozen=True, slots=True)
class Scanner:
    """Facts of one image; None where the header does not give a plausible one.

    Args:
        manufacturer, model: printable, at most 64 characters.
        field_strength_t: tesla; a header that holds gauss (15000) is converted.
        slice_thickness_mm: as prescribed; not the distance between slices.
        repetition_time_ms, echo_time_ms, flip_angle_deg: settings of MR.
        acquired_on: day of acquisition, to be dropped or shifted before it is stored.
        modality: such as MR.
    """

    manufacturer: str | None
    model: str | None
    field_strength_t: float | None
    slice_thickness_mm: float | None
    repetition_time_ms: float | None
    echo_time_ms: float | None
    flip_angle_deg: float | None
    acquired_on: date | None
    modality: str


def scanner_facts(part: Part) -> Scanner:
    """Read the facts from the first slice of a part.

    Raises:
        CaseError: its file cannot be read any more.
    """
    first = part.instances[0]
    with quiet():
        found = load(first.path, _TAGS)
        groups = [found, *_groups(found, first.frame)]
        texts = [_text(found.text(tag)) for tag in (0x00080070, 0x00081090)]
    return Scanner(
        manufacturer=texts[0],
        model=texts[1],
        field_strength_t=_tesla(_number(groups, 0, 0x00180087)),
        slice_thickness_mm=_between(_number(groups, 0x00289110, 0x00180050), 100.0),
        repetition_time_ms=_between(_number(groups, 0x00189112, 0x00180080), 100_000.0),
        echo_time_ms=_between(first.timing.echo[1], 10_000.0),
        flip_angle_deg=_between(_number(groups, 0x00189112, 0x00181314), 360.0),
        acquired_on=_day(found),
        modality=part.series.modality,
    )


def _groups(found: Elements, frame: int | None) -> list[Elements]:
    if frame is None:
        return []
    frames = found.items(0x52009230)
    return [*frames[frame : frame + 1], *found.items(0x52009229)]


def _number(groups: list[Elements], sequence: int, tag: int) -> float | None:
    whole, *functional = groups
    for group in functional:
        item = group.item(sequence)
        if item is not None and item.number(tag) is not None:
            return item.number(tag)
    return whole.number(tag)


def _between(value: float | None, largest: float) -> float | None:
    return value if value is not None and 0 < value <= largest else None


def _tesla(value: float | None) -> float | None:
    if value is not None and _GAUSS[0] <= value <= _GAUSS[1]:
        return value / 10_000.0
    return _between(value, _LARGEST_TESLA)


def _day(found: Elements) -> date | None:
    return (
        found.day(0x00080022)
        or as_day(found.word(0x0008002A)[:8])
        or found.day(0x00080021)
        or found.day(0x00080020)
    )


def _text(text: str) -> str | None:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:_TEXT].rstrip() or None
