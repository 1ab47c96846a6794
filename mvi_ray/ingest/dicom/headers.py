"""Headers of DICOM files: what grouping, ordering and placing of slices needs, and no more.

An instance is one slice: a file of a classic series, or one frame of an enhanced file
(DICOM PS3.3 C.7.6.16, functional groups).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from mvi_ray.errors import CaseError
from mvi_ray.ingest.dicom.elements import Elements, begins_as, key_of, load, references

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

Kind = Literal["image", "segmentation", "contours", "other"]

_CLASS = "1.2.840.10008.5.1.4.1.1."
_PLAIN_IMAGES = {_CLASS + n for n in ("2", "4", "128")}
"""CT, MR and PET, one slice in each file."""
_FRAMED_IMAGES = {_CLASS + n for n in ("2.1", "2.2", "4.1", "4.4", "130", "128.1")}
"""Enhanced CT, MR and PET, and classic ones converted to them."""
_CAPTURES = {_CLASS + n for n in ("7", "7.1", "7.2", "7.3", "7.4")}
"""Secondary capture: often a picture of a screen, sometimes slices with their places."""
_SEGMENTATIONS = {_CLASS + n for n in ("66.4", "66.7")}
_CONTOURS = {_CLASS + "481.3"}
_MODALITIES = {
    *("CR", "CT", "DX", "ECG", "ES", "GM", "IO", "KO", "MG", "MR", "NM", "OP", "OT", "PR", "PT", "PX"),
    *("REG", "RF", "RG", "RTDOSE", "RTIMAGE", "RTPLAN", "RTRECORD", "RTSTRUCT", "RWV", "SC", "SEG", "SM"),
    *("SR", "US", "VL", "XA", "XC"),
}
_DIRECTORY = "1.2.840.10008.1.3.10"

_SHARED, _PER_FRAME = 0x52009229, 0x52009230
_REFERENCES = (0x00081115, 0x30060010, 0x52009229, 0x52009230)
TAGS = (
    *(0x00080005, 0x00080008, 0x00080016, 0x00080018, 0x00080020, 0x00080021, 0x00080022, 0x00080023),
    *(0x0008002A, 0x00080030, 0x00080031, 0x00080032, 0x00080033, 0x00080060, 0x0008103E, 0x00081115),
    *(0x00089208, 0x00100020, 0x00180081, 0x00180086, 0x00181060, 0x00189087),
    *(0x0020000D, 0x0020000E, 0x00200011, 0x00200012, 0x00200013, 0x00200032, 0x00200037, 0x00200052),
    *(0x00200100, 0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011, 0x00280030, 0x00280100),
    *(0x00280101, 0x00280102, 0x00280103, 0x00281052, 0x00281053, 0x30060010, _SHARED, _PER_FRAME),
)


@dataclass(frozen=True, slots=True)
class Pixels:
    """How the pixels of a slice are stored.

    Args:
        rows, columns: size.
        samples: values for each pixel; above 1 it is colour.
        photometric: PhotometricInterpretation.
        allocated, stored, high: bits of a cell, bits in use, number of the highest of them.
        signed: whether numbers are in two's complement.
    """

    rows: int
    columns: int
    samples: int
    photometric: str
    allocated: int
    stored: int
    high: int
    signed: bool


@dataclass(frozen=True, slots=True)
class Timing:
    """What can tell time points, echoes and kinds of image of one series apart.

    Args:
        temporal_position: TemporalPositionIdentifier, or the index of a frame.
        acquisition: AcquisitionNumber.
        acquisition_time, content_time: seconds; see `Elements.instant`.
        trigger_time: milliseconds after the trigger.
        echo: number and time (ms) of the echo, as far as they are given.
        b_value: diffusion weighting in s/mm².
        image_type: ImageType, and the complex component (MAGNITUDE, PHASE, ...) where given.
    """

    temporal_position: int | None = None
    acquisition: int | None = None
    acquisition_time: float | None = None
    content_time: float | None = None
    trigger_time: float | None = None
    echo: tuple[float | None, float | None] = (None, None)
    b_value: float | None = None
    image_type: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Instance:
    """One slice of a series, or one file that is no image.

    Args:
        path: its file.
        frame: number of the frame from 0, in an enhanced file; None in others.
        frames: how many frames the file says it holds.
        key: twelve digits for the SOPInstanceUID.
        sop_class: UID of its kind.
        syntax: UID of the transfer syntax.
        number: InstanceNumber, or for a frame its number from 1.
        position: ImagePositionPatient, LPS millimetres of the first pixel's centre.
        orientation: ImageOrientationPatient, cosines of row and column.
        spacing: PixelSpacing in mm: between rows, between columns.
        slope, intercept: from stored to real values.
        pixels: how pixels are stored; None when the header does not say.
        timing: what tells time points apart.
    """

    path: Path = field(repr=False)
    frame: int | None
    frames: int
    key: str
    sop_class: str
    syntax: str
    number: int | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    slope: float
    intercept: float
    pixels: Pixels | None
    timing: Timing

    @property
    def kind(self) -> Kind:
        """What the file is."""
        if self.sop_class in _SEGMENTATIONS:
            return "segmentation"
        if self.sop_class in _CONTOURS:
            return "contours"
        images = _PLAIN_IMAGES | _FRAMED_IMAGES | _CAPTURES
        return "image" if self.sop_class in images else "other"


@dataclass(frozen=True, slots=True)
class Header:
    """One file: its slices, and what it says of its series.

    Args:
        instances: one, or one for each frame of an enhanced file.
        identifier: PatientID; never to be stored or shown.
        study, series, frame_of_reference: twelve digits each for their UIDs, empty when missing.
        modality: such as MR.
        description: SeriesDescription; free text, never to be stored or shown.
        number: SeriesNumber.
        day: date of the examination.
        started: seconds at which the series began; see `Elements.instant`.
        referenced_series, referenced_instances: keys of what a mask was drawn on.
    """

    instances: tuple[Instance, ...]
    identifier: str = field(repr=False)
    study: str
    series: str
    frame_of_reference: str
    modality: str
    description: str = field(repr=False)
    number: int | None
    day: date | None
    started: float | None
    referenced_series: frozenset[str]
    referenced_instances: frozenset[str]


def read_header(path: Path) -> Header | None:
    """Read one file without its pixels; None when it is no DICOM file, or a directory of others.

    Raises:
        CaseError: it begins as DICOM and is damaged, or contradicts itself.
        OSError: it cannot be read.
    """
    begin = begins_as(path)
    if begin == "other":
        return None
    try:
        found = load(path, TAGS)
    except CaseError:
        if begin == "data":
            return None
        raise
    sop_class = found.word(0x00080016)
    if _DIRECTORY in (sop_class, found.media_class):
        return None
    if not found.word(0x0020000E):
        if begin == "data":
            return None
        raise CaseError("DICOM file is of no series, or its header ends early; copy it anew")
    first = _instance(path, found, sop_class)
    mask = first.kind in ("segmentation", "contours")
    frame = found.word(0x00200052)
    if not frame and mask:
        frame = next(iter(references(found, 0x30060010, 0x00200052)), "")
    return Header(
        instances=_frames(found, first) if sop_class in _FRAMED_IMAGES else (first,),
        identifier=found.text(0x00100020),
        study=_key(found.word(0x0020000D)),
        series=key_of(found.word(0x0020000E)),
        frame_of_reference=_key(frame),
        modality=modality_of(found),
        description=found.text(0x0008103E),
        number=found.whole(0x00200011),
        day=found.day(0x00080020) or found.day(0x00080021) or found.day(0x00080022),
        started=_first_of(
            found.instant(0x0008002A, 0x00080022, 0x00080032), found.instant(0, 0x80021, 0x80031)
        ),
        referenced_series=_keys(found, 0x0020000E) if mask else frozenset(),
        referenced_instances=_keys(found, 0x00081155) if mask else frozenset(),
    )


def modality_of(found: Elements) -> str:
    """Modality, which is shown in messages and stored: one of the standard's codes, or OT."""
    code = found.word(0x00080060).upper()
    return code if code in _MODALITIES else "OT"


def _key(uid: str) -> str:
    return key_of(uid) if uid else ""


def _keys(found: Elements, wanted: int) -> frozenset[str]:
    uids: set[str] = set()
    for tag in _REFERENCES:
        uids |= references(found, tag, wanted)
    return frozenset(key_of(uid) for uid in uids if uid)


def _first_of(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _instance(path: Path, found: Elements, sop_class: str) -> Instance:
    uid = found.word(0x00080018)
    return Instance(
        path=path,
        frame=None,
        frames=found.whole(0x00280008) or 1,
        # Without a UID a file is only equal to itself.
        key=key_of(uid or str(path)),
        sop_class=sop_class,
        syntax=found.transfer_syntax,
        number=found.whole(0x00200013),
        position=_exactly(3, found.numbers(0x00200032)),
        orientation=_exactly(6, found.numbers(0x00200037)),
        spacing=_exactly(2, found.numbers(0x00280030)),
        slope=_or(found.number(0x00281053), 1.0),
        intercept=_or(found.number(0x00281052), 0.0),
        pixels=_pixels(found),
        timing=Timing(
            temporal_position=found.whole(0x00200100),
            acquisition=found.whole(0x00200012),
            acquisition_time=found.instant(0x0008002A, 0x00080022, 0x00080032),
            content_time=found.instant(0, 0x00080023, 0x00080033),
            trigger_time=found.number(0x00181060),
            echo=(found.number(0x00180086), found.number(0x00180081)),
            b_value=found.number(0x00189087),
            image_type=(*found.words(0x00080008), *found.words(0x00089208)),
        ),
    )


def _pixels(found: Elements) -> Pixels | None:
    rows, columns = found.whole(0x00280010), found.whole(0x00280011)
    allocated = found.whole(0x00280100)
    if not rows or not columns or not allocated:
        return None
    stored = found.whole(0x00280101) or allocated
    high = found.whole(0x00280102)
    return Pixels(
        rows=rows,
        columns=columns,
        samples=found.whole(0x00280002) or 1,
        photometric=found.word(0x00280004),
        allocated=allocated,
        stored=stored,
        high=stored - 1 if high is None else high,
        signed=found.whole(0x00280103) == 1,
    )


def _exactly(count: int, numbers: tuple[float, ...]) -> tuple[float, ...] | None:
    return numbers if len(numbers) == count else None


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _frames(found: Elements, whole: Instance) -> tuple[Instance, ...]:
    shared = found.item(_SHARED)
    frames = found.items(_PER_FRAME)
    if len(frames) != whole.frames:
        raise CaseError(
            f"enhanced DICOM file says it holds {whole.frames} frames and describes {len(frames)}; "
            "export the series anew"
        )
    return tuple(_frame(whole, at, [frame, *([shared] if shared else [])]) for at, frame in enumerate(frames))


def _frame(whole: Instance, at: int, groups: list[Elements]) -> Instance:
    def numbers(sequence: int, tag: int) -> tuple[float, ...]:
        for group in groups:
            item = group.item(sequence)
            if item is not None and item.numbers(tag):
                return item.numbers(tag)
        return ()

    def number(sequence: int, tag: int) -> float | None:
        return next(iter(numbers(sequence, tag)), None)

    def whole_number(sequence: int, tag: int) -> int | None:
        value = number(sequence, tag)
        return None if value is None else int(value)

    content = groups[0].item(0x00209111) or Elements({})
    old = whole.timing
    timing = replace(
        old,
        temporal_position=whole_number(0x00209111, 0x00209128),
        acquisition=whole_number(0x00209111, 0x00209156),
        acquisition_time=_first_of(content.instant(0x00189074, 0, 0), old.acquisition_time),
        content_time=_first_of(content.instant(0x00189151, 0, 0), old.content_time),
        trigger_time=number(0x00189118, 0x00209153),
        echo=(None, number(0x00189114, 0x00189082)),
        b_value=number(0x00189117, 0x00189087),
        image_type=_frame_type(groups) or old.image_type,
    )
    return replace(
        whole,
        frame=at,
        number=at + 1,
        position=_exactly(3, numbers(0x00209113, 0x00200032)),
        orientation=_exactly(6, numbers(0x00209116, 0x00200037)),
        spacing=_exactly(2, numbers(0x00289110, 0x00280030)),
        slope=_or(number(0x00289145, 0x00281053), whole.slope),
        intercept=_or(number(0x00289145, 0x00281052), whole.intercept),
        timing=timing,
    )


def _frame_type(groups: list[Elements]) -> tuple[str, ...]:
    for group in groups:
        # MR, CT, PET.
        for sequence in (0x00189226, 0x00189329, 0x00189751):
            item = group.item(sequence)
            if item is not None and item.words(0x00089007):
                return (*item.words(0x00089007), *item.words(0x00089208))
    return ()
