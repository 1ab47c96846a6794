"""DICOM series to rows: which of them, and which of their time points, are phases."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import date
from os.path import commonpath
from pathlib import Path
from typing import TYPE_CHECKING

from mvi_ray.errors import CaseError
from mvi_ray.ingest.dicom import parts_of, phases_of, stack_of
from mvi_ray.ingest.problem import Problem
from mvi_ray.ingest.proposal.row import BASELINE, ProposedRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mvi_ray.ingest.dicom import Part, Series
    from mvi_ray.ingest.pseudonym import Identify
    from mvi_ray.study import Study
    from mvi_ray.volume import Geometry

_BY_ORDER = "phase by order: check"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A time point of a series that may be an image of the study.

    Args:
        row: what it would become.
        part: its slices.
        grid: their geometry; None when they make none.
        study: key of the examination.
    """

    row: ProposedRow
    part: Part = field(repr=False)
    grid: Geometry | None = field(repr=False)
    study: str


def by_patient(series: Iterable[Series], identify: Identify) -> tuple[dict[str, list[Series]], list[Problem]]:
    """Series of each pseudonym, and how many have none."""
    found: dict[str, list[Series]] = defaultdict(list)
    refused: dict[tuple[str, str], tuple[set[str], int]] = {}
    for one in series:
        try:
            found[identify(one.identifier)].append(one)
        except CaseError as error:
            patients, count = refused.get((error.reason, error.way_out), (set(), 0))
            refused[error.reason, error.way_out] = ({*patients, one.identifier}, count + 1)
    problems = [
        Problem("error", f"{reason} ({len(patients)} of them, {count} series)", way_out)
        for (reason, way_out), (patients, count) in refused.items()
    ]
    return dict(found), problems


def candidates(patient: str, series: Sequence[Series], study: Study) -> tuple[list[Candidate], list[Problem]]:
    """The images of a patient that are phases of the study, or may be.

    With rules (`dicom.phases`) those that fulfil one; without, the time points in their order
    where there are as many as the study has phases, else all of them with a blank phase.
    """
    images = [one for one in series if one.kind == "image"]
    examinations: dict[str, list[Series]] = defaultdict(list)
    for one in images:
        examinations[one.study].append(one)
    rules = study.dicom.phases
    found: list[Candidate] = []
    for there in examinations.values():
        named = _by_rules(there, study) if rules else _by_order(_parts(there, study)[0], study)
        found.extend(_candidate(patient, part, phase, remark) for part, phase, remark in named)
    missing = set(rules) - {one.row.phase for one in found}
    problems: list[Problem] = []
    if not found or missing:
        faults = _parts(images, study)[1]
        problems = [Problem.of(fault, patient_id=patient) for fault in faults]
    # A row that waits for its phase may be the missing one.
    if not any(one.row.phase == "" for one in found):
        problems.extend(_missing(patient, images, [phase for phase in rules if phase in missing]))
    if not rules and not found:
        problems.extend(_missing(patient, images, study.phases))
    return _sessions(found, series), problems


Named = tuple["Part", str, str]
"""A part, its phase or nothing, and a remark or nothing."""


def _by_rules(series: Sequence[Series], study: Study) -> list[Named]:
    parts: dict[tuple[str, int], Part] = {}
    phases: dict[tuple[str, int], list[str]] = defaultdict(list)
    for phase, there in phases_of(series, study.dicom).items():
        for part in there:
            parts[part.series.key, part.number] = part
            phases[part.series.key, part.number].append(phase)
    return [
        (part, phases[key][0], "")
        if len(phases[key]) == 1
        else (part, "", f"fits the rules of {' and '.join(phases[key])}: make one of them narrower")
        for key, part in parts.items()
    ]


def _parts(series: Sequence[Series], study: Study) -> tuple[list[Part], list[CaseError]]:
    parts: list[Part] = []
    faults: list[CaseError] = []
    for one in sorted(series, key=lambda s: (s.started is None, s.started or 0.0, s.number or 0, s.key)):
        try:
            parts.extend(parts_of(one, study.dicom.split))
        except CaseError as error:
            faults.append(error)
    return parts, faults


def _by_order(parts: Sequence[Part], study: Study) -> list[Named]:
    """Without rules the order is all there is; a proposal says so."""
    count = len(study.phases)
    volumes = [part for part in parts if _grid(part)[0] is not None]
    dynamic = [part for part in volumes if part.of == count > 1]
    chosen = volumes if len(volumes) == count else dynamic
    if len(chosen) == count:
        return [(part, phase, _BY_ORDER) for part, phase in zip(chosen, study.phases, strict=True)]
    remark = f"{len(volumes)} images for {count} phases: name the phase, or write rules under dicom.phases"
    return [(part, "", remark) for part in volumes]


def _candidate(patient: str, part: Part, phase: str, remark: str) -> Candidate:
    grid, fault = _grid(part)
    series = part.series
    row = ProposedRow(
        patient=patient,
        phase=phase,
        image=_place(series),
        series=series.key,
        part=part.number if part.of > 1 else None,
        seen=_seen(part),
        slices=len(part.instances) if grid is None else grid.size[2],
        remarks=tuple(text for text in (remark, *part.remarks, fault) if text),
    )
    return Candidate(row, part, grid, series.study)


def _grid(part: Part) -> tuple[Geometry | None, str]:
    try:
        return stack_of(part).geometry, ""
    except CaseError as error:
        return None, error.reason


def _place(series: Series) -> Path:
    """The one file of a series, or the folder that its files lie in."""
    paths = {instance.path for instance in series.instances}
    if len(paths) == 1:
        return next(iter(paths))
    return Path(commonpath([path.parent for path in paths]))


def _seen(part: Part) -> str:
    after = "" if part.after_s is None or part.of == 1 else f", {part.after_s:.0f} s"
    return f"{_name(part.series)}{after}"


def _name(series: Series) -> str:
    return series.modality if series.number is None else f"{series.modality} {series.number}"


def _sessions(found: Sequence[Candidate], series: Sequence[Series]) -> list[Candidate]:
    """Examinations that share a phase are sessions, in order of their days; others are parts of one."""
    phases: dict[str, set[str]] = defaultdict(set)
    for one in found:
        phases[one.study].add(one.row.phase)
    if len(phases) < 2:
        return list(found)
    days = {s.study: s.day for s in series if s.day is not None}
    order = sorted(phases, key=lambda s: (s not in days, days.get(s, date.min), s))
    first = days.get(order[0])
    after = {
        study: f"{(days[study] - first).days} days after the first" if first and study in days else "undated"
        for study in order[1:]
    }
    named = [phase for there in phases.values() for phase in there]
    apart = len(set(named)) < len(named) or "" in named
    sessions = {study: str(at) if at > 1 and apart else BASELINE for at, study in enumerate(order, start=1)}
    return [
        one
        if one.study not in after
        else replace(
            one, row=replace(one.row.remarked(f"examination {after[one.study]}"), session=sessions[one.study])
        )
        for one in found
    ]


def _missing(patient: str, images: Sequence[Series], phases: Iterable[str]) -> list[Problem]:
    return [
        Problem(
            "warning",
            f"no image is this phase; seen: {_summary(images)}",
            "correct the rules under dicom.phases, or export the series",
            patient_id=patient,
            phase=phase,
        )
        for phase in phases
    ]


def _summary(series: Sequence[Series]) -> str:
    shown = [f"{_name(one)} ({len(one.instances)} slices)" for one in series]
    more = f" and {len(shown) - 6} more" if len(shown) > 6 else ""
    return (", ".join(shown[:6]) or "no images") + more


def unused(found: Mapping[str, Sequence[Candidate]], series: Iterable[Series]) -> str:
    """How many image series became no row; empty when all did."""
    used = {one.row.series for candidates in found.values() for one in candidates}
    count = len({one.key for one in series if one.kind == "image"} - used)
    if not count:
        return ""
    return f"{count} image series {'is' if count == 1 else 'are'} no phase of the study and left out."
