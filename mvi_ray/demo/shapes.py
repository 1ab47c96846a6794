"""Shapes in patient space: functions of points (3, n), in LPS millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Bools = npt.NDArray[np.bool_]

Point = tuple[float, float, float]


def squares(vectors: Floats) -> Floats:
    """Squared length of each vector, shape (n,)."""
    x, y, z = vectors
    lengths: Floats = x * x + y * y + z * z
    return lengths


def column(point: Point | Floats) -> Floats:
    """A point as an array (3, 1), to be set against points (3, n)."""
    return np.array(point, dtype=np.float64)[:, np.newaxis]


def in_ellipsoid(points: Floats, centre: Point, radii: Point) -> Bools:
    """Whether points lie in an ellipsoid along the patient axes; an infinite radius is a cylinder."""
    inside: Bools = squares((points - column(centre)) / column(radii)) <= 1.0
    return inside


def in_vessel(points: Floats, start: Point, end: Point, radius: float) -> Bools:
    """Whether points lie within `radius` of the line from `start` to `end`."""
    axis = column(end) - column(start)
    offset = points - column(start)
    along = np.clip((offset * axis).sum(axis=0) / (axis * axis).sum(), 0.0, 1.0)
    inside: Bools = squares(offset - along * axis) <= radius**2
    return inside


def rotation(rng: np.random.Generator) -> Floats:
    """A rotation matrix (3, 3), uniform over all turns, from a random unit quaternion."""
    w, x, y, z = (q := rng.normal(size=4)) / np.sqrt(np.sum(q**2))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """A smooth random field with mean 0 and variance about 1, made of plane waves.

    A function of space and not of a grid: three phases on three grids see the same tissue.

    Args:
        waves: wave vectors, shape (waves, 3), radians per millimetre.
        shifts: phase of each wave, radians.
    """

    waves: Floats
    shifts: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, length_mm: float, count: int = 24) -> Self:
        """Draw a field whose values are alike over about `length_mm`."""
        return cls(rng.normal(0.0, 1.0 / length_mm, (count, 3)), rng.uniform(0.0, 2 * np.pi, count))

    def at(self, points: Floats) -> Floats:
        """Values of the field, shape (n,)."""
        x, y, z = points
        total = np.zeros(points.shape[1])
        for (a, b, c), shift in zip(self.waves, self.shifts, strict=True):
            total += np.cos(a * x + b * y + c * z + shift)
        field: Floats = total * np.sqrt(2.0 / len(self.shifts))
        return field
