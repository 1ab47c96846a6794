"""Series and their parts to the phases of the study, by its rules."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from mvi_ray.errors import CaseError
from mvi_ray.ingest.dicom.elements import SECONDS_OF_DAY, UNDATED_BELOW
from mvi_ray.ingest.dicom.parts import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mvi_ray.ingest.dicom.parts import Part
    from mvi_ray.ingest.dicom.series import Series
    from mvi_ray.study.dicom import Dicom, SeriesRule


def phase_of(series: Series, part: Part, dicom: Dicom, study_start: float | None = None) -> tuple[str, ...]:
    """Phases whose rule a part of a series fulfils; none or several is for the caller to tell.

    Args:
        series: images.
        part: one of its parts.
        dicom: rules of the study.
        study_start: when the earliest series of the examination began, as in `Series.started`;
            rules with `since: study` need it.
    """
    return tuple(
        name
        for name, rule in dicom.phases.items()
        if _fits_series(series, rule) and _fits_part(part, rule, study_start)
    )


def phases_of(series: Iterable[Series], dicom: Dicom) -> dict[str, list[Part]]:
    """For each phase with a rule the parts that fulfil it, out of the series of one examination.

    Series that cannot be taken apart, and those that hold no images, fulfil none.

    Args:
        series: all of one examination (`Series.study`).
        dicom: rules of the study.
    """
    there = list(series)
    start = min((s.started for s in there if s.kind == "image" and s.started is not None), default=None)
    found: dict[str, list[Part]] = {name: [] for name in dicom.phases}
    for one in there:
        # Taking apart costs time, and most series of an examination belong to no phase.
        if one.kind != "image" or not any(_fits_series(one, rule) for rule in dicom.phases.values()):
            continue
        try:
            parts = parts_of(one, dicom.split)
        except CaseError:
            continue
        for part in parts:
            for name in phase_of(one, part, dicom, start):
                found[name].append(part)
    return found


def _fits_series(series: Series, rule: SeriesRule) -> bool:
    return (
        (rule.modality is None or series.modality.upper() == rule.modality.upper())
        and (rule.series_number is None or series.number == rule.series_number)
        and (not rule.description or _fits_any(series.description, rule.description))
    )


def _fits_any(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(text.casefold(), pattern.casefold()) for pattern in patterns)


def _fits_part(part: Part, rule: SeriesRule, study_start: float | None) -> bool:
    timings = [instance.timing for instance in part.instances]
    return (
        (rule.part is None or part.number == rule.part)
        and (rule.after_s is None or _within(_after(part, rule, study_start), rule.after_s))
        and (
            rule.temporal_position is None
            or {t.temporal_position for t in timings} == {rule.temporal_position}
        )
        and (rule.acquisition is None or {t.acquisition for t in timings} == {rule.acquisition})
        and (
            rule.trigger_time_ms is None
            or all(_within(timing.trigger_time, rule.trigger_time_ms) for timing in timings)
        )
        and all(
            all(_fits_any_of(timing.image_type, wanted) for timing in timings) for wanted in rule.image_type
        )
    )


def _fits_any_of(texts: Iterable[str], pattern: str) -> bool:
    return any(_fits_any(text, (pattern,)) for text in texts)


def _within(value: float | None, span: tuple[float, float]) -> bool:
    return value is not None and span[0] <= value <= span[1]


def _after(part: Part, rule: SeriesRule, study_start: float | None) -> float | None:
    if rule.since == "series":
        return part.after_s
    starts = [i.timing.acquisition_time for i in part.instances if i.timing.acquisition_time is not None]
    start = min(starts, default=None)
    if start is None and part.series.started is not None:
        start = part.series.started + (part.after_s or 0.0)
    if start is None or study_start is None or (start < UNDATED_BELOW) != (study_start < UNDATED_BELOW):
        return None
    after = start - study_start
    # A series that began past midnight knows nothing of the day before.
    return after + SECONDS_OF_DAY if after < -SECONDS_OF_DAY / 2 and start < UNDATED_BELOW else after
