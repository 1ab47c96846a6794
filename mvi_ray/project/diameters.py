"""The clinical diameter against that of the drawn mask: wrong units and swapped patients show up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvi_ray.ingest.problem import Problem
from mvi_ray.study import DRAWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mvi_ray.project.project import Project

FACTOR = 1.5
"""Two diameters of one tumour may differ by as much: one is read in a plane, the other from voxels."""

CLOSE = 1.25
"""What explains a difference brings the two as near as this."""

_MM = {"mm": 1.0, "cm": 10.0}
_EACH = 5
"""So many patients with the wrong unit are listed one by one; more, if most have it, are one line."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Both diameters of a patient.

    Args:
        patient: the pseudonym.
        clinical: in millimetres, by the unit that the study states; above 0.
        drawn: of the mask in millimetres, above 0; that of the phase which is nearest.
    """

    patient: str
    clinical: float
    drawn: float

    @property
    def off(self) -> float:
        """By which factor they differ, 1 or more."""
        return _ratio(self.clinical, self.drawn)


def compare_diameters(
    name: str, unit: str, clinical: Mapping[str, float], drawn: Mapping[str, Sequence[float]]
) -> list[Problem]:
    """Warn of patients whose diameters differ by more than `FACTOR`, with what would explain it.

    Args:
        name: of the clinical variable.
        unit: mm or cm, which the study says that its values have.
        clinical: patient to value.
        drawn: patient to the largest diameter in millimetres in each phase.
    """
    pairs = [
        _nearest(patient, value * _MM[unit], drawn[patient])
        for patient, value in sorted(clinical.items())
        if value > 0 and any(one > 0 for one in drawn.get(patient, ()))
    ]
    wrong = [pair for pair in pairs if pair.off > FACTOR]
    scales: dict[str, list[_Pair]] = {}
    found: list[Problem] = []
    others = []
    for pair in wrong:
        other = _other_unit(pair, unit)
        if other is None:
            others.append(pair)
        else:
            scales.setdefault(other, []).append(pair)
    for other, some in scales.items():
        if len(some) > _EACH and 2 * len(some) > len(pairs):
            found.append(
                Problem(
                    "warning",
                    f"{name} of {len(some)} of {len(pairs)} patients looks like {other}",
                    f"the study says {unit}; correct unit, or convert it under clinical.sources",
                )
            )
        else:
            found.extend(_problem(name, pair, f"looks like {other}; the study says {unit}") for pair in some)
    for pair in others:
        partner = _swapped(pair, others)
        if partner is None:
            found.append(_problem(name, pair, "check both: the number, and whether the mask is this tumour"))
        else:
            found.append(_problem(name, pair, f"looks swapped with {partner.patient}"))
    return found


def check_diameters(project: Project) -> list[Problem]:
    """Compare every variable of the study that measures the largest diameter with the masks of the store."""
    variables = {
        name: one for name, one in project.study.clinical.variables.items() if one.measures is not None
    }
    if not variables:
        return []
    drawn = _drawn(project)
    rows = project.store.tables["clinical"].read().to_pylist()
    found: list[Problem] = []
    for name, variable in variables.items():
        values = {row["patient_id"]: row[name] for row in rows if row.get(name) is not None}
        found.extend(compare_diameters(name, str(variable.unit), values, drawn))
    return found


def _drawn(project: Project) -> dict[str, list[float]]:
    """Patient to the largest tumour's diameter in each phase, as the modelling reader drew it."""
    columns = ["patient_id", "session", "phase", "region", "reader", "largest_diameter_mm"]
    largest: dict[tuple[str, str], float] = {}
    for row in project.store.tables["masks"].read(columns).to_pylist():
        ours = (DRAWN, project.study.readers.model, project.study.models.session)
        if (row["region"], row["reader"], row["session"]) == ours and row["largest_diameter_mm"] is not None:
            key = row["patient_id"], row["phase"]
            largest[key] = max(largest.get(key, 0.0), row["largest_diameter_mm"])
    drawn: dict[str, list[float]] = {}
    for (patient, _), diameter in sorted(largest.items()):
        drawn.setdefault(patient, []).append(diameter)
    return drawn


def _nearest(patient: str, clinical: float, drawn: Sequence[float]) -> _Pair:
    return min((_Pair(patient, clinical, one) for one in drawn if one > 0), key=lambda pair: pair.off)


def _ratio(one: float, other: float) -> float:
    return max(one / other, other / one)


def _other_unit(pair: _Pair, unit: str) -> str | None:
    """The unit that would make the two agree: its number is ten times too small, or too large."""
    if unit == "mm" and _ratio(pair.clinical * 10, pair.drawn) <= CLOSE:
        return "centimetres"
    if unit == "cm" and _ratio(pair.clinical / 10, pair.drawn) <= CLOSE:
        return "millimetres"
    return None


def _swapped(pair: _Pair, wrong: Sequence[_Pair]) -> _Pair | None:
    """Whose diameter this one's mask has, and the reverse; None where nobody, or several, would fit."""
    partners = _fitting(pair, wrong)
    return partners[0] if len(partners) == 1 and len(_fitting(partners[0], wrong)) == 1 else None


def _fitting(pair: _Pair, wrong: Sequence[_Pair]) -> list[_Pair]:
    return [
        other
        for other in wrong
        if other is not pair
        and _ratio(pair.clinical, other.drawn) <= CLOSE
        and _ratio(other.clinical, pair.drawn) <= CLOSE
    ]


def _problem(name: str, pair: _Pair, way_out: str) -> Problem:
    return Problem(
        "warning",
        f"{name} is {pair.clinical:.0f} mm and the drawn tumour {pair.drawn:.0f} mm long, "
        f"{pair.off:.1f} times apart (up to {FACTOR:g} is passed over)",
        way_out,
        patient_id=pair.patient,
        table="clinical",
    )
