"""What `mvi ingest` can only say when everything is stored: how files and store fit together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mvi_ray.ingest.manifest import NO_IMAGE
from mvi_ray.ingest.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from mvi_ray.ingest.manifest import Manifest
    from mvi_ray.store.store import Store

_IMAGE = ("patient_id", "session", "phase")
_MASK = (*_IMAGE, "lesion", "reader")


def with_store(store: Store, problems: Iterable[Problem]) -> list[Problem]:
    """Problems of a manifest, seen together with what earlier ingests have stored.

    A phase that the store has is not missing. A case that cannot be replaced by a line of the
    manifest stays as it was, and that must be said: its features go on into models. A mask whose image
    is another one now, or is gone, goes into none.
    """
    rows = store.tables["images"].read([*_IMAGE, "image_digest"]).to_pylist()
    images = {tuple(row[k] for k in _IMAGE): row["image_digest"] for row in rows}
    masks = {
        tuple(row[k] for k in _MASK)
        for row in store.tables["masks"].read([*_MASK, "image_digest"]).to_pylist()
        if images.get(tuple(row[k] for k in _IMAGE)) == row["image_digest"]
    }
    seen = []
    for problem in problems:
        image = tuple(getattr(problem, name) for name in _IMAGE)
        if problem.reason == NO_IMAGE and image in images:
            continue
        mask = tuple(getattr(problem, name) for name in _MASK)
        stored = mask in masks if problem.lesion is not None else image in images
        if problem.severity == "error" and problem.region is None and stored and not problem.of_file:
            way_out = f"{problem.way_out}; until then the one in the store stays in use"
            seen.append(replace(problem, way_out=way_out))
        else:
            seen.append(problem)
    return seen


def image_times(store: Store) -> dict[tuple[str, ...], datetime]:
    """Stored images, and the ingest that brought them in: all images of one have its time."""
    rows = store.tables["images"].read([*_IMAGE, "ingested_at"]).to_pylist()
    return {tuple(row[name] for name in _IMAGE): row["ingested_at"] for row in rows}


def unlisted(before: Mapping[tuple[str, ...], datetime], manifest: Manifest) -> list[Problem]:
    """Images that have no line any more in the manifest that brought them in, in one remark.

    No manifest is recorded. But images that came in together with some that this one names are of an
    earlier state of it; those of other manifests, one for each hospital or phase, are not.

    Args:
        before: `image_times`, before this manifest was ingested.
        manifest: as it is now.
    """
    # A line that could not be read may be that of an image; what it does not say stays open.
    bad = {(p.patient_id, p.session, p.phase) for p in manifest.problems if p.severity == "error"}
    times = {before[key] for key in manifest.groups if key in before}
    found = [
        (patient, session, phase)
        for (patient, session, phase), time in before.items()
        if time in times
        and (patient, session, phase) not in manifest.groups
        and not {(patient, s, f) for s in (session, None) for f in (phase, None)} & bad
    ]
    if not found:
        return []
    one, patients = len(found) == 1, len({key[0] for key in found})
    return [
        Problem(
            "warning",
            f"{len(found)} {'image' if one else 'images'} of {patients} "
            f"{'patient' if patients == 1 else 'patients'}, stored together with images of this manifest, "
            f"{'has' if one else 'have'} no line in it any more, and {'stays' if one else 'stay'} in use",
            "`mvi exclude` takes a patient out; `mvi store erase` removes one, to be ingested again",
        )
    ]


def not_made(masks: int) -> list[Problem]:
    """Masks that left the store because their image was read again and they were not made with it."""
    if not masks:
        return []
    one = masks == 1
    return [
        Problem(
            "warning",
            f"{masks} {'mask is' if one else 'masks are'} of {'a region' if one else 'regions'} that "
            "manifest and study do not have any more, and left the store",
            "their values stay in the views that end in _all; put the line or the region back to use them",
        )
    ]


def orphans(store: Store, patients: set[str]) -> list[Problem]:
    """Masks that were drawn on an image which has been replaced since."""
    current = {
        tuple(row[k] for k in _IMAGE): row["image_digest"]
        for row in store.tables["images"].read([*_IMAGE, "image_digest"]).to_pylist()
    }
    key = [*_IMAGE, "lesion", "region", "reader"]
    return [
        Problem(
            "error",
            "the mask was drawn on an image that has since been replaced",
            "ingest the mask again with the new image",
            **{name: row[name] for name in key},
        )
        for row in store.tables["masks"].read([*key, "image_digest"]).to_pylist()
        if row["patient_id"] in patients and current.get(tuple(row[k] for k in _IMAGE)) != row["image_digest"]
    ]


def unmatched(store: Store) -> list[Problem]:
    """Patients with images and no clinical values, or the other way round."""
    imaged = {key[0] for key in _keys(store, "images", ("patient_id",))}
    known = {key[0] for key in _keys(store, "clinical", ("patient_id",))}
    if not imaged or not known:
        return []
    if not imaged & known:
        return [
            Problem(
                "warning",
                "no patient has both images and clinical values",
                f"patient_id must be the same in both files (images: {min(imaged)}, clinical: {min(known)})",
            )
        ]
    found = []
    for some, what, way_out in (
        (imaged - known, "images but no clinical values", "models leave them out"),
        (known - imaged, "clinical values but no image", "their images may still come"),
    ):
        if some:
            shown = ", ".join(sorted(some)[:5]) + (" …" if len(some) > 5 else "")
            found.append(Problem("warning", f"patients with {what}: {len(some)} ({shown})", way_out))
    return found


def _keys(store: Store, table: str, key: tuple[str, ...]) -> set[tuple[str, ...]]:
    return {tuple(row.values()) for row in store.tables[table].read(list(key)).to_pylist()}
