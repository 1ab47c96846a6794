"""`mvi features`: how good each feature is, over VOIs, readers and centres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from mvi_ray.errors import UsageError
from mvi_ray.matrix.groups import centres
from mvi_ray.matrix.vois import patient_values, reader_values
from mvi_ray.project.feature_names import MISSING, known_features, places, renew_statistics
from mvi_ray.project.progress import Progress, silent
from mvi_ray.project.status import has_trial_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pyarrow as pa

    from mvi_ray.matrix.vois import Place
    from mvi_ray.project.project import Project
    from mvi_ray.store.store import Store

    Values = npt.NDArray[np.float64]

Sort = Literal["name", "icc", "drift", "missing", "mean"]
"""Order of the features: by name, or the worst (for the mean the largest) first."""

FLAGS = ("constant", "missing", "duplicate")
"""What can be wrong with a feature by itself."""

GOOD, FAIR = 0.8, 0.5
"""Limits of the ICC between which the summary counts."""

Q = 0.05
"""Rate of false discoveries below which a feature counts as drifting in the summary."""

_BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Detail:
    """What is shown of a single feature.

    Args:
        definition, unit, ibsi: of the feature dictionary; None for imported features.
        edges: of the histogram's bins, one more than `counts`; empty without finite values.
        counts: VOIs in each bin.
    """

    definition: str | None
    unit: str | None
    ibsi: str | None
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "definition": self.definition,
            "unit": self.unit,
            "ibsi": self.ibsi,
            "histogram": {"edges": list(self.edges), "counts": list(self.counts)},
        }


@dataclass(frozen=True, slots=True, eq=False)
class FeatureReport:
    """Features with their statistics.

    Args:
        table: one row per feature: feature, family, class, phase, region, image_type, name, vois,
            missing (share of the VOIs), mean, sd, minimum, maximum, icc, icc_low, icc_high,
            icc_targets, drift (Kolmogorov-Smirnov distance of one centre from the others),
            drift_q, drift_centre, flags (with commas), duplicate_of.
        summary: one row per family and class, of all features that were chosen.
        readers: compared by the ICC, sorted; fewer than two when there is no ICC.
        centres: centre to its patients.
        detail: when one feature was chosen.
        notes: what a reader must know, in words.
        synthetic, trial_weights: marks of every result.
    """

    table: pa.Table
    summary: pa.Table
    readers: tuple[str, ...]
    centres: dict[str, int]
    detail: Detail | None
    notes: tuple[str, ...]
    synthetic: bool
    trial_weights: bool

    def to_arrow(self) -> pa.Table:
        """One row per feature."""
        return self.table

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "synthetic": self.synthetic,
            "trial_weights": self.trial_weights,
            "notes": list(self.notes),
            "readers": list(self.readers),
            "centres": self.centres,
            "summary": self.summary.to_pylist(),
            "features": self.table.to_pylist(),
            "detail": self.detail.to_json() if self.detail else None,
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """Which features, and in which order.

    Args:
        patterns: shell globs over the full name; none for all.
        families: none for all.
        flagged: only features with a flag.
        sort: order.
        limit: number of rows; None for all.
    """

    patterns: Sequence[str] = ()
    families: Sequence[str] = ()
    flagged: bool = False
    sort: Sort = "name"
    limit: int | None = None


def read_features(
    project: Project, choice: Choice, as_of: str | None = None, progress: Progress | None = None
) -> FeatureReport:
    """Statistics, agreement of readers and drift between centres of the features of a study.

    ICC(2,1) is over patient × session × lesion that all readers of the study have drawn in that
    phase. Drift compares each centre with all others together, one row per patient as in model
    matrices, and keeps the centre with the smallest p; q is adjusted for every centre and
    feature that were chosen.

    Args:
        project: whose store.
        choice: which features.
        as_of: the store as it was.
        progress: receives the state of the work.

    Raises:
        UsageError: a pattern, a family or the order is unknown.
        StoreError: there are no features yet.
    """
    if choice.sort not in get_args(Sort):
        raise UsageError(f"features cannot be sorted by {choice.sort!r}; use {', '.join(get_args(Sort))}")
    note = renew_statistics(project) if as_of is None else None
    with project.pinned(as_of) as (store, declared):
        known = known_features(store, choice.patterns, choice.families)
        measured = _measure(project, store, known, progress or silent)
        detail = _detail(store, known) if known.num_rows == 1 else None
        trial = has_trial_weights(store, set(known.column("family").to_pylist()))
    table = _beside(known, measured)
    return FeatureReport(
        table=_ordered(table, choice),
        summary=_summary(table),
        readers=measured.readers,
        centres=measured.centres,
        detail=detail,
        notes=() if note is None else (note,),
        synthetic=declared.synthetic,
        trial_weights=trial,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """What is computed from values.

    Args:
        readers, centres: see `FeatureReport`.
        icc: correlation, low and high end, shape (3, features).
        icc_targets: shape (features,).
        drift: distance and q of the centre that differs most, shape (2, features).
        drift_centre: its name, NULL for none, shape (features,).
    """

    readers: tuple[str, ...]
    centres: dict[str, int]
    icc: Values
    icc_targets: npt.NDArray[np.int_]
    drift: Values
    drift_centre: list[str | None]


def _measure(project: Project, store: Store, known: pa.Table, show: Progress) -> _Measured:
    """Read one family, phase and region after the other."""
    readers = tuple(sorted(store.query("SELECT reader FROM raw.readers").column(0).to_pylist()))
    centre_of = centres(store, project.study)
    patients, names = list(centre_of), sorted(set(centre_of.values()))
    labels = np.array([names.index(centre) for centre in centre_of.values()], dtype=np.int64)
    agreement, targets = np.full((3, known.num_rows), np.nan), np.zeros(known.num_rows, dtype=np.int_)
    apart = np.full((2, len(names), known.num_rows), np.nan)
    parts = list(places(known))
    for done, (place, rows, columns) in enumerate(parts):
        show("features", done, len(parts), f"{place.family} {place.phase} {place.region}")
        if len(readers) > 1:
            agreement[:, rows], targets[rows] = _agreement(store, place, readers, columns)
        if len(names) > 1:
            values = patient_values(store, project.study, place, patients)[:, columns]
            apart[:, :, rows] = _against_the_rest(values, labels, len(names))
    show("features", len(parts), len(parts), f"{known.num_rows:,} features")
    sizes = {name: int((labels == at).sum()) for at, name in enumerate(names)}
    if len(names) < 2:
        none = np.full((2, known.num_rows), np.nan)
        return _Measured(readers, sizes, agreement, targets, none, [None] * known.num_rows)
    return _Measured(readers, sizes, agreement, targets, *_worst(apart[0], apart[1], names))


def _worst(distance: Values, p: Values, names: Sequence[str]) -> tuple[Values, list[str | None]]:
    """Distance, q and name of the centre with the smallest p, from shapes (centres, features)."""
    from mvi_ray.stats.ks import adjusted

    q = adjusted(p.ravel()).reshape(p.shape)
    # Not the largest distance, which is large by chance in a small centre.
    worst = np.where(np.isnan(p), np.inf, p).argmin(axis=0)
    drift = np.stack([np.take_along_axis(one, worst[None], axis=0)[0] for one in (distance, q)])
    known = ~np.isnan(drift[0])
    return drift, [names[at] if there else None for at, there in zip(worst, known, strict=True)]


def _agreement(
    store: Store, place: Place, readers: Sequence[str], columns: npt.NDArray[np.intp]
) -> tuple[Values, npt.NDArray[np.int_]]:
    from mvi_ray.stats.icc import icc

    found = icc(reader_values(store, place, readers)[:, :, columns])
    return np.stack([found.value, found.low, found.high]), found.targets


def _against_the_rest(values: Values, labels: npt.NDArray[np.int_], count: int) -> Values:
    """Distance and p of each centre from all others, shape (2, centres, features)."""
    from mvi_ray.stats.ks import kolmogorov_smirnov

    values = np.where(np.isfinite(values), values, np.nan)
    found = np.full((2, count, values.shape[1]), np.nan)
    # Of two centres each is the rest of the other: one test, not two.
    for centre in range(1 if count == 2 else count):
        groups = values[labels == centre], values[labels != centre]
        enough = np.all([np.isfinite(group).sum(axis=0) >= 2 for group in groups], axis=0)
        found[:, centre, enough] = kolmogorov_smirnov(*(group[:, enough] for group in groups))
    return found


def _detail(store: Store, known: pa.Table) -> Detail:
    """The definition of one feature and the histogram of its finite values."""
    (place, _, columns), *_ = places(known)
    reader = store.query("SELECT reader FROM raw.model_reader").column(0)[0].as_py()
    values = reader_values(store, place, [reader])[:, 0, columns[0]]
    values = values[np.isfinite(values)]
    counts, edges = np.histogram(values, bins=_BINS) if len(values) else (np.empty(0), np.empty(0))
    row = known.slice(0, 1).to_pylist()[0]
    said = store.query(
        "SELECT definition, unit, ibsi FROM feature_dictionary WHERE family = $family AND name = $name",
        {"family": row["family"], "name": row["name"]},
    ).to_pylist()
    what = said[0] if said else {"definition": None, "unit": None, "ibsi": None}
    return Detail(**what, edges=tuple(edges.tolist()), counts=tuple(counts.astype(int).tolist()))


def _beside(known: pa.Table, measured: _Measured) -> pa.Table:
    """Statistics and what was measured, in the order of `FeatureReport.table`."""
    import pyarrow as pa

    marks = zip(
        known.column("is_constant").to_pylist(),
        (share > MISSING for share in known.column("missing").to_pylist()),
        (first is not None for first in known.column("duplicate_of").to_pylist()),
        strict=True,
    )
    flags = [", ".join(name for name, is_so in zip(FLAGS, one, strict=True) if is_so) for one in marks]
    first = known.drop_columns(["kind", "is_constant", "duplicate_of"])
    # NaN is NULL here: from_pandas.
    numbers = {
        name: pa.array(values, pa.float64(), from_pandas=True)
        for name, values in zip(
            ("icc", "icc_low", "icc_high", "drift", "drift_q"), (*measured.icc, *measured.drift), strict=True
        )
    }
    more = {
        "icc": numbers["icc"],
        "icc_low": numbers["icc_low"],
        "icc_high": numbers["icc_high"],
        "icc_targets": pa.array(measured.icc_targets, pa.int64()),
        "drift": numbers["drift"],
        "drift_q": numbers["drift_q"],
        "drift_centre": pa.array(measured.drift_centre, pa.string()),
        "flags": pa.array(flags, pa.string()),
        "duplicate_of": known.column("duplicate_of"),
    }
    return pa.table({**{name: first.column(name) for name in first.column_names}, **more})


def _ordered(table: pa.Table, choice: Choice) -> pa.Table:
    """Rows that are asked for, the worst first; NULL comes last."""
    if choice.flagged:
        table = table.filter([bool(flags) for flags in table.column("flags").to_pylist()])
    if choice.sort != "name":
        key = table.column(choice.sort).to_numpy()
        table = table.take(np.argsort(key if choice.sort == "icc" else -key, kind="stable"))
    return table.slice(0, choice.limit)


def _summary(table: pa.Table) -> pa.Table:
    """One row per family and class."""
    import pyarrow as pa

    pairs = list(zip(*(table.column(name).to_pylist() for name in ("family", "class")), strict=True))
    flags = table.column("flags").to_pylist()
    icc, q, missing, vois = (table.column(n).to_numpy() for n in ("icc", "drift_q", "missing", "vois"))
    counted = ("constant", "missing_many", "duplicate")
    found = []
    for pair in sorted(set(pairs)):
        rows = np.array([at for at, one in enumerate(pairs) if one == pair], dtype=np.intp)
        agreed = icc[rows][~np.isnan(icc[rows])]
        said = [flags[row].split(", ") for row in rows]
        found.append(
            {
                "family": pair[0],
                "class": pair[1],
                "features": len(rows),
                "vois": int(vois[rows].max()),
                "missing": float(np.median(missing[rows])),
                "icc": float(np.median(agreed)) if len(agreed) else None,
                "icc_good": int((agreed >= GOOD).sum()),
                "icc_fair": int(((agreed >= FAIR) & (agreed < GOOD)).sum()),
                "icc_poor": int((agreed < FAIR).sum()),
                "drifting": int((q[rows] < Q).sum()),
                "constant": sum("constant" in one for one in said),
                "missing_many": sum("missing" in one for one in said),
                "duplicate": sum("duplicate" in one for one in said),
            }
        )
    schema = pa.schema(
        [(name, pa.string()) for name in ("family", "class")]
        + [(name, pa.int64()) for name in ("features", "vois")]
        + [(name, pa.float64()) for name in ("missing", "icc")]
        + [(name, pa.int64()) for name in ("icc_good", "icc_fair", "icc_poor", "drifting", *counted)]
    )
    return pa.Table.from_pylist(found, schema)
