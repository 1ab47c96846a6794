"""`mvi exclude`: a patient leaves cohorts and models by hand, with a reason; nothing is deleted."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import StoreError, UsageError
from mvi_ray.store.tables import now

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from mvi_ray.project.project import Project

LONGEST = 120
"""Letters of a reason: it stands in a box of the flow chart."""

# A day, a birth date, or the number of a hospital or an examination.
_NUMBERS = re.compile(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}|[0-9]{5,}")


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A patient who was taken out by hand.

    Args:
        patient: the pseudonym.
        reason: the user's words.
        excluded_at: when (UTC).
        undone_at: when it was taken back (UTC); None: it holds.
    """

    patient: str
    reason: str
    excluded_at: datetime
    undone_at: datetime | None

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "patient_id": self.patient,
            "reason": self.reason,
            "excluded_at": self.excluded_at.isoformat(),
            "undone_at": None if self.undone_at is None else self.undone_at.isoformat(),
        }


def exclude(project: Project, patient: str | None, reason: str, *, undo: bool) -> list[Exclusion]:
    """Record an exclusion or take it back.

    Args:
        project: whose store.
        patient: the pseudonym; None: only list.
        reason: why; it must name nobody.
        undo: take the patient in again.

    Returns:
        Every exclusion ever recorded, also those taken back, in the order of time.

    Raises:
        UsageError: the patient is not known, is excluded already or, to undo it, is not; or the
            reason is empty, long, or seems to name somebody.
        StoreError: nothing was ingested yet, or another command writes.
    """
    if not project.store.exists:
        raise StoreError("the store is empty; run `mvi ingest` first")
    if patient is None:
        if reason or undo:
            raise UsageError("no patient is named; give the pseudonym, as in the manifest")
        return _all(project)
    if undo and reason:
        raise UsageError("--undo takes no reason; leave --reason out")
    if not undo:
        reason = _checked(reason)
    with project.store.locked("exclude"):
        known = _screened(project)
        holds = [one for one in _all(project) if one.patient == patient and one.undone_at is None]
        if not undo:
            _check_patient(patient, known, reason, holds)
            row = {"patient_id": patient, "excluded_at": now(), "reason": reason, "undone_at": None}
            rows = [row]
        elif holds:
            rows = [
                {
                    "patient_id": patient,
                    "excluded_at": one.excluded_at,
                    "reason": one.reason,
                    "undone_at": now(),
                }
                for one in holds
            ]
        else:
            raise UsageError(f"{patient} is not excluded; `mvi exclude` lists who is")
        project.store.tables["exclusions"].write(rows)
        project.settle("exclude")
    return _all(project)


def _checked(reason: str) -> str:
    reason = " ".join(reason.split())
    if not reason:
        raise UsageError('why is not said; add --reason, such as --reason "motion artefacts in AP"')
    if len(reason) > LONGEST or not reason.isprintable():
        raise UsageError(
            f"the reason has {len(reason)} letters, {LONGEST} are allowed; say it in fewer words"
        )
    if _NUMBERS.search(reason):
        raise UsageError(
            "the reason holds a date or a long number, which may tell who the patient is; leave it out"
        )
    return reason


def _check_patient(patient: str, known: Collection[str], reason: str, holds: list[Exclusion]) -> None:
    if patient not in known:
        raise UsageError(
            f"neither a manifest nor a clinical table named the patient {patient!r}; check the pseudonym, "
            "capital letters count"
        )
    if holds:
        raise UsageError(f"{patient} is excluded already; `mvi exclude {patient} --undo` takes it back")
    words = _words(reason)
    # Whatever blanks and signs stand inside: neighbouring words together may be a pseudonym.
    said = {"".join(words[at:end]) for at in range(len(words)) for end in range(at + 1, len(words) + 1)}
    if any("".join(_words(name)) in said for name in known):
        raise UsageError("the reason names a patient, and it stands in the flow chart; leave the name out")


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())


def _screened(project: Project) -> set[str]:
    tables = project.store.tables
    return {
        row["patient_id"]
        for name in ("patients", "clinical", "quarantine")
        for row in tables[name].read(["patient_id"]).to_pylist()
    }


def _all(project: Project) -> list[Exclusion]:
    rows = project.store.tables["exclusions"].read().to_pylist()
    return sorted(
        (Exclusion(row["patient_id"], row["reason"], row["excluded_at"], row["undone_at"]) for row in rows),
        key=lambda one: (one.excluded_at, one.patient),
    )
