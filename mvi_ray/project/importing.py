"""`mvi import`: a feature table that was made elsewhere becomes a family of the store."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mvi_ray.errors import ManifestError, UsageError
from mvi_ray.extract.featureset import FeatureSet
from mvi_ray.ingest.features import KEY, read_feature_table
from mvi_ray.project.declarations import NOT_YET, current_imports
from mvi_ray.store.schemas import IMPORTED
from mvi_ray.store.tables import now
from mvi_ray.study.settings import check_name

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from mvi_ray.ingest.features import FeatureTable, KeyRules
    from mvi_ray.ingest.features.block import Key
    from mvi_ray.ingest.problem import Problem
    from mvi_ray.project.project import Project

_OWN = ("cr", "dlr", "clinical")
# A commit of so many values takes some 100 MB.
_VALUES = 2_000_000


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What one import did, or would do.

    Args:
        family: its name.
        feature_set_id: of the table.
        software: what the file says it was made with, in words; None when it does not say.
        features: number of columns taken.
        patients: number of patients in the table.
        new, replaced, unchanged: VOIs that were not stored, had other values, or the same.
        notes: what is worth knowing about the table beside the store, in words.
        dropped: columns that did not come in, with the reason.
        problems: rows left out (errors), and remarks (warnings).
        dry_run: nothing was written.
        run_id: of this import; None when nothing was written.
        synthetic: whether the study is synthetic.
    """

    family: str
    feature_set_id: str
    software: str | None
    features: int
    patients: int
    new: int
    replaced: int
    unchanged: int
    notes: tuple[str, ...]
    dropped: dict[str, str]
    problems: tuple[Problem, ...]
    dry_run: bool
    run_id: str | None = None
    synthetic: bool = False

    @property
    def left_out(self) -> int:
        """Number of errors."""
        return sum(p.severity == "error" for p in self.problems)

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        names = (
            *("family", "feature_set_id", "software", "features", "patients", "new", "replaced", "unchanged"),
            *("dry_run", "run_id", "synthetic", "left_out", "dropped"),
        )
        return {
            **{name: getattr(self, name) for name in names},
            "notes": list(self.notes),
            "problems": [p.to_json() for p in self.problems],
        }


def import_features(
    project: Project, file: Path, family: str, rules: KeyRules, layout: str, *, dry_run: bool
) -> ImportSummary:
    """Read, compare with what is stored, and write what is new or other.

    Args:
        project: whose store.
        file: CSV, Parquet or Arrow.
        family: name under which the values are asked for.
        rules: where the parts of the key stand.
        layout: of the file, or ``auto``.
        dry_run: read and report only.

    Raises:
        UsageError: the name of the family is taken or is none, or the rules do not fit the study.
        ManifestError: the file as a whole cannot be used, or none of its rows.
        StoreError: another command writes to the store.
    """
    study = project.study
    _check_family(project, family)
    table = read_feature_table(
        file,
        rules,
        layout=layout,
        phases=study.phases,
        regions=study.region_names,
        readers=study.readers.names,
        clinical=study.clinical.columns,
    )
    table = replace(table, problems=tuple(replace(one, table="features") for one in table.problems))
    if not table.keys:
        raise ManifestError(_nothing_left(table))
    table = _sorted(table)
    if dry_run:
        return _Import(project, family, table).summary(None, dry_run=True)
    with project.store.locked("import"):
        one = _Import(project, family, table)
        run_id = one.write()
        # Also when nothing was written: it mends what a kill left of an earlier import.
        project.settle("import", run_id)
    return one.summary(run_id, dry_run=False)


def _check_family(project: Project, family: str) -> None:
    try:
        check_name(family)
    except ValueError as error:
        raise UsageError(f"--family: {error}") from None
    if family.lower() in _OWN:
        raise UsageError(f"{family} is the study's own; choose another name for the imported family")
    if family.upper() in project.study.families.names:
        raise UsageError(
            f"{family} is a variant that the study computes; choose another name for the imported family"
        )
    stored = project.store.tables["feature_sets"].read(["family"]).column(0).to_pylist()
    other = next((name for name in stored if name.lower() == family.lower() and name != family), None)
    if other is not None:
        raise UsageError(
            f"the store has a family {other}, which differs in upper and lower case only; use it"
        )


def _nothing_left(table: FeatureTable) -> str:
    found = [one for one in table.problems if one.severity == "error"] or list(table.problems)
    if not found:
        return "no row of the table can be used; compare it with the layout in docs/import-export.md"
    where = "" if found[0].line is None else f"line {found[0].line}: "
    return f"no row of the table can be used, first {where}{found[0].reason}; {found[0].way_out}"


def _sorted(table: FeatureTable) -> FeatureTable:
    """Columns by name: the same ones are the same feature set, in whatever order a file has them."""
    order = sorted(range(len(table.names)), key=table.names.__getitem__)
    return replace(
        table,
        names=tuple(table.names[at] for at in order),
        values=table.values[:, order],
        defined=table.defined[:, order],
    )


class _Import:
    """One table beside the store.

    Args:
        project: whose store.
        family: its name.
        table: with columns in order of their names.
    """

    def __init__(self, project: Project, family: str, table: FeatureTable) -> None:
        self._project = project
        self._table = table
        self._set = FeatureSet(family, None, {"source": table.settings, "features": list(table.names)})
        stored, values, defined = self._stored()
        at = np.array([stored.get(key, -1) for key in self._table.keys])
        self._new = at < 0
        self._changed = np.zeros(len(at), dtype=np.bool_)
        known = np.flatnonzero(at >= 0)
        same = _same(self._table.values[known], values[at[known]])
        equal = same & (self._table.defined[known] == defined[at[known]])
        self._changed[known] = ~equal.all(axis=1)
        tables = self._project.store.tables
        in_store = tables["patients"].read(["patient_id"]).column(0).to_pylist()
        patients = {key[0] for key in self._table.keys}
        self._unknown = sorted(patients - set(in_store))
        self._known_patients = sorted(in_store)
        sets = tables["feature_sets"].read(["feature_set_id", "family", "created_at"]).to_pylist()
        self._recorded = any(row["feature_set_id"] == self._set.id for row in sets)
        current = current_imports(project).get(family)
        self._last = None if current is None else current[0]
        self._since = NOT_YET if current is None else current[1]

    def _stored(self) -> tuple[dict[Key, int], NDArray[np.float64], NDArray[np.bool_]]:
        """Rows of this feature set: place of each key, values and whether they are defined."""
        width = len(self._table.names)
        if not self._project.store.tables["imported"].exists:
            return {}, np.empty((0, width)), np.empty((0, width), dtype=np.bool_)
        self._project.refresh()
        query = f"SELECT {', '.join(KEY)}, feature_values FROM imported_all WHERE feature_set_id = ?"  # noqa: S608
        rows = self._project.store.query(query, [self._set.id])
        flat = pa.concat_arrays([pa.array([], pa.list_(pa.float64())), *rows.column(-1).chunks]).flatten()
        keys = zip(*(rows.column(part).to_pylist() for part in KEY), strict=True)
        return (
            {key: number for number, key in enumerate(keys)},
            flat.to_numpy(zero_copy_only=False).reshape(-1, width),
            flat.is_valid().to_numpy(zero_copy_only=False).reshape(-1, width),
        )

    def write(self) -> str | None:
        """Origin, values, patients; the table becomes current last. The id of the run, if it wrote."""
        tables = self._project.store.tables
        rows = np.flatnonzero(self._new | self._changed)
        if not len(rows) and self._last == self._set.id:
            return None
        time = now()
        run_id = f"import-{time:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"
        if not self._recorded:
            self._record(NOT_YET)
        step = max(1, _VALUES // len(self._table.names))
        for start in range(0, len(rows), step):
            tables["imported"].write_arrow(self._arrow(rows[start : start + step], run_id, time))
        tables["patients"].write(
            [{"patient_id": p, "centre": None, "ingested_at": time} for p in self._unknown]
        )
        if self._last != self._set.id:
            # Later than the table before, also when the clock was put back.
            self._record(max(time, self._since + timedelta(microseconds=1)))
        return run_id

    def _record(self, time: datetime) -> None:
        row = {
            "feature_set_id": self._set.id,
            "family": self._set.family,
            "image_type": None,
            "settings": self._set.canonical,
            "created_at": time,
        }
        self._project.store.tables["feature_sets"].write([row])

    def _arrow(self, rows: NDArray[np.int64], run_id: str, time: datetime) -> pa.Table:
        """Some rows, as the table `imported` has them."""
        width = len(self._table.names)
        ends = pa.array(np.arange(0, (len(rows) + 1) * width, width), pa.int32())
        names = pa.array(self._table.names, pa.string()).take(pa.array(np.tile(np.arange(width), len(rows))))
        values = pa.array(self._table.values[rows].ravel(), mask=~self._table.defined[rows].ravel())
        columns: dict[str, Any] = {
            part: pa.array([self._table.keys[row][at] for row in rows], pa.string())
            for at, part in enumerate(KEY)
        }
        columns |= {
            "feature_set_id": pa.repeat(self._set.id, len(rows)),
            "family": pa.repeat(self._set.family, len(rows)),
            "feature_names": pa.ListArray.from_arrays(ends, names),
            "feature_values": pa.ListArray.from_arrays(ends, values),
            "run_id": pa.repeat(run_id, len(rows)),
            "computed_at": pa.repeat(pa.scalar(time, IMPORTED.schema.field("computed_at").type), len(rows)),
        }
        return pa.table([columns[name] for name in IMPORTED.schema.names], schema=IMPORTED.schema)

    def summary(self, run_id: str | None, *, dry_run: bool) -> ImportSummary:
        """What was found."""
        return ImportSummary(
            self._set.family,
            self._set.id,
            _software(self._table.settings),
            len(self._table.names),
            len({key[0] for key in self._table.keys}),
            int(self._new.sum()),
            int(self._changed.sum()),
            int((~self._new & ~self._changed).sum()),
            tuple(self._notes()),
            self._table.dropped,
            self._table.problems,
            dry_run=dry_run,
            run_id=run_id,
            synthetic=self._project.study.synthetic,
        )

    def _notes(self) -> list[str]:
        notes = []
        if self._unknown:
            shown = ", ".join(self._unknown[:5]) + (" …" if len(self._unknown) > 5 else "")
            notes.append(f"patients without images and clinical values: {len(self._unknown)} ({shown})")
            if self._known_patients and len(self._unknown) == len({key[0] for key in self._table.keys}):
                notes.append(
                    "no patient of the table is in the store: patient_id must be the same in both "
                    f"(store: {self._known_patients[0]}, table: {self._unknown[0]})"
                )
        if self._last not in (None, self._set.id):
            notes.append(
                f"{self._set.family} had another table, with other columns or settings: "
                "from now on this one is current, and imported_all holds both"
            )
        readers = Counter(key[5] for key in self._table.keys)
        model = self._project.study.readers.model
        if model not in readers:
            notes.append(f"no row is of the modelling reader {model}: only imported_all shows the table")
        return notes


def _same(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where two arrays hold the same numbers to the last bit; NaN is NaN."""
    equal = (one == other) & (np.signbit(one) == np.signbit(other))
    return np.asarray(equal | (np.isnan(one) & np.isnan(other)), dtype=np.bool_)


def _software(settings: dict[str, Any]) -> str | None:
    software = settings.get("software")
    if not software:
        return None
    return " ".join(str(part) for part in (software["name"], software.get("version")) if part)
