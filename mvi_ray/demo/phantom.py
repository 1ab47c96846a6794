"""The synthetic upper abdomen: which tissue is where, and how bright in each phase.

The body is drawn at half of an adult's size, with the liver on the patient's right, as
functions of points (3, n) in LPS millimetres around the centre of the body. Brightness
follows gadoxetic acid on fat-suppressed T1: arteries and spleen first, then portal and
hepatic veins, and after 20 minutes only liver cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from mvi_ray.demo.shapes import Point, Texture, column, in_ellipsoid, in_vessel, rotation, squares

if TYPE_CHECKING:
    from mvi_ray.demo.shapes import Bools, Floats

PHASES = ("AP", "PP", "HBP")

SPLEEN, LIVER = 1, 5
"""Labels of the organ masks; the numbers are those of TotalSegmentator."""

# Signal in arbitrary units, for AP, PP, HBP.
_SIGNAL = {
    "fat": (60, 65, 60),
    "muscle": (110, 130, 120),
    "bone": (140, 155, 140),
    "stomach": (75, 85, 80),
    "liver": (180, 230, 310),
    "spleen": (285, 265, 165),
    "artery": (430, 300, 170),
    "portal": (225, 300, 200),
    "vein": (165, 290, 195),
    "tumour": (240, 205, 205),
}
_TEXTURE = {"liver": 5.0, "tumour": 11.0}
_RIM = (42.0, 10.0, -54.0)
"""Signal added beside an invasive tumour: bright in AP, dark in HBP."""
_RIM_MM = 6.0
"""Distance over which the rim fades; little is left of it at 10 mm."""

_INFINITE = float("inf")
_PORTAL: tuple[tuple[Point, Point, float], ...] = (
    ((-2, 8, -26), (-8, 4, -6), 3.4),
    ((-8, 4, -6), (-26, 1, -3), 2.6),
    ((-26, 1, -3), (-42, -12, 6), 1.7),
    ((-26, 1, -3), (-42, 14, -12), 1.7),
    ((-8, 4, -6), (2, -14, 2), 2.2),
    ((2, -14, 2), (18, -20, 6), 1.5),
)
_VEINS: tuple[tuple[Point, Point, float], ...] = (
    ((-10, 16, -80), (-10, 16, 80), 5.2),
    ((-11, 12, 19), (-40, 4, 9), 2.0),
    ((-11, 12, 19), (-26, -18, 8), 1.9),
    ((-11, 12, 19), (2, -18, 12), 1.7),
)


@dataclass(frozen=True, slots=True, eq=False)
class Tumour:
    """An ellipsoid with dents, an uneven inside and an uneven surrounding.

    Args:
        centre: LPS millimetres.
        axes: rotation matrix (3, 3), its rows are the axes of the ellipsoid.
        radii: millimetres, the longest first.
        dents: depth of the dents as a share of the radius, 0 to 0.3.
        heterogeneity: strength of the texture inside.
        rim: strength of the change of signal in the surrounding liver.
        texture: the field inside and in the rim.
    """

    centre: Point
    axes: Floats
    radii: Point
    dents: float
    heterogeneity: float
    rim: float
    texture: Texture

    @classmethod
    def draw(cls, rng: np.random.Generator, centre: Point, diameter_mm: float, mvi: int) -> Self:
        """Draw a tumour with the given largest diameter.

        Dents, heterogeneity and rim are drawn one by one, and each is only on average
        greater with invasion: two standard deviations. So no sign is certain.
        """
        radius = diameter_mm / 2
        dents, heterogeneity, rim = rng.normal(2.0 * mvi, 1.0, 3)
        return cls(
            centre=centre,
            axes=rotation(rng),
            radii=(radius, radius * rng.uniform(0.85, 0.95), radius * rng.uniform(0.75, 0.9)),
            dents=float(np.clip(0.10 + 0.05 * dents, 0.0, 0.3)),
            heterogeneity=float(np.exp(0.35 * heterogeneity)),
            rim=float(np.clip(0.35 + 0.35 * rim, -0.3, 2.0)),
            texture=Texture.draw(rng, length_mm=1.6),
        )

    def distance(self, points: Floats) -> Floats:
        """Millimetres to the surface along the ray from the centre; negative inside."""
        local = self.axes @ (points - column(self.centre))
        away = np.sqrt(squares(local))
        scaled = local / column(self.radii)
        level = np.maximum(np.sqrt(squares(scaled)), 1e-9)
        x, y, z = scaled / level
        # No dents at the ends of the long axis: the largest diameter stays what it is.
        surface = 1.0 - self.dents * (1.0 - x**2) * (0.5 + 0.5 * np.sin(6.0 * x + 5.0 * y) * np.cos(5.0 * z))
        distance: Floats = away * (1.0 - surface / level)
        return distance


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """One synthetic body with one tumour in its liver.

    Args:
        scale: size of the body against the standard phantom, along (x, y, z).
        parenchyma: texture of the liver.
        tumour: the tumour, its place in the scaled body.
    """

    scale: Point
    parenchyma: Texture
    tumour: Tumour

    @classmethod
    def draw(cls, rng: np.random.Generator, diameter_mm: float, mvi: int) -> Self:
        """Draw a body and put a tumour of the given diameter inside its liver."""
        a, b, c = rng.uniform(0.94, 1.06, 3)
        scale = (float(a), float(b), float(c))
        # In the middle of the stack, so that a margin of 10 mm is imaged as well.
        places = rng.uniform((-58, -32, -12), (20, 30, 12), (2000, 3)).T * column(scale)
        free = np.ones(places.shape[1], dtype=bool)
        reach = diameter_mm / 2 + 1.5
        for direction in rng.normal(size=(32, 3)):
            step = reach * direction / np.sqrt(np.sum(direction**2))
            at = (places + column(step)) / column(scale)
            free &= _in_liver(at) & ~_in_any(at, _PORTAL) & ~_in_any(at, _VEINS)
        x, y, z = (float(v) for v in places[:, np.flatnonzero(free)[0]])
        tumour = Tumour.draw(rng, (x, y, z), diameter_mm, mvi)
        return cls(scale, Texture.draw(rng, length_mm=3.0), tumour)

    def organs(self, points: Floats) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """Labels of `SPLEEN` and `LIVER`, 0 elsewhere; the tumour belongs to the liver."""
        at = points / column(self.scale)
        labels = np.zeros(points.shape[1], dtype=np.uint8)
        labels[_in_spleen(at)] = SPLEEN
        labels[_in_liver(at)] = LIVER
        return labels

    def lesion(self, points: Floats) -> Bools:
        """Whether points lie in the tumour."""
        inside: Bools = self.tumour.distance(points) <= 0.0
        return inside

    def signal(self, points: Floats, phase: str) -> Floats:
        """Brightness without coil, blur and noise, shape (n,)."""
        index = PHASES.index(phase)
        level = {tissue: float(values[index]) for tissue, values in _SIGNAL.items()}
        at = points / column(self.scale)
        signal = np.zeros(points.shape[1])
        signal[in_ellipsoid(at, (0, 0, 0), (66, 47, _INFINITE))] = level["fat"]
        signal[in_ellipsoid(at, (0, 0, 0), (61, 42, _INFINITE))] = level["muscle"]
        signal[in_ellipsoid(at, (30, -14, 0), (22, 18, 26))] = level["stomach"]
        signal[in_ellipsoid(at, (0, 30, 0), (10, 9, _INFINITE))] = level["bone"]
        signal[_in_spleen(at)] = level["spleen"]
        signal[in_vessel(at, (5, 17, -80), (5, 17, 80), 4.6)] = level["artery"]
        signal[_in_any(at, _VEINS[:1])] = level["vein"]
        inside = np.flatnonzero(_in_liver(at))
        signal[inside] = self._liver(points[:, inside], index, level)
        return signal

    def _liver(self, points: Floats, index: int, level: dict[str, float]) -> Floats:
        at = points / column(self.scale)
        signal = level["liver"] + _TEXTURE["liver"] * self.parenchyma.at(points)
        signal[_in_any(at, _PORTAL)] = level["portal"]
        signal[_in_any(at, _VEINS)] = level["vein"]
        distance = self.tumour.distance(points)
        near = np.flatnonzero(distance < 3 * _RIM_MM)
        distance, field = distance[near], self.tumour.texture.at(points[:, near])
        fading = np.exp(-((np.maximum(distance, 0.0) / _RIM_MM) ** 2))
        rim = _RIM[index] * self.tumour.rim * fading * (1.0 + 0.4 * field)
        tumour = level["tumour"] + _TEXTURE["tumour"] * self.tumour.heterogeneity * field
        signal[near] = np.where(distance <= 0.0, tumour, signal[near] + rim)
        return signal


def _in_any(at: Floats, vessels: tuple[tuple[Point, Point, float], ...]) -> Bools:
    inside = np.zeros(at.shape[1], dtype=bool)
    for start, end, radius in vessels:
        inside |= in_vessel(at, start, end, radius)
    return inside


def _in_spleen(at: Floats) -> Bools:
    return in_ellipsoid(at, (46, 16, 4), (11, 18, 22))


def _in_liver(at: Floats) -> Bools:
    lobes = in_ellipsoid(at, (-29, -1, -2), (31, 34, 34)) | in_ellipsoid(at, (0, -20, 6), (33, 17, 22))
    beside = in_ellipsoid(at, (0, 30, 0), (15, 14, _INFINITE)) | in_vessel(at, (5, 17, -80), (5, 17, 80), 8.0)
    return lobes & in_ellipsoid(at, (0, 0, 0), (59, 40, _INFINITE)) & ~beside
