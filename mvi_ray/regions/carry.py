"""A mask that was drawn on one phase, on the grid of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mvi_ray.errors import GeometryError, MaskError
from mvi_ray.regions.registration import Motion, find_motion
from mvi_ray.volume import Mask

if TYPE_CHECKING:
    from mvi_ray.volume import Geometry, Volume


@dataclass(frozen=True, slots=True)
class Carried:
    """A mask on the grid of another phase, and how it came there.

    Args:
        mask: voxels on the grid of the other image.
        motion: shift and rotation from the phase drawn on to the other; none without registration.
        outside_mm3: volume of the drawn mask that lies beyond the other image.
    """

    mask: Mask
    motion: Motion
    outside_mm3: float

    @property
    def shift_mm(self) -> tuple[float, float, float]:
        """How far the tumour's middle was shifted, in LPS millimetres."""
        return self.motion.shift_mm

    @property
    def rotation_deg(self) -> float:
        """Angle of the rotation about its own axis, in degrees."""
        return self.motion.rotation_deg


def carry_mask(
    mask: Mask,
    moving_image: Volume,
    fixed_image: Volume,
    register: Literal["none", "rigid"] = "none",
) -> Carried:
    """Carry a mask from the image that it was drawn on to another of the same patient.

    Args:
        mask: on the grid of ``moving_image``.
        moving_image: the image that the mask was drawn on; its voxels are only read to register.
        fixed_image: the image whose grid the mask is carried to.
        register: ``none`` where both share patient coordinates, ``rigid`` to find shift and rotation.

    Raises:
        GeometryError: mask and image lie on different grids.
        CaseError: the registration failed, or nothing of the mask lies in the other image.
    """
    difference = moving_image.geometry.difference(mask.geometry)
    if difference is not None:
        raise GeometryError(f"mask and image differ: {difference}; draw the mask on this image")
    motion = find_motion(mask, moving_image, fixed_image) if register == "rigid" else Motion()
    return carry_along(mask, motion, fixed_image)


def carry_along(mask: Mask, motion: Motion, fixed_image: Volume) -> Carried:
    """Carry a mask by a known motion: the organ moves with the tumour that was registered.

    Each voxel takes the value of the nearest voxel of the mask. A linear mean with a cut at one
    half would wear thin parts and corners away, and would change a mask even on its own grid;
    so a mask on the same grid stays what it is, voxel for voxel.

    Raises:
        MaskError: nothing of the mask lies in the other image.
    """
    geometry = fixed_image.geometry
    if motion == Motion() and geometry.difference(mask.geometry) is None:
        return Carried(Mask(mask.array, geometry, fixed_image.reorientation), motion, 0.0)
    array = _nearest(mask, motion, geometry)
    if not array.any():
        raise MaskError("nothing of the other phase's mask lies in this image; draw the mask on this phase")
    return Carried(Mask(array, geometry, fixed_image.reorientation), motion, _outside(mask, motion, geometry))


def _nearest(
    mask: Mask, motion: Motion, geometry: Geometry
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    import SimpleITK as sitk

    moved = sitk.Resample(
        mask.to_sitk(),
        geometry.size,
        # A voxel of the new grid asks where it was before the motion.
        motion.transform().GetInverse(),
        sitk.sitkNearestNeighbor,
        geometry.origin,
        geometry.spacing,
        geometry.direction,
        0,
        sitk.sitkUInt8,
    )
    return np.asarray(sitk.GetArrayFromImage(moved), dtype=np.uint8)


def _outside(mask: Mask, motion: Motion, geometry: Geometry) -> float:
    """Volume of the voxels whose centres lie beyond the outermost voxels of another grid."""
    own = mask.geometry
    index = np.argwhere(mask.array)[:, ::-1] * np.asarray(own.spacing)
    points = motion.moved(index @ own.matrix.T + own.origin)
    there = (points - geometry.origin) @ geometry.matrix / np.asarray(geometry.spacing)
    beyond = (there < -0.5) | (there > np.asarray(geometry.size) - 0.5)
    return int(np.count_nonzero(beyond.any(axis=1))) * own.voxel_mm3
