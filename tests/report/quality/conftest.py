"""Fixtures of the tests of the quality page."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from mvi_ray.volume import Geometry, Mask, Reorientation, Volume

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

AXES = tuple(np.eye(3).ravel())


def grid(
    size: tuple[int, int, int],
    spacing: tuple[float, float, float] = (1.0, 1.0, 3.0),
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    direction: tuple[float, ...] = AXES,
) -> Geometry:
    """A canonical grid unless its direction says otherwise."""
    return Geometry(size, spacing, origin, direction)


def box_mask(geometry: Geometry, *spans: slice) -> Mask:
    """Ones in a box (z, y, x)."""
    array = np.zeros(geometry.shape, dtype=np.uint8)
    array[spans] = 1
    return Mask(array, geometry, Reorientation("LPS", geometry.origin))


def volume(array: npt.NDArray[np.generic], geometry: Geometry) -> Volume:
    """An image on a canonical grid."""
    return Volume(array, geometry, Reorientation("LPS", geometry.origin))


@pytest.fixture
def pixels() -> Callable[[bytes], npt.NDArray[np.int64]]:
    """Decode a picture to (down, across, colour)."""

    def decode(content: bytes) -> npt.NDArray[np.int64]:
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(np.int64)

    return decode
