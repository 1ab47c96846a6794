"""What went wrong with one case, and the way out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from mvi_ray.errors import MviError


@dataclass(frozen=True, slots=True)
class Problem:
    """One line of the table that ends `mvi ingest` and `mvi import`.

    Args:
        severity: ``error``: the case was left out; ``warning``: it was taken as it is.
        reason: what was found.
        way_out: what to do about it.
        line: line of the table, counted from 1 with the header.
        table: which file the line is of.
        patient_id, session, phase, lesion, region, reader: as far as the case is known.
        of_file: whether a region, or the organ, lacks its file: a change of the study does not mend
            that, only another ingest does.
        is_passing: whether the machine is to blame, and nothing is known about the case.
    """

    severity: Literal["error", "warning"]
    reason: str
    way_out: str
    line: int | None = None
    patient_id: str | None = None
    session: str | None = None
    phase: str | None = None
    lesion: str | None = None
    region: str | None = None
    reader: str | None = None
    table: Literal["manifest", "clinical", "features"] = "manifest"
    of_file: bool = False
    is_passing: bool = False

    @classmethod
    def of(cls, error: MviError, **case: Any) -> Self:
        """The problem that an error describes, for a case."""
        return cls("error", error.reason, error.way_out, **case)

    @classmethod
    def remark(cls, text: str, **case: Any) -> Self:
        """A warning from a text whose way out stands after the last semicolon."""
        before, found, after = text.rpartition("; ")
        return cls("warning", before if found else after, after if found else "", **case)

    @property
    def case(self) -> str:
        """The case in a few words: ``P07 AP lesion 2 peritumoral R1``, without defaults."""
        parts = [
            self.patient_id,
            None if self.session in (None, "baseline") else self.session,
            self.phase,
            None if self.lesion in (None, "1") else f"lesion {self.lesion}",
            self.region,
            self.reader,
        ]
        return " ".join(p for p in parts if p) or "-"

    def at(self, line: int) -> Self:
        """The same problem with its line."""
        return replace(self, line=line)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        content = asdict(self)
        del content["of_file"], content["is_passing"]
        return {"case": self.case, **content}
