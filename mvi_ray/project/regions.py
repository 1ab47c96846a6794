"""Rows of the table `masks`: made at the end of ingest, and again when a definition changed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import StoreError, UnreachableError
from mvi_ray.ingest.problem import Problem
from mvi_ray.project.problems import UNTRIED, add_problems
from mvi_ray.regions.derive import GIVEN, definition_text, derive_regions, is_cut_to_organ
from mvi_ray.store.tables import now
from mvi_ray.store.volumes import StoredVolume, save_volume
from mvi_ray.study import DRAWN, ByHand, with_sources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mvi_ray.errors import MviError
    from mvi_ray.project.progress import Progress
    from mvi_ray.project.project import Project
    from mvi_ray.regions.derive import Region
    from mvi_ray.store.place import Place
    from mvi_ray.store.tables import Table
    from mvi_ray.study import Definition

_COMMIT_EVERY = 64
_IMAGE = ("patient_id", "session", "phase")
_OF_THE_DRAWN = (
    "organ_digest",
    "organ_path",
    "carried_from",
    "shift_x_mm",
    "shift_y_mm",
    "shift_z_mm",
    "rotation_deg",
    "resampled_from",
)
"""Columns in which a derived region repeats the row of the drawn mask."""
_VOI = ("patient_id", "session", "phase", "lesion", "reader")


def input_digest(image: str, mask: str) -> str:
    """SHA-256 of the digests of image and mask: what a row was computed from."""
    return hashlib.sha256(f"{image}:{mask}".encode()).hexdigest()


def region_row(root: Place, region: Region, image: str) -> dict[str, Any]:
    """Save a region's mask and describe it; the caller adds patient, lesion and reader."""
    stored = save_volume(root, region.mask)
    return {
        "region": region.name,
        "mask_digest": stored.digest,
        "image_digest": image,
        "input_digest": input_digest(image, stored.digest),
        **stored.columns(),
        "voxels": region.facts.voxels,
        "volume_mm3": region.facts.volume_mm3,
        "largest_diameter_mm": region.facts.largest_diameter_mm,
        **{f"box_{a}_mm": side for a, side in zip("xyz", region.facts.box_mm, strict=True)},
        "clipped_organ_mm3": region.clipped_organ_mm3,
        "clipped_image_mm3": region.clipped_image_mm3,
        "clipped_threshold_mm3": region.clipped_threshold_mm3,
        "definition": region.definition,
    }


def derive_again(project: Project, progress: Progress) -> list[Problem]:
    """Make the regions whose definition in the study is not the one they were made by.

    Regions that are files of their own stay, and count for those that are made from them. Where such
    a file, or that of the organ, was refused at ingest, nothing is made in its place.

    Returns:
        Regions that cannot be made any more; their old rows are removed. They stand in the
        quarantine, and those that could be made now do not any longer.
    """
    table = project.store.tables["masks"]
    problems: list[Problem] = []
    fresh: list[dict[str, Any]] = []
    gone: list[dict[str, str]] = []
    solved: list[dict[str, str]] = []
    quarantine = project.store.tables["quarantine"]
    rows = quarantine.read([*_VOI, "region", "stage", "attempts"]).to_pylist()
    listed = {row["region"] for row in rows}
    todo = [case for case in _cases(table, project.study.regions, _without_file(rows)) if case.wanted]
    images = _images(project) if any(case.reads_image for case in todo) else {}
    for number, case in enumerate(todo, start=1):
        row = case.rows[DRAWN]
        key = {k: row[k] for k in _VOI}
        regions: list[Region] = []
        failed: Mapping[str, MviError] = {}
        try:
            regions, failed = case.derive(project.store.place, images)
        except UnreachableError:
            raise
        except StoreError as unreadable:
            failed = dict.fromkeys(case.wanted, unreadable)
        fresh.extend(
            {
                **region_row(project.store.place, region, row["image_digest"]),
                **key,
                **{name: row[name] for name in _OF_THE_DRAWN},
                "ingested_at": now(),
            }
            for region in regions
        )
        for name, error in failed.items():
            problems.append(Problem.of(error, region=name, **key))
            gone.append({**key, "region": name})
        solved.extend(
            {**key, "region": region.name, "stage": "ingest"} for region in regions if region.name in listed
        )
        if len(fresh) + len(gone) >= _COMMIT_EVERY:
            # Each commit of a deletion writes files anew: one for many.
            table.delete(*gone)
            table.write(fresh)
            gone.clear()
            fresh.clear()
        progress("regions", number, len(todo), f"{number} of {len(todo)} masks")
    table.delete(*gone)
    table.write(fresh)
    quarantine.delete(*solved)
    add_problems(quarantine, problems)
    return problems


def outdated_regions(project: Project) -> list[dict[str, str]]:
    """Keys of the masks that `derive_again` would make; nothing is written."""
    rows = project.store.tables["quarantine"].read([*_VOI, "region", "stage", "attempts"]).to_pylist()
    cases = _cases(project.store.tables["masks"], project.study.regions, _without_file(rows))
    return [
        {**{k: case.rows[DRAWN][k] for k in _VOI}, "region": name} for case in cases for name in case.wanted
    ]


@dataclass(frozen=True, slots=True)
class _Case:
    """One reader's masks of one lesion, as they are stored.

    Args:
        rows: region to row of the table.
        definitions: of all regions of the study.
        without_file: regions whose own file, or whose organ's, ingest refused.
    """

    rows: dict[str, dict[str, Any]]
    definitions: Mapping[str, Definition]
    without_file: frozenset[str] = frozenset()

    @property
    def given(self) -> list[str]:
        """Regions that are files of their own."""
        return [name for name in self.definitions if self._made(name) == GIVEN]

    @property
    def refused(self) -> list[str]:
        """Regions that only another ingest can make."""
        # Which file it was is not recorded: what is cut to an organ and was not made may lack that.
        no_organ = bool(self.without_file) and self.rows[DRAWN]["organ_path"] is None
        return [
            name
            for name, definition in self.definitions.items()
            if name in self.without_file
            or (no_organ and name not in self.rows and is_cut_to_organ(definition))
        ]

    @property
    def wanted(self) -> list[str]:
        """Regions whose definition is not the one they were made by."""
        given, refused = self.given, self.refused
        return [
            name
            for name in self.definitions
            if name not in given
            and name not in refused
            and self._made(name) != definition_text(name, self.definitions, given)
        ]

    @property
    def needed(self) -> dict[str, Definition]:
        """Definitions of what is wanted, and of what that is made from."""
        return with_sources(self.definitions, self.wanted)

    @property
    def reads_image(self) -> bool:
        """Whether something wanted is cut to intensities."""
        given = self.given
        return any(
            definition.threshold is not None
            for name, definition in self.needed.items()
            if name not in given and not isinstance(definition, ByHand)
        )

    def _made(self, name: str) -> str | None:
        return self.rows[name]["definition"] if name in self.rows else None

    def derive(
        self, root: Place, images: Mapping[tuple[str, ...], StoredVolume]
    ) -> tuple[list[Region], dict[str, MviError]]:
        """Make what is wanted; of what it is made from, only what is wanted too is returned."""
        row = self.rows[DRAWN]
        stored = StoredVolume.of_row(row, "mask_digest")
        organ = image = None
        if row["organ_path"] is not None:
            organ = replace(stored, path=row["organ_path"], digest=row["organ_digest"]).load_mask(root)
        if self.reads_image:
            found = images.get(tuple(row[k] for k in _IMAGE))
            if found is None or found.digest != row["image_digest"]:
                raise StoreError("the image of a mask is not in the store; ingest its patient again")
            image = found.load_image(root)
        needed, wanted = self.needed, self.wanted
        given = {
            name: StoredVolume.of_row(self.rows[name], "mask_digest").load_mask(root)
            for name in self.given
            if name in needed
        }
        made, failed = derive_regions(stored.load_mask(root), needed, organ, image, given, self.refused)
        return (
            [region for region in made if region.name in wanted],
            {name: error for name, error in failed.items() if name in wanted},
        )


def _without_file(quarantine: Sequence[dict[str, Any]]) -> dict[tuple[str, ...], set[str]]:
    """Regions of each drawn mask that ingest could not make for want of a file."""
    found: dict[tuple[str, ...], set[str]] = {}
    for row in quarantine:
        if row["stage"] == "ingest" and row["attempts"] == UNTRIED:
            found.setdefault(tuple(row[k] for k in _VOI), set()).add(row["region"])
    return found


def _cases(
    table: Table,
    definitions: Mapping[str, Definition],
    without_file: Mapping[tuple[str, ...], set[str]],
) -> list[_Case]:
    """Every drawn mask with its regions, in the order of the table."""
    cases: dict[tuple[str, ...], dict[str, dict[str, Any]]] = {}
    for row in table.read().to_pylist():
        cases.setdefault(tuple(row[k] for k in _VOI), {})[row["region"]] = row
    return [
        _Case(rows, definitions, frozenset(without_file.get(voi, ())))
        for voi, rows in cases.items()
        if DRAWN in rows
    ]


def _images(project: Project) -> dict[tuple[str, ...], StoredVolume]:
    rows = project.store.tables["images"].read().to_pylist()
    return {tuple(row[k] for k in _IMAGE): StoredVolume.of_row(row) for row in rows}
