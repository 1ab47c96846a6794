"""Which slices of a series lie at the same place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from mvi_ray.ingest.dicom.headers import Instance

SAME_MM = 0.01
"""Two slices nearer than this, along each axis, are at one place; headers round to about this."""
SAME_COSINE = 1e-3
"""Cosines that differ by less are one orientation: 0.06 degrees."""

Place = tuple[int, int, int, int]
"""Numbers of the orientation, and of the places along its normal, row and column."""


def axes_of(orientation: Sequence[float]) -> npt.NDArray[np.float64]:
    """Unit vectors along a row, along a column and along their normal, shape (3, 3), one in each row."""
    row, column = np.asarray(orientation[:3], np.float64), np.asarray(orientation[3:], np.float64)
    axes = np.stack([row, column, np.cross(row, column)])
    length = np.linalg.norm(axes, axis=1, keepdims=True)
    return np.asarray(axes / np.where(length > 0, length, 1.0), np.float64)


def orientations_of(instances: Sequence[Instance]) -> list[int | None]:
    """For each slice the number of its orientation, from 0 in order of appearance; None without one."""
    known: list[npt.NDArray[np.float64]] = []
    spelt: dict[tuple[float, ...], int] = {}
    found: list[int | None] = []
    for instance in instances:
        if instance.orientation is None:
            found.append(None)
            continue
        at = spelt.get(instance.orientation)
        if at is None:
            cosines = np.asarray(instance.orientation)
            at = next((i for i, o in enumerate(known) if np.abs(o - cosines).max() < SAME_COSINE), len(known))
            if at == len(known):
                known.append(cosines)
            spelt[instance.orientation] = at
        found.append(at)
    return found


def places_of(instances: Sequence[Instance]) -> list[Place] | None:
    """For each slice its place; None when a slice does not say where it lies."""
    orientations = orientations_of(instances)
    if any(o is None or i.position is None for o, i in zip(orientations, instances, strict=True)):
        return None
    places: list[Place] = [(0, 0, 0, 0)] * len(instances)
    for orientation in set(orientations):
        members = [at for at, o in enumerate(orientations) if o == orientation]
        first = instances[members[0]].orientation
        positions = np.array([instances[at].position for at in members], np.float64)
        # Along normal, row and column.
        along = positions @ axes_of(first or ()).T[:, [2, 0, 1]]
        numbered = np.stack([_numbered(along[:, axis]) for axis in range(3)], axis=1)
        for at, (normal, row, column) in zip(members, numbered.tolist(), strict=True):
            places[at] = (orientation or 0, normal, row, column)
    return places


def _numbered(values: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Numbers of the clusters that the values form, from 0 upwards."""
    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order], prepend=values[order[0]]) > SAME_MM
    numbers = np.empty(len(values), np.intp)
    numbers[order] = np.cumsum(steps)
    return numbers
