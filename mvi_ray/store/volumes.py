"""Canonical volumes and masks as NIfTI files, named by their content."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from mvi_ray.errors import MviError, StoreError, UnreachableError
from mvi_ray.store.copies import copies_folder
from mvi_ray.store.place import Bucket
from mvi_ray.volume import Geometry, Mask, Reorientation, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    import numpy as np

    from mvi_ray.store.place import Place

_Grid = TypeVar("_Grid", Volume, Mask)


@dataclass(frozen=True, slots=True)
class StoredVolume:
    """Where a volume lies and what its grid is; small and picklable.

    The grid comes from float64 columns: a NIfTI header rounds it to single precision, which
    alone moves most features of an oblique image.

    Args:
        path: file, relative to the store.
        digest: SHA-256 of voxels and geometry.
        geometry: its grid.
        reorientation: the way back to the source file.
    """

    path: str
    digest: str
    geometry: Geometry
    reorientation: Reorientation

    @classmethod
    def of_row(cls, row: Mapping[str, Any], digest: str = "image_digest") -> Self:
        """From a row of `images`, or of `masks` with ``digest="mask_digest"``."""
        return cls(
            row["path"],
            row[digest],
            Geometry(
                tuple(row[f"size_{a}"] for a in "xyz"),
                tuple(row[f"spacing_{a}_mm"] for a in "xyz"),
                tuple(row[f"origin_{a}_mm"] for a in "xyz"),
                tuple(row["direction"]),
            ),
            Reorientation(row["source_orientation"], tuple(row["source_origin_mm"])),
        )

    def columns(self) -> dict[str, Any]:
        """Path and grid as columns of `images` and `masks`."""
        geometry = self.geometry
        return {
            "path": self.path,
            **{f"size_{a}": n for a, n in zip("xyz", geometry.size, strict=True)},
            **{f"spacing_{a}_mm": v for a, v in zip("xyz", geometry.spacing, strict=True)},
            **{f"origin_{a}_mm": v for a, v in zip("xyz", geometry.origin, strict=True)},
            "direction": list(geometry.direction),
            "source_orientation": self.reorientation.source,
            "source_origin_mm": list(self.reorientation.source_origin),
        }

    def load_image(self, store: Place) -> Volume:
        """Read the image.

        Args:
            store: where the store's volumes lie.

        Raises:
            StoreError: the file is missing or is not what was stored.
            UnreachableError: the object store does not answer, so nobody knows.
        """
        return self._checked(Volume(self._read(store), self.geometry, self.reorientation))

    def load_mask(self, store: Place) -> Mask:
        """Read the mask; arguments and errors are those of `load_image`."""
        return self._checked(Mask(self._read(store), self.geometry, self.reorientation))

    def _read(self, store: Place) -> np.ndarray[Any, Any]:
        try:
            with _local(store / self.path) as file:
                array = _array(file)
        except (RuntimeError, FileNotFoundError):
            raise self._bad("is missing or unreadable") from None
        if array.shape != self.geometry.shape:
            raise self._bad("was changed")
        return array

    def _checked(self, grid: _Grid) -> _Grid:
        if grid.digest != self.digest:
            raise self._bad("was changed")
        return grid

    def _bad(self, what: str) -> StoreError:
        # What failed for it is tried again on request only: the digests are the same afterwards.
        return StoreError(
            f"stored volume {self.digest[:12]} {what}; "
            "ingest its patient again, then `mvi extract --retry-failed`"
        )


def _array(file: Path) -> np.ndarray[Any, Any]:
    import SimpleITK as sitk

    try:
        array: np.ndarray[Any, Any] = sitk.GetArrayFromImage(sitk.ReadImage(str(file)))
    except RuntimeError as error:
        # ITK names the file, whose folders may be called anything.
        words = str(error).replace(str(file), "").lower()
        if "bad_alloc" in words or "allocate memory" in words:
            raise MemoryError from None
        raise
    return array


@contextmanager
def _local(place: Place) -> Iterator[Path]:
    """A file that ITK can open: of a bucket a copy, which goes again."""
    if not isinstance(place, Bucket):
        yield place
        return
    with copies_folder() as folder:
        copy, content = folder / place.name, place.read_bytes()
        try:
            copy.write_bytes(content)
        except OSError as error:
            raise UnreachableError(
                f"a volume cannot be copied from the bucket ({error.strerror}); "
                f"make room in {tempfile.gettempdir()} of every machine"
            ) from None
        yield copy


def save_volume(store: Place, grid: Volume | Mask) -> StoredVolume:
    """Write a canonical volume under its digest, unless it is there already."""
    kind: Literal["images", "masks"] = "images" if isinstance(grid, Volume) else "masks"
    if grid.reorientation is None:
        raise StoreError("only canonical volumes are stored; call to_canonical() first")
    digest = grid.digest
    relative = f"{kind}/{digest[:2]}/{digest}.nii.gz"
    stored = StoredVolume(relative, digest, grid.geometry, grid.reorientation)
    target = store / relative
    # In a bucket it is put again, which costs what a look at it would, and makes it young: a `gc` on
    # another machine must not take it for an orphan before its row is committed.
    if isinstance(target, Bucket) or not (target.exists() and _is_intact(stored, store, kind)):
        _write(grid, target)
    return stored


def _is_intact(stored: StoredVolume, store: Place, kind: Literal["images", "masks"]) -> bool:
    """Whether a file holds what its name says: ingesting again repairs one that was changed."""
    try:
        if kind == "images":
            stored.load_image(store)
        else:
            stored.load_mask(store)
    except MviError:
        return False
    return True


def _write(grid: Volume | Mask, target: Place) -> None:
    import SimpleITK as sitk
    from isal import igzip

    # Written aside and renamed: a half-written file never carries a digest's name.
    with _aside(target) as folder:
        plain, packed = Path(folder, "volume.nii"), Path(folder, "volume.nii.gz")
        try:
            # ITK takes ten times as long to compress, and knows no other level for NIfTI.
            sitk.WriteImage(grid.to_sitk(), plain, useCompression=False)
            content = igzip.compress(plain.read_bytes(), compresslevel=1)
            if isinstance(target, Bucket):
                target.write_bytes(content)
            else:
                packed.write_bytes(content)
                packed.replace(target)
        except (RuntimeError, OSError) as error:
            raise StoreError(
                f"a volume could not be written to the store ({' '.join(str(error).split())}); "
                "check the disk's free space and permissions, then run the same command again"
            ) from None


def _aside(target: Place) -> AbstractContextManager[str | Path]:
    """A folder for a volume that is not whole yet, on the same disk; for a bucket one of copies."""
    if isinstance(target, Bucket):
        return copies_folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=".write-", dir=target.parent)
