"""Engine `fast`: the features of PyRadiomics by the same definitions, sooner.

Loading, resampling, the check of the mask and most filters are PyRadiomics' own functions. Shape, LBP-3D,
discretisation, texture matrices and all features are computed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import StudyError
from mvi_ray.extract.checks import check_grey_levels, check_mask
from mvi_ray.extract.conditions import engine_conditions
from mvi_ray.extract.filters.binary_pattern_3d import binary_patterns_3d
from mvi_ray.extract.shape import shape_features
from mvi_ray.extract.texture.first_order import first_order_features
from mvi_ray.extract.texture.glcm import glcm_features
from mvi_ray.extract.texture.glrlm import glrlm_features
from mvi_ray.extract.texture.glszm import glszm_features
from mvi_ray.extract.texture.levels import Region
from mvi_ray.extract.texture.neighbours import neighbour_features

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from mvi_ray.extract.conditions import Message

MAX_GREY_LEVELS = 12_000
"""Grey levels in one VOI above which the engine is not started: pairs are counted in 2 bytes × levels²."""

# What the features themselves are told; all else would be left unheard.
_HEARD = frozenset(
    {
        "binWidth",
        "binCount",
        "voxelArrayShift",
        "label",
        "interpolator",
        "resampledPixelSpacing",
        "geometryTolerance",
        "additionalInfo",
    }
)


# Arguments of filters.
_OF_FILTERS = frozenset(
    {
        "wavelet",
        "sigma",
        "gradientUseSpacing",
        "lbp2DRadius",
        "lbp2DSamples",
        "lbp2DMethod",
        "lbp3DLevels",
        "lbp3DIcosphereRadius",
        "lbp3DIcosphereSubdivision",
    }
)


def load() -> None:
    """Import and compile all that computes: half a minute once on a machine."""
    import radiomics.featureextractor  # noqa: F401

    inside = np.ones((3, 3, 3), bool)
    with engine_conditions("engine fast"):
        shape_features(inside, (1.0, 1.0, 1.0))
        for kind in (np.float32, np.float64):
            image = np.arange(27, dtype=kind).reshape(inside.shape)
            features_of_region(Region.of(inside), image.ravel(), 1.0, {"binWidth": 0.1})
            binary_patterns_3d(image, inside, 2, 1.0, 1)


def check_settings(settings: Mapping[str, Any], enabled: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse what this engine does not do.

    Args:
        settings: of the engine.
        enabled: filter → its own settings.

    Raises:
        StudyError: names the setting.
    """
    own = {key for one in enabled.values() for key in one}
    unheard = sorted((settings.keys() - _HEARD) | (own - _OF_FILTERS))
    if unheard:
        msg = f"engine fast does not know the setting {unheard[0]}; choose engine: pyradiomics"
        raise StudyError(msg)


def features_of_region(
    region: Region, values: NDArray[Any], voxel_mm3: float, settings: Mapping[str, Any]
) -> dict[str, float]:
    """All features but those of shape, by PyRadiomics' names (``glcm_Contrast``).

    Args:
        region: of the VOI.
        values: intensities of its voxels, in order.
        voxel_mm3: volume of a voxel.
        settings: of the discretisation.
    """
    levels = region.levels(values, settings)
    gldm, ngtdm = neighbour_features(levels)
    classes = {
        "firstorder": first_order_features(values, levels.counts, voxel_mm3, settings),
        "glcm": glcm_features(levels),
        "gldm": gldm,
        "glrlm": glrlm_features(levels),
        "glszm": glszm_features(levels),
        "ngtdm": ngtdm,
    }
    return {f"{name}_{feature}": value for name, found in classes.items() for feature, value in found.items()}


def execute(
    image: Any, label: Any, settings: Mapping[str, Any], enabled: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, float], list[Message]]:
    """Values by PyRadiomics' full names, and what its functions warned of.

    Args:
        image: of SimpleITK.
        label: of SimpleITK, on the same grid.
        settings: keyword arguments of ``RadiomicsFeatureExtractor``.
        enabled: filter → its own settings.

    Raises:
        StudyError: a setting is none that this engine knows.
        ExtractionError: the VOI cannot be measured with these settings.
    """
    check_settings(settings, enabled)
    import SimpleITK as sitk
    from radiomics import imageoperations
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    values: dict[str, float] = {}
    with engine_conditions("engine fast") as messages:
        # As the stock extractor understands them: an interpolator by name, for one.
        told = RadiomicsFeatureExtractor(**settings).settings
        image, label = RadiomicsFeatureExtractor.loadImage(image, label, None, **told)
        inside = sitk.GetArrayViewFromImage(label) == told["label"]
        check_mask(inside, told)
        box, _ = imageoperations.checkMask(image, label, **told)
        spacing = image.GetSpacing()[::-1]
        region = Region.of(np.ascontiguousarray(inside[_slices(box)]))
        if "Original" in enabled:
            shape = shape_features(region.inside, spacing)
            values |= {f"original_shape_{name}": value for name, value in shape.items()}
        for name, own in enabled.items():
            for image_type, intensities in filtered(image, label, inside, name, {**told, **own}):
                check_grey_levels(intensities, image_type, told, MAX_GREY_LEVELS)
                found = features_of_region(region, intensities, float(np.prod(spacing)), told)
                values |= {f"{image_type}_{feature}": value for feature, value in found.items()}
    return values, messages


def _slices(box: NDArray[np.int64]) -> tuple[slice, ...]:
    """Of the box (lowest and highest x, y, z) in an array [z, y, x]."""
    ranges = np.asarray(box).reshape(3, 2).tolist()
    return tuple(slice(low, high + 1) for low, high in reversed(ranges))


def filtered(
    image: Any, mask: Any, inside: NDArray[np.bool_], name: str, settings: Mapping[str, Any]
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Intensities of the VOI's voxels in each image that one filter makes.

    Args:
        image: as loaded and resampled.
        mask: the same.
        inside: the VOI on their grid, [z, y, x].
        name: the filter, as PyRadiomics calls it.
        settings: of the engine and the filter.
    """
    import SimpleITK as sitk
    from radiomics import imageoperations

    if name == "LBP3D":
        array = sitk.GetArrayViewFromImage(image)
        if np.issubdtype(array.dtype, np.floating):
            levels = settings.get("lbp3DLevels", 2)
            names = [*(f"m{n}" for n in range(1, levels + 1)), "k"]
            images = binary_patterns_3d(
                array,
                inside,
                levels,
                float(settings.get("lbp3DIcosphereRadius", 1)),
                settings.get("lbp3DIcosphereSubdivision", 1),
            )
            yield from ((f"lbp-3D-{one}", values) for one, values in zip(names, images, strict=True))
            return
    for one, made, _ in getattr(imageoperations, f"get{name}Image")(image, mask, **settings):
        yield made, sitk.GetArrayViewFromImage(one)[inside]
