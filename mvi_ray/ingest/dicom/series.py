"""Headers to series: which slices and masks belong together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mvi_ray.ingest.dicom.elements import past_midnight

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from mvi_ray.ingest.dicom.headers import Header, Instance, Kind


@dataclass(frozen=True, slots=True)
class Series:
    """One DICOM series.

    Args:
        key: first twelve hex digits of the SHA-256 of SeriesInstanceUID: `series` of the manifest.
        study: such a key of StudyInstanceUID: one examination.
        identifier: PatientID as in the file, for the crosswalk; never to be stored or shown.
        modality: such as MR.
        description: SeriesDescription, for rules; free text, never to be stored or shown.
        number: SeriesNumber.
        kind: images, a segmentation (SEG), contours (RTSTRUCT), or something else.
        instances: slices or files, in order of their number.
        frame_of_reference: key of the coordinate system, empty when the files name none.
        referenced_series, referenced_instances: keys of what a mask was drawn on.
        day: date of the examination; for putting sessions in order.
        started: seconds at which it began, comparable within a study; see `Elements.instant`.
    """

    key: str
    study: str
    identifier: str = field(repr=False)
    modality: str
    description: str = field(repr=False)
    number: int | None
    kind: Kind
    instances: tuple[Instance, ...] = field(repr=False)
    frame_of_reference: str
    referenced_series: frozenset[str]
    referenced_instances: frozenset[str] = field(repr=False)
    day: date | None
    started: float | None


def series_of(headers: Iterable[Header]) -> tuple[Series, ...]:
    """Group the files of a tree.

    Files of one SeriesInstanceUID that differ in PatientID or in kind are series of their own:
    whoever chooses one of them by its key is told of the others.
    """
    groups: dict[tuple[str, str, Kind], list[Header]] = {}
    for header in headers:
        # All frames of a file are of one kind.
        key = header.series, header.identifier, header.instances[0].kind
        groups.setdefault(key, []).append(header)
    made = [_series(key, identifier, kind, found) for (key, identifier, kind), found in groups.items()]
    studies: dict[str, list[Series]] = {}
    for one in made:
        studies.setdefault(one.study, []).append(one)
    # Series of one examination are put in order of their beginning.
    timed = [
        replace(one, started=start)
        for there in studies.values()
        for one, start in zip(there, past_midnight([one.started for one in there]), strict=True)
    ]
    return tuple(sorted(timed, key=_order))


def _series(key: str, identifier: str, kind: Kind, headers: list[Header]) -> Series:
    first = headers[0]
    starts = [at for at in past_midnight([header.started for header in headers]) if at is not None]
    days = [header.day for header in headers if header.day is not None]
    instances = _timed([instance for header in headers for instance in header.instances])
    return Series(
        key=key,
        study=first.study,
        identifier=identifier,
        modality=first.modality,
        description=first.description,
        number=first.number,
        kind=kind,
        instances=tuple(sorted(instances, key=by_number)),
        frame_of_reference=next((h.frame_of_reference for h in headers if h.frame_of_reference), ""),
        referenced_series=frozenset().union(*(h.referenced_series for h in headers)),
        referenced_instances=frozenset().union(*(h.referenced_instances for h in headers)),
        day=min(days, default=None),
        started=min(starts, default=None),
    )


def _timed(instances: list[Instance]) -> list[Instance]:
    """Slices whose times go on past midnight."""
    times = [(one.timing.acquisition_time, one.timing.content_time) for one in instances]
    acquired, shown = past_midnight([a for a, _ in times]), past_midnight([c for _, c in times])
    if list(zip(acquired, shown, strict=True)) == times:
        return instances
    return [
        replace(one, timing=replace(one.timing, acquisition_time=acquisition, content_time=content))
        for one, acquisition, content in zip(instances, acquired, shown, strict=True)
    ]


def by_number(instance: Instance) -> tuple[float, str, int]:
    """Order of slices within a series, the same for any order of files on disk."""
    number = float("inf") if instance.number is None else instance.number
    return number, str(instance.path), instance.frame or 0


def _order(series: Series) -> tuple[str, str, float, str, str]:
    number = float("inf") if series.number is None else series.number
    day = "" if series.day is None else series.day.isoformat()
    return series.identifier, day, number, series.key, series.kind
