"""Predicted cost of a VOI of this study, calibrated with what stored VOIs took."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from importlib.resources import files
from statistics import median
from typing import TYPE_CHECKING, Any

from mvi_ray.extract.cost import ConventionalCost, DeepCost, VoiSize
from mvi_ray.study import ConventionalRadiomics
from mvi_ray.voi import VOI_KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from mvi_ray.store.store import Store
    from mvi_ray.study import DeepRadiomics, Study

FEWEST = 5
"""VOIs from which a factor is taken; one or two may have met a busy machine."""

_SLOWEST, _QUICKEST = 20.0, 0.05
_PATIENTS = 200


@dataclass(frozen=True, slots=True)
class Timed:
    """A stored VOI.

    Args:
        family, phase, region: what it is a case of.
        predicted_s: without calibration.
        taken_s: seconds it took.
    """

    family: str
    phase: str
    region: str
    predicted_s: float
    taken_s: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """By how much VOIs take longer than predicted, on the machines that filled the store and with its images.

    Args:
        factors: (family, phase, region) to the factor, and (family,) to that of the whole family.
        vois: family to the number of stored VOIs that tell it.
    """

    factors: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    vois: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, timed: Iterable[Timed]) -> Calibration:
        """Median ratios, each of at least `FEWEST` VOIs; a median is deaf to a few disturbed ones.

        The images of one phase share their range of intensities and so, under a bin width, their
        number of grey levels: phase and region have a factor of their own.
        """
        ratios: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for one in timed:
            if one.predicted_s > 0 and one.taken_s > 0:
                ratio = one.taken_s / one.predicted_s
                ratios[(one.family,)].append(ratio)
                ratios[one.family, one.phase, one.region].append(ratio)
        factors = {
            key: min(max(median(found), _QUICKEST), _SLOWEST)
            for key, found in ratios.items()
            if len(found) >= FEWEST
        }
        return cls(factors, {key[0]: len(ratios[key]) for key in factors if len(key) == 1})

    def factor(self, family: str, phase: str, region: str) -> float:
        """Of a phase and region, else of the family, else 1."""
        return self.factors.get((family, phase, region), self.factors.get((family,), 1.0))


class Costs:
    """Predicts seconds and bytes of the VOIs of one study.

    Args:
        settings: family to its settings.
        calibration: from stored VOIs.
    """

    def __init__(
        self,
        settings: Mapping[str, ConventionalRadiomics | DeepRadiomics],
        calibration: Calibration | None = None,
    ) -> None:
        self.settings = settings
        self.calibration = calibration or Calibration()
        self._models = {
            family: ConventionalCost(one) if isinstance(one, ConventionalRadiomics) else DeepCost(one)
            for family, one in settings.items()
        }

    def seconds(self, family: str, mask: Mapping[str, Any], image_types: Collection[str | None]) -> float:
        """Seconds of one core for the wanted rows of one VOI, given its row of `masks`."""
        factor = self.calibration.factor(family, mask["phase"], mask["region"])
        return factor * self._models[family].seconds(VoiSize.of_row(mask), mask["phase"], image_types)

    def bytes(self, family: str, mask: Mapping[str, Any], image_types: Collection[str | None]) -> int:
        """Most memory of the worker meanwhile."""
        return self._models[family].bytes(VoiSize.of_row(mask), mask["phase"], image_types)

    def calibrated(self, store: Store, masks: Mapping[tuple[str, ...], Mapping[str, Any]]) -> Costs:
        """With factors from the VOIs that a catalog shows.

        Args:
            store: whose catalog to ask; of a large study a sample of patients answers.
            masks: VOI to its row of `masks`.
        """
        query = files("mvi_ray.project").joinpath("sql/durations.sql").read_text(encoding="utf-8")
        plain = Costs(self.settings)
        timed = []
        for row in store.query(query, {"patients": _PATIENTS}).to_pylist():
            family, mask = row["family"], masks.get(tuple(row[k] for k in VOI_KEY))
            # Another mask than the one it was computed from says nothing about its size.
            if family in self.settings and mask is not None and mask["input_digest"] == row["input_digest"]:
                predicted = plain.seconds(family, mask, row["image_types"] or [None])
                timed.append(Timed(family, row["phase"], row["region"], predicted, row["duration_s"]))
        return Costs(self.settings, Calibration.of(timed))


def family_settings(study: Study) -> dict[str, ConventionalRadiomics | DeepRadiomics]:
    """Settings of every family that the study computes, by name."""
    return {**study.families.cr_like, **study.families.dlr_like}
