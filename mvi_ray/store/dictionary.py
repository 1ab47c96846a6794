"""What each feature measures: one row per name, with its unit and its code of the IBSI.

The sentences stand in `dictionary.csv`, one for each feature definition. What a filter adds
is composed here: the image that was measured, and the unit of its voxels.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from mvi_ray.errors import StoreError
from mvi_ray.features import DLR_VALUES, features_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from mvi_ray.store.declarations import Variant

COLUMNS: Final = ("name", "family", "class", "feature", "image_type", "unit", "definition", "ibsi")
"""Columns of the dictionary, all of them text."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One feature definition, as it holds for the original image.

    Args:
        feature: column of `cr`, for example ``glcm_Contrast``.
        group: its class, for example ``glcm``.
        unit: ``intensity`` stands for the unit of the image, ``1`` for none; a count is
            called after what is counted, a ratio of counts has none.
        sentence: what it measures, in plain words.
        ibsi: four characters that name it in the reference manual of the IBSI, or None. Where
            PyRadiomics computes another number under that name, the sentence says so.
    """

    feature: str
    group: str
    unit: str
    sentence: str
    ibsi: str | None


@dataclass(frozen=True, slots=True)
class FilteredImage:
    """The image that an image type measures.

    Args:
        what: goes on after "measured on"; empty for the original image.
        unit: of its voxels, when those of the original image have the unit ``intensity``.
    """

    what: str
    unit: str = "intensity"


@cache
def definitions() -> Mapping[str, Definition]:
    """Every feature definition by the name of its column, in the order of the columns of `cr`.

    Codes and definitions: Zwanenburg et al., Image biomarker standardisation initiative,
    reference manual, arXiv:1612.07003, and the source of PyRadiomics.
    """
    text = files("mvi_ray.store").joinpath("dictionary.csv").read_text(encoding="utf-8")
    return {
        row["feature"]: Definition(
            row["feature"], row["class"], row["unit"], row["definition"], row["ibsi"] or None
        )
        for row in csv.DictReader(text.splitlines())
    }


def feature_dictionary(
    image_types: Sequence[str],
    embeddings: bool,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    variants: Mapping[str, Variant] | None = None,
) -> pa.Table:
    """One row for every value of a VOI.

    Args:
        image_types: as `cr` names them; a name that comes twice counts once.
        embeddings: whether family DLR is described too.
        parameters: image type to the parameters of its filter, as `feature_sets` holds them.
            Two of them decide a unit, ``use_spacing`` of the gradient and ``method`` of
            lbp-2D; left out, they have the defaults of the study file.
        variants: by name; their rows follow, with the same names, units and definitions.

    Returns:
        Text columns `COLUMNS`: shape for ``original`` only, image types in the given order,
        then ``dlr_000`` to ``dlr_511``.

    Raises:
        StoreError: an image type is unknown.
    """
    import pyarrow as pa

    rows = [
        row for name in dict.fromkeys(image_types) for row in _cr_rows(name, (parameters or {}).get(name))
    ]
    if embeddings:
        rows.extend(_dlr_rows())
    for family, variant in (variants or {}).items():
        if variant.kind == "DLR":
            rows.extend(_dlr_rows(family))
        for name, own in variant.filters.items():
            rows.extend(_cr_rows(name, own, family))
    schema = pa.schema([pa.field(column, pa.string()) for column in COLUMNS])
    return pa.Table.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in rows], schema)


def _cr_rows(
    image_type: str, parameters: Mapping[str, Any] | None, family: str = "CR"
) -> Iterator[tuple[str | None, ...]]:
    image = filtered_image(image_type, parameters or {})
    for feature in features_of(image_type):
        known = definitions()[feature]
        sentence = known.sentence
        if image.what:
            sentence = f"{sentence.removesuffix('.')}, measured on {image.what}."
        unit = _UNITS[image.unit].get(known.unit, known.unit)
        name = f"{image_type}_{feature}"
        yield name, family, known.group, feature, image_type, unit, sentence, known.ibsi


def _dlr_rows(family: str = "DLR") -> Iterator[tuple[str | None, ...]]:
    for position in range(DLR_VALUES):
        sentence = (
            f"Value {position + 1} of {DLR_VALUES} of the last pooling layer of the 3D ResNet-18, "
            f"embedding[{position + 1}] in SQL, which has no meaning alone."
        )
        yield f"dlr_{position:03}", family, "embedding", None, None, "1", sentence, None


_UNITS: Final[dict[str, dict[str, str]]] = {
    "intensity": {},
    "intensity2": {
        "intensity": "intensity2",
        "intensity2": "intensity4",
        "intensity2 mm3": "intensity4 mm3",
    },
    "intensity/mm": {
        "intensity": "intensity/mm",
        "intensity2": "intensity2/mm2",
        "intensity2 mm3": "intensity2 mm",
    },
    "intensity/voxel": {
        "intensity": "intensity/voxel",
        "intensity2": "intensity2/voxel2",
        "intensity2 mm3": "intensity2 mm3/voxel2",
    },
    "1": {"intensity": "1", "intensity2": "1", "intensity2 mm3": "mm3"},
}
"""Unit of a filtered image → unit of a feature on the original image → unit on that image.

Grey levels, counts, millimetres and bits are the same on every image.
"""

# PyRadiomics scales these back to the range of the image; its documentation gives the square a
# sign, its code does not. With resampling, "the image" is cut out around the VOI first.
_RESCALED: Final = {
    "square": "the image of the squared intensities, divided by the largest absolute intensity",
    "squareroot": (
        "the image of the square roots of the absolute intensities, with their sign and scaled to "
        "the largest absolute intensity"
    ),
    "logarithm": (
        "the image of the logarithms of 1 plus the absolute intensities, with their sign and scaled "
        "to the largest absolute intensity"
    ),
    "exponential": (
        "the image of the exponentials of the intensities, scaled so that the largest absolute "
        "intensity stays as it is if it is positive"
    ),
}


def filtered_image(image_type: str, parameters: Mapping[str, Any]) -> FilteredImage:
    """What an image type measures, and the unit of its voxels.

    Args:
        image_type: as `cr` names it.
        parameters: of its filter; those that are left out have the defaults of the study file.

    Raises:
        StoreError: the image type is unknown.
    """
    if image_type == "original":
        return FilteredImage("")
    if image_type in _RESCALED:
        return FilteredImage(_RESCALED[image_type])
    if image_type == "gradient":
        per = "mm" if parameters.get("use_spacing", True) else "voxel"
        long = {"mm": "millimetre", "voxel": "voxel"}[per]
        what = f"the image of the gradient magnitude, how fast the intensity changes per {long}"
        return FilteredImage(what, f"intensity/{per}")
    if band := re.fullmatch(r"wavelet-([LH]{3})", image_type):
        return FilteredImage(f"the wavelet image with {_passes(band[1])}")
    if sigma := re.fullmatch(r"log-sigma-(.+)-mm-3D", image_type):
        # Normalised across scales: the Laplacian times sigma², and so no longer per mm².
        number = re.sub(r"\A(\d+)-(\d+)\Z", r"\1.\2", sigma[1])
        what = f"the Laplacian of Gaussian image of sigma {number} mm, positive in dark spots"
        return FilteredImage(f"{what} and negative in bright ones")
    if image_type.startswith("lbp-"):
        return _pattern(image_type, parameters)
    raise _unknown(image_type)


def _passes(band: str) -> str:
    """A sub-band in words; PyRadiomics' letters stand for x, y and z, in this order."""
    kinds = []
    for letter, kind in (("L", "a low-pass"), ("H", "a high-pass")):
        axes = [axis for axis, found in zip("xyz", band, strict=True) if found == letter]
        if axes:
            *first, last = axes
            kinds.append(f"{kind} filter along {' and '.join([', '.join(first), last] if first else [last])}")
    return " and ".join(kinds)


def _pattern(image_type: str, parameters: Mapping[str, Any]) -> FilteredImage:
    """A map of local binary patterns: numbers of patterns, without a unit."""
    if image_type == "lbp-2D":
        if parameters.get("method", "uniform") == "var":
            what = "the map of the variance of the intensities on a circle around each voxel in its slice"
            return FilteredImage(what, "intensity2")
        what = "the map of 2D local binary patterns, codes of how a voxel compares with a circle in its slice"
        return FilteredImage(what, "1")
    if image_type == "lbp-3D-k":
        what = "the map of the excess kurtosis of the intensities on a sphere around each voxel"
        return FilteredImage(what, "1")
    if level := re.fullmatch(r"lbp-3D-m([1-9]\d*)", image_type):
        degree = int(level[1]) - 1
        what = "the map of 3D local binary patterns, how a voxel compares with a sphere around it"
        return FilteredImage(f"{what}, reduced to spherical harmonics of degree {degree}", "1")
    raise _unknown(image_type)


def _unknown(image_type: str) -> StoreError:
    return StoreError(
        f"image type {image_type!r} is not in the feature dictionary; use a filter of the study file"
    )
