"""`mvi quality`: a page with a picture of every lesion on every image, and what is worth a look."""

from __future__ import annotations

import os
from base64 import b64encode
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import MviError, StoreError
from mvi_ray.project.progress import Progress, silent
from mvi_ray.project.quality_cases import find_cases
from mvi_ray.project.quality_files import PAGE, PICTURES, quality_locked, remove_pictures, write_aside
from mvi_ray.report.quality.drawing import Drawn, draw_case
from mvi_ray.report.quality.measure import grey_levels
from mvi_ray.report.quality.page import QualitySummary, quality_page
from mvi_ray.report.quality.warnings import KINDS, QualityWarning, find_warnings
from mvi_ray.store.tables import now
from mvi_ray.store.volumes import StoredVolume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mvi_ray.project.project import Project
    from mvi_ray.project.quality_cases import Case
    from mvi_ray.report.quality.tile import Tile
    from mvi_ray.store.place import Place
    from mvi_ray.study import Study

_EMBEDDED = 3_000_000
"""Bytes of pictures up to which they stand in the page itself; more of them lie beside it."""


@dataclass(frozen=True, slots=True)
class QualityPage:
    """A page that was written.

    Args:
        path: the HTML file.
        pictures: that it shows.
        drawn: how many of them were drawn in this call; the others had been kept.
        warnings: what is worth a look.
        synthetic: whether the images are made by a program.
    """

    path: Path
    pictures: int
    drawn: int
    warnings: tuple[QualityWarning, ...]
    synthetic: bool = False

    @property
    def kinds(self) -> dict[str, int]:
        """Number of warnings of each kind that there is, in the order of the page."""
        found = Counter(w.kind for w in self.warnings)
        return {kind: found[kind] for kind in KINDS if found[kind]}

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "page": self.path.name,
            "pictures": self.pictures,
            "drawn": self.drawn,
            "synthetic": self.synthetic,
            "kinds": self.kinds,
            "warnings": [
                {name: getattr(w, name) for name in QualityWarning.__slots__} for w in self.warnings
            ],
        }


def write_quality_page(project: Project, progress: Progress | None = None) -> QualityPage:
    """Write `quality.html` over what the store holds now.

    A picture that was drawn before from the same image and masks is used again.

    Args:
        project: whose store.
        progress: told about the pictures.

    Raises:
        StoreError: nothing was ingested yet, or a table is damaged.
    """
    if not project.store.exists:
        raise StoreError("the store is empty; run `mvi ingest` first")
    with quality_locked(project):
        return _written(project, progress or silent)


def _written(project: Project, progress: Progress) -> QualityPage:
    # An ingest may commit between two tables.
    with project.pinned() as (store, _):
        rows = {
            name: store.query(f"FROM raw.{name}").to_pylist() for name in ("images", "masks", "quarantine")
        }
        patients = store.query("SELECT patient_id, centre FROM raw.patients").to_pydict()
    cases = find_cases(project.study, **rows)
    folder = project.folder / PICTURES
    names = {case.name for case in cases if case.name}
    done = _drawn(project.store.place, folder, cases, progress)
    tiles = tuple(_finished(case, done, project.study) for case in cases)
    warnings = tuple(find_warnings(tiles))
    summary = QualitySummary(
        study=project.study.name,
        created=now(),
        synthetic=project.study.synthetic,
        phases=project.study.phases,
        tiles=tiles,
        centres=dict(zip(*patients.values(), strict=True)),
        warnings=warnings,
        binning=_binning(project.study),
        images=len(rows["images"]),
        masks=len(rows["masks"]),
        sources=_sources(folder, [tile.picture for tile in tiles if tile.picture]),
    )
    path = project.folder / PAGE
    write_aside(path, quality_page(summary).encode())
    # After the page, so that one that is open shows no gaps longer than it must.
    remove_pictures(folder, names)
    shown = sum(tile.picture is not None for tile in tiles)
    fresh = sum(one.fresh for one in done.values())
    return QualityPage(path, shown, fresh, warnings, project.study.synthetic)


@dataclass(frozen=True, slots=True)
class _Done:
    """A picture that lies in its folder, or why there is none."""

    drawn: Drawn | None
    problem: str = ""
    fresh: bool = False


def _drawn(root: Place, folder: Path, cases: Sequence[Case], progress: Progress) -> dict[str, _Done]:
    """Pictures by name, drawn on all cores unless they are there."""
    todo = {case.name: case for case in cases if case.name}
    done: dict[str, _Done] = {}
    for name in todo:
        kept = _kept(folder, name)
        if kept is not None:
            done[name] = _Done(kept)
    total = len(todo)

    def tell() -> None:
        progress("quality", len(done), total, f"{len(done)} of {total} pictures")

    if len(done) == total:
        tell()
        return done
    folder.mkdir(exist_ok=True)
    # Threads: unpacking, hashing and encoding let the others run, and a volume need not travel.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        waiting = {
            pool.submit(_draw, root, folder, name, case): name
            for name, case in todo.items()
            if name not in done
        }
        try:
            for future in as_completed(waiting):
                done[waiting[future]] = future.result()
                tell()
        finally:
            pool.shutdown(cancel_futures=True)
    return done


def _kept(folder: Path, name: str) -> Drawn | None:
    """What an earlier call measured, when its picture is still there."""
    if not (folder / f"{name}.webp").is_file():
        return None
    try:
        return Drawn.of_text((folder / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def _draw(root: Place, folder: Path, name: str, case: Case) -> _Done:
    try:
        volume = _stored(case.image or {}, "image_digest").load_image(root)
        drawn = [_stored(row, "mask_digest").load_mask(root) for row in case.drawn]
        regions = [_stored(row, "mask_digest").load_mask(root) for row in case.regions]
        organ = None
        if case.tile.organ:
            first = case.drawn[0]
            grid = _stored(first, "mask_digest")
            organ = replace(grid, path=first["organ_path"], digest=first["organ_digest"]).load_mask(root)
    except MviError as unreadable:
        return _Done(None, unreadable.reason)
    picture, known = draw_case(volume, drawn, regions, organ)
    # The picture last: where it is, everything is.
    write_aside(folder / f"{name}.json", known.to_text().encode())
    write_aside(folder / f"{name}.webp", picture.content)
    return _Done(known, fresh=True)


def _stored(row: Mapping[str, Any], digest: str) -> StoredVolume:
    if row.get("path") is None:
        raise StoreError("the store names no file; ingest the patient again")
    return StoredVolume.of_row(row, digest)


def _finished(case: Case, done: Mapping[str, _Done], study: Study) -> Tile:
    """A tile with its picture and what was measured."""
    name = case.name
    if name is None:
        return case.tile
    one = done[name]
    if one.drawn is None:
        return replace(case.tile, missing="file", problem=one.problem)
    measured = tuple(
        replace(reading, inside=inside, **_levels(study, case.tile.phase, inside.minimum, inside.maximum))
        for reading, inside in zip(case.tile.readings, one.drawn.inside, strict=True)
    )
    return replace(case.tile, picture=f"{name}.webp", drawn=one.drawn, readings=measured)


def _levels(study: Study, phase: str, minimum: float, maximum: float) -> dict[str, Any]:
    settings = study.families.cr
    if settings is None or phase not in study.phases:
        return {}
    return {
        "levels": grey_levels(minimum, maximum, settings, phase),
        "fixed_levels": settings.bin_count is not None,
    }


def _binning(study: Study) -> dict[str, str]:
    if study.families.cr is None:
        return {}
    kinds = {phase: study.families.cr.binning(phase) for phase in study.phases}
    return {phase: f"{kind.replace('_', ' ')} {value:g}" for phase, (kind, value) in kinds.items()}


def _sources(folder: Path, pictures: Sequence[str]) -> dict[str, str]:
    """Addresses of pictures: inside the page while they are small together, else beside it."""
    sizes = {name: (folder / name).stat().st_size for name in pictures}
    if sum(sizes.values()) > _EMBEDDED:
        return {name: f"{PICTURES}/{name}" for name in sizes}
    return {
        name: "data:image/webp;base64," + b64encode((folder / name).read_bytes()).decode("ascii")
        for name in sizes
    }
