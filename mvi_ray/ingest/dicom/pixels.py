"""Pixel data of one file to stored values, native or in any compression.

Native pixel data are read as they are, run-length ones by pydicom. Everything else goes through
the DICOM reader of SimpleITK (GDCM), frame by frame, in a file that holds the pixels and nothing
else of the header: so rescaling is done in one place, for every slice by its own slope.
"""

from __future__ import annotations

import struct
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import CaseError
from mvi_ray.ingest.dicom.elements import load
from mvi_ray.ingest.silence import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from mvi_ray.ingest.dicom.elements import Elements
    from mvi_ray.ingest.dicom.headers import Instance, Pixels

_PIXEL_DATA, _MODALITY_LUT = 0x7FE00010, 0x00283000
_TAGS = (
    *(0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011, 0x00280100, 0x00280101),
    *(0x00280102, 0x00280103, _MODALITY_LUT, 0x7FE00001, 0x7FE00002, _PIXEL_DATA),
)
_BASE = "1.2.840.10008.1.2"
_NATIVE = {"", _BASE, f"{_BASE}.1", f"{_BASE}.1.99"}
_BY_PYDICOM = {f"{_BASE}.2", f"{_BASE}.5"}
"""Big-endian and run-length."""
_BY_GDCM = {f"{_BASE}.4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91)}
"""JPEG baseline, extended and lossless, JPEG-LS, JPEG 2000."""
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def stored_values(instances: Sequence[Instance]) -> Iterator[npt.NDArray[Any]]:
    """Stored values of slices of one file, each of shape (rows, columns), before any rescaling.

    Args:
        instances: slices of the same file.

    Raises:
        CaseError: there are no pixel data, they end early, or they cannot be decoded.
    """
    first = instances[0]
    pixels = first.pixels
    if pixels is None:
        raise CaseError("a slice does not give the size of its pixel data; export it anew")
    _check_bits(pixels)
    if first.frame is None and first.frames > 1:
        raise CaseError(
            f"a file holds {first.frames} frames without their places; convert the series to one file for "
            "each slice, or to enhanced DICOM"
        )
    found = load(first.path, _TAGS, pixels=True)
    data = found.raw(_PIXEL_DATA)
    if not data:
        raise CaseError("a slice has no pixel data, or its file ends early; copy the series anew")
    if found.items(_MODALITY_LUT):
        raise CaseError(
            "values are translated by a table (Modality LUT), which is not read; export rescaled values"
        )
    frames = [instance.frame or 0 for instance in instances]
    if first.syntax in _NATIVE:
        yield from _native(data, frames, first.frames, pixels)
    elif first.syntax in _BY_PYDICOM:
        yield from _by_pydicom(found, frames, pixels)
    elif first.syntax in _BY_GDCM:
        yield from _by_gdcm(data, frames, first, pixels)
    else:
        raise CaseError("pixel data are compressed in a way that is not read; export the series uncompressed")


def _check_bits(pixels: Pixels) -> None:
    if pixels.allocated not in (8, 16, 32) or not 0 < pixels.stored <= pixels.high + 1 <= pixels.allocated:
        raise CaseError(
            f"header gives {pixels.allocated} bits allocated, {pixels.stored} stored, the highest being "
            f"{pixels.high}, which do not fit; export the series anew"
        )


def _dtype(pixels: Pixels) -> np.dtype[Any]:
    return np.dtype(f"<{'i' if pixels.signed else 'u'}{pixels.allocated // 8}")


def _in_use(cells: npt.NDArray[Any], pixels: Pixels) -> npt.NDArray[Any]:
    """Numbers in the bits in use; overlays and rubbish may stand in the others."""
    above, unused = pixels.allocated - 1 - pixels.high, pixels.allocated - pixels.stored
    # To the left end and back: the way back repeats the sign where there is one.
    return cells if not unused else np.right_shift(np.left_shift(cells, above), unused)


def _native(data: bytes, frames: list[int], count: int, pixels: Pixels) -> Iterator[npt.NDArray[Any]]:
    dtype = _dtype(pixels)
    cells = pixels.rows * pixels.columns
    needed = cells * dtype.itemsize * max(count, max(frames) + 1)
    if len(data) < needed:
        raise CaseError(f"pixel data end early: {len(data)} of {needed} bytes; copy the series anew")
    # Padding is one byte. More is another size or count than the header says.
    if len(data) > needed + 1:
        raise CaseError(
            f"there are {len(data)} bytes of pixel data, the header says {needed}; export the series anew"
        )
    for frame in frames:
        array = np.frombuffer(data, dtype, cells, frame * cells * dtype.itemsize)
        yield _in_use(array.reshape(pixels.rows, pixels.columns), pixels)


def _by_pydicom(found: Elements, frames: list[int], pixels: Pixels) -> Iterator[npt.NDArray[Any]]:
    from pydicom.pixels import get_decoder

    try:
        decoder = get_decoder(found.transfer_syntax)
        for array, _ in decoder.iter_array(found.dataset, indices=frames, raw=True):
            cells = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).view(_dtype(pixels))
            yield _in_use(cells.reshape(pixels.rows, pixels.columns), pixels)
    except Exception:  # noqa: BLE001  # decoders raise what the bytes lead them to
        raise CaseError("pixel data are damaged or end early; copy the series anew") from None


def _by_gdcm(
    data: bytes, frames: list[int], instance: Instance, pixels: Pixels
) -> Iterator[npt.NDArray[Any]]:
    import SimpleITK as sitk
    from pydicom.encaps import generate_frames

    try:
        packed = list(generate_frames(data, number_of_frames=instance.frames))
    except Exception:  # noqa: BLE001  # pydicom raises what the bytes lead it to
        raise CaseError("compressed pixel data are damaged; copy the series anew") from None
    if len(packed) < instance.frames:
        raise CaseError(
            f"there are {len(packed)} frames, the header says {instance.frames}; export the series anew"
        )
    try:
        with quiet(), TemporaryDirectory() as folder:
            path = Path(folder) / "frame.dcm"
            for frame in frames:
                _check_codestream(packed[frame], pixels)
                _write_bare(path, packed[frame], instance.syntax, pixels)
                array = sitk.GetArrayFromImage(sitk.ReadImage(path, imageIO="GDCMImageIO"))
                yield array.reshape(pixels.rows, pixels.columns)
    except (RuntimeError, ValueError):
        raise CaseError("compressed pixel data are damaged; copy the series anew") from None


def _write_bare(path: Path, packed: bytes, syntax: str, pixels: Pixels) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID, generate_uid

    bare = Dataset()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = UID(syntax)
    bare.SOPClassUID = _SECONDARY_CAPTURE
    bare.SOPInstanceUID = generate_uid()
    bare.Rows, bare.Columns = pixels.rows, pixels.columns
    bare.SamplesPerPixel, bare.PhotometricInterpretation = 1, "MONOCHROME2"
    bare.BitsAllocated, bare.BitsStored, bare.HighBit = pixels.allocated, pixels.stored, pixels.high
    bare.PixelRepresentation = int(pixels.signed)
    bare.PixelData = encapsulate([packed])
    bare["PixelData"].is_undefined_length = True
    bare.save_as(path, enforce_file_format=True)


def _check_codestream(packed: bytes, pixels: Pixels) -> None:
    """Refuse a frame whose own size is not the header's before memory is taken for it."""
    size = _size_of_jpeg_2000(packed) if packed[:2] == b"\xff\x4f" else _size_of_jpeg(packed)
    if size is None:
        raise CaseError("compressed pixel data are damaged; copy the series anew")
    if size != (pixels.columns, pixels.rows):
        raise CaseError(
            f"compressed pixel data are of {size[0]} × {size[1]} pixels, the header says {pixels.columns} × "
            f"{pixels.rows}; export the series anew"
        )


def _size_of_jpeg_2000(packed: bytes) -> tuple[int, int] | None:
    # ISO/IEC 15444-1 A.5.1: the marker SIZ comes second.
    if packed[2:4] != b"\xff\x51" or len(packed) < 24:
        return None
    right, below, left, above = struct.unpack_from(">4I", packed, 8)
    return right - left, below - above


def _size_of_jpeg(packed: bytes) -> tuple[int, int] | None:
    # ISO/IEC 10918-1 B.2.2 and 14495-1 C.2.2: walk the segments to the start of frame.
    at = 2
    while at + 9 <= len(packed) and packed[at] == 0xFF:
        marker = packed[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        (length,) = struct.unpack_from(">H", packed, at + 2)
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            rows, columns = struct.unpack_from(">2H", packed, at + 5)
            return columns, rows
        at += 2 + length
    return None
