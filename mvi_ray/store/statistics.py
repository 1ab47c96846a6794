"""Statistics of each feature, kept in the store so that nobody waits for them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.features import CR_FEATURES, DLR_VALUES
from mvi_ray.store.schemas import FEATURE_STATISTICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    import numpy.typing as npt
    import pyarrow as pa

    from mvi_ray.store.store import Store

_READ = ("cr", "dlr", "images", "imported", "masks")
# Property of the table: which rows it was made from. Without any row there are no statistics
# that could say it.
_STATE_KEY = "mvi.statisticsOf"
_GROUP = ("feature_set_id", "reader", "image_type")
_VOI = ("patient_id", "session", "lesion")
_OF_MASKS_NOW = """SEMI JOIN raw.current_masks AS m
    ON m.patient_id = t.patient_id AND m.session = t.session AND m.phase = t.phase
    AND m.lesion = t.lesion AND m.region = t.region AND m.reader = t.reader
    AND m.input_digest = t.input_digest"""


@dataclass(frozen=True, slots=True)
class _Source:
    """A table of values in the terms of `statistics.sql`."""

    table: str
    family: str
    image_type: str
    columns: str
    current: str


_SOURCES = (
    _Source("cr", "'CR'", "t.image_type", ", ".join(CR_FEATURES), _OF_MASKS_NOW),
    _Source("dlr", "'DLR'", "'-'", "CAST(t.embedding AS FLOAT[]) AS listed", _OF_MASKS_NOW),
    _Source("imported", "t.family", "'-'", "t.feature_names AS names, t.feature_values AS listed", ""),
)


def is_current(store: Store) -> bool:
    """Whether the statistics are of the rows that are stored now."""
    table = store.tables["feature_statistics"]
    if not table.exists:
        return not any(store.tables[name].exists for name in ("cr", "dlr", "imported"))
    return table.open().metadata().configuration.get(_STATE_KEY) == _state(store)


def refresh_statistics(store: Store) -> None:
    """Make them anew from the rows that the catalog shows.

    The rows of a group are summed up in the order of their keys: the same rows give the same
    digits, whatever files they lie in.
    """
    import pyarrow as pa

    text = files("mvi_ray.store").joinpath("sql/statistics.sql").read_text(encoding="utf-8")
    state = _state(store)
    rows: list[dict[str, Any]] = []
    with store.connect() as connection:
        for source in _SOURCES:
            sql = Template(text).safe_substitute({name: getattr(source, name) for name in _Source.__slots__})
            for phase, region in _places(connection, source.table):
                found = connection.sql(sql, params={"phase": phase, "region": region}).to_arrow_table()
                rows.extend({**one, "phase": phase, "region": region} for one in _groups(found))
    made = pa.Table.from_pylist(rows, schema=FEATURE_STATISTICS.schema)
    keys = [(name, "ascending") for name in FEATURE_STATISTICS.keys]
    table = store.tables["feature_statistics"]
    table.replace_all(made.sort_by(keys))
    table.commit(
        lambda: table.open().alter.set_table_properties({_STATE_KEY: state}, raise_if_not_exists=False)
    )


def _places(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    return connection.execute(
        f"SELECT DISTINCT phase, region FROM raw.{table} ORDER BY ALL"  # noqa: S608
    ).fetchall()


def _state(store: Store) -> str:
    """SHA-256 of the names of the files that statistics are made from; a vacuum leaves them."""
    names = [Path(path).name for table in _READ for path in store.tables[table].files()]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _groups(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Statistics of each feature of each feature set, reader and image type."""
    if not table.num_rows:
        return
    table = table.sort_by([(name, "ascending") for name in (*_GROUP, *_VOI)])
    keys = list(zip(*(table.column(name).to_pylist() for name in _GROUP), strict=True))
    starts = [at for at, key in enumerate(keys) if at == 0 or key != keys[at - 1]]
    for start, end in zip(starts, [*starts[1:], len(keys)], strict=True):
        rows = table.slice(start, end - start)
        names, values, defined = _matrix(rows)
        voi = np.asarray(rows.column("voi").combine_chunks(), dtype=np.uint64)
        about = dict(zip(_GROUP, keys[start], strict=True)) | {"family": rows.column("family")[0].as_py()}
        for name, one in zip(names, _summaries(values, defined, voi), strict=True):
            # Shape is defined for the original image only.
            if one["missing"] < one["vois"] or not name.startswith("shape_"):
                yield {**about, "feature": name, **one}


def _matrix(rows: pa.Table) -> tuple[list[str], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Names, values of shape (columns, rows), and where they are not NULL."""
    if "listed" not in rows.column_names:
        columns = [rows.column(name).combine_chunks() for name in CR_FEATURES]
        values = np.stack([np.asarray(c.to_numpy(zero_copy_only=False), np.float64) for c in columns])
        return list(CR_FEATURES), values, np.stack([np.asarray(c.is_valid()) for c in columns])
    names = [f"dlr_{number:03d}" for number in range(DLR_VALUES)]
    if "names" in rows.column_names:
        # All rows of a feature set have the same names: they are a part of its identity.
        names = rows.column("names")[0].as_py()
    flat = rows.column("listed").combine_chunks().flatten()
    values = np.asarray(flat.to_numpy(zero_copy_only=False), np.float64).reshape(rows.num_rows, len(names)).T
    return names, values, np.asarray(flat.is_valid()).reshape(rows.num_rows, len(names)).T


def _summaries(
    values: npt.NDArray[np.float64], defined: npt.NDArray[np.bool_], voi: npt.NDArray[np.uint64]
) -> Iterator[dict[str, Any]]:
    """What one column after the other is like."""
    finite = np.isfinite(values)
    counts = {
        "missing": (~defined).sum(axis=1).tolist(),
        "not_a_number": (defined & ~finite).sum(axis=1).tolist(),
        "fingerprint": [f"{number:016x}" for number in _fingerprints(values, defined, voi).tolist()],
    }
    whole = np.flatnonzero(finite.all(axis=1))
    summed = dict(zip(whole.tolist(), _summed(values[whole]), strict=True))
    for at in range(len(values)):
        about = summed.get(at) or next(_summed(values[at, finite[at]][None]))
        yield {"vois": len(voi), **about, **{name: numbers[at] for name, numbers in counts.items()}}


def _summed(values: npt.NDArray[np.float64]) -> Iterator[dict[str, float | None]]:
    """Of finite values, shape (columns, rows); None for what they are too few or too large for."""
    rows = values.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        nothing = np.full(len(values), np.nan)
        numbers = {
            "mean": values.mean(axis=1) if rows else nothing,
            "sd": values.std(axis=1, ddof=1) if rows > 1 else nothing,
            "minimum": values.min(axis=1) if rows else nothing,
            "maximum": values.max(axis=1) if rows else nothing,
        }
    lists = {name: column.tolist() for name, column in numbers.items()}
    for at in range(len(values)):
        yield {name: column[at] if math.isfinite(column[at]) else None for name, column in lists.items()}


def _fingerprints(
    values: npt.NDArray[np.float64], defined: npt.NDArray[np.bool_], voi: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    """Of each column, which VOI has which value, in any order: XOR of one mixed number for each."""
    # 0.0 and -0.0 are equal, NaN is NaN, and NULL is neither.
    bits = np.where(np.isnan(values), np.nan, values + 0.0).view(np.uint64)
    bits = np.where(defined, bits, np.uint64(1))
    mixed: npt.NDArray[np.uint64] = np.bitwise_xor.reduce(_mixed(_mixed(bits) ^ voi), axis=1)
    return mixed


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): each bit depends on all."""
    mixed = numbers.copy()
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return mixed
