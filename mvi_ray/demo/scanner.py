"""The two synthetic scanners: grid, coil, blur and noise of each centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.volume import Geometry

if TYPE_CHECKING:
    import numpy.typing as npt

    from mvi_ray.demo.clinical import Centre


@dataclass(frozen=True, slots=True)
class Scanner:
    """How one centre images.

    Args:
        size: voxels along (x, y, z).
        spacing: millimetres along (x, y, z); slices are thicker than pixels are wide.
        direction: nine direction cosines, row-major.
        gain: grey values per unit of signal.
        bias: relative change of brightness per 100 mm along the patient axes (x, y, z).
        noise: standard deviation of the noise in each of the two receiver channels.
        grain: standard deviation of the smooth noise that is left by reconstruction.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    direction: tuple[float, ...]
    gain: float
    bias: tuple[float, float, float]
    noise: float
    grain: float

    def grid(self, centre_mm: tuple[float, float, float]) -> Geometry:
        """The grid whose middle lies at a point (LPS millimetres)."""
        matrix = np.reshape(self.direction, (3, 3))
        half = (np.asarray(self.size) - 1) / 2 * self.spacing
        x, y, z = np.asarray(centre_mm) - matrix @ half
        return Geometry(self.size, self.spacing, (float(x), float(y), float(z)), self.direction)

    def acquire(
        self, signal: npt.NDArray[np.float64], points: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> npt.NDArray[np.int16]:
        """Turn brightness into the grey values of a magnitude image.

        Args:
            signal: brightness, shape (z, y, x).
            points: LPS millimetres of each voxel in the order of `signal`, shape (3, voxels).
            rng: source of noise and of the coil's load, which differs between examinations.
        """
        from scipy.ndimage import gaussian_filter

        load = np.asarray(self.bias) + rng.normal(0.0, 0.03, 3)
        bias = np.exp((load / 100.0) @ points).reshape(signal.shape)
        # Half a voxel of blur: tissues share the voxels at their borders.
        clean = gaussian_filter(signal, 0.5, mode="nearest") * bias
        grain = gaussian_filter(rng.normal(size=signal.shape), 1.0)
        clean += grain * (self.grain / grain.std())
        # The magnitude of two noisy channels follows Rice's distribution.
        real = clean + rng.normal(0.0, self.noise, signal.shape)
        imaginary = rng.normal(0.0, self.noise, signal.shape)
        magnitude = self.gain * rng.normal(1.0, 0.03) * np.hypot(real, imaginary)
        grey: npt.NDArray[np.int16] = np.rint(np.minimum(magnitude, np.iinfo(np.int16).max)).astype(np.int16)
        return grey


def _tilted(about_x: float, about_z: float) -> tuple[float, ...]:
    """Cosines of an axial stack turned by degrees about the x axis, then the z axis."""
    (cx, cz), (sx, sz) = np.cos(np.radians((about_x, about_z))), np.sin(np.radians((about_x, about_z)))
    first = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    then = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return tuple(float(v) for v in (then @ first).ravel())


SCANNERS: dict[Centre, Scanner] = {
    # Index axes run to right, front and head (RAS), as many converters write them.
    "A": Scanner(
        size=(126, 92, 32),
        spacing=(1.1, 1.1, 2.0),
        direction=(-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0),
        gain=1.0,
        bias=(0.06, -0.12, 0.04),
        noise=6.0,
        grain=4.0,
    ),
    "B": Scanner(
        size=(112, 84, 28),
        spacing=(1.25, 1.25, 2.4),
        direction=_tilted(about_x=7.0, about_z=3.0),
        gain=1.15,
        bias=(-0.10, 0.08, 0.10),
        noise=8.0,
        grain=4.5,
    ),
}
