"""`mvi drift`: how far two groups of patients differ in each feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mvi_ray.matrix.groups import two_groups
from mvi_ray.matrix.vois import patient_values
from mvi_ray.project.feature_names import MISSING, known_features, places, renew_statistics
from mvi_ray.project.progress import Progress, silent
from mvi_ray.project.status import has_trial_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pyarrow as pa

    from mvi_ray.project.project import Project
    from mvi_ray.store.store import Store
    from mvi_ray.study import Study

    Values = npt.NDArray[np.float64]

DRAWN_CURVES = 4
"""Features whose values are kept for a figure."""

_NUMBERS = ("median_a", "median_b", "standardized_difference", "ks", "p", "q")


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Values of one feature in both groups, for a figure.

    Args:
        feature: its full name.
        a, b: finite values, sorted.
    """

    feature: str
    a: Values
    b: Values


@dataclass(frozen=True, slots=True, eq=False)
class DriftReport:
    """Features by how far two groups differ, the most shifted first.

    Args:
        table: one row per feature: feature, family, class, phase, region, image_type, name, n_a,
            n_b, median_a, median_b, standardized_difference (b minus a, in pooled standard
            deviations), ks, p, q.
        conditions: of the two groups.
        patients: number in each group.
        constant, missing, duplicate: features that have this flag in `mvi features`.
        curves: of the features with the largest distance.
        notes: what a reader must know, in words.
        synthetic, trial_weights: marks of every result.
    """

    table: pa.Table
    conditions: tuple[str, str]
    patients: tuple[int, int]
    constant: int
    missing: int
    duplicate: int
    curves: tuple[Curve, ...]
    notes: tuple[str, ...]
    synthetic: bool
    trial_weights: bool

    def to_arrow(self) -> pa.Table:
        """One row per feature."""
        return self.table

    def to_json(self, limit: int | None = None) -> dict[str, Any]:
        """Plain values for `--json`.

        Args:
            limit: number of features; None for all.
        """
        return {
            "synthetic": self.synthetic,
            "trial_weights": self.trial_weights,
            "notes": list(self.notes),
            "groups": [
                {"condition": condition, "patients": patients}
                for condition, patients in zip(self.conditions, self.patients, strict=True)
            ],
            "tested": self.tested,
            "found": self.found(),
            "constant": self.constant,
            "missing": self.missing,
            "duplicate": self.duplicate,
            "features": self.table.slice(0, limit).to_pylist(),
        }

    @property
    def tested(self) -> int:
        """Features with two values or more in each group."""
        return int(np.isfinite(self.table.column("p").to_numpy()).sum())

    def found(self, q: float = 0.05) -> int:
        """Features with a smaller rate of false discoveries."""
        values: Values = self.table.column("q").to_numpy()
        return int((values < q).sum())

    def figure(self, kind: Literal["svg", "png"] = "svg") -> bytes:
        """Distances by family and class, and the distribution of the most shifted features.

        Args:
            kind: of the file.

        Raises:
            ModelError: no feature could be compared.
        """
        from mvi_ray.report.drift_figure import Shifted, drift_figure
        from mvi_ray.report.page import marks
        from mvi_ray.stats.ks import chance

        ks, n_a, n_b = (self.table.column(name).to_numpy() for name in ("ks", "n_a", "n_b"))
        names = zip(*(self.table.column(name).to_pylist() for name in ("family", "class")), strict=True)
        labels = np.array([" ".join(part for part in name if part != "-") for name in names], dtype=str)
        compared = ~np.isnan(ks)
        sizes = [round(float(np.median(n[compared]))) for n in (n_a, n_b)] if compared.any() else [1, 1]
        shown = Shifted(
            self.conditions,
            {str(label): ks[compared & (labels == label)] for label in np.unique(labels)},
            chance(sizes[0], sizes[1]),
            [(curve.feature, curve.a, curve.b) for curve in self.curves],
        )
        return drift_figure(shown, kind=kind, marks=marks(self.synthetic, self.trial_weights))


def read_drift(
    project: Project,
    conditions: tuple[str, str],
    chosen: tuple[Sequence[str], Sequence[str]] = ((), ()),
    as_of: str | None = None,
    progress: Progress | None = None,
) -> DriftReport:
    """Compare two groups of patients in each feature, one row per patient as in model matrices.

    Args:
        project: whose store.
        conditions: SQL over patients and clinical values, one for each group.
        chosen: patterns and families of the features; none for all.
        as_of: the store as it was.
        progress: receives the state of the work.

    Raises:
        MatrixError: a condition names what is not there or chooses fewer than two patients, or a
            patient is in both.
        QueryError: a condition is not one SQL condition.
        UsageError: a pattern or a family has no feature.
        StoreError: there are no features yet.
    """
    note = renew_statistics(project) if as_of is None else None
    with project.pinned(as_of) as (store, declared):
        groups = two_groups(store, conditions)
        known = known_features(store, *chosen)
        table, curves = _compare(store, project.study, known, groups, progress or silent)
        trial = has_trial_weights(store, set(known.column("family").to_pylist()))
    return DriftReport(
        table=table,
        conditions=conditions,
        patients=(len(groups[0]), len(groups[1])),
        constant=sum(known.column("is_constant").to_pylist()),
        missing=sum(share > MISSING for share in known.column("missing").to_pylist()),
        duplicate=known.num_rows - int(known.column("duplicate_of").null_count),
        curves=curves,
        notes=() if note is None else (note,),
        synthetic=declared.synthetic,
        trial_weights=trial,
    )


def _compare(
    store: Store, study: Study, known: pa.Table, groups: tuple[list[str], list[str]], show: Progress
) -> tuple[pa.Table, tuple[Curve, ...]]:
    """Read and compare one family, phase and region after the other."""
    import pyarrow as pa

    from mvi_ray.stats.ks import adjusted
    from mvi_ray.stats.shift import shift

    names = known.column("feature").to_pylist()
    numbers = {name: np.full(known.num_rows, np.nan) for name in _NUMBERS}
    counts = {name: np.zeros(known.num_rows, dtype=np.int64) for name in ("n_a", "n_b")}
    curves: list[tuple[tuple[float, float], Curve]] = []
    parts = list(places(known))
    done = 0
    for place, rows, columns in parts:
        show("drift", done, known.num_rows, f"{place.family} {place.phase} {place.region}")
        values = patient_values(store, study, place, [*groups[0], *groups[1]])[:, columns]
        a, b = values[: len(groups[0])], values[len(groups[0]) :]
        found = shift(a, b)
        for name, into in (*numbers.items(), *counts.items()):
            into[rows] = getattr(found, name)
        shifted = _order(found.ks, found.standardized_difference)[:DRAWN_CURVES]
        for column in shifted[~np.isnan(found.ks[shifted])]:
            finite = [np.sort(group[np.isfinite(group[:, column]), column]) for group in (a, b)]
            place_in_order = -found.ks[column], -abs(found.standardized_difference[column])
            curves.append((place_in_order, Curve(names[rows[column]], finite[0], finite[1])))
        done += len(rows)
    show("drift", known.num_rows, known.num_rows, f"{known.num_rows:,} features")
    # Over all features together, not within each place.
    numbers["q"] = adjusted(numbers["p"])
    arrays = {
        name: known.column(name)
        for name in ("feature", "family", "class", "phase", "region", "image_type", "name")
    }
    arrays |= {name: pa.array(values) for name, values in counts.items()}
    arrays |= {name: pa.array(values, pa.float64(), from_pandas=True) for name, values in numbers.items()}
    table = pa.table(arrays).take(_order(numbers["ks"], numbers["standardized_difference"]))
    curves.sort(key=lambda one: (one[0], one[1].feature))
    return table, tuple(curve for _, curve in curves[:DRAWN_CURVES])


def _order(ks: Values, difference: Values) -> npt.NDArray[np.intp]:
    """The largest distance first, then the largest difference; NaN comes last."""
    order: npt.NDArray[np.intp] = np.lexsort((-np.abs(difference), -ks))
    return order
