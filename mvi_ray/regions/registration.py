"""How a tumour moved between two images of one patient: a rigid registration around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import acos, degrees
from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.errors import CaseError

if TYPE_CHECKING:
    import numpy.typing as npt
    import SimpleITK as sitk

    from mvi_ray.volume import Mask, Volume

MARGIN_MM = 30.0
"""What is registered: the tumour's box and this much around it, as far as its image reaches."""
MAX_SHIFT_MM = 50.0
MAX_ROTATION_DEG = 15.0
"""A registration that moves the tumour farther has lost it."""

_BINS = 32
_VOXELS = 200_000
_LEAST_SIDE = 8
_WAY_OUT = "draw the mask on this phase too, or set register: none"

_Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Motion:
    """Where points of one image lie in another: turned about a centre, then shifted.

    Args:
        centre: the tumour's middle in the first image, LPS millimetres.
        shift_mm: how far the tumour's middle lies from there in the other image (LPS).
        angles: rotations about x, y and z in radians, applied in the order z, x, y.
        metric_before, metric_after: Mattes' mutual information without and with the motion,
            negative: less is better; None where nothing was registered.
    """

    centre: _Triple = (0.0, 0.0, 0.0)
    shift_mm: _Triple = (0.0, 0.0, 0.0)
    angles: _Triple = (0.0, 0.0, 0.0)
    metric_before: float | None = None
    metric_after: float | None = None

    @property
    def rotation_deg(self) -> float:
        """Angle of the rotation about its own axis, in degrees."""
        cosine = (np.trace(self.matrix) - 1) / 2
        return degrees(acos(float(np.clip(cosine, -1.0, 1.0))))

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """Rotation, shape (3, 3)."""
        return np.array(self.transform().GetMatrix(), dtype=np.float64).reshape(3, 3)

    def transform(self) -> sitk.Euler3DTransform:
        """The motion as SimpleITK knows it: from points of the first image to the other."""
        import SimpleITK as sitk

        transform = sitk.Euler3DTransform()
        transform.SetCenter(self.centre)
        transform.SetRotation(*self.angles)
        transform.SetTranslation(self.shift_mm)
        return transform

    def moved(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Points (n, 3) of the first image, in LPS millimetres, where they lie in the other."""
        centre = np.asarray(self.centre)
        moved: npt.NDArray[np.float64] = (points - centre) @ self.matrix.T + centre + self.shift_mm
        return moved


def find_motion(mask: Mask, image: Volume, other: Volume) -> Motion:
    """Register the surroundings of a tumour to another image of the patient.

    Six parameters (Euler angles and shift) that maximise Mattes' mutual information (Mattes et
    al., IEEE Trans Med Imaging 22:120, 2003), from coarse to fine, starting from patient
    coordinates as they are. Every voxel of the tumour's box with its margin counts and one thread
    adds them up, so that nothing is drawn by lot and the result is the same to the last bit.

    Args:
        mask: the tumour, on the grid of ``image``.
        image: the image that it was drawn on.
        other: the image in which it is sought.

    Raises:
        CaseError: the images do not overlap there, or the registration went astray: more than
            50 mm or 15°, or a worse match than without it.
    """
    import SimpleITK as sitk

    fixed, moving = _surroundings(mask, image), sitk.Cast(other.to_sitk(), sitk.sitkFloat32)
    still = Motion(centre=_middle(mask))
    step = min(fixed.GetSpacing())
    try:
        before = _metric(still, fixed, moving)
        # Shift first: turning while still far off leads astray.
        shift = sitk.TranslationTransform(3)
        _descend(shift, fixed, moving, (4, 2))
        transform = replace(still, shift_mm=shift.GetOffset()).transform()
        _descend(transform, fixed, moving, (2, 1))
        found = Motion(
            still.centre,
            transform.GetTranslation(),
            (transform.GetAngleX(), transform.GetAngleY(), transform.GetAngleZ()),
            metric_before=before,
        )
        after = _metric(found, fixed, moving)
    except RuntimeError:
        # ITK's text names classes and may name files; what it means is this.
        raise CaseError(
            f"the images of the two phases cannot be registered around the tumour; {_WAY_OUT}"
        ) from None
    if after > before and np.linalg.norm(found.shift_mm) < step / 2:
        # Images that lie on each other already: the search ends beside the best place, not at it.
        return replace(still, metric_before=before, metric_after=before)
    found = replace(found, metric_after=after)
    _check(found)
    return found


def _check(found: Motion) -> None:
    shift = float(np.linalg.norm(found.shift_mm))
    # Asked so that a result which is no number is refused, too.
    if not (shift <= MAX_SHIFT_MM and found.rotation_deg <= MAX_ROTATION_DEG):
        raise CaseError(
            f"the registration moved the tumour by {shift:.0f} mm and {found.rotation_deg:.0f}°, "
            f"more than {MAX_SHIFT_MM:g} mm or {MAX_ROTATION_DEG:g}°; {_WAY_OUT}"
        )
    before, after = found.metric_before, found.metric_after
    if before is None or after is None or not after <= before:
        raise CaseError(
            "the registration made the match worse than patient coordinates as they are "
            f"(metric {after} after, {before} before); {_WAY_OUT}"
        )


def _descend(
    transform: sitk.Transform, fixed: sitk.Image, moving: sitk.Image, levels: tuple[int, ...]
) -> None:
    """Improve a transform in place, at one level of shrinking after the other."""
    step = min(fixed.GetSpacing())
    shrink = [factor for factor in levels if min(fixed.GetSize()) // factor >= _LEAST_SIDE] or [1]
    method = _matching()
    reach = step * max(fixed.GetSize()) / 2
    turning = transform.GetNumberOfParameters() > 3
    # The optimiser's step counts a radian like a millimetre: a whole step may be all rotation, and
    # must not move the edge by more than a voxel.
    first = step / reach if turning else step
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=first, minStep=first / 200, numberOfIterations=300, relaxationFactor=0.6
    )
    if turning:
        method.SetOptimizerScales([reach**2] * 3 + [1.0] * 3)
    method.SetShrinkFactorsPerLevel(shrink)
    method.SetSmoothingSigmasPerLevel([step * factor / 2 if factor > 1 else 0 for factor in shrink])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, moving)


def _metric(motion: Motion, fixed: sitk.Image, moving: sitk.Image) -> float:
    method = _matching()
    method.SetInitialTransform(motion.transform())
    return float(method.MetricEvaluate(fixed, moving))


def _matching() -> sitk.ImageRegistrationMethod:
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _middle(mask: Mask) -> _Triple:
    z, y, x = ((span.start + span.stop - 1) / 2 for span in mask.box)
    return mask.geometry.point((x, y, z))


def _surroundings(mask: Mask, image: Volume) -> sitk.Image:
    """The image around the tumour, on cubic voxels."""
    import SimpleITK as sitk

    whole = sitk.Cast(image.to_sitk(), sitk.sitkFloat32)
    low, size = [], []
    for span, n, step in zip(reversed(mask.box), image.geometry.size, image.geometry.spacing, strict=True):
        margin = int(np.ceil(MARGIN_MM / step))
        low.append(max(0, span.start - margin))
        size.append(min(n, span.stop + margin) - low[-1])
    lengths = [n * step for n, step in zip(size, image.geometry.spacing, strict=True)]
    # As fine as the finest axis, unless that makes more voxels than a registration needs.
    side = max(min(image.geometry.spacing), float(np.cbrt(np.prod(lengths) / _VOXELS)))
    cubic = [max(1, int(length // side)) for length in lengths]
    corner = [at + (side / step - 1) / 2 for at, step in zip(low, image.geometry.spacing, strict=True)]
    return sitk.Resample(
        whole,
        cubic,
        sitk.Transform(),
        sitk.sitkLinear,
        image.geometry.point(corner),
        (side, side, side),
        image.geometry.direction,
        0.0,
        sitk.sitkFloat32,
    )
