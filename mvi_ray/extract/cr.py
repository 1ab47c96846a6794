"""Family CR: features of PyRadiomics, by its own engine, to the bit.

The engine is the stock one. What stands around it asks it for the images that are wanted,
refuses what would kill the process inside its C code, keeps it quiet, and counts what comes
back: PyRadiomics drops a filter with a log message only.
"""

from __future__ import annotations

import logging
import math
import warnings
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mvi_ray.errors import ExtractionError, FeatureCountError, GeometryError, MviError
from mvi_ray.extract.featureset import FeatureSet
from mvi_ray.extract.image_types import enabled_image_types, image_type_names, image_types_of
from mvi_ray.features import CR_FEATURES, SHAPE_FEATURES, expected_values, features_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from mvi_ray.study import ConventionalRadiomics, Study
    from mvi_ray.volume import Mask, Volume

__all__ = [
    "CR_FEATURES",
    "ENGINE_PARITY",
    "MAX_GREY_LEVELS",
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

ENGINE_PARITY = 1
"""Raised when a change of this module moves a value: it is part of every feature set."""

MAX_GREY_LEVELS = 2_000
"""Grey levels in one VOI above which the engine is not started.

A co-occurrence matrix of 13 angles takes 104 bytes × levels², 416 MB here, and the engine
holds several of them; studies aim at 16 to 128 levels.
"""

_PACKAGES = (
    "pyradiomics-bhklab",
    "SimpleITK",
    "PyWavelets",
    "scipy",
    "scikit-image",
    "trimesh",
)


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
def _versions() -> tuple[tuple[str, str | None], ...]:
    def installed(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    return tuple((package, installed(package)) for package in _PACKAGES)


def engine_versions() -> dict[str, str | None]:
    """What moves values, apart from settings: this module's parity and the versions of packages.

    None where a package is not installed.
    """
    return {"parity": str(ENGINE_PARITY), **dict(_versions())}


def load_engine() -> None:
    """Import all that computes.

    Raises:
        ImportError: a package is missing or broken on this machine.
    """
    _engine()


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
        "engine": {"name": cr.engine, "parity": ENGINE_PARITY},
        "versions": dict(_versions()),
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
    values, messages = _execute(image, label, engine_settings(cr, phase), enabled)
    _check_count(values, wanted, messages)
    return {
        name: {
            feature: float(values[f"{name}_{feature}"]) if feature in features_of(name) else None
            for feature in CR_FEATURES
        }
        for name in wanted
    }


def _execute(
    image: Any, label: Any, settings: Mapping[str, Any], enabled: Mapping[str, Any]
) -> tuple[dict[str, Any], list[_Message]]:
    """Values by the engine's full names, and what the engine warned of."""
    with _stock_conditions() as messages:
        extractor = _engine()(**settings)
        extractor.disableAllImageTypes()
        extractor.enableImageTypes(**enabled)
        extractor.enableFeatureClassByName("shape", enabled="Original" in enabled)
        try:
            values = dict(extractor.execute(image, label))
        except MviError:
            raise
        except MemoryError as error:
            # The cause stays: who computes again with more memory tells it by that.
            raise ExtractionError(_OUT_OF_MEMORY) from error
        except Exception as error:
            text = " ".join(str(error).split()) or type(error).__name__
            msg = f"PyRadiomics stopped: {text}; check the image and the mask of this VOI"
            raise ExtractionError(msg) from error
    # The engine turns any exception of a single feature into NaN, even one that a larger
    # machine would not have seen.
    if any("MemoryError" in message.text for message in messages):
        raise ExtractionError(_OUT_OF_MEMORY) from MemoryError("within one feature")
    return values, messages


_OUT_OF_MEMORY = (
    "memory ran out inside PyRadiomics; raise `bin_width` (fewer grey levels) or give each worker more memory"
)


class _Message(NamedTuple):
    """A warning or an error that a module of the engine logged."""

    module: str
    text: str


class _Messages(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept: list[_Message] = []

    def emit(self, record: logging.LogRecord) -> None:
        module = record.name.rpartition(".")[2]
        self.kept.append(_Message(module, " ".join(record.getMessage().split())))


@contextmanager
def _stock_conditions() -> Iterator[list[_Message]]:
    """Surroundings in which the engine does what it does alone, and leaves no trace.

    Warnings made errors, or NumPy's floating-point errors made exceptions, would turn values
    into NaN or drop features. PyRadiomics writes to stderr through a handler of its own and
    sets ITK's tolerances for the whole process; both are as before afterwards.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        import radiomics
        import SimpleITK as sitk

        logger = logging.getLogger(radiomics.__name__)
        before = list(logger.handlers), logger.level, logger.propagate
        process = sitk.ProcessObject
        coordinate = process.GetGlobalDefaultCoordinateTolerance()
        direction = process.GetGlobalDefaultDirectionTolerance()
        messages = _Messages()
        logger.handlers = [messages]
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        try:
            yield messages.kept
        finally:
            logger.handlers, level, logger.propagate = before
            logger.setLevel(level)
            process.SetGlobalDefaultCoordinateTolerance(coordinate)
            process.SetGlobalDefaultDirectionTolerance(direction)


@cache
def _engine() -> type[Any]:
    """The stock extractor, which looks at a mask and at each image before its C code does."""
    import SimpleITK as sitk
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    class CheckedExtractor(RadiomicsFeatureExtractor):  # type: ignore[misc]
        @staticmethod
        def loadImage(*args: Any, **kwargs: Any) -> tuple[Any, Any]:  # noqa: N802
            image, mask = RadiomicsFeatureExtractor.loadImage(*args, **kwargs)
            _check_mask(sitk.GetArrayViewFromImage(mask) == 1, kwargs)
            return image, mask

        def computeFeatures(  # noqa: N802
            self, image: Any, mask: Any, imageTypeName: str, **kwargs: Any
        ) -> Any:
            inside = sitk.GetArrayViewFromImage(mask) == 1
            _check_grey_levels(sitk.GetArrayViewFromImage(image)[inside], imageTypeName, kwargs)
            return super().computeFeatures(image, mask, imageTypeName, **kwargs)

    return CheckedExtractor


def _check_mask(inside: Any, settings: Mapping[str, Any]) -> None:
    """Refuse a mask, boolean [z, y, x], that is empty, one voxel or a line."""
    spacing = settings.get("resampledPixelSpacing")
    after = "" if spacing is None else f" after resampling to {_millimetres(spacing)}"
    way_out = "check the label" if spacing is None else "lower `spacing_mm` or check the label"
    count = int(np.count_nonzero(inside))
    if count == 0:
        msg = f"mask is empty{after}; {way_out}"
        raise ExtractionError(msg)
    extent = [int(np.ptp(axis)) + 1 for axis in np.nonzero(inside)][::-1]
    if sum(n > 1 for n in extent) < 2:
        size = " × ".join(str(n) for n in extent)
        what = "one voxel" if count == 1 else f"a line of {size} voxels (x, y, z)"
        msg = f"mask is {what}{after}, features need at least a surface; {way_out}"
        raise ExtractionError(msg)


def _check_grey_levels(intensities: Any, image_type: str, settings: Mapping[str, Any]) -> None:
    """Refuse a discretisation whose matrices would exhaust the memory."""
    low, high = float(np.min(intensities)), float(np.max(intensities))
    if settings.get("binCount") is not None:
        levels, way_out = settings["binCount"], "lower `bin_count`"
    elif not (math.isfinite(low) and math.isfinite(high)):
        return  # the engine itself refuses these before its C code
    else:
        width = settings.get("binWidth", 25)  # PyRadiomics' default
        levels = math.floor(high / width) - math.floor(low / width) + 1
        way_out = f"give a `bin_width` larger than {width:g}"
    if levels > MAX_GREY_LEVELS:
        msg = (
            f"image {image_type} has {levels:,} grey levels in the VOI "
            f"({low:.6g} to {high:.6g}), more than {MAX_GREY_LEVELS:,}; {way_out}"
        )
        raise ExtractionError(msg)


def _millimetres(spacing: Collection[float]) -> str:
    sides = [f"{side:g}" for side in spacing]
    return f"{sides[0]} mm" if len(set(sides)) == 1 else f"{' × '.join(sides)} mm"


def _check_count(values: Mapping[str, Any], wanted: Collection[str], messages: list[_Message]) -> None:
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
