"""What a proposal is made of: rows for a manifest, and what did not become one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mvi_ray.study import DRAWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from mvi_ray.ingest.problem import Problem
    from mvi_ray.study import Study

BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A mask that may belong to an image.

    Args:
        path: the file.
        kind: ``file``, ``SEG`` or ``RTSTRUCT``.
        lesion, reader, region: whose mask of what.
    """

    path: Path = field(repr=False)
    kind: str
    lesion: str = "1"
    reader: str = "R1"
    region: str = DRAWN


@dataclass(frozen=True, slots=True)
class ProposedRow:
    """One row for the manifest.

    Args:
        patient: pseudonym; empty when it cannot be told.
        phase: of the study; empty when a person has to decide.
        image: file, or folder of a DICOM series; None when a person has to name it.
        session: the examination.
        centre: hospital, or empty.
        drawn: the mask; None when there is none.
        is_served: the study takes the mask of another phase.
        series, part: which DICOM series of the folder, and which of its time points.
        seen: what the image is, in a few words without free text of a header.
        slices: of the image, where it is known.
        remarks: what a person should look at.
    """

    patient: str
    phase: str
    image: Path | None = field(repr=False)
    session: str = BASELINE
    centre: str = ""
    drawn: Drawn | None = None
    is_served: bool = False
    series: str = ""
    part: int | None = None
    seen: str = ""
    slices: int | None = None
    remarks: tuple[str, ...] = ()

    @property
    def is_decided(self) -> bool:
        """Whether it says whose image of which phase it is."""
        return bool(self.patient and self.phase)

    @property
    def is_ready(self) -> bool:
        """Whether nothing has to be filled in before it can be ingested."""
        return self.is_decided and self.image is not None and (self.is_served or self.drawn is not None)

    def undecided(self, remark: str) -> ProposedRow:
        """The row with a blank phase, and why."""
        return replace(self, phase="", remarks=(*self.remarks, remark))

    def remarked(self, remark: str) -> ProposedRow:
        """The row with one more remark."""
        return replace(self, remarks=(*self.remarks, remark))

    def served(self) -> ProposedRow:
        """The row of a phase that takes the mask of another one."""
        return replace(self, is_served=True)

    def with_masks(self, masks: Sequence[Drawn]) -> list[ProposedRow]:
        """One row for each mask."""
        return [replace(self, drawn=mask) for mask in masks]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was found in a tree.

    Args:
        rows: in the order of the manifest.
        problems: what became no row.
        notes: what is worth knowing about the whole, in words.
    """

    rows: tuple[ProposedRow, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def carried(study: Study) -> dict[str, str]:
    """Phases that take the mask of another one, and that one: `masks: {PP: {from: AP}}`."""
    masks: dict[str, Any] = getattr(study, "masks", {})
    return {phase: one.source for phase, one in masks.items()}


def settled(rows: Iterable[ProposedRow], study: Study) -> tuple[ProposedRow, ...]:
    """Rows in order, with a blank phase where two of them contradict each other.

    A patient has one image of a phase in a session, one mask of each lesion, region and reader on
    it, and an image is of one phase; which of several is meant is for a person to say.
    """
    order = {phase: at for at, phase in enumerate(study.phases)}
    found = sorted(rows, key=lambda row: (row.patient, row.session, order.get(row.phase, len(order))))
    images: dict[tuple[str, ...], set[tuple[Any, ...]]] = defaultdict(set)
    phases: dict[tuple[Any, ...], set[tuple[str, ...]]] = defaultdict(set)
    masks: dict[tuple[str, ...], int] = defaultdict(int)
    for row in found:
        if row.is_decided:
            images[_key(row)].add(_image(row))
            phases[_image(row)].add(_key(row))
            masks[_mask(row)] += 1
    return tuple(_checked(row, images, phases, masks) for row in found)


def _checked(
    row: ProposedRow,
    images: Mapping[tuple[str, ...], set[tuple[Any, ...]]],
    phases: Mapping[tuple[Any, ...], set[tuple[str, ...]]],
    masks: Mapping[tuple[str, ...], int],
) -> ProposedRow:
    if not row.is_decided:
        return row
    if len(images[_key(row)]) > 1:
        return row.undecided(f"{len(images[_key(row)])} images could be {row.phase}: keep one")
    if len(phases[_image(row)]) > 1:
        return row.undecided(f"the image stands for {len(phases[_image(row)])} patients, sessions or phases")
    if masks[_mask(row)] > 1:
        return row.undecided(f"{masks[_mask(row)]} masks of {row.phase}: keep one, or tell lesion or reader")
    return row


def _key(row: ProposedRow) -> tuple[str, ...]:
    return row.patient, row.session, row.phase


def _image(row: ProposedRow) -> tuple[Any, ...]:
    return row.image, row.series, row.part


def _mask(row: ProposedRow) -> tuple[str, ...]:
    drawn = row.drawn
    return (*_key(row), *(("", "", "") if drawn is None else (drawn.lesion, drawn.reader, drawn.region)))
