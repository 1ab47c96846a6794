"""Label maps (NIfTI, NRRD), and the layers that 3D Slicer writes into `.seg.nrrd`.

A segmentation of 3D Slicer names its segments in the header: ``Segment3_Name``,
``Segment3_LabelValue`` and ``Segment3_Layer``. Segments that overlap lie in different layers;
each layer counts its labels anew. Files before Slicer 4.11 have a layer for each segment, and no
label values: there the label is 1. The array may cover a part of the image only; its origin is
that of its own first voxel, so that its geometry alone says where it lies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import MaskError
from mvi_ray.ingest.files import read_sitk, voxels_of
from mvi_ray.ingest.masks.choice import Segment
from mvi_ray.volume import Geometry

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import SimpleITK as sitk

_LARGEST_LABEL = 2.0**53


@dataclass(frozen=True, slots=True, eq=False)
class LabelMap:
    """A mask file before a segment is chosen.

    Args:
        layers: labels, each of shape (z, y, x), whole numbers.
        geometry: the grid of all layers.
        named: segments that the file names, drawn or not.
    """

    layers: tuple[npt.NDArray[Any], ...]
    geometry: Geometry
    named: tuple[Segment, ...] = ()

    @property
    def segments(self) -> tuple[Segment, ...]:
        """What can be chosen: the named segments, and labels that occur and have no name."""
        known = {(segment.layer, segment.number) for segment in self.named}
        found = [
            Segment(int(label), layer=layer)
            for layer, array in enumerate(self.layers)
            for label in np.unique(array)
            if label != 0 and (layer, int(label)) not in known
        ]
        return (*self.named, *found)

    def voxels(self, segment: Segment) -> npt.NDArray[np.uint8]:
        """1 inside the segment, 0 outside; shape (z, y, x)."""
        inside: npt.NDArray[np.uint8] = (self.layers[segment.layer] == segment.number).astype(np.uint8)
        return inside


def read_labels(path: Path, what: str = "mask") -> LabelMap:
    """Read a label map, or the layers of 3D Slicer.

    Raises:
        CaseError: the file is missing, not readable, or layered without naming its segments.
        MaskError: it holds values that are no labels, or names a layer that it does not have.
    """
    image = read_sitk(path, what, layered=True)
    array = _whole(voxels_of(image, what), what)
    if image.GetNumberOfComponentsPerPixel() > 1:
        layers = tuple(np.ascontiguousarray(array[..., k]) for k in range(array.shape[-1]))
    else:
        layers = tuple(array) if array.ndim == 4 else (array,)
    return LabelMap(layers, _geometry(image), _named(image, len(layers), what))


def _whole(array: npt.NDArray[Any], what: str) -> npt.NDArray[Any]:
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
    return array


def _geometry(image: sitk.Image) -> Geometry:
    """The grid in space, without the dimension that counts layers."""
    count = image.GetDimension()
    direction = np.reshape(image.GetDirection(), (count, count))[:3, :3]
    return Geometry(
        image.GetSize()[:3], image.GetSpacing()[:3], image.GetOrigin()[:3], tuple(direction.ravel().tolist())
    )


def _named(image: sitk.Image, layers: int, what: str) -> tuple[Segment, ...]:
    there = set(image.GetMetaDataKeys())
    indices = sorted(int(m[1]) for key in there if (m := re.fullmatch(r"Segment(\d{1,6})_Name", key)))
    old = not any(f"Segment{at}_LabelValue" in there for at in indices)
    found: dict[Segment, None] = {}
    for at in indices:
        name = image.GetMetaData(f"Segment{at}_Name").strip()
        label = _number(image, f"Segment{at}_LabelValue", 1 if old else None)
        layer = _number(image, f"Segment{at}_Layer", at if old else 0)
        if label is None or layer is None or not name:
            continue
        if layer >= layers:
            raise MaskError(
                f"{what} puts a segment into layer {layer} (from 0) and holds {layers}; export it anew"
            )
        found[Segment(label, name, layer)] = None
    return tuple(found)


def _number(image: sitk.Image, key: str, default: int | None) -> int | None:
    """A whole number of the header; None when what stands there is none."""
    if not image.HasMetaDataKey(key):
        return default
    text = image.GetMetaData(key).strip()
    # Nine digits are more than any label has, and fewer than would take time to parse.
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
