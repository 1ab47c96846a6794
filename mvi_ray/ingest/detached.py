"""Text headers of NRRD and MetaImage files: where they say that the voxels are.

Such a header may name any other file as the place of its voxels, and may claim more than is there;
both are found out before ITK opens anything.
"""

from __future__ import annotations

import math
import re
from math import prod
from typing import TYPE_CHECKING

from mvi_ray.errors import CaseError, GeometryError

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_HEADER = 2**20
_META, _NRRD = (".mha", ".mhd"), (".nrrd", ".nhdr")
_META_BYTES = {
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_FLOAT"), 4),
    **dict.fromkeys(("MET_LONG", "MET_ULONG", "MET_LONG_LONG", "MET_ULONG_LONG", "MET_DOUBLE"), 8),
}


def check_header(path: Path, what: str) -> None:
    """Check the text header of a NRRD or MetaImage file; other files have none.

    Args:
        path: the file.
        what: ``image`` or ``mask``, for the message.

    Raises:
        CaseError: the voxels are elsewhere than beside the header, or fewer than it says.
        GeometryError: a spacing is not above 0.
        OSError: the file cannot be read.
    """
    name = path.name.lower()
    if not name.endswith(_META + _NRRD):
        return
    with path.open("rb") as file:
        head = file.read(_LARGEST_HEADER)
    if name.endswith(_META):
        _check_meta(path, head, what)
    else:
        _check_nrrd(path, head, what)


def has_own_voxels(path: Path) -> bool:
    """Whether the voxels of a file lie in it, and not in another one that its header names.

    Raises:
        OSError: the file cannot be read.
    """
    name = path.name.lower()
    if not name.endswith(_META + _NRRD):
        return True
    with path.open("rb") as file:
        head = file.read(_LARGEST_HEADER)
    if name.endswith(_META):
        place = re.search(rb"^\s*ElementDataFile\s*=[ \t]*(.*?)\s*$", head, re.MULTILINE)
        return place is not None and place[1].upper() in (b"LOCAL", b"LOCAL_ONE")
    return _nrrd_place(head) is None


def _check_meta(path: Path, head: bytes, what: str) -> None:
    # MetaIO takes the first field that is named ElementDataFile as the last of the header.
    end = re.search(rb"^\s*ElementDataFile\s*=[^\n]*\n?", head, re.MULTILINE)
    if end is None:
        raise CaseError(
            f"{what} file cannot be read: its header does not say where the voxels are; export it anew"
        )
    text = head[: end.end()].decode("latin-1")
    fields = dict(re.findall(r"^\s*(\w+)\s*=[ \t]*(.*?)\s*$", text, re.MULTILINE))
    spacing = [_number(word) for word in fields.get("ElementSpacing", "").split()]
    if any(step is None or step <= 0 for step in spacing):
        # ITK would take the amount of a negative spacing, without a word.
        raise GeometryError(f"{what} has a spacing that is not above 0 mm in its header; export it anew")
    place = fields["ElementDataFile"]
    if place.upper() in ("LOCAL", "LOCAL_ONE"):
        there = path.stat().st_size - end.end()
    elif place.upper().startswith("LIST") or "%" in place or len(place.split()) > 1:
        raise CaseError(f"{what} keeps its voxels in several files; save it as one .mha, .nrrd or .nii.gz")
    else:
        there = _beside(path, place, what)
    needed = _meta_bytes(fields)
    if needed is not None and there < needed:
        raise CaseError(f"{what} file ends early: {there} of {needed} bytes; copy it anew")


def _meta_bytes(fields: dict[str, str]) -> int | None:
    """Bytes that the voxels take in the file, as far as the header says."""
    if fields.get("CompressedData", "False").lower() in ("true", "1"):
        packed = _number(fields.get("CompressedDataSize", ""))
        return None if packed is None else int(packed)
    sizes = [_number(word) for word in fields.get("DimSize", "").split()]
    each = _META_BYTES.get(fields.get("ElementType", ""))
    channels = _number(fields.get("ElementNumberOfChannels", "1"))
    if each is None or channels is None or not sizes:
        return None
    known = [int(size) for size in sizes if size is not None]
    return prod(known) * each * int(channels) if len(known) == len(sizes) else None


def _check_nrrd(path: Path, head: bytes, what: str) -> None:
    place = _nrrd_place(head)
    if place is None:
        return
    if place.upper().startswith("LIST") or "%" in place:
        raise CaseError(f"{what} keeps its voxels in several files; save it as one .nrrd or .nii.gz")
    _beside(path, place, what)


def _nrrd_place(head: bytes) -> str | None:
    """The file that a header names as the place of its voxels."""
    text = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0].decode("latin-1")
    named = re.search(r"^\s*data ?file\s*:\s*(.*?)\s*$", text, re.MULTILINE | re.IGNORECASE)
    return None if named is None else named[1]


def _beside(path: Path, place: str, what: str) -> int:
    """Size of the file that a header names, which has to lie in the header's folder or below."""
    folder = path.parent.resolve()
    try:
        data = (folder / place).resolve()
        if not data.is_relative_to(folder):
            raise CaseError(f"{what} names a file outside its own folder; put both into one folder")
        if not data.is_file():
            raise CaseError(f"{what} names a file of voxels that is not there; copy both files")
        return data.stat().st_size
    except (OSError, ValueError):
        raise CaseError(f"{what} names a file of voxels that cannot be reached; copy both files") from None


def _number(word: str) -> float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
