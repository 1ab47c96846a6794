"""What a kind of broken input is, where its files lie, and what the good case beside it looks like."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import SimpleITK as sitk

from tests.ingest.masks.conftest import GRID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLANTED = "MUELLER_HANS_1953"
"""Stands in every path of a broken file; no message may repeat it."""

IMAGE, MASK = "good/image.nii.gz", "good/mask.nii.gz"
Cells = dict[str, str]


@dataclass(frozen=True)
class Kind:
    """One kind of broken input, as the only patient that has it.

    Args:
        name: of the kind, and `patient_id` of its lines.
        reason: words of the one problem that is told, in this order.
        write: writes its files; returns the cells of its lines that differ from a good case.
        severity: `error`: left out; `warning`: taken.
        keeps: what the store holds of the patient: nothing; the image, which is good, without the
            mask; or the whole case.
    """

    name: str
    reason: tuple[str, ...]
    write: Callable[[Place], Cells | list[Cells]]
    severity: Literal["error", "warning"] = "error"
    keeps: Literal["nothing", "image", "case"] = "nothing"

    def lines(self, data: Path) -> list[Cells]:
        """Write the files, and return all lines of the manifest."""
        folder = data / PLANTED / self.name
        folder.mkdir(parents=True)
        found = self.write(Place(data, folder))
        base = {"patient_id": self.name, "phase": "AP", "image": IMAGE, "mask": MASK, "reader": "R1"}
        return [{**base, **cells} for cells in (found if isinstance(found, list) else [found])]


@dataclass
class Kinds:
    """Collects kinds in the order in which they are written down."""

    found: list[Kind] = field(default_factory=list)

    def add(self, name: str, *reason: str, **more: Any) -> Callable[..., Any]:
        """Decorate the function that writes a kind."""

        def take(write: Callable[[Place], Cells | list[Cells]]) -> Callable[[Place], Any]:
            self.found.append(Kind(name, reason, write, **more))
            return write

        return take


@dataclass(frozen=True)
class Place:
    """Where the files of one kind go.

    Args:
        data: folder of the manifest.
        folder: of this kind.
    """

    data: Path
    folder: Path

    def path(self, ending: str) -> Path:
        """A file whose name is planted."""
        return self.folder / f"{PLANTED}{ending}"

    def cell(self, path: Path) -> str:
        """The path as the manifest has it."""
        return path.relative_to(self.data).as_posix()

    def image(self, path: Path) -> Cells:
        """A line with this image."""
        return {"image": self.cell(path)}

    def mask(self, path: Path, **more: str) -> Cells:
        """A line with this mask, drawn on the good image."""
        return {"mask": self.cell(path), **more}

    def write(self, ending: str, array: np.ndarray | None = None, **geometry: Any) -> Path:
        """Write an array as a file, by default that of the good image."""
        path = self.path(ending)
        write_volume(path, values() if array is None else array, **geometry)
        return path

    def patched(self, ending: str, change: Callable[[bytearray], Any], **geometry: Any) -> Path:
        """Write the good image with some bytes changed."""
        path = self.write(ending, **geometry)
        content = bytearray(path.read_bytes())
        change(content)
        path.write_bytes(content)
        return path

    def cut(self, ending: str, share: float = 0.6, **geometry: Any) -> Path:
        """Write the good image, and only the beginning of its file."""
        path = self.write(ending, **geometry)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        return path


def values(kind: str = "float32") -> np.ndarray:
    """Voxels of the good image; noise, so that no packing makes them small."""
    return np.random.default_rng(5).normal(100, 20, GRID.shape).astype(kind)


def block() -> np.ndarray:
    """The good mask; shape (z, y, x)."""
    array = np.zeros(GRID.shape, dtype=np.uint8)
    array[2:6, 3:6, 4:9] = 1
    return array


def write_volume(path: Path, array: np.ndarray, *, vector: bool = False, **geometry: Any) -> None:
    """Write an array (z, y, x) on the grid of the good image, or with another geometry."""
    image = sitk.GetImageFromArray(array, isVector=vector)
    if image.GetDimension() == 3:
        image.SetSpacing(geometry.get("spacing", GRID.spacing))
        image.SetOrigin(geometry.get("origin", GRID.origin))
        image.SetDirection(geometry.get("direction", GRID.direction))
    sitk.WriteImage(image, path)
