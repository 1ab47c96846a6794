"""What a store holds of one patient, in earlier versions as well, and what it is searched by."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mvi_ray.store.parquet import is_parquet
from mvi_ray.store.place import files_below, local, relative
from mvi_ray.store.search.needles import Needles

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from mvi_ray.store.store import Store
    from mvi_ray.store.tables import Table

_DIGESTS = ("image_digest", "mask_digest", "organ_digest", "input_digest")
# What messages show of a digest; the whole one begins with it.
_SHOWN = 12
_CELLS = "SELECT DISTINCT value FROM (UNPIVOT rows ON * INTO NAME name VALUE value)"
_AS_MINE = " SEMI JOIN mine USING (value)"
# Rates, ratios and means of few are such fractions: 0.6666666666666666 is nobody's.
_DENOMINATOR, _BELOW = 1000, 10.0


def patient_tables(store: Store) -> dict[str, Table]:
    """The tables whose rows are of a patient."""
    return {name: table for name, table in store.tables.items() if "patient_id" in table.spec.columns}


def data_files(table: Table) -> list[Path]:
    """Everything in a table's folder but its log: live files, dead ones, and those half written.

    Raises:
        StoreError: the table lies in a bucket, from which no patient is erased.
    """
    folder = local(table.folder)
    log = folder / "_delta_log"
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_relative_to(log))


def count_rows(store: Store, patient: str) -> dict[str, int]:
    """Live rows of a patient, table by table; tables without any are absent."""
    import duckdb

    counts = {}
    with duckdb.connect() as connection:
        for name, table in patient_tables(store).items():
            sql = f"SELECT count(*) FROM ({table.scan(table.files())}) WHERE patient_id = ?"  # noqa: S608
            row = connection.execute(sql, [patient]).fetchone()
            counts[name] = row[0] if row else 0
    return {name: count for name, count in counts.items() if count}


def is_known(store: Store, patient: str) -> bool:
    """Whether a file of a table holds rows of the patient, even one that a later commit replaced."""
    return next(_rows_on_disk(store, patient), None) is not None


def volumes_without(store: Store, patient: str) -> list[Path]:
    """Images and masks that no row of another patient names: the patient's, and orphans.

    An orphan may be an earlier image of the patient, and nothing tells whose it was.
    """
    named: set[str | None] = set()
    for name, columns in (("images", ["path"]), ("masks", ["path", "organ_path"])):
        rows = store.tables[name].read(["patient_id", *columns]).to_pylist()
        named.update(row[column] for row in rows if row["patient_id"] != patient for column in columns)
    return [
        path
        for kind in ("images", "masks")
        for path in map(local, files_below(store.place / kind))
        if relative(path, store.place) not in named
    ]


def gather_needles(store: Store, patient: str) -> Needles:
    """What a patient is to be searched by: pseudonym, digests, values and embeddings.

    Rows of every file on disk count, so those that a later commit replaced do, too. What patients
    who stay have as well is no needle, nor is a fraction such as two thirds.
    """
    values: list[NDArray[np.float64]] = []
    embeddings: dict[tuple[float, ...], None] = {}
    digests: dict[str, None] = {}
    for rows in _rows_on_disk(store, patient):
        for field, column in zip(rows.schema, rows.columns, strict=True):
            if _holds_values(field.name, field.type):
                values.append(_numbers(column))
            elif field.name == "embedding":
                embeddings.update(dict.fromkeys(tuple(e) for e in column.to_pylist() if e is not None))
            elif field.name in _DIGESTS:
                digests.update(dict.fromkeys(d for d in column.to_pylist() if d))
    mine = np.unique(np.concatenate([np.empty(0), *values]))
    mine = mine[~_is_fraction(mine)]
    others = _Others(store, patient)
    also_of_others, digests_of_others = others.embeddings(embeddings), others.digests()
    own = [e for e in embeddings if e not in also_of_others]
    return Needles.of(
        [patient, *(digest[:_SHOWN] for digest in digests if digest not in digests_of_others)],
        mine,
        np.array(own, np.float32),
        others=others.patients(),
        shared=others.values(mine),
    )


def _rows_on_disk(store: Store, patient: str) -> Iterator[pa.Table]:
    """The patient's rows, file by file; one that cannot be read is passed over, and told by the search."""
    import duckdb

    with duckdb.connect() as connection:
        for table in patient_tables(store).values():
            for path in filter(is_parquet, data_files(table)):
                try:
                    rows = connection.sql(
                        "FROM read_parquet($file, hive_partitioning = false) WHERE patient_id = $patient",
                        params={"file": str(path), "patient": patient},
                    ).to_arrow_table()
                except duckdb.Error:
                    continue
                if rows.num_rows:
                    yield rows


class _Others:
    """What the other patients of a store have.

    Args:
        store: which one.
        patient: who does not count.
    """

    def __init__(self, store: Store, patient: str) -> None:
        self._store = store
        self._patient = patient

    def patients(self) -> list[str]:
        """Their pseudonyms."""
        return self._ask("SELECT DISTINCT patient_id FROM rows", partial(_is_named, "patient_id"))

    def digests(self) -> set[str]:
        """Of their images, masks and organs."""
        return set(self._ask(_CELLS, lambda name, _: name in _DIGESTS))

    def values(self, mine: NDArray[np.float64]) -> list[float]:
        """Those of the values that they have, too."""
        given = pa.table({"value": mine})
        found = self._ask(_CELLS + _AS_MINE, lambda _, kind: kind == pa.float64(), given)
        for name in ("feature_values", "direction", "source_origin_mm"):
            inside = f"SELECT DISTINCT value FROM (SELECT unnest({name}) AS value FROM rows)"  # noqa: S608
            found += self._ask(inside + _AS_MINE, partial(_is_named, name), given)
        return found

    def embeddings(self, mine: Collection[tuple[float, ...]]) -> set[tuple[float, ...]]:
        """Those of the embeddings that they have, too: they share an image and a mask."""
        given = pa.table({"embedding": pa.array(map(list, mine), pa.list_(pa.float32()))})
        equal = "SELECT DISTINCT embedding FROM rows SEMI JOIN mine USING (embedding)"
        return set(map(tuple, self._ask(equal, partial(_is_named, "embedding"), given)))

    def _ask(
        self, sql: str, choose: Callable[[str, pa.DataType], bool], mine: pa.Table | None = None
    ) -> list[Any]:
        """One column, from `rows` of each table that has a chosen column."""
        import duckdb

        found: list[Any] = []
        with duckdb.connect() as connection:
            if mine is not None:
                connection.register("mine", mine)
            for table in patient_tables(self._store).values():
                scan = table.scan(table.files())
                schema = connection.sql(f"FROM ({scan}) LIMIT 0").to_arrow_table().schema
                chosen = [f'"{one.name}"' for one in schema if choose(one.name, one.type)]
                if chosen:
                    rows = f"SELECT {', '.join(chosen)} FROM ({scan}) WHERE patient_id <> ?"  # noqa: S608
                    found += connection.execute(f"WITH rows AS ({rows}) {sql}", [self._patient]).fetchall()
        return [row[0] for row in found if row[0] is not None]


def _is_named(wanted: str, name: str, _: pa.DataType) -> bool:
    return name == wanted


def _holds_values(name: str, kind: pa.DataType) -> bool:
    listed = pa.types.is_list(kind) and pa.types.is_float64(kind.value_type)
    return name != "patient_id" and (pa.types.is_float64(kind) or listed)


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    import pyarrow.compute as pc

    flat = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    return np.asarray(flat.drop_null().to_numpy(), np.float64)


def _is_fraction(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values below ten are p / q with a small q, or a neighbour of it, as a mean may be."""
    found = np.zeros(values.size, bool)
    small = np.flatnonzero(np.abs(values) < _BELOW)
    for q in range(1, _DENOMINATOR + 1):
        nearest = np.rint(values[small] * q) / q
        found[small] |= np.abs(nearest - values[small]) <= 2 * np.spacing(np.abs(values[small]))
    return found
