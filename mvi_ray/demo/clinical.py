"""The synthetic patients: outcome, laboratory values and size of the tumour.

Distributions follow the published training cohort (BMC Medical Imaging 2025,
DOI 10.1186/s12880-025-01646-9) where it states them. Sex, ALT, AST and viral hepatitis
are plausible values of our own and tell nothing about the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Centre = Literal["A", "B"]

# A pattern instead of chance: any cohort of six or more has both outcomes in both centres,
# two thirds of it are centre A, and a patient stays the same when the cohort grows.
_CENTRES: tuple[Centre, ...] = ("A", "A", "B", "A", "A", "B")
_OUTCOMES = (1, 0, 1, 0, 1, 0)

_AGE = {0: (59.5, 9.9), 1: (57.8, 10.7)}
_AFP_HIGH = {0: 19 / 126, 1: 39 / 90}
# Median and spread of the logarithm; the published quartiles are 1.7-4.4 and 3.0-7.6 cm.
_DIAMETER_CM = {0: (2.6, 0.705), 1: (5.1, 0.689)}

# Real tumours would make the demo slow. They shrink to about a centimetre, in a monotone way,
# so that size separates the outcomes as in the publication.
_TYPICAL_CM, _TYPICAL_MM, _POWER = 3.6, 10.4, 0.22
DIAMETER_MM = (8.0, 14.0)
"""Smallest and largest tumour that is drawn, in millimetres."""


@dataclass(frozen=True, slots=True)
class Patient:
    """One synthetic patient, as the clinical table shows it.

    Args:
        patient_id: ``SYN-001``, ``SYN-002``, …
        centre: hospital, ``A`` or ``B``.
        mvi: microvascular invasion, 0 or 1.
        age: years.
        sex: ``female`` or ``male``.
        diameter_mm: largest diameter of the drawn tumour, a tenth of a millimetre exact.
        afp_400: alpha-fetoprotein of 400 ng/mL or more.
        alt: alanine aminotransferase, U/L.
        ast: aspartate aminotransferase, U/L.
        viral_hepatitis: chronic hepatitis B or C.
    """

    patient_id: str
    centre: Centre
    mvi: int
    age: int
    sex: str
    diameter_mm: float
    afp_400: str
    alt: int
    ast: int
    viral_hepatitis: str

    @property
    def row(self) -> dict[str, str]:
        """The line of the clinical table; the diameter is in centimetres."""
        return {
            "patient_id": self.patient_id,
            "centre": self.centre,
            "mvi": str(self.mvi),
            "age": str(self.age),
            "sex": self.sex,
            "diameter_cm": f"{self.diameter_mm / 10:.2f}",
            "afp_400": self.afp_400,
            "alt": str(self.alt),
            "ast": str(self.ast),
            "viral_hepatitis": self.viral_hepatitis,
        }


def draw_patient(index: int, rng: np.random.Generator) -> Patient:
    """Draw the patient at a place of the cohort.

    Args:
        index: place in the cohort, from 0; it decides centre and outcome.
        rng: source of every other value.
    """
    mvi = _OUTCOMES[index % len(_OUTCOMES)]
    age = rng.normal(*_AGE[mvi])
    median, spread = _DIAMETER_CM[mvi]
    published_cm = median * np.exp(rng.normal(0.0, spread))
    diameter = _TYPICAL_MM * (published_cm / _TYPICAL_CM) ** _POWER
    afp_high = rng.random() < _AFP_HIGH[mvi]
    hepatitis = rng.random() < 0.7
    male = rng.random() < 0.8
    # Both enzymes rise together when liver cells suffer.
    injury = rng.normal(0.0, 0.4)
    alt = 30.0 * np.exp(injury + rng.normal(0.0, 0.25))
    ast = 32.0 * np.exp(injury + rng.normal(0.0, 0.25))
    return Patient(
        patient_id=f"SYN-{index + 1:03d}",
        centre=_CENTRES[index % len(_CENTRES)],
        mvi=mvi,
        age=int(np.clip(np.rint(age), 30, 85)),
        sex="male" if male else "female",
        diameter_mm=float(np.round(np.clip(diameter, *DIAMETER_MM), 1)),
        afp_400="yes" if afp_high else "no",
        alt=int(np.rint(alt)),
        ast=int(np.rint(ast)),
        viral_hepatitis="yes" if hepatitis else "no",
    )
