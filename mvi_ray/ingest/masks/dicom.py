"""DICOM files that hold masks: found, read with care, and told apart."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import CaseError
from mvi_ray.ingest.files import check_there, endings
from mvi_ray.ingest.silence import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydicom import Dataset

_RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
_SEG = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation Storage and Label Map Segmentation Storage (DICOM PS3.4, annex B.5)."""
_DEFLATED = "1.2.840.10008.1.2.1.99"
_SUFFIXES = (".dcm", ".dicom", ".ima", "")
_MOST_BYTES = 2**31
_MOST_FILES = 10_000


@contextmanager
def parsing(what: str) -> Iterator[None]:
    """Turn whatever a damaged DICOM file makes the parsers raise into a CaseError without its text."""
    try:
        with quiet():
            yield
    except CaseError:
        raise
    except OSError as error:
        why = error.strerror or "it ends early"
        raise CaseError(f"{what} file cannot be read: {why}; copy or export it anew") from None
    except Exception as error:  # noqa: BLE001 - a damaged file fails in countless ways
        kind = type(error).__name__
        raise CaseError(f"{what} is a damaged or incomplete DICOM file ({kind}); export it anew") from None


def read_dataset(path: Path, what: str = "mask") -> Dataset:
    """The DICOM SEG or RTSTRUCT of a file, or the only one in a folder.

    Raises:
        CaseError: there is none or several, or the file is damaged or of another kind.
    """
    if _is_folder(path):
        path = _only_one(path, what)
    elif path.suffix.lower() not in _SUFFIXES and not _is_dicom(path):
        raise CaseError(f"{what} file has an ending that is not read; convert it to {endings()} or .dcm")
    check_there(path, what)
    with parsing(what):
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise CaseError(f"{what} file has {size} bytes; export the one segment that is needed")
        dataset = _read(path, what)
        kind = _kind(dataset)
    if kind is None:
        raise CaseError(f"{what} is no DICOM file; export it as DICOM SEG, RTSTRUCT or label map")
    if kind != _RTSTRUCT and kind not in _SEG:
        raise CaseError(
            f"{what} is a DICOM file of another kind than SEG or RTSTRUCT; export the segmentation itself"
        )
    return dataset


def is_rtstruct(dataset: Dataset) -> bool:
    """Whether contours are what the file holds."""
    return _kind(dataset) == _RTSTRUCT


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_dicom(path: Path) -> bool:
    """Whether the mark of DICOM is there; names that are a UID end in a number."""
    import pydicom

    try:
        return path.is_file() and pydicom.misc.is_dicom(path)
    except OSError:
        return False


def _only_one(folder: Path, what: str) -> Path:
    found = []
    with parsing(what):
        for count, path in enumerate(sorted(folder.iterdir())):
            if count >= _MOST_FILES:
                raise CaseError(f"{what} is a folder of more than {_MOST_FILES} files; name the file")
            if path.is_file() and _kind_of_file(path) in (_RTSTRUCT, *_SEG):
                found.append(path)
    if len(found) != 1:
        raise CaseError(
            f"{what} is a folder with {len(found)} DICOM SEG or RTSTRUCT files; name one file in the manifest"
        )
    return found[0]


def _kind_of_file(path: Path) -> str | None:
    import pydicom

    try:
        with quiet():
            if path.stat().st_size > _MOST_BYTES or not pydicom.misc.is_dicom(path):
                return None
            head = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
            return _kind(head)
    except Exception:  # noqa: BLE001 - a damaged neighbour is not the file that is looked for
        return None


def _read(path: Path, what: str) -> Dataset:
    import pydicom

    meta = pydicom.filereader.read_file_meta_info(path) if pydicom.misc.is_dicom(path) else {}
    if str(meta.get("TransferSyntaxUID", "")) == _DEFLATED:
        _check_deflated(path, what)
    return pydicom.dcmread(path, force=True)


def _check_deflated(path: Path, what: str) -> None:
    """Refuse a small file that unpacks to gigabytes."""
    content = path.read_bytes()
    # The header is not packed; where it ends, the length of its group says.
    start = 144 + int.from_bytes(content[140:144], "little")
    unpacked = zlib.decompressobj(-zlib.MAX_WBITS)
    size, rest = 0, content[start:]
    while rest and not unpacked.eof and size <= _MOST_BYTES:
        size += len(unpacked.decompress(rest, 2**24))
        rest = unpacked.unconsumed_tail
    if size > _MOST_BYTES:
        raise CaseError(f"{what} file unpacks to more than {_MOST_BYTES} bytes; export it anew")


def _kind(dataset: Any) -> str | None:
    value = dataset.get("SOPClassUID")
    return str(value) if value else None
