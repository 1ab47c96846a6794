"""What measuring a VOI costs, told before it is read: seconds of one core, and memory.

The engine cuts a resampled box around the VOI, with a margin, and each filter makes a new image
of it: that grows with the box. The matrices of grey levels grow with the voxels inside, and the
eigenvalues of the co-occurrence matrices with the cube of the levels. The constants were fitted
to measured VOIs (`benchmarks/cost.py` compares them with others); how quick a machine is, and how
many grey levels a bin width makes of its images, is left to `Calibration` in `project.cost`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cbrt, pi, prod
from typing import TYPE_CHECKING, Any, Self

from mvi_ray.extract.image_types import image_types_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mvi_ray.study import ConventionalRadiomics, DeepRadiomics

_MARGIN = 5
"""Voxels that the engine keeps on each side of the resampled box (its ``padDistance``)."""

_USUAL_LEVELS = 64
"""Grey levels of one VOI where a bin width leaves them open: studies aim at 16 to 128."""

_FIXED_S = 0.02
_LOAD_S = 0.05
"""Reading and checking a million voxels of the image or of the mask."""

_RESAMPLE_S = 0.30
_TEXTURE_S = 1.5
"""The matrices of one image, for a million voxels inside."""

_EIGENVALUES_S = 1.0e-6
"""Of one image, for each level cubed."""

_IMAGE_S = 0.02

_FILTERS: Mapping[str, tuple[float, float]] = {
    "Original": (0.0, 1.0),
    "Wavelet": (2.0, 0.0),
    "LoG": (0.3, 0.0),
    "Square": (0.05, 0.0),
    "SquareRoot": (0.05, 0.0),
    "Logarithm": (0.05, 0.0),
    "Exponential": (0.05, 0.0),
    "Gradient": (0.1, 0.0),
    "LBP2D": (1.0, 0.0),
    "LBP3D": (0.5, 25.0),
}
"""Filter to seconds for a million voxels of the box, and of the VOI."""

_USUAL_POINTS = 42
"""Corners of an icosphere divided once."""

_ONCE = frozenset({"Wavelet", "LBP3D"})
"""Filters that make all their images at once, whichever are wanted."""

_WORKER_BYTES = 400 << 20
"""A worker that has loaded the engine, and nothing else."""

_TORCH_BYTES = 700 << 20
"""A worker that has loaded torch and the network of 33 million weights."""


@dataclass(frozen=True, slots=True)
class VoiSize:
    """How large a VOI is, and the image that it lies in.

    Args:
        image_voxels: of the stored image, and of the mask: they share a grid.
        voxels: inside the VOI, on that grid.
        volume_mm3: the same in cubic millimetres.
        spacing_mm: of that grid, (x, y, z).
        box_mm: sides (x, y, z) of the box around the VOI.
    """

    image_voxels: int
    voxels: float
    volume_mm3: float
    spacing_mm: tuple[float, float, float]
    box_mm: tuple[float, float, float]

    @classmethod
    def of_row(cls, mask: Mapping[str, Any]) -> Self:
        """From a row of the table `masks`; the box is estimated where an older program left it out."""
        box = tuple(mask.get(f"box_{a}_mm") for a in "xyz")
        spacing = tuple(float(mask[f"spacing_{a}_mm"]) for a in "xyz")
        if None in box:
            box = (_usual_side(mask["volume_mm3"], mask["largest_diameter_mm"]),) * 3
        return cls(
            prod(int(mask[f"size_{a}"]) for a in "xyz"),
            float(mask["voxels"]),
            float(mask["volume_mm3"]),
            spacing,  # type: ignore[arg-type]
            box,  # type: ignore[arg-type]
        )

    def inside(self, spacing_mm: tuple[float, float, float] | None) -> float:
        """Voxels inside the VOI after resampling, or as drawn with None."""
        return max(self.voxels if spacing_mm is None else self.volume_mm3 / prod(spacing_mm), 1.0)

    def filtered(self, spacing_mm: tuple[float, float, float] | None) -> float:
        """Voxels that filters run over: the box with its margin; without resampling the whole image."""
        if spacing_mm is None:
            return float(self.image_voxels)
        sides = zip(self.box_mm, spacing_mm, strict=True)
        return prod(side / step + 2 * _MARGIN for side, step in sides)

    def boxed(self) -> float:
        """Voxels of the box as drawn."""
        return prod(side / step for side, step in zip(self.box_mm, self.spacing_mm, strict=True))


def _usual_side(volume_mm3: float, diameter_mm: float | None) -> float:
    """Side of a cube as large as the box of a VOI, in the middle between a ball and a thin shell."""
    ball = cbrt(6 / pi * volume_mm3)
    return ball if diameter_mm is None else (ball * max(ball, diameter_mm)) ** 0.5


def load_seconds(voxels: int) -> float:
    """Seconds to read and check an image, or a mask on its grid, of so many voxels."""
    return _LOAD_S * voxels / 1e6


def cr_seconds(
    size: VoiSize,
    settings: ConventionalRadiomics,
    phase: str,
    image_types: Collection[str],
) -> float:
    """Seconds of one core for the wanted images of one VOI.

    Args:
        size: of the VOI.
        settings: of the family.
        phase: selects the discretisation.
        image_types: names of `image_types_of`; another name counts as an image without a filter.
    """
    inside = size.inside(settings.spacing_mm) / 1e6
    filtered = size.filtered(settings.spacing_mm) / 1e6
    per_image = _IMAGE_S + _TEXTURE_S * inside + _EIGENVALUES_S * grey_levels(settings, phase) ** 3
    seconds = (
        _FIXED_S + load_seconds(size.image_voxels) + _RESAMPLE_S * filtered + per_image * len(image_types)
    )
    for name, count in _filters(settings, image_types).items():
        of_box, of_voi = _FILTERS.get(name, (0.0, 0.0))
        times = 1 if name in _ONCE else count
        points = _sphere(settings)[0] / _USUAL_POINTS if name == "LBP3D" else 1
        seconds += times * (of_box * filtered + of_voi * points * inside)
    return seconds


def cr_bytes(
    size: VoiSize,
    settings: ConventionalRadiomics,
    phase: str,
    image_types: Collection[str],
) -> int:
    """Most memory of a worker while it measures the wanted images of one VOI; on the safe side."""
    inside, filtered = size.inside(settings.spacing_mm), size.filtered(settings.spacing_mm)
    levels = grey_levels(settings, phase)
    filters = _filters(settings, image_types)
    # The image and the mask, each as an array and as ITK's copy, and once more when it is turned.
    held = 20 * size.image_voxels
    images = 8 * filtered * (12 if "Wavelet" in filters else 4)
    # One zone may hold every voxel: a row of the zone matrix for each level, and its copies.
    matrices = 3 * 8 * levels * inside + 6 * 8 * 13 * levels**2
    # Spherical patterns: around each voxel points with their place, value and complex coefficients.
    patterns = 0.0
    if "LBP3D" in filters:
        points, coefficients = _sphere(settings)
        patterns = points * (40 + 16 * coefficients) * inside
    return int(_WORKER_BYTES + held + images + max(matrices, patterns))


def dlr_seconds(size: VoiSize, settings: DeepRadiomics) -> float:
    """Seconds of one core for the embedding of one VOI."""
    passed = 0.6 * (settings.input_size / 64) ** 3
    return _FIXED_S + load_seconds(size.image_voxels) + 0.2 * size.boxed() / 1e6 + passed


def dlr_bytes(size: VoiSize, settings: DeepRadiomics) -> int:
    """Most memory of a worker that embeds one VOI on a CPU."""
    activations = 160 * 4 * settings.input_size**3
    return int(_TORCH_BYTES + 20 * size.image_voxels + 40 * size.boxed() + activations)


def grey_levels(settings: ConventionalRadiomics, phase: str) -> float:
    """Grey levels of one VOI: given by a bin count, guessed for a bin width."""
    kind, value = settings.binning(phase)
    return value if kind == "bin_count" else _USUAL_LEVELS


def _sphere(settings: ConventionalRadiomics) -> tuple[int, int]:
    """Points that LBP-3D samples around each voxel, and coefficients of its spherical harmonics."""
    pattern = settings.image_types.lbp_3d
    if pattern is None:
        return _USUAL_POINTS, 4
    return 10 * 4**pattern.icosphere_subdivision + 2, pattern.levels**2


def _filters(settings: ConventionalRadiomics, image_types: Collection[str]) -> dict[str, int]:
    """Filter to the number of its images that are wanted."""
    known = {image.name: image.filter for image in image_types_of(settings.image_types)}
    counts: dict[str, int] = {}
    for name in image_types:
        kind = known.get(name, "Original")
        counts[kind] = counts.get(kind, 0) + 1
    return counts
