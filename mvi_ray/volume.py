"""Images and masks with their geometry, in LPS millimetres.

Arrays are indexed ``[z, y, x]`` (C order, as SimpleITK and NumPy exchange them);
sizes, spacings, origins and index axes are listed ``(x, y, z)``. Directions are the
nine cosines of the 3 × 3 matrix whose columns are the index axes, row by row, as in
ITK. All coordinates are DICOM patient coordinates (LPS) in millimetres.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from mvi_ray.errors import GeometryError, MaskError

if TYPE_CHECKING:
    import numpy.typing as npt
    import SimpleITK as sitk

CANONICAL = "LPS"
"""Orientation code of every stored volume: x to the left, y to the back, z to the head."""

_POSITIVE = "LPS"
_NEGATIVE = "RAI"


def _as_floats(values: Any, count: int, what: str) -> tuple[float, ...]:
    # Adding 0 turns -0.0 into 0.0: the same grid has one spelling, and one digest.
    floats = tuple(float(v) + 0.0 for v in values)
    if len(floats) != count or not np.all(np.isfinite(floats)):
        msg = f"{what} must be {count} finite numbers, got {values!r}"
        raise GeometryError(msg)
    return floats


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the voxels of a volume lie.

    Args:
        size: voxels along (x, y, z), each at least 1.
        spacing: millimetres between voxel centres along (x, y, z), each above 0.
        origin: LPS millimetres of the centre of voxel (0, 0, 0).
        direction: nine direction cosines, row-major; columns are unit and orthogonal.

    Raises:
        GeometryError: when a value does not describe a right grid in space.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]

    def __post_init__(self) -> None:
        size = tuple(int(n) for n in self.size)
        if len(size) != 3 or min(size) < 1:
            msg = f"size must be three positive integers, got {self.size!r}"
            raise GeometryError(msg)
        spacing = _as_floats(self.spacing, 3, "spacing")
        if min(spacing) <= 0:
            msg = f"spacing must be above 0 mm, got {spacing}"
            raise GeometryError(msg)
        direction = _as_floats(self.direction, 9, "direction")
        matrix = np.reshape(direction, (3, 3))
        # ITK accepts headers that are orthonormal to about this much; more is a shear.
        if not np.allclose(matrix.T @ matrix, np.eye(3), atol=1e-4):
            msg = f"direction cosines are not orthonormal: {direction}; resample onto a right-angled grid"
            raise GeometryError(msg)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "spacing", spacing)
        object.__setattr__(self, "origin", _as_floats(self.origin, 3, "origin"))
        object.__setattr__(self, "direction", direction)

    @classmethod
    def of_sitk(cls, image: sitk.Image) -> Self:
        """Geometry of a three-dimensional SimpleITK image."""
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the array: (z, y, x)."""
        x, y, z = self.size
        return z, y, x

    @property
    def sampling(self) -> tuple[float, float, float]:
        """Spacing in array order (z, y, x), in millimetres."""
        x, y, z = self.spacing
        return z, y, x

    @property
    def voxel_mm3(self) -> float:
        """Volume of one voxel in cubic millimetres."""
        x, y, z = self.spacing
        return x * y * z

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """Direction cosines, shape (3, 3)."""
        return np.array(self.direction, dtype=np.float64).reshape(3, 3)

    def point(self, index: Any) -> tuple[float, float, float]:
        """LPS millimetres of a (continuous) voxel index (x, y, z)."""
        moved = self.matrix @ (np.asarray(index, dtype=np.float64) * self.spacing)
        x, y, z = np.asarray(self.origin) + moved
        return float(x), float(y), float(z)

    @property
    def orientation(self) -> str:
        """Nearest anatomical code of the index axes, for example ``LPS`` or ``RAS``.

        A letter names the side towards which the axis points. For oblique grids the axes
        are matched to patient axes greedily by the largest cosine, as ITK does.
        """
        cosines = self.matrix
        code = [""] * 3
        magnitudes = np.abs(cosines)
        for _ in range(3):
            row, column = np.unravel_index(int(np.argmax(magnitudes)), (3, 3))
            letters = _POSITIVE if cosines[row, column] >= 0 else _NEGATIVE
            code[int(column)] = letters[int(row)]
            magnitudes[row, :] = -1.0
            magnitudes[:, column] = -1.0
        return "".join(code)

    def difference(self, other: Geometry) -> str | None:
        """First way in which two grids differ, in words, or None when they are the same.

        The same means: equal sizes, and no voxel farther from its twin than a thousandth of
        the smallest spacing. Headers in single precision round by less, and the engine that
        measures the pair tolerates as much.
        """
        if self.size != other.size:
            return f"size {other.size} against {self.size} voxels"
        tolerance = 1e-3 * min(self.spacing)
        if not np.allclose(self.spacing, other.spacing, rtol=0, atol=tolerance):
            return f"spacing {_against(other.spacing, self.spacing)} mm"
        # Voxels drift apart most at a corner: the map between the grids is affine.
        apart = np.linalg.norm(np.subtract(self._corners(), other._corners()), axis=1)
        if apart.max() <= tolerance:
            return None
        if not np.allclose(self.origin, other.origin, rtol=0, atol=tolerance):
            return f"origin {_against(other.origin, self.origin)} mm"
        if not np.allclose(self.direction, other.direction, rtol=0, atol=1e-6):
            return f"direction {_against(other.direction, self.direction)}"
        return f"spacing {_against(other.spacing, self.spacing)} mm"

    def overlaps(self, other: Geometry) -> bool:
        """Whether the boxes around both grids, along the patient axes, share any space."""
        low, high = self._box()
        other_low, other_high = other._box()
        return bool(np.all(low < other_high) and np.all(other_low < high))

    def _box(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        corners = self._corners(0.5)
        return np.min(corners, axis=0), np.max(corners, axis=0)

    def _corners(self, beyond: float = 0.0) -> list[tuple[float, float, float]]:
        """Centres of the eight corner voxels, or points beyond them by a share of a voxel."""
        ends = [(-beyond, n - 1 + beyond) for n in self.size]
        return [self.point((x, y, z)) for x in ends[0] for y in ends[1] for z in ends[2]]


def _against(found: tuple[float, ...], wanted: tuple[float, ...]) -> str:
    """Two lists of numbers, as short as they can be told apart."""
    for digits in (6, 9, 17):
        texts = ["(" + ", ".join(f"{v:.{digits}g}" for v in values) + ")" for values in (found, wanted)]
        if texts[0] != texts[1]:
            break
    return " against ".join(texts)


@dataclass(frozen=True, slots=True)
class Reorientation:
    """How index axes were permuted and flipped; reversible to the last bit.

    Args:
        source: orientation code of the file that was read.
        source_origin: origin of that file; flipping back would only restore it to rounding.
    """

    source: str
    source_origin: tuple[float, float, float]


def _axes(source: str, target: str) -> list[tuple[int, bool]]:
    """For each target index axis: the source axis it comes from, and whether it is flipped."""

    def axis(letter: str) -> int:
        return (_POSITIVE if letter in _POSITIVE else _NEGATIVE).index(letter)

    found = []
    for letter in target:
        at = next(i for i, s in enumerate(source) if axis(s) == axis(letter))
        found.append((at, source[at] != letter))
    return found


def _reorient(
    array: npt.NDArray[Any],
    geometry: Geometry,
    source: str,
    target: str,
    origin: tuple[float, float, float] | None = None,
) -> tuple[npt.NDArray[Any], Geometry]:
    axes = _axes(source, target)
    start = [0.0, 0.0, 0.0]
    matrix = geometry.matrix
    columns = []
    for at, flipped in axes:
        if flipped:
            start[at] = geometry.size[at] - 1
        columns.append(-matrix[:, at] if flipped else matrix[:, at])
    # Array axes run z, y, x: index axis i is array axis 2 - i.
    turned = np.transpose(array, [2 - axes[2 - k][0] for k in range(3)])
    turned = turned[tuple(slice(None, None, -1 if axes[2 - k][1] else 1) for k in range(3))]
    moved = Geometry(
        size=tuple(geometry.size[at] for at, _ in axes),  # type: ignore[arg-type]
        spacing=tuple(geometry.spacing[at] for at, _ in axes),  # type: ignore[arg-type]
        origin=geometry.point(start) if origin is None else origin,
        direction=tuple(float(v) for v in np.stack(columns, axis=1).ravel()),
    )
    return np.ascontiguousarray(turned), moved


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """An array with its geometry and the way back to the file it came from."""

    array: npt.NDArray[Any]
    geometry: Geometry
    reorientation: Reorientation | None = None

    def __post_init__(self) -> None:
        if self.array.shape != self.geometry.shape:
            msg = f"array has shape {self.array.shape}, its geometry {self.geometry.shape} (z, y, x)"
            raise GeometryError(msg)
        frozen = np.ascontiguousarray(self.array).view()
        frozen.flags.writeable = False
        object.__setattr__(self, "array", frozen)

    def to_canonical(self, source: str | None = None) -> Self:
        """The same voxels with index axes as near to left, back, head as permuting allows.

        Args:
            source: orientation code to start from instead of this grid's own. A mask is given
                that of its image: rounding of an axis near 45° must not turn them apart.
        """
        code = source or self.geometry.orientation
        array, geometry = _reorient(self.array, self.geometry, code, CANONICAL)
        return type(self)(array, geometry, Reorientation(code, self.geometry.origin))

    def to_source(self) -> Self:
        """Undo `to_canonical`: the grid of the file that was read, bit for bit."""
        way = self.reorientation
        if way is None:
            return self
        array, geometry = _reorient(self.array, self.geometry, CANONICAL, way.source, way.source_origin)
        return type(self)(array, geometry, None)

    def oriented(self, orientation: Literal["canonical", "source"]) -> Self:
        """This grid, or the grid of its source file."""
        return self.to_source() if orientation == "source" else self

    def to_sitk(self) -> sitk.Image:
        """A SimpleITK image with this geometry in full double precision."""
        import SimpleITK as sitk

        image = sitk.GetImageFromArray(self.array)
        image.SetSpacing(self.geometry.spacing)
        image.SetOrigin(self.geometry.origin)
        image.SetDirection(self.geometry.direction)
        return image

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of voxels, type, geometry and source orientation.

        Of what the volume is, not of a file: the same voxels in NRRD and in NIfTI agree.
        """
        way = self.reorientation
        head = (
            self.array.dtype.newbyteorder("<").str,
            self.geometry.size,
            [v.hex() for v in self.geometry.spacing],
            [v.hex() for v in self.geometry.origin],
            [v.hex() for v in self.geometry.direction],
            None if way is None else (way.source, [v.hex() for v in way.source_origin]),
        )
        content = hashlib.sha256(repr(head).encode())
        content.update(np.ascontiguousarray(self.array, self.array.dtype.newbyteorder("<")).data)
        return content.hexdigest()


class Volume(_Grid):
    """Intensities of one phase; every voxel is a finite number.

    Raises:
        GeometryError: array and geometry do not fit, or a voxel is NaN or infinite.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        _Grid.__post_init__(self)
        if self.array.dtype.kind == "f":
            bad = int(self.array.size - np.isfinite(self.array).sum())
            if bad:
                msg = f"image has {bad} voxels that are NaN or infinite; replace them in the file"
                raise GeometryError(msg)


class Mask(_Grid):
    """Voxels of one VOI: 1 inside, 0 outside, as unsigned bytes.

    Raises:
        MaskError: no voxel is inside, or a voxel is neither 0 nor 1.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        _Grid.__post_init__(self)
        if self.array.dtype != np.uint8 or int(self.array.max(initial=0)) > 1:
            msg = "a mask holds 0 and 1 as unsigned bytes"
            raise MaskError(msg)
        if not self.array.any():
            msg = "mask is empty"
            raise MaskError(msg)

    @property
    def voxels(self) -> int:
        """Number of voxels inside."""
        return int(np.count_nonzero(self.array))

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Smallest box (z, y, x) that holds every voxel inside."""
        spans = []
        for axis in range(3):
            others = tuple(a for a in range(3) if a != axis)
            inside = np.flatnonzero(self.array.any(axis=others))
            spans.append(slice(int(inside[0]), int(inside[-1]) + 1))
        return spans[0], spans[1], spans[2]
