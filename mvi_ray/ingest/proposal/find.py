"""Files that a pattern finds, and what their paths say of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mvi_ray.errors import CaseError, UsageError
from mvi_ray.study.settings import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mvi_ray.ingest.proposal.pattern import Pattern
    from mvi_ray.ingest.proposal.tree import Tree
    from mvi_ray.ingest.pseudonym import Identify
    from mvi_ray.study import Study


@dataclass(frozen=True, slots=True)
class Found:
    """One file or folder that fits a pattern.

    Args:
        path: where it lies.
        patient: its pseudonym, or empty when it cannot be told.
        phase: of the study; empty when the path does not tell it.
        values: the other fields of the pattern.
        spelt: patient and phase as they stand in the path.
        fault: why a person has to decide, or empty.
    """

    path: Path = field(repr=False)
    patient: str
    phase: str
    values: Mapping[str, str] = field(repr=False)
    spelt: Mapping[str, str] = field(repr=False)
    fault: str = ""

    @property
    def reason(self) -> tuple[str, str]:
        """The fault, and the way out of it."""
        reason, _, way_out = self.fault.partition("; ")
        return reason, way_out or "correct the name of the file or the pattern"


def find(tree: Tree, pattern: Pattern, study: Study, identify: Identify) -> list[Found]:
    """Everything in a tree that fits a pattern, with its fields held against the study.

    Raises:
        UsageError: the pattern has no patient.
    """
    if "patient" not in pattern.fields:
        raise UsageError("the pattern does not say where the patient stands; write {patient} into it")
    known = {
        "phase": study.phases,
        "reader": study.readers.drawing,
        "region": study.region_names,
    }
    found = []
    for path in tree.paths:
        if path.endswith("/") != pattern.of_folders:
            continue
        values, fault = _read(pattern, path, known)
        if values is not None:
            found.append(_found(tree.root / path, values, fault, identify))
    return found


def _read(
    pattern: Pattern, path: str, known: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, str] | None, str]:
    readings = pattern.readings(path, known)
    if len(readings) == 1:
        return readings[0], ""
    if readings:
        return _shared(readings), "the pattern fits in several ways: use folders, or signs that names lack"
    if not pattern.readings(path):
        return None, ""
    for name in known:
        others = {key: names for key, names in known.items() if key != name}
        readings = pattern.readings(path, others)
        if readings:
            # What stands in the name of a file may be anybody's name: only a near phase is shown.
            near = [hint for one in readings if (hint := suggest(one.get(name, ""), known[name]))]
            close = [one for one in readings if suggest(one.get(name, ""), known[name])]
            values = _shared(close or readings)
            values.pop(name, None)
            return values, f"the study has no such {name}{near[0] if near else ''}"
    return _shared(pattern.readings(path)), "phase, reader and region are not those of the study"


def _shared(readings: list[dict[str, str]]) -> dict[str, str]:
    """What all readings agree on."""
    first = readings[0]
    return {key: value for key, value in first.items() if all(one[key] == value for one in readings)}


def _found(path: Path, values: dict[str, str], fault: str, identify: Identify) -> Found:
    spelt = {key: value for key, value in values.items() if key in ("patient", "phase")}
    patient = values.pop("patient", "")
    phase = values.pop("phase", "")
    try:
        patient = identify(patient) if patient else ""
    except CaseError as error:
        patient, fault = "", error.message
    return Found(path, patient, "" if fault else phase, values, spelt, fault)
