"""Image types: the filters a study enables, as rows of the store and as the engine's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from mvi_ray.study import ImageTypes

_SUB_BANDS = ("LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH", "LLL")


@dataclass(frozen=True, slots=True)
class ImageType:
    """One filtered image.

    Args:
        name: how PyRadiomics names it, for example ``wavelet-LLH``.
        filter: the engine's filter that makes it; some make several images at once.
        arguments: the engine's settings of that filter. A list is what this image adds to
            the settings of its siblings.
        parameters: what the voxels of this one image depend on, as JSON values; its part of
            the feature set. It never names a sibling, so that enabling one changes nothing.
    """

    name: str
    filter: str
    arguments: Mapping[str, Any]
    parameters: Mapping[str, Any]


def _plain(types: ImageTypes, keys: tuple[str, ...], filters: tuple[str, ...]) -> Iterator[ImageType]:
    for key, engine_filter in zip(keys, filters, strict=True):
        if getattr(types, key) is not None:
            yield ImageType(key, engine_filter, {}, {})


def _wavelet(types: ImageTypes) -> Iterator[ImageType]:
    if types.wavelet is not None:
        own = {"wavelet": types.wavelet.wavelet}
        for band in _SUB_BANDS:
            yield ImageType(f"wavelet-{band}", "Wavelet", own, own)


def _laplacian_of_gaussian(types: ImageTypes) -> Iterator[ImageType]:
    if types.log is not None:
        for sigma in sorted({float(s) for s in types.log.sigma_mm}):
            name = f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D"
            yield ImageType(name, "LoG", {"sigma": [sigma]}, {"sigma_mm": sigma})


def _gradient(types: ImageTypes) -> Iterator[ImageType]:
    if types.gradient is not None:
        use = types.gradient.use_spacing
        yield ImageType("gradient", "Gradient", {"gradientUseSpacing": use}, {"use_spacing": use})


def _binary_pattern_2d(types: ImageTypes) -> Iterator[ImageType]:
    if types.lbp_2d is not None:
        own = types.lbp_2d
        arguments = {
            "lbp2DRadius": float(own.radius),
            "lbp2DSamples": own.samples,
            "lbp2DMethod": own.method,
        }
        parameters = {"radius": float(own.radius), "samples": own.samples, "method": own.method}
        yield ImageType("lbp-2D", "LBP2D", arguments, parameters)


def _binary_pattern_3d(types: ImageTypes) -> Iterator[ImageType]:
    if types.lbp_3d is not None:
        own = types.lbp_3d
        arguments = {
            "lbp3DLevels": own.levels,
            "lbp3DIcosphereRadius": float(own.icosphere_radius),
            "lbp3DIcosphereSubdivision": own.icosphere_subdivision,
        }
        # A level does not depend on how many others there are, and neither does the kurtosis.
        parameters = {
            "icosphere_radius": float(own.icosphere_radius),
            "icosphere_subdivision": own.icosphere_subdivision,
        }
        for level in (*(f"m{n}" for n in range(1, own.levels + 1)), "k"):
            yield ImageType(f"lbp-3D-{level}", "LBP3D", arguments, parameters)


def image_types_of(types: ImageTypes) -> tuple[ImageType, ...]:
    """Every image that the enabled filters make, in the fixed order of the store."""
    return (
        *_plain(types, ("original",), ("Original",)),
        *_wavelet(types),
        *_laplacian_of_gaussian(types),
        *_plain(
            types,
            ("square", "squareroot", "logarithm", "exponential"),
            ("Square", "SquareRoot", "Logarithm", "Exponential"),
        ),
        *_gradient(types),
        *_binary_pattern_2d(types),
        *_binary_pattern_3d(types),
    )


def image_type_names(types: ImageTypes) -> tuple[str, ...]:
    """Names of `image_types_of`, in PyRadiomics' spelling."""
    return tuple(image.name for image in image_types_of(types))


def enabled_image_types(types: ImageTypes, wanted: Collection[str]) -> dict[str, dict[str, Any]]:
    """Argument of ``RadiomicsFeatureExtractor.enableImageTypes`` for the wanted images.

    Filters that make none of them are left out, and so is every other sigma of the LoG. The
    wavelet and the LBP-3D filter cannot make a part of their images.

    Raises:
        StudyError: a wanted image is none that the study enables.
    """
    images = image_types_of(types)
    unknown = sorted(set(wanted) - {image.name for image in images})
    if unknown:
        msg = (
            f"the study enables no image type {', '.join(unknown)}; "
            "name its filter under families.cr.image_types"
        )
        raise StudyError(msg)
    enabled: dict[str, dict[str, Any]] = {}
    for image in images:
        if image.name in wanted:
            settings = enabled.setdefault(image.filter, {})
            for key, value in image.arguments.items():
                settings[key] = [*settings.get(key, []), *value] if isinstance(value, list) else value
    return enabled
