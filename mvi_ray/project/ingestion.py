"""`mvi ingest`: manifest and clinical table into the store; good cases in, bad ones listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import UsageError
from mvi_ray.ingest.clinical import read_clinical
from mvi_ray.ingest.manifest import read_manifest
from mvi_ray.ingest.problem import Problem
from mvi_ray.project.clinical import Missing, missing_values, store_clinical
from mvi_ray.project.conversion import Conversion
from mvi_ray.project.diameters import check_diameters
from mvi_ray.project.problems import record_problems
from mvi_ray.project.progress import Progress, silent
from mvi_ray.project.remarks import image_times, not_made, orphans, unlisted, unmatched, with_store
from mvi_ray.store.tables import now
from mvi_ray.voi import VOI_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from mvi_ray.ingest.manifest import Manifest
    from mvi_ray.ingest.pseudonym import Identify
    from mvi_ray.project.conversion import Converted, ImageKey
    from mvi_ray.project.project import Project
    from mvi_ray.store.store import Store

_COMMIT_EVERY = 64


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """What one ingest did.

    Args:
        patients, images, masks: stored in this call; masks count derived regions.
        unchanged: images that are stored already, made from the same files in the same way.
        replaced: masks that differ from those stored before; their features are stale.
        clinical: patients with clinical values after this call.
        problems: what was left out (errors) or is worth a look (warnings).
        synthetic: whether the images are made by a program.
        missing: clinical variables that patients lack; only after a clinical table was read.
    """

    patients: int
    images: int
    masks: int
    unchanged: int
    replaced: int
    clinical: int
    problems: tuple[Problem, ...]
    synthetic: bool = False
    missing: tuple[Missing, ...] = ()

    @property
    def left_out(self) -> int:
        """Number of errors."""
        return sum(p.severity == "error" for p in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "patients": self.patients,
            "images": self.images,
            "masks": self.masks,
            "unchanged": self.unchanged,
            "replaced": self.replaced,
            "clinical": self.clinical,
            "left_out": self.left_out,
            "synthetic": self.synthetic,
            "missing": [one.to_json() for one in self.missing],
            "problems": [p.to_json() for p in self.problems],
        }


def ingest(
    project: Project,
    manifest: Path | None,
    clinical: Sequence[Path],
    progress: Progress | None,
    identify: Identify | None = None,
    dates_key: bytes | None = None,
) -> IngestSummary:
    """Read, check and store; a problem costs its case only.

    Args:
        project: whose store.
        manifest: images and masks.
        clinical: clinical values.
        progress: receives the state of the work.
        identify: gives pseudonyms to what stands under patient_id; None where they are pseudonyms.
        dates_key: secret that shifts dates of acquisition; they are dropped without one.

    Raises:
        UsageError: neither file is given, or dates are to be shifted without a secret.
        ManifestError: a file as a whole cannot be read; nothing was stored then.
        StoreError: another command writes to the store.
    """
    if manifest is None and not clinical:
        raise UsageError("give a manifest, a clinical table (--clinical), or both")
    study = project.study
    if study.dicom.dates == "shift" and manifest is not None and dates_key is None:
        raise UsageError("dates are to be shifted by a secret; give --key FILE, or set dicom.dates: drop")
    shifting = dates_key if study.dicom.dates == "shift" else None
    # All files are read before anything is written: a wrong path loses nothing.
    rows = None if manifest is None else read_manifest(manifest, study, identify)
    table = read_clinical(clinical, study.clinical, identify) if clinical else None
    with project.store.locked("ingest"):
        counts = _Counts()
        if rows is not None:
            counts.problems.extend(rows.problems)
            _store_images(project, rows, counts, progress or silent, shifting)
        if table is not None:
            counts.problems.extend(table.problems)
            stored, problems = store_clinical(project, table)
            counts.patients.update(stored)
            counts.problems.extend(problems)
        counts.problems.extend(unmatched(project.store))
        counts.problems.extend(check_diameters(project))
        project.settle("ingest")
    with_clinical = project.store.tables["clinical"].read(["patient_id"]).num_rows
    return IngestSummary(
        len(counts.patients),
        counts.images,
        counts.masks,
        counts.unchanged,
        counts.replaced,
        with_clinical,
        tuple(counts.problems),
        study.synthetic,
        () if table is None else missing_values(project),
    )


class _Counts:
    def __init__(self) -> None:
        self.patients: set[str] = set()
        self.images = 0
        self.masks = 0
        self.unchanged = 0
        self.replaced = 0
        self.problems: list[Problem] = []


def _store_images(
    project: Project, manifest: Manifest, counts: _Counts, progress: Progress, dates_key: bytes | None
) -> None:
    total = len(manifest.groups)
    images: list[dict[str, Any]] = []
    masks: list[dict[str, Any]] = []
    time = now()
    centres = {
        row.patient_id: row.centre for rows in manifest.groups.values() for _, row in rows if row.centre
    }
    inputs = _inputs(project.store)
    before = image_times(project.store)
    gone = _Gone(project.store, inputs)
    made_before = _made_masks(project)
    redrawn: set[ImageKey] = set()
    conversion = Conversion(project.store, project.study, manifest, time, dates_key)
    unchanged: set[ImageKey] = set()
    try:
        for number, made in enumerate(conversion.run(), start=1):
            counts.problems.extend(made.problems)
            _drop_replaced(project, made.problems)
            if made.is_unchanged:
                unchanged.add(made.key)
            if made.image is not None:
                images.append(made.image)
                masks.extend(made.masks)
                counts.patients.add(made.key[0])
                counts.images += 1
                counts.masks += len(made.masks)
                replaced = [
                    r for r in made.masks if inputs.get(_voi(r), r["input_digest"]) != r["input_digest"]
                ]
                counts.replaced += len(replaced)
                if replaced:
                    redrawn.add(made.key)
                # A consensus or a carried mask that is not made again is of masks that are no more.
                for voi in made_before.get(made.key, set()) - {_voi(row) for row in made.masks}:
                    project.store.tables["masks"].delete(dict(zip(VOI_KEY, voi, strict=True)))
                gone.look(made)
            if len(images) >= _COMMIT_EVERY:
                gone.drop()
                _commit(project, images, masks, centres, time)
            progress("ingest", number, total, f"{number} of {total} images")
    finally:
        # Also when Ctrl-C ends it: what was finished is kept.
        gone.drop()
        _commit(project, images, masks, centres, time)
    _add_patients(project, {key[0] for key in unchanged}, centres, time)
    counts.unchanged = len(unchanged)
    counts.problems.extend(_drop_carried(project, redrawn, made_before, manifest))
    counts.problems.extend(not_made(gone.count))
    counts.problems.extend(unlisted(before, manifest))
    counts.problems.extend(orphans(project.store, counts.patients | {key[0] for key in unchanged}))
    counts.problems = with_store(project.store, counts.problems)
    patients = {key[0] for key in manifest.groups}
    patients.update(p.patient_id for p in manifest.problems if p.patient_id is not None)
    record_problems(project.store.tables["quarantine"], counts.problems, patients)


class _Gone:
    """Stored masks of regions that a drawn mask does not have any more: its line, or the study, changed.

    Args:
        store: where they are.
        inputs: the masks that it had before this ingest.
    """

    def __init__(self, store: Store, inputs: Iterable[tuple[str, ...]]) -> None:
        self._table = store.tables["masks"]
        self._before: dict[ImageKey, set[tuple[str, ...]]] = {}
        for voi in inputs:
            self._before.setdefault((voi[0], voi[1], voi[2]), set()).add(voi)
        self._patients: dict[tuple[str, ...], list[str]] = {}
        self.count = 0

    def look(self, made: Converted) -> None:
        """Note what an image that was read again is not made with."""
        there = {_voi(row) for row in made.masks}
        drawn = {(voi[3], voi[5]) for voi in there}
        # What could not be made is told by its problem, and leaves by it.
        told = {(p.lesion, p.region, p.reader) for p in made.problems if p.severity == "error"}
        for patient, *place in self._before.get(made.key, set()) - there:
            lesion, region, reader = place[2:]
            if (lesion, reader) in drawn and (lesion, region, reader) not in told:
                self._patients.setdefault(tuple(place), []).append(patient)
                self.count += 1

    def drop(self) -> None:
        """Remove what was noted, in one commit."""
        self._table.delete(
            *(
                {**dict(zip(VOI_KEY[1:], place, strict=True)), "patient_id": patients}
                for place, patients in self._patients.items()
            )
        )
        self._patients.clear()


def _made_masks(project: Project) -> dict[ImageKey, set[tuple[str, ...]]]:
    """Stored masks that are no files: of the consensus, and carried from another phase."""
    rule = project.study.readers.consensus
    found: dict[ImageKey, set[tuple[str, ...]]] = {}
    for row in project.store.tables["masks"].read([*VOI_KEY, "carried_from"]).to_pylist():
        if row["carried_from"] is not None or (rule is not None and row["reader"] == rule.name):
            key = (row["patient_id"], row["session"], row["phase"])
            found.setdefault(key, set()).add(_voi(row))
    return found


def _drop_carried(
    project: Project,
    redrawn: set[ImageKey],
    made_before: dict[ImageKey, set[tuple[str, ...]]],
    manifest: Manifest,
) -> Iterator[Problem]:
    """Masks carried from a phase whose mask is another now, where this manifest does not make them."""
    for patient, session, source in sorted(redrawn):
        for phase, rule in project.study.masks.items():
            key = (patient, session, phase)
            if rule.source != source or key in manifest.groups:
                continue
            for voi in sorted(made_before.get(key, ())):
                place: dict[str, Any] = dict(zip(VOI_KEY, voi, strict=True))
                project.store.tables["masks"].delete(place)
                yield Problem(
                    "error",
                    f"the mask was carried from {source}, which has another one now",
                    "ingest this phase again, with a blank mask",
                    **place,
                )


def _voi(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] for name in VOI_KEY)


def _inputs(store: Store) -> dict[tuple[str, ...], str]:
    """What the features of each stored mask are computed from."""
    rows = store.tables["masks"].read([*VOI_KEY, "input_digest"]).to_pylist()
    return {_voi(row): row["input_digest"] for row in rows}


def _commit(
    project: Project,
    images: list[dict[str, Any]],
    masks: list[dict[str, Any]],
    centres: dict[str, str],
    time: datetime,
) -> None:
    """Masks before images before patients: what is counted last is complete."""
    if not images:
        return
    tables = project.store.tables
    tables["masks"].write(masks)
    tables["images"].write(images)
    known = dict(zip(*(tables["patients"].read(["patient_id", "centre"]).to_pydict().values()), strict=True))
    patients = sorted({row["patient_id"] for row in images})
    tables["patients"].write(
        [{"patient_id": p, "centre": centres.get(p) or known.get(p), "ingested_at": time} for p in patients]
    )
    images.clear()
    masks.clear()


def _add_patients(project: Project, imaged: set[str], centres: dict[str, str], time: datetime) -> None:
    """Enter patients whose images are stored: a kill may have come between the two commits."""
    patients = project.store.tables["patients"]
    absent = sorted(imaged.difference(patients.read(["patient_id"]).column(0).to_pylist()))
    patients.write([{"patient_id": p, "centre": centres.get(p), "ingested_at": time} for p in absent])


def _drop_replaced(project: Project, problems: tuple[Problem, ...]) -> None:
    """What cannot be read any more must not live on, in models least of all, from an earlier ingest.

    Only the entries go. Files and values stay, and count again when the same image or mask
    is ingested again.
    """
    tables = project.store.tables
    for problem in problems:
        # Without its organ a mask is stored all the same, and takes the place of the old one.
        if problem.severity != "error" or problem.is_passing or (problem.of_file and problem.region is None):
            continue
        names = ["patient_id", "session", "phase"]
        if problem.lesion is not None:
            names += ["lesion", "reader"]
        if problem.region is not None:
            names.append("region")
        key = {name: str(getattr(problem, name)) for name in names}
        tables["images" if problem.lesion is None else "masks"].delete(key)
