"""Family CR: features of PyRadiomics, by its own engine to the bit, or by one that takes less time.

What stands around an engine asks it for the images that are wanted and counts what comes back:
PyRadiomics drops a filter with a log message only.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import FeatureCountError, GeometryError
from mvi_ray.extract.featureset import FeatureSet
from mvi_ray.extract.image_types import enabled_image_types, image_type_names, image_types_of
from mvi_ray.features import CR_FEATURES, SHAPE_FEATURES, expected_values, features_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mvi_ray.extract.conditions import Message
    from mvi_ray.study import ConventionalRadiomics, Study
    from mvi_ray.volume import Mask, Volume

__all__ = [
    "CR_FEATURES",
    "ENGINE_PARITY",
    "SHAPE_FEATURES",
    "cr_feature_sets",
    "enabled_image_types",
    "engine_settings",
    "engine_versions",
    "expected_values",
    "extract_cr",
    "image_type_names",
    "load_engine",
]

ENGINE_PARITY = {"pyradiomics": 1, "fast": 1}
"""Raised when a change of an engine moves a value: it is part of every feature set."""

# Modules, for whoever plans without computing needs none of them.
_ENGINES = {"pyradiomics": "mvi_ray.extract.stock", "fast": "mvi_ray.extract.fast"}

_PACKAGES = (
    "pyradiomics-bhklab",
    "SimpleITK",
    "PyWavelets",
    "scipy",
    "scikit-image",
    "trimesh",
)
# What one engine alone depends on.
_OWN_PACKAGES = {"pyradiomics": (), "fast": ("numba",)}


def engine_settings(cr: ConventionalRadiomics, phase: str) -> dict[str, Any]:
    """Keyword arguments of ``RadiomicsFeatureExtractor`` for one phase.

    With `enabled_image_types` they rebuild the extractor; all else is PyRadiomics' default.
    ``geometryTolerance`` is ITK's, a share of the voxel size: image and mask were compared
    more strictly when they were ingested, and the check itself changes no value.
    """
    kind, value = cr.binning(phase)
    binning = {"binWidth": float(value)} if kind == "bin_width" else {"binCount": int(value)}
    return {
        **binning,
        "resampledPixelSpacing": None if cr.spacing_mm is None else [float(v) for v in cr.spacing_mm],
        "interpolator": f"sitk{cr.interpolator}",
        "label": 1,
        "geometryTolerance": 1e-3,
        "additionalInfo": False,
    }


@cache
def _versions(engine: str) -> tuple[tuple[str, str | None], ...]:
    def installed(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    return tuple((package, installed(package)) for package in (*_PACKAGES, *_OWN_PACKAGES[engine]))


def engine_versions() -> dict[str, str | None]:
    """What moves values, apart from settings: the engines' parities and the versions of packages.

    None where a package is not installed.
    """
    parities = {f"parity of {engine}": str(parity) for engine, parity in ENGINE_PARITY.items()}
    return {**parities, **{name: value for engine in _ENGINES for name, value in _versions(engine)}}


def load_engine(engine: str) -> None:
    """Import all that computes.

    Raises:
        ImportError: a package is missing or broken on this machine.
    """
    import_module(_ENGINES[engine]).load()


def cr_feature_sets(study: Study, phase: str, family: str = "CR") -> dict[str, FeatureSet]:
    """Feature set of each image type that a family enables, for one phase.

    Phases with the same discretisation share their feature sets, and so do CR and its variants:
    what a family is called does not determine a row.

    Args:
        study: has the settings.
        phase: selects the discretisation.
        family: CR or a variant of it; empty when the study has none of this name.
    """
    cr = study.families.cr_like.get(family)
    if cr is None:
        return {}
    kind, value = cr.binning(phase)
    # Without resampling nothing is interpolated: the interpolator is then no part of the set.
    resampling = (
        None
        if cr.spacing_mm is None
        else {"spacing_mm": [float(v) for v in cr.spacing_mm], "interpolator": cr.interpolator}
    )
    common = {
        "preprocessing": study.preprocessing,
        "orientation": cr.orientation,
        "resampling": resampling,
        "discretisation": {"kind": kind, "value": float(value)},
        "engine": {"name": cr.engine, "parity": ENGINE_PARITY[cr.engine]},
        "versions": dict(_versions(cr.engine)),
    }
    return {
        image.name: FeatureSet("CR", image.name, {**common, "filter": dict(image.parameters)})
        for image in image_types_of(cr.image_types)
    }


def extract_cr(
    volume: Volume,
    mask: Mask,
    cr: ConventionalRadiomics,
    phase: str,
    image_types: Collection[str],
) -> dict[str, dict[str, float | None]]:
    """Compute the features of one VOI on the wanted image types.

    Args:
        volume: intensities.
        mask: the VOI, on the grid of `volume`.
        cr: settings of the study.
        phase: selects the discretisation.
        image_types: names out of `image_type_names`; other filters do not run.

    Returns:
        Image type → name out of `CR_FEATURES` → value, in the fixed order of both. None where
        a feature is not defined (shape of any image type but ``original``), NaN where the
        engine returned NaN.

    Raises:
        StudyError: an image type is none of the study.
        GeometryError: image and mask lie on different grids.
        ExtractionError: the VOI cannot be measured with these settings.
        FeatureCountError: the engine left features out.
    """
    enabled = enabled_image_types(cr.image_types, image_types)
    if not enabled:
        return {}
    difference = volume.geometry.difference(mask.geometry)
    if difference is not None:
        msg = f"image and mask lie on different grids: {difference}; resample the mask to the image"
        raise GeometryError(msg)
    image = volume.oriented(cr.orientation).to_sitk()
    label = mask.oriented(cr.orientation).to_sitk()
    wanted = [name for name in image_type_names(cr.image_types) if name in image_types]
    engine = import_module(_ENGINES[cr.engine])
    values, messages = engine.execute(image, label, engine_settings(cr, phase), enabled)
    _check_count(values, wanted, messages)
    return {
        name: {
            feature: float(values[f"{name}_{feature}"]) if feature in features_of(name) else None
            for feature in CR_FEATURES
        }
        for name in wanted
    }


def _check_count(values: Mapping[str, Any], wanted: Collection[str], messages: list[Message]) -> None:
    """Raise FeatureCountError unless every wanted image type has exactly its features."""
    defined = {name: {f"{name}_{f}" for f in features_of(name)} for name in wanted}
    found = {name: {k for k in values if k.startswith(f"{name}_")} for name in wanted}
    if found == defined:
        return
    parts = []
    absent = [name for name in wanted if not found[name]]
    if absent:
        parts.append(f"no image type {', '.join(absent)}")
    missing = [v for n in wanted if found[n] for v in sorted(defined[n] - found[n])]
    if missing:
        parts.append(f"no {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}")
    surplus = [v for n in wanted for v in sorted(found[n] - defined[n])]
    if surplus:
        parts.append(f"unknown {', '.join(surplus[:5])}{' …' if len(surplus) > 5 else ''}")
    # The filters' last words name a package that is missing or an image that is too small.
    words = dict.fromkeys(message.text for message in messages if message.module == "imageoperations")
    said = f" (it said: {' / '.join(list(words)[-3:])})" if absent and words else ""
    count = sum(len(names) for names in found.values())
    msg = (
        f"PyRadiomics returned {count:,} values instead of {expected_values(wanted):,}: "
        f"{', '.join(parts)}{said}; {_way_out(absent)}"
    )
    raise FeatureCountError(msg)


def _way_out(absent: Collection[str]) -> str:
    """What to do about image types that did not come back."""
    ways = []
    if any(name.startswith("lbp-") for name in absent):
        ways.append("install scipy below 1.17, scikit-image and trimesh")
    if any(name.startswith("log-") for name in absent):
        ways.append(
            "the LoG filter needs an image of at least 4 voxels and of sigma along each axis: "
            "lower `spacing_mm` or the sigma"
        )
    return " and ".join(ways) or "install the pinned version of pyradiomics-bhklab"
