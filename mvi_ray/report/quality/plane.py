"""The plane that a volume is looked at in, and what lies at the edges of its slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from mvi_ray.volume import Geometry, Mask

_NAMES = ("axial", "coronal", "sagittal")
# Of a canonical grid: array axis across; array axis down, and whether it runs upwards. The patient's
# right, or front, is on the left, and the front, or head, above: as radiologists look at it.
_ACROSS = (2, 2, 1)
_DOWN = ((1, 1), (0, -1), (0, -1))
# Slices are farther apart than the voxels in them by more than this, or nobody can tell.
_CLEARLY = 1.25
# A second letter is said from about 20° on.
_OBLIQUE = 0.35


@dataclass(frozen=True, slots=True)
class Plane:
    """Slices along the axis whose spacing is clearly the largest, so that voxels are finest within them.

    Args:
        axis: array axis (z, y, x) that slices are counted along; z when no spacing stands out.
        pixel_mm: (down, across), millimetres of one voxel of a slice.
        step_mm: millimetres from slice to slice.
        letters: sides of the patient at (left, right, top, bottom), two letters where oblique.
    """

    axis: int
    pixel_mm: tuple[float, float]
    step_mm: float
    letters: tuple[str, str, str, str]

    @classmethod
    def of(cls, geometry: Geometry) -> Self:
        """The plane of a canonical grid."""
        sampling = geometry.sampling
        *_, second, largest = sorted(sampling)
        axis = sampling.index(largest) if largest > _CLEARLY * second else 0
        across, (down, sign) = _ACROSS[axis], _DOWN[axis]
        # Index axis i is array axis 2 - i.
        columns = geometry.matrix.T[::-1]
        right, below = columns[across], sign * columns[down]
        return cls(
            axis,
            (sampling[down], sampling[across]),
            sampling[axis],
            (_letters(-right), _letters(right), _letters(-below), _letters(below)),
        )

    @property
    def name(self) -> str:
        """Axial, coronal or sagittal, whichever is nearest."""
        return _NAMES[self.axis]

    def cut(self, array: npt.NDArray[Any], index: int) -> npt.NDArray[Any]:
        """One slice as it is looked at: rows downwards, columns to the right.

        Args:
            array: a volume (z, y, x).
            index: slice, counted from 0.
        """
        flat: npt.NDArray[Any] = array.take(index, axis=self.axis)
        return flat if self.axis == 0 else flat[::-1]

    def largest(self, mask: Mask) -> int:
        """The slice in which a mask has most voxels; of several the first."""
        others = tuple(a for a in range(3) if a != self.axis)
        return int(np.argmax(np.count_nonzero(mask.array, axis=others)))


def _letters(towards: npt.NDArray[np.float64]) -> str:
    order = np.argsort(-np.abs(towards))
    said = [("LPS" if towards[a] > 0 else "RAI")[a] for a in order if abs(towards[a]) >= _OBLIQUE]
    return "".join(said[:2])
