"""Cases of a manifest to rows of `images` and `masks`, on all cores."""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import MviError, StoreError
from mvi_ray.ingest.case import ImageCase, read_case
from mvi_ray.ingest.dates import shifted
from mvi_ray.ingest.files import voxels_at
from mvi_ray.ingest.problem import Problem
from mvi_ray.ingest.source import Sources
from mvi_ray.project.regions import region_row
from mvi_ray.project.room import Room, available_memory
from mvi_ray.store.volumes import StoredVolume, save_volume
from mvi_ray.study import DRAWN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from mvi_ray.ingest.dicom import Scanner
    from mvi_ray.ingest.drawn import DrawnMask
    from mvi_ray.ingest.manifest import Manifest, Rows
    from mvi_ray.store.store import Store
    from mvi_ray.study import Study
    from mvi_ray.volume import Volume

ImageKey = tuple[str, str, str]

_BYTES_OF_VOXEL = 32
"""Memory for a voxel of an image while its masks and regions are made: 17 to 18 bytes were measured
with one mask and two rings (int16, float64; 4 million voxels), and a packed file holds its content twice."""


@dataclass(frozen=True, slots=True)
class Converted:
    """One image with its masks; the voxels are on disk.

    Args:
        key: patient, session and phase.
        image: row of `images`; None when it could not be read, or is there already.
        masks: rows of `masks`.
        problems: what was left out or is worth a look.
        is_unchanged: whether the same files were ingested before, so that nothing was done.
    """

    key: ImageKey
    image: dict[str, Any] | None
    masks: tuple[dict[str, Any], ...]
    problems: tuple[Problem, ...]
    is_unchanged: bool = False


class Conversion:
    """Reads cases and saves their volumes.

    Args:
        store: where volumes go.
        study: how files are read and regions are made.
        manifest: what is read.
        time: of this ingest.
        dates_key: secret that shifts dates of acquisition; without one they are dropped.
    """

    def __init__(
        self, store: Store, study: Study, manifest: Manifest, time: datetime, dates_key: bytes | None
    ) -> None:
        self._root = store.place
        self._study = study
        self._manifest = manifest
        self._time = time
        self._dates_key = dates_key
        self._sources = Sources(manifest.folder, study, dates_key)
        rule = study.readers.consensus
        self._stored = _Stored(store, None if rule is None else rule.name)
        # Half of it: what is predicted may be wrong, and the rows of the store need some, too.
        self._room = Room(available_memory() // 2)

    def run(self) -> Iterator[Converted]:
        """Cases in the order of the manifest, a few ahead of the caller.

        Raises:
            StoreError: a volume cannot be written; any other fault costs its case only.
        """
        workers = os.cpu_count() or 1
        with ThreadPoolExecutor(workers) as pool:
            waiting: deque[Future[Converted]] = deque()
            try:
                for key, rows in self._manifest.groups.items():
                    waiting.append(pool.submit(self._convert, key, rows))
                    if len(waiting) > workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                # Ctrl-C does not wait for what has not begun.
                for future in waiting:
                    future.cancel()

    def _convert(self, key: ImageKey, rows: Rows) -> Converted:
        donors = self._manifest.donors(key, self._study)
        images = {self._manifest.folder / row.image for _, row in [*rows, *donors]}
        try:
            with self._room.take(sum(map(voxels_at, images)) * _BYTES_OF_VOXEL):
                return self._made(key, rows, donors)
        except MviError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library raises, the other cases go on
            return Converted(key, None, (), (_unforeseen(error, key, rows[0][0]),))

    def _made(self, key: ImageKey, rows: Rows, donors: Rows) -> Converted:
        source = self._sources.digest([*rows, *donors])
        readers = {row.drawn_key for _, row in [*rows, *donors]}
        if source is not None and self._stored.holds(key, source, readers):
            return Converted(key, None, (), (), is_unchanged=True)
        case = read_case(rows, self._manifest.folder, self._study, donors)
        if case.volume is None:
            return Converted(key, None, (), case.problems)
        try:
            return self._saved(key, case, case.volume, source)
        except OSError as error:
            raise StoreError(
                f"a volume could not be written to the store: {error.strerror}; "
                "check the disk's free space and permissions"
            ) from None

    def _saved(self, key: ImageKey, case: ImageCase, volume: Volume, source: str | None) -> Converted:
        stored = save_volume(self._root, volume)
        names = dict(zip(("patient_id", "session", "phase"), key, strict=True))
        failed = any(problem.severity == "error" for problem in case.problems)
        masks = [row for drawn in case.masks for row in self._mask_rows(names, stored.digest, drawn)]
        image = {
            **names,
            "image_digest": stored.digest,
            "voxel_type": volume.array.dtype.name,
            **stored.columns(),
            **self._scanner(case),
            # What was left out is looked at again the next time.
            "source_digest": None if failed else source,
            "masks_digest": _digest(masks),
            "ingested_at": self._time,
        }
        return Converted(key, image, tuple(masks), case.problems)

    def _scanner(self, case: ImageCase) -> dict[str, Any]:
        found = case.scanner
        if found is None:
            return {}
        return {**_facts(found), "acquired_on": shifted(found.acquired_on, self._dates_key, case.patient_id)}

    def _mask_rows(self, names: dict[str, str], image: str, drawn: DrawnMask) -> Iterator[dict[str, Any]]:
        beside: dict[str, Any] = {"carried_from": drawn.carried_from}
        if drawn.organ is not None:
            organ = save_volume(self._root, drawn.organ)
            beside |= {"organ_digest": organ.digest, "organ_path": organ.path}
        if drawn.motion is not None:
            shift = dict(zip("xyz", drawn.motion.shift_mm, strict=True))
            beside |= {f"shift_{axis}_mm": value for axis, value in shift.items()}
            beside["rotation_deg"] = drawn.motion.rotation_deg
        for region in drawn.regions:
            yield {
                **region_row(self._root, region, image),
                **names,
                "lesion": drawn.lesion,
                "reader": drawn.reader,
                **beside,
                # What is derived is as good as what it is derived from.
                "resampled_from": drawn.resampled_from.get(region.name if region.is_given else DRAWN),
                "ingested_at": self._time,
            }


def _unforeseen(error: Exception, key: ImageKey, line: int) -> Problem:
    """A fault that no reader names. Not its message: that may hold a path or what stands in a header."""
    if isinstance(error, MemoryError):
        reason = "there is not enough memory for the image with its masks"
        way_out = "close other programs, or ingest on a larger machine"
    elif isinstance(error, OSError):
        reason = f"a file cannot be read: {error.strerror or 'the system does not say why'}"
        way_out = "check the disk and the permissions of the files"
    else:
        reason = f"image and masks could not be read: an unexpected {type(error).__name__}"
        way_out = "export the files anew; if they open in other programs, report this"
    patient, session, phase = key
    return Problem(
        "error",
        reason,
        way_out,
        line=line,
        patient_id=patient,
        session=session,
        phase=phase,
        is_passing=isinstance(error, MemoryError | OSError),
    )


def _facts(scanner: Scanner) -> dict[str, Any]:
    return {
        "modality": scanner.modality,
        "manufacturer": scanner.manufacturer,
        "scanner_model": scanner.model,
        "field_strength_t": scanner.field_strength_t,
        "slice_thickness_mm": scanner.slice_thickness_mm,
        "repetition_time_ms": scanner.repetition_time_ms,
        "echo_time_ms": scanner.echo_time_ms,
        "flip_angle_deg": scanner.flip_angle_deg,
    }


class _Stored:
    """What earlier ingests left of each image: what it was made from, and its masks."""

    def __init__(self, store: Store, consensus: str | None) -> None:
        self._root = store.place
        self._consensus = consensus
        self._images = {_key(row): row for row in store.tables["images"].read().to_pylist()}
        self._masks: dict[ImageKey, list[dict[str, Any]]] = {}
        for row in store.tables["masks"].read().to_pylist():
            self._masks.setdefault(_key(row), []).append(row)

    def holds(self, key: ImageKey, source: str, drawn: Collection[tuple[str, str]]) -> bool:
        """Whether an image was made from the same, with all its masks, and the files are what was stored.

        Args:
            key: of the image.
            source: digest of what it would be made from.
            drawn: lesions and readers of this manifest; other masks are of another one.
        """
        image = self._images.get(key)
        masks = [
            row
            for row in self._masks.get(key, ())
            if (row["lesion"], row["reader"]) in drawn or row["reader"] == self._consensus
        ]
        if image is None or image["source_digest"] != source or image["masks_digest"] != _digest(masks):
            return False
        try:
            StoredVolume.of_row(image).load_image(self._root)
            for volume in {one for row in masks for one in _volumes(row)}:
                volume.load_mask(self._root)
        except (MviError, TypeError):  # a row of another program may lack its grid
            return False
        return True


def _volumes(row: Mapping[str, Any]) -> Iterator[StoredVolume]:
    volume = StoredVolume.of_row(row, "mask_digest")
    yield volume
    if row["organ_path"] is not None:
        yield replace(volume, path=row["organ_path"], digest=row["organ_digest"])


def _digest(masks: Iterable[Mapping[str, Any]]) -> str:
    names = ("lesion", "region", "reader", "input_digest")
    content = sorted([row[name] for name in names] for row in masks)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _key(row: Mapping[str, Any]) -> ImageKey:
    return row["patient_id"], row["session"], row["phase"]
