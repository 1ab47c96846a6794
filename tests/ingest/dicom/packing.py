"""Compressed copies of DICOM files: run-length, JPEG lossless, JPEG-LS and JPEG 2000."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import numpy as np
import pydicom
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SYNTAXES = {
    "rle": RLELossless,
    "jpeg-lossless": JPEGLosslessSV1,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
}


def compress(path: Path, how: str) -> None:
    """Replace a native file by a compressed one with the same values."""
    header = pydicom.dcmread(path)
    if how in ("rle", "jpeg-ls"):
        header.compress(SYNTAXES[how], generate_instance_uid=False)
    else:
        bits = header.BitsAllocated
        frames = np.frombuffer(header.PixelData, f"<u{bits // 8}")
        frames = frames[: frames.size // (header.Rows * header.Columns) * header.Rows * header.Columns]
        encode = _ENCODERS[how]
        packed = [encode(frame) for frame in frames.reshape(-1, header.Rows, header.Columns)]
        header.PixelData = encapsulate(packed)
        header["PixelData"].VR = "OB"
        header["PixelData"].is_undefined_length = True
        header.file_meta.TransferSyntaxUID = SYNTAXES[how]
    header.save_as(path, enforce_file_format=True)


def jpeg_2000(frame: np.ndarray) -> bytes:
    """A lossless JPEG 2000 codestream."""
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, "JPEG2000", irreversible=False, no_jp2=True, num_resolutions=1)
    return stream.getvalue()


def jpeg_lossless(frame: np.ndarray) -> bytes:
    """A lossless JPEG of process 14, first-order prediction (ISO/IEC 10918-1 annex H).

    Each difference to the left neighbour is written as its number of bits, by a code of five bits,
    and then the bits themselves.
    """
    precision = frame.dtype.itemsize * 8
    rows, columns = frame.shape
    values = frame.astype(np.int64)
    expected = np.empty_like(values)
    expected[:, 1:] = values[:, :-1]
    expected[1:, 0] = values[:-1, 0]
    expected[0, 0] = 1 << (precision - 1)
    # Differences are taken modulo 65536.
    differences = (values - expected + 32767) % 65536 - 32767
    bits = []
    for difference in differences.ravel().tolist():
        size = abs(difference).bit_length()
        bits.append(f"{size:05b}")
        if 0 < size < 16:
            low = difference if difference > 0 else difference + (1 << size) - 1
            bits.append(f"{low:0{size}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
    codes = bytes([0, 0, 0, 0, 17, *([0] * 11)])
    table = b"\x00" + codes + bytes(range(17))
    return (
        b"\xff\xd8\xff\xc3"
        + struct.pack(">HBHHB3B", 11, precision, rows, columns, 1, 1, 0x11, 0)
        + b"\xff\xc4"
        + struct.pack(">H", 2 + len(table))
        + table
        + b"\xff\xda"
        + struct.pack(">HB2B3B", 8, 1, 1, 0, 1, 0, 0)
        + data
        + b"\xff\xd9"
    )


_ENCODERS: dict[str, Callable[[np.ndarray], bytes]] = {
    "jpeg-lossless": jpeg_lossless,
    "jpeg-2000": jpeg_2000,
}
