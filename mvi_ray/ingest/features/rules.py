"""Where each part of a VOI's key stands in a foreign table: a column, a constant, the names of columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Self

from mvi_ray.errors import ManifestError, UsageError
from mvi_ray.study.settings import DRAWN, suggest
from mvi_ray.voi import VOI_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

KEY = VOI_KEY
"""The parts of a key, in its order."""

DEFAULTS = {"session": "baseline", "lesion": "1", "region": DRAWN, "reader": "R1"}
"""What a part is when the table says nothing, as in the manifest."""

_PATIENT = ("patient_id", "patientid", "patient", "case", "caseid", "casename", "id", "sample_name")
_PLACE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class KeyRule:
    """How one part of the key is found: in a column, or as a constant for the whole file.

    Args:
        part: one of `KEY`.
        column: the column that holds it.
        constant: its value in every row, instead of a column.

    Raises:
        UsageError: no such part, or not exactly one of column and constant.
    """

    part: str
    column: str | None = None
    constant: str | None = None

    def __post_init__(self) -> None:
        if self.part not in KEY:
            raise UsageError(f"the key has no part {self.part!r}{suggest(self.part, KEY)}; {_parts()}")
        if bool(self.column) == bool(self.constant):
            raise UsageError(f"{self.part} needs a column or a value; write {self.part}=NAME")
        if self.part == "patient_id" and self.constant:
            raise UsageError("patient_id cannot be one value for the whole file; name its column")

    @classmethod
    def parse(cls, text: str) -> Self:
        """A rule as text: ``phase=Phase`` names a column, ``phase:=AP`` gives the value itself."""
        part, found, value = text.partition("=")
        if not found:
            raise UsageError(f"{text!r} is no rule for a key; write PART=COLUMN or PART:=VALUE")
        if part.endswith(":"):
            return cls(part[:-1].strip(), constant=value.strip())
        return cls(part.strip(), column=value.strip())


@dataclass(frozen=True, slots=True)
class KeyRules:
    """Every rule for a file.

    Args:
        rules: at most one for each part; other parts are found by the name of a column.
        pattern: how feature columns are named where they carry parts of the key, as in
            ``{phase}_{region}_{feature}``: phase, region and reader are matched against the
            names of the study, never cut out blindly.

    Raises:
        UsageError: two rules for one part, or a pattern that cannot be read.
    """

    rules: tuple[KeyRule, ...] = ()
    pattern: str | None = None

    def __post_init__(self) -> None:
        places = self.places
        if self.pattern is not None:
            unknown = [p for p in places if p not in ("phase", "region", "reader", "feature")]
            if unknown or places.count("feature") != 1 or len(set(places)) < len(places) or len(places) < 2:
                raise UsageError(
                    f"{self.pattern!r} is no pattern for names of columns; "
                    "use {feature} and any of {phase}, {region}, {reader}, each once"
                )
        parts = [rule.part for rule in self.rules] + [p for p in places if p != "feature"]
        for part in parts:
            if parts.count(part) > 1:
                raise UsageError(f"{part} is given twice; keep one rule for it")

    @classmethod
    def of(cls, keys: Iterable[str] = (), constants: Iterable[str] = (), columns: str | None = None) -> Self:
        """From the options of the command: `--key PART=COLUMN`, `--set PART=VALUE`, `--columns PATTERN`."""
        rules = [KeyRule.parse(text) for text in keys]
        for text in constants:
            part, found, value = text.partition("=")
            if not found:
                raise UsageError(f"{text!r} sets nothing; write PART=VALUE, as in phase=AP")
            rules.append(KeyRule(part.rstrip(":").strip(), constant=value.strip()))
        return cls(tuple(rules), columns)

    @property
    def places(self) -> tuple[str, ...]:
        """What the pattern holds, in its order."""
        return tuple(_PLACE.findall(self.pattern or ""))

    def check(self, known: Mapping[str, Sequence[str]]) -> None:
        """UsageError when the pattern holds a part of which the study has no names."""
        for place in self.places:
            if place not in (*known, "feature"):
                raise UsageError(f"the pattern holds {{{place}}}, of which no names are known; leave it out")

    def readings(self, name: str, known: Mapping[str, Sequence[str]]) -> list[tuple[dict[str, str], str]]:
        """Every way to read the name of a column by the pattern: parts of the key, and the feature.

        Args:
            name: of the column.
            known: the study's names of each part.
        """
        if self.pattern is None:
            return [({}, name)]
        parts = [place for place in self.places if place != "feature"]
        found = []
        for values in product(*(known[part] for part in parts)):
            chosen = dict(zip(parts, values, strict=True))
            before, _, after = self.pattern.partition("{feature}")
            before, after = (_PLACE.sub(lambda m: chosen[m[1]], text) for text in (before, after))  # noqa: B023
            if len(name) > len(before) + len(after) and name.startswith(before) and name.endswith(after):
                found.append((chosen, name[len(before) : len(name) - len(after)]))
        return found

    def resolve(
        self, columns: Sequence[str], phases: Sequence[str], patient: str | None = None
    ) -> dict[str, KeyRule]:
        """The rule of each part that does not stand in the names of columns.

        Args:
            columns: of the file.
            phases: of the study; the only one needs no rule.
            patient: the column that the layout names for the patient.

        Raises:
            ManifestError: a column is not there, several could hold the patient, or no rule
                says which phase the values are of.
        """
        given = {rule.part: rule for rule in self.rules}
        found: dict[str, KeyRule] = {}
        for part in KEY:
            rule = given.get(part)
            if part in self.places:
                continue
            if rule is None:
                rule = self._by_name(part, columns, phases, patient)
            if rule.column is not None and rule.column not in columns:
                raise ManifestError(
                    f"the table has no column {rule.column!r}{suggest(rule.column, columns)}; "
                    f"name the column of {part}, exactly as in the file"
                )
            found[part] = rule
        return found

    def _by_name(
        self, part: str, columns: Sequence[str], phases: Sequence[str], patient: str | None
    ) -> KeyRule:
        if part == "patient_id" and patient is not None:
            return KeyRule(part, column=patient)
        # What another rule uses is taken, and cannot be meant here as well.
        taken = {rule.column for rule in self.rules}
        names = _PATIENT if part == "patient_id" else (part,)
        fitting = [c for c in columns if c.lower() in names and c not in taken]
        if len(fitting) > 1:
            raise ManifestError(
                f"{part} could be any of the columns {', '.join(fitting)}; say which: --key {part}=COLUMN"
            )
        if fitting:
            return KeyRule(part, column=fitting[0])
        if part == "patient_id":
            raise ManifestError(
                f"no column is named like a patient ({', '.join(map(repr, columns[:8]))}, …); "
                "say which it is: --key patient_id=COLUMN"
            )
        if part != "phase":
            return KeyRule(part, constant=DEFAULTS[part])
        if len(phases) != 1:
            raise ManifestError(
                f"the study has the phases {', '.join(phases)}, and the table does not say which it is of; "
                "add --set phase=PHASE, --key phase=COLUMN, or --columns for names that hold it"
            )
        return KeyRule(part, constant=phases[0])


def _parts() -> str:
    return f"its parts are {', '.join(KEY)}"
