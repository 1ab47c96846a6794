"""Image and mask files (NIfTI, NRRD, MetaImage) to arrays with geometry."""

from __future__ import annotations

import gzip
import re
import zlib
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import CaseError, GeometryError
from mvi_ray.ingest.detached import check_header
from mvi_ray.ingest.silence import quiet
from mvi_ray.volume import Geometry, Volume

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import SimpleITK as sitk

_NIFTI = (".nii", ".nii.gz")
_SUFFIXES = (*_NIFTI, ".nrrd", ".nhdr", ".mha", ".mhd")
_SLICER = "Segment0_"
"""What the keys of the first segment begin with in a segmentation of 3D Slicer."""
_LARGEST = 8 * 2**30
"""Bytes of voxels; a header that claims more is refused before memory is taken for it."""
_SLACK = 2**20
"""Bytes that may follow the voxels of a NIfTI file."""
_MOST_LABELS = 2**31
"""Labels in all layers; a header that claims more is refused before memory is taken for it."""
_NIFTI_HEADER = 352
_NIFTI_SIZES = (348, 540)
"""First number of a header of version 1 and 2: it tells the order of the bytes."""
_NIFTI_SPACING = 80
"""Where the three spacings stand in the header, each in 4 bytes."""
_NIFTI_FLOATS = {16: "f4", 64: "f8"}
_GZIP_RATIO = 1100
"""Deflate shortens by 1032 to 1 at the most."""
_GZIP_MARK = b"\x1f\x8b"
_PLAIN_WORDS = {
    r"unable to determine imageio": "it does not hold what its ending says",
    r"fread got only|premature|unexpected end|hit end": "it ends early",
    r"refusing to change spacing": "its spacing is not above 0 mm",
}
"""What ITK says in the words of its code, and what it means."""


def read_volume(path: Path) -> Volume:
    """Read a three-dimensional image of real numbers.

    Raises:
        CaseError: the file is missing, not readable, or not one volume of numbers.
        GeometryError: its grid is not valid, or a voxel is not finite.
    """
    image = read_sitk(path, "image")
    return Volume(voxels_of(image, "image"), Geometry.of_sitk(image))


def read_sitk(path: Path, what: str, *, layered: bool = False) -> sitk.Image:
    """Read one volume, and leave no word of ITK's on the way.

    Args:
        path: the file.
        what: what to call it in messages.
        layered: whether a file of 3D Slicer may hold several layers, as values of each voxel or
            as fourth dimension.

    Raises:
        CaseError: the file is missing, not readable, or not one volume.
    """
    import SimpleITK as sitk

    if not is_plain(path):
        raise CaseError(f"{what} file has an ending that is not read; convert it to {endings()}")
    check_there(path, what)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with quiet():
            return _read_checked(reader, path, what, layered=layered)
    except RuntimeError as error:
        raise CaseError(f"{what} file cannot be read: {_cause(error, path)}; export it anew") from None
    except OSError as error:
        raise CaseError(f"{what} file cannot be read: {error.strerror}; check its permissions") from None


def _read_checked(reader: sitk.ImageFileReader, path: Path, what: str, *, layered: bool) -> sitk.Image:
    # ITK says of a file that it may not read that there is none.
    path.open("rb").close()
    check_header(path, what)
    reader.ReadImageInformation()
    size, components = reader.GetSize(), reader.GetNumberOfComponents()
    if layered and any(key.startswith(_SLICER) for key in reader.GetMetaDataKeys()):
        _check_layers(size, components, what)
    else:
        _check_layout(size, components, what)
    _check_size(reader, what)
    _check_complete(reader, path, what)
    return reader.Execute()


def voxels_at(path: Path) -> int:
    """About how many voxels a file or a folder holds; nothing is unpacked, and nothing is refused.

    What header and voxels are worth is found out when they are read. Of DICOM the bytes of the
    files are taken, at two for each voxel; 0 where there is nothing that can be looked at.
    """
    import SimpleITK as sitk

    try:
        if path.is_dir():
            return sum(inner.stat().st_size for inner in path.rglob("*") if inner.is_file()) // 2
        if not path.is_file():  # a pipe would be waited for
            return 0
        if not is_plain(path):
            return path.stat().st_size // 2
        check_header(path, "image")
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        with quiet():
            reader.ReadImageInformation()
        return int(prod(reader.GetSize()) * reader.GetNumberOfComponents())
    except (CaseError, RuntimeError, OSError, ValueError):
        return 0


def is_plain(path: Path) -> bool:
    """Whether a file is one of this module, by its ending; everything else may be DICOM."""
    return path.name.lower().endswith(_SUFFIXES)


def endings() -> str:
    """The endings that are read, for a message."""
    return " or ".join(_SUFFIXES)


def check_there(path: Path, what: str) -> None:
    """Refuse a path at which there is no file.

    Raises:
        CaseError: there is none, or it cannot be reached.
    """
    try:
        there = path.is_file()
    except OSError as error:
        raise CaseError(f"{what} file cannot be reached: {error.strerror}; check its path") from None
    if not there and path.exists() and not path.is_dir():
        raise CaseError(f"{what} is a pipe or device; name a file")
    if not there:
        raise CaseError(f"{what} file does not exist; check the path in the manifest")


def _check_layout(size: tuple[int, ...], components: int, what: str) -> None:
    dimensions = len(size)
    if components > 1:
        raise CaseError(
            f"{what} has {components} values in each voxel (colour or layers); "
            "export one layer as a plain volume or label map"
        )
    if dimensions != 3:
        raise CaseError(
            f"{what} has {dimensions} dimensions {size}; give one volume (x, y, z) for each phase"
        )


def _check_size(reader: sitk.ImageFileReader, what: str) -> None:
    """Refuse a volume by what its header claims, before memory is taken for it."""
    import SimpleITK as sitk

    bits = re.search(r"\d+", sitk.GetPixelIDValueAsString(reader.GetPixelID()))
    values = prod(reader.GetSize()) * reader.GetNumberOfComponents()
    needed = values * (int(bits[0]) if bits else 64) // 8
    if needed > _LARGEST:
        raise CaseError(
            f"{what} would take {needed / 2**30:.1f} GiB, more than {_LARGEST // 2**30}; cut it out smaller"
        )


def _check_layers(size: tuple[int, ...], components: int, what: str) -> None:
    if len(size) not in (3, 4):
        raise CaseError(f"{what} has {len(size)} dimensions; export it as one volume (x, y, z) with layers")
    if prod(size) * components > _MOST_LABELS:
        raise CaseError(f"{what} claims {prod(size) * components} labels in its layers; export it anew")


def _check_complete(reader: sitk.ImageFileReader, path: Path, what: str) -> None:
    """Refuse a NIfTI file that ends early or holds NaN: ITK turns both into zeros in silence."""
    # ITK copies the header of NIfTI into whatever is written from it.
    if not path.name.lower().endswith(_NIFTI) or not reader.HasMetaDataKey("vox_offset"):
        return
    start = max(_NIFTI_HEADER, int(float(reader.GetMetaData("vox_offset"))))
    needed = start + prod(reader.GetSize()) * int(reader.GetMetaData("bitpix")) // 8
    try:
        content = _unpacked(path, needed)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise CaseError(f"{what} file is damaged or ends early; copy it anew") from None
    if len(content) > needed + _SLACK:
        raise CaseError(f"{what} file holds far more than its header says; export it anew")
    if len(content) < needed:
        raise CaseError(f"{what} file ends early: {len(content)} of {needed} bytes; copy it anew")
    order = "<" if int.from_bytes(content[:4], "little") in _NIFTI_SIZES else ">"
    _check_spacing(content, order, what)
    kind = _NIFTI_FLOATS.get(int(reader.GetMetaData("datatype")))
    if kind is not None:
        voxels = np.frombuffer(content, order + kind, prod(reader.GetSize()), start)
        bad = int(voxels.size - np.isfinite(voxels).sum())
        if bad:
            raise GeometryError(f"{what} has {bad} voxels that are NaN or infinite; replace them in the file")


def _check_spacing(content: bytes, order: str, what: str) -> None:
    """Refuse a NIfTI spacing that ITK would replace by 1 mm, or take for a turned axis, in silence."""
    spacing = np.frombuffer(content, f"{order}f4", 3, _NIFTI_SPACING)
    if not (np.isfinite(spacing) & (spacing > 0)).all():
        raise GeometryError(f"{what} has a spacing that is not above 0 mm in its header; export it anew")


def _unpacked(path: Path, needed: int) -> bytes:
    """Content of a file, packed or not, up to a little more than is needed."""
    with path.open("rb") as file:
        packed = file.read(len(_GZIP_MARK)) == _GZIP_MARK
    # Memory is taken for what is asked for, so no more is asked for than there can be.
    most = path.stat().st_size * (_GZIP_RATIO if packed else 1) + 1
    with gzip.open(path) if packed else path.open("rb") as file:
        # Reading on to the end, where there is one, checks the sum behind a packed file.
        return file.read(min(needed + _SLACK + 1, most))


def voxels_of(image: sitk.Image, what: str) -> npt.NDArray[Any]:
    """Values as an array (z, y, x), with the layers last where each voxel holds several.

    Raises:
        CaseError: they are no real numbers.
    """
    import SimpleITK as sitk

    array: npt.NDArray[Any] = sitk.GetArrayFromImage(image)
    if array.dtype.kind not in "iuf":
        raise CaseError(f"{what} has voxels of type {array.dtype}; export it as real numbers")
    return array


def _cause(error: RuntimeError, path: Path) -> str:
    """Last sentence of an ITK message, without paths: they may carry names."""
    for said, meant in _PLAIN_WORDS.items():
        if re.search(said, str(error), re.IGNORECASE):
            return meant
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else "unknown reason"
    text = re.sub(r"^.*?ERROR:\s*", "", text)
    text = re.sub(r"\w+\(0x[0-9a-f]+\):\s*", "", text)
    text = text.replace(str(path), "the file").replace(path.name, "the file")
    # A header may name a second file, in quotes.
    text = re.sub(r'"[^"]*"', "the file", text)
    return "the reader does not say why" if re.search(r"[/\\]", text) else text
