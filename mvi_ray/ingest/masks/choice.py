"""Which segment of a mask file is meant: by label, by name or pattern, or because there is one only."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple, Self

from mvi_ray.errors import MaskError
from mvi_ray.ingest.masks.classes import is_class, labels_of, split_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_SHOWN = 8


class Segment(NamedTuple):
    """One thing drawn in a mask file.

    Args:
        number: its label, its segment number (DICOM SEG) or its ROI number (RTSTRUCT).
        name: what the file calls it; empty where it does not say.
        layer: which layer of the file holds it.
    """

    number: int
    name: str = ""
    layer: int = 0


@dataclass(frozen=True, slots=True)
class SegmentChoice:
    """How a segment is named.

    Args:
        label: its number in the file.
        patterns: names, or patterns with ``*``, ``?`` and ``[…]``; case does not count. With a task of
            TotalSegmentator in front (``total_mr:liver``) they also hold for files without names.
        strict: whether the patterns must fit; those of a study do not hold for files without names.
        tumour: whether label 1 is meant when nothing is named, there are several, and 1 has no name.
    """

    label: int | None = None
    patterns: tuple[str, ...] = ()
    strict: bool = True
    tumour: bool = False

    @classmethod
    def of(
        cls, label: int | None, segment: str | None, wanted: Sequence[str] = (), *, tumour: bool = False
    ) -> Self:
        """The choice of a manifest's cells, or of the study where they are blank.

        Args:
            label: the cell of the label, None when it is blank.
            segment: the cell of the segment: names or patterns between ``|``.
            wanted: patterns of the study.
            tumour: whether the mask is a tumour's.
        """
        if label is not None:
            return cls(label)
        if segment is not None:
            return cls(patterns=tuple(part.strip() for part in segment.split("|") if part.strip()))
        return cls(patterns=tuple(wanted), strict=False, tumour=tumour)


def choose(segments: Sequence[Segment], choice: SegmentChoice, what: str = "mask") -> Segment:
    """The one segment that is meant. Messages hold no names: they are free text, and may be a patient's.

    Raises:
        MaskError: none is there, none fits, or several do; the message says how many.
    """
    if not segments:
        raise MaskError(f"{what} is empty; draw it, or remove it from the manifest")
    if choice.label is not None:
        return _by_label(segments, choice.label, what)
    named = [segment for segment in segments if segment.name]
    if choice.patterns and named:
        return _by_name(named, choice.patterns, what)
    known = {label for pattern in choice.patterns for label in labels_of(pattern)}
    if known:
        return _by_class(segments, known, what)
    if choice.patterns and choice.strict:
        raise MaskError(f"{what} names no segments; {_hint(choice.patterns)}")
    if len(segments) == 1:
        return segments[0]
    first = [segment for segment in segments if segment.number == 1 and not segment.name]
    if choice.tumour and len(first) == 1:
        return first[0]
    if named:
        raise MaskError(f"{what} holds {len(segments)} segments; name one, or give its label")
    raise MaskError(f"{what} holds {len(segments)} labels ({_numbers(segments)}); give one of them")


def _by_label(segments: Sequence[Segment], label: int, what: str) -> Segment:
    found = [segment for segment in segments if segment.number == label]
    if not found:
        raise MaskError(
            f"label {label} does not occur in the {what}, which holds {_numbers(segments)}; "
            "give one of these as its label"
        )
    if len({segment.layer for segment in found}) > 1:
        raise MaskError(
            f"label {label} stands for {len(found)} of the {len(segments)} segments of the {what}, "
            "in different layers; name the segment instead"
        )
    return found[0]


def _by_name(named: Sequence[Segment], patterns: Sequence[str], what: str) -> Segment:
    found = _matches(named, patterns)
    if len(found) == 1:
        return found[0]
    if not found:
        raise MaskError(
            f"none of the {len(named)} segments that the {what} names is the one asked for; "
            "correct the name or pattern, or give the label"
        )
    numbers = {segment.number for segment in found}
    if len({segment.name for segment in found}) == 1 and len(numbers) == len(found):
        raise MaskError(
            f"the name of the segment stands for the labels {_numbers(found)} of the {what}; "
            "give the label instead"
        )
    raise MaskError(
        f"{len(found)} of the {len(named)} segments that the {what} names fit; "
        "narrow the name or pattern, or give the label"
    )


def _matches(named: Sequence[Segment], patterns: Sequence[str]) -> list[Segment]:
    """Segments of exactly such a name, else but for the case, else by pattern."""
    wanted = [text for pattern in patterns for text in {pattern, split_task(pattern)[1]}]
    folded = [text.casefold() for text in wanted]
    rules: tuple[Callable[[str], bool], ...] = (
        lambda name: name in wanted,
        lambda name: name.casefold() in folded,
        lambda name: any(fnmatchcase(name.casefold(), text) for text in folded),
    )
    for rule in rules:
        found = [segment for segment in named if rule(segment.name)]
        if found:
            return found
    return []


def _by_class(segments: Sequence[Segment], known: set[int], what: str) -> Segment:
    found = [segment for segment in segments if segment.number in known]
    if len(found) == 1:
        return found[0]
    if not found:
        shown = ", ".join(map(str, sorted(known)[:_SHOWN]))
        raise MaskError(
            f"the structure has the label {shown} with TotalSegmentator, which does not occur in the {what}; "
            "check task and structure, or give the label"
        )
    raise MaskError(
        f"{len(found)} of the {len(segments)} labels of the {what} fit ({_numbers(found)}); "
        "narrow the pattern, or give the label"
    )


def _hint(patterns: Sequence[str]) -> str:
    if any(split_task(pattern)[0] for pattern in patterns):
        return "the task has no such structure, or changed its label between releases: give the label"
    if any(is_class(pattern) for pattern in patterns):
        return "give the label, or the task of TotalSegmentator that made it, as in total_mr:liver"
    return "give the label"


def _numbers(segments: Iterable[Segment]) -> str:
    numbers = sorted({segment.number for segment in segments})
    return ", ".join(map(str, numbers[:_SHOWN])) + (" …" if len(numbers) > _SHOWN else "")
