"""Image and mask files (NIfTI, NRRD, MetaImage) to arrays with geometry."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import CaseError, GeometryError, MaskError
from mvi_ray.ingest.detached import check_header
from mvi_ray.volume import Geometry, Mask, Volume

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import SimpleITK as sitk

_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
_LARGEST = 8 * 2**30
"""Bytes of voxels; a header that claims more is refused before memory is taken for it."""
_SLACK = 2**20
"""Bytes that may follow the voxels of a NIfTI file."""
_LARGEST_LABEL = 2.0**53
_NIFTI_HEADER = 352
_NIFTI_SIZES = (348, 540)
"""First number of a header of version 1 and 2: it tells the order of the bytes."""
_NIFTI_FLOATS = {16: "f4", 64: "f8"}
_GZIP_RATIO = 1100
"""Deflate shortens by 1032 to 1 at the most."""
_GZIP_MARK = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, eq=False)
class LabelMap:
    """A mask file before a label is chosen.

    Args:
        array: labels, shape (z, y, x), whole numbers.
        geometry: its grid.
        segments: segment name to its labels, where the file names its segments.
    """

    array: npt.NDArray[Any]
    geometry: Geometry
    segments: dict[str, tuple[int, ...]]

    @property
    def labels(self) -> list[int]:
        """Values that occur, without 0."""
        return [int(v) for v in np.unique(self.array) if v != 0]

    def select(self, label: int) -> Mask:
        """Voxels of one label.

        Raises:
            MaskError: the map is empty, or the label does not occur.
        """
        labels = self.labels
        if not labels:
            raise MaskError("mask is empty; draw the tumour, or remove the line")
        if label not in labels:
            shown = ", ".join(map(str, labels[:8])) + (" …" if len(labels) > 8 else "")
            raise MaskError(
                f"label {label} does not occur in the mask, which holds {shown}; name one in the column label"
            )
        return Mask((self.array == label).astype(np.uint8), self.geometry)

    def label_of(self, segment: str) -> int:
        """Label of a named segment.

        Raises:
            MaskError: the file names no segments, or not this one, or several so.
        """
        if segment not in self.segments:
            raise MaskError(
                # Names of segments are free text, and may be a patient's.
                f"segment {segment!r} is not among the {len(self.segments)} that the mask names; "
                "correct the segment, or give the label"
            )
        labels = self.segments[segment]
        if len(labels) > 1:
            shown = ", ".join(map(str, labels))
            raise MaskError(f"segment {segment!r} stands for the labels {shown}; give the label instead")
        return labels[0]


def is_plain(path: Path) -> bool:
    """Whether a file is one of this module, by its ending; everything else may be DICOM."""
    return path.name.lower().endswith(_SUFFIXES)


def read_volume(path: Path) -> Volume:
    """Read a three-dimensional image of real numbers.

    Raises:
        CaseError: the file is missing, not readable, or not one volume of numbers.
        GeometryError: its grid is not valid, or a voxel is not finite.
    """
    image = _read(path, "image")
    return Volume(_array(image, "image"), Geometry.of_sitk(image))


def read_labels(path: Path, what: str = "mask") -> LabelMap:
    """Read a label map.

    Raises:
        CaseError: the file is missing, not readable, or layered.
        MaskError: it holds values that are no labels.
    """
    image = _read(path, what)
    array = _array(image, what)
    if array.dtype.kind == "f":
        # NaN differs from itself; infinite and huge values would wrap around as integers.
        odd = (np.rint(array) != array) | ~(np.abs(array) < _LARGEST_LABEL)
        if odd.any():
            raise MaskError(
                f"{what} holds fractions or no numbers, such as {array[odd].flat[0]:g}; "
                "export it as a label map of whole numbers"
            )
        array = array.astype(np.int64)
    if array.size and int(array.min()) < 0:
        raise MaskError(f"{what} holds the negative label {int(array.min())}; export it anew")
    return LabelMap(array, Geometry.of_sitk(image), _segments(image))


def _read(path: Path, what: str) -> sitk.Image:
    import SimpleITK as sitk

    if not is_plain(path):
        raise CaseError(f"{what} file has an ending that is not read; convert it to {' or '.join(_SUFFIXES)}")
    try:
        there = path.is_file()
    except OSError as error:
        raise CaseError(f"{what} file cannot be reached: {error.strerror}; check its path") from None
    if not there and path.exists() and not path.is_dir():
        raise CaseError(f"{what} is a pipe or device; name a file")
    if not there:
        raise CaseError(f"{what} file does not exist; check the path in the manifest")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    # ITK's own warnings hold the path, and go straight to stderr.
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        check_header(path, what)
        reader.ReadImageInformation()
        size, components = reader.GetSize(), reader.GetNumberOfComponents()
        _check_layout(size, components, what)
        _check_size(reader, what)
        _check_complete(reader, path, what)
        return reader.Execute()
    except RuntimeError as error:
        raise CaseError(f"{what} file cannot be read: {_cause(error, path)}; export it anew") from None
    except OSError as error:
        raise CaseError(f"{what} file cannot be read: {error.strerror}; check its permissions") from None
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)


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
    needed = prod(reader.GetSize()) * (int(bits[0]) if bits else 64) // 8
    if needed > _LARGEST:
        raise CaseError(
            f"{what} would take {needed / 2**30:.1f} GiB, more than {_LARGEST // 2**30}; cut it out smaller"
        )


def _check_complete(reader: sitk.ImageFileReader, path: Path, what: str) -> None:
    """Refuse a NIfTI file that ends early or holds NaN: ITK turns both into zeros in silence."""
    if not reader.HasMetaDataKey("vox_offset"):
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
    kind = _NIFTI_FLOATS.get(int(reader.GetMetaData("datatype")))
    if kind is not None:
        order = "<" if int.from_bytes(content[:4], "little") in _NIFTI_SIZES else ">"
        voxels = np.frombuffer(content, order + kind, prod(reader.GetSize()), start)
        bad = int(voxels.size - np.isfinite(voxels).sum())
        if bad:
            raise GeometryError(f"{what} has {bad} voxels that are NaN or infinite; replace them in the file")


def _unpacked(path: Path, needed: int) -> bytes:
    """Content of a file, packed or not, up to a little more than is needed."""
    with path.open("rb") as file:
        packed = file.read(len(_GZIP_MARK)) == _GZIP_MARK
    # Memory is taken for what is asked for, so no more is asked for than there can be.
    most = path.stat().st_size * (_GZIP_RATIO if packed else 1) + 1
    with gzip.open(path) if packed else path.open("rb") as file:
        # Reading on to the end, where there is one, checks the sum behind a packed file.
        return file.read(min(needed + _SLACK + 1, most))


def _array(image: sitk.Image, what: str) -> npt.NDArray[Any]:
    import SimpleITK as sitk

    array: npt.NDArray[Any] = sitk.GetArrayFromImage(image)
    if array.dtype.kind not in "iuf":
        raise CaseError(f"{what} has voxels of type {array.dtype}; export it as real numbers")
    return array


def _cause(error: RuntimeError, path: Path) -> str:
    """Last sentence of an ITK message, without paths: they may carry names."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else "unknown reason"
    text = re.sub(r"^.*?ERROR:\s*", "", text)
    text = re.sub(r"\w+\(0x[0-9a-f]+\):\s*", "", text)
    text = text.replace(str(path), "the file").replace(path.name, "the file")
    # A header may name a second file, in quotes.
    text = re.sub(r'"[^"]*"', "the file", text)
    return "the reader does not say why" if re.search(r"[/\\]", text) else text


def _segments(image: sitk.Image) -> dict[str, tuple[int, ...]]:
    """Names that 3D Slicer writes as ``Segment3_Name`` and ``Segment3_LabelValue``."""
    found: dict[str, tuple[int, ...]] = {}
    for key in image.GetMetaDataKeys():
        match = re.fullmatch(r"Segment(\d+)_Name", key)
        value = f"Segment{match[1]}_LabelValue" if match else ""
        if match and image.HasMetaDataKey(value):
            label = image.GetMetaData(value).strip()
            name = image.GetMetaData(key)
            if label.isdecimal() and int(label) not in found.get(name, ()):
                found[name] = (*found.get(name, ()), int(label))
    return found


def on_grid_of(image: Geometry, mask: Geometry, what: str = "mask") -> None:
    """Check that a mask lies on the grid of its image.

    Raises:
        GeometryError: it does not; the message says in what.
    """
    if not image.overlaps(mask):
        raise GeometryError(f"{what} lies outside the image; check that both are of one examination")
    difference = image.difference(mask)
    if difference:
        raise GeometryError(
            f"{what} lies on another grid than the image ({difference}); resample it onto the image"
        )
