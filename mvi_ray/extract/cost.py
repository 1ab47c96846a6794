"""What measuring a VOI costs, told before it is read: seconds of one core, and memory.

The engine cuts a resampled box around the VOI, with a margin, and each filter makes a new image
of it: that grows with the box. The matrices of grey levels grow with the voxels inside, and the
eigenvalues of the co-occurrence matrices with the cube of the levels. The constants were fitted
to measured VOIs (`benchmarks/cost.py` compares them with others); how quick a machine is, and how
many grey levels a bin width makes of its images, is left to `Calibration` in `project.cost`.
"""

from __future__ import annotations

from collections import Counter
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

_RESAMPLE_S = 0.33
"""Cutting out and resampling a million voxels of the box."""

_TEXTURE_S = 1.0
"""The matrices of one image, for a million voxels inside."""

_EIGENVALUES_S = 1.2e-7
"""Of one image, for each level cubed."""

_IMAGE_S = 0.05
"""What one image takes at least."""

_SHAPE_S = 26.0
"""All pairs of points on the surface, for a million voxels inside; it grows with their power 4/3."""

_FILTERS: Mapping[str, tuple[float, float]] = {
    "Original": (0.0, 0.0),
    "Wavelet": (0.4, 0.0),
    "LoG": (0.2, 0.0),
    "Square": (0.02, 0.0),
    "SquareRoot": (0.02, 0.0),
    "Logarithm": (0.02, 0.0),
    "Exponential": (0.02, 0.0),
    "Gradient": (0.05, 0.0),
    "LBP2D": (0.15, 0.0),
    "LBP3D": (0.1, 27.0),
}
"""Filter to seconds for a million voxels of the box, and of the VOI."""

_SHARE: Mapping[str, float] = {"pyradiomics": 1.0, "fast": 0.13}
"""What each engine takes of the stock one's seconds for shape, LBP-3D and the features of an image."""

_USUAL_POINTS = 42
"""Corners of an icosphere divided once."""

_WITH_SHAPE = "original"
"""The image type in whose row shape stands."""

_ONCE = frozenset({"Wavelet", "LBP3D"})
"""Filters that make all their images at once, whichever are wanted."""

_WORKER_BYTES = 400 << 20
"""A worker that has loaded the engine, and nothing else."""

_TORCH_BYTES = 700 << 20
"""A worker that has loaded torch and the network of 33 million weights."""

_HELD_BYTES = 20
"""For each voxel of the image: it and the mask, ITK's copies, and once more when they are turned."""

_FILTERED_BYTES: Mapping[str, int] = {"Wavelet": 96, "other": 32}
"""For each voxel of the box: the filtered images that are there at once."""

_BOX_S = 0.2
"""Cutting out and scaling a million voxels of the box for the network."""

_PASS_S, _PASS_BYTES = 0.6 / 64**3, 640
"""One pass of the network, for each voxel of its input."""


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


class ConventionalCost:
    """Cost of family CR and its variants.

    Args:
        settings: of the family.
    """

    def __init__(self, settings: ConventionalRadiomics) -> None:
        self._settings = settings
        self._filters = {image.name: image.filter for image in image_types_of(settings.image_types)}
        self._points, self._coefficients = _sphere(settings)

    def seconds(self, size: VoiSize, phase: str, image_types: Collection[str | None]) -> float:
        """Seconds of one core for the wanted images of one VOI.

        Args:
            size: of the VOI.
            phase: selects the discretisation.
            image_types: names of `image_types_of`; another counts as an image without a filter.
        """
        inside = size.inside(self._settings.spacing_mm) / 1e6
        filtered = size.filtered(self._settings.spacing_mm) / 1e6
        per_image = _IMAGE_S + _TEXTURE_S * inside + _EIGENVALUES_S * self.grey_levels(phase) ** 3
        share = _SHARE[self._settings.engine]
        seconds = _FIXED_S + load_seconds(size.image_voxels) + _RESAMPLE_S * filtered
        seconds += share * per_image * len(image_types)
        if _WITH_SHAPE in image_types:
            seconds += share * _SHAPE_S * inside ** (4 / 3)
        for name, count in self._wanted(image_types).items():
            of_box, of_voi = _FILTERS[name]
            times = 1 if name in _ONCE else count
            points = self._points / _USUAL_POINTS if name == "LBP3D" else 1
            seconds += times * (of_box * filtered + share * of_voi * points * inside)
        return seconds

    def bytes(self, size: VoiSize, phase: str, image_types: Collection[str | None]) -> int:
        """Most memory of a worker that measures the wanted images of one VOI; on the safe side."""
        inside = size.inside(self._settings.spacing_mm)
        filtered = size.filtered(self._settings.spacing_mm)
        levels = self.grey_levels(phase)
        wanted = self._wanted(image_types)
        images = _FILTERED_BYTES["Wavelet" if "Wavelet" in wanted else "other"] * filtered
        # One zone may hold every voxel: a row of the zone matrix for each level, and its copies.
        matrices = 3 * 8 * levels * inside + 6 * 8 * 13 * levels**2
        if self._settings.engine == "fast":
            # Pairs in a triangle, and a few fields of the box.
            matrices = 2 * levels**2 + 40 * filtered
        # Spherical patterns: around each voxel points with their place, value and complex coefficients.
        sphere = self._points * (40 + 16 * self._coefficients) * inside if "LBP3D" in wanted else 0.0
        return int(_WORKER_BYTES + _HELD_BYTES * size.image_voxels + images + max(matrices, sphere))

    def grey_levels(self, phase: str) -> float:
        """Grey levels of one VOI: given by a bin count, guessed for a bin width."""
        kind, value = self._settings.binning(phase)
        return value if kind == "bin_count" else _USUAL_LEVELS

    def _wanted(self, image_types: Collection[str | None]) -> Counter[str]:
        """Filter to the number of its images that are wanted."""
        return Counter(self._filters.get(str(name), "Original") for name in image_types)


class DeepCost:
    """Cost of family DLR and its variants, on a CPU.

    Args:
        settings: of the family.
    """

    def __init__(self, settings: DeepRadiomics) -> None:
        self._cube = settings.input_size**3

    def seconds(self, size: VoiSize, phase: str, image_types: Collection[str | None]) -> float:  # noqa: ARG002
        """Seconds of one core for the embedding of one VOI; phase and images do not matter."""
        return _FIXED_S + load_seconds(size.image_voxels) + _BOX_S * size.boxed() / 1e6 + _PASS_S * self._cube

    def bytes(self, size: VoiSize, phase: str, image_types: Collection[str | None]) -> int:  # noqa: ARG002
        """Most memory of a worker that embeds one VOI."""
        return int(
            _TORCH_BYTES + _HELD_BYTES * size.image_voxels + 40 * size.boxed() + _PASS_BYTES * self._cube
        )


def _sphere(settings: ConventionalRadiomics) -> tuple[int, int]:
    """Points that LBP-3D samples around each voxel, and coefficients of its spherical harmonics."""
    pattern = settings.image_types.lbp_3d
    if pattern is None:
        return _USUAL_POINTS, 4
    return 10 * 4**pattern.icosphere_subdivision + 2, pattern.levels**2
