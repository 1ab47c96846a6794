"""Every value of the store as lines × columns: a line for each patient, session and lesion."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mvi_ray.errors import MatrixError, UsageError
from mvi_ray.features import CR_FEATURES
from mvi_ray.matrix.blocks import Block, Wide, blocks_of
from mvi_ray.matrix.source import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt
    import pyarrow as pa

    from mvi_ray.store.store import Store

    Values = npt.NDArray[np.float64]
    Truths = npt.NDArray[np.bool_]

# Lengths keep two keys apart whose texts run together.
_LINE = "concat(length(patient_id), ':', patient_id, length(session), ':', session, lesion)"


@dataclass(frozen=True, slots=True)
class Parts:
    """What is asked for; everything in the order that the columns are to have.

    Args:
        families: ``CR``, ``DLR``, variants, and names of imported ones.
        phases, regions: of the VOIs.
        image_types: of CR and of each variant of it.
        embeddings: those of the families that are DLR or a variant of it.
    """

    families: Sequence[str]
    phases: Sequence[str]
    regions: Sequence[str]
    image_types: Mapping[str, Sequence[str]]
    embeddings: Sequence[str]


class Column(NamedTuple):
    """One column, and where its values come from; the image type is None where the family has none."""

    name: str
    family: str
    phase: str
    region: str
    image_type: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some lines in order.

    Args:
        keys: columns patient_id, session, lesion, line, and computed_at: the latest time of the parts.
        values: shape (lines, columns), exactly as stored.
        defined: shape (lines, columns); False where nothing is stored.
    """

    keys: pa.Table
    values: Values
    defined: Truths


class Lines:
    """Lines × columns of a store, read some lines at a time.

    Rows are those of the modelling reader under current settings. Lines are sorted by patient,
    session and lesion.

    Args:
        store: nobody else publishes its catalog meanwhile.
        parts: what is asked for.

    Raises:
        MatrixError: nothing of it is stored.
    """

    def __init__(self, store: Store, parts: Parts) -> None:
        self._store = store
        self._parts = parts
        self._bound = {"phases": list(parts.phases), "regions": list(parts.regions)}
        self._groups = [self._group(family) for family in parts.families]
        self.columns: tuple[Column, ...] = tuple(c for group in self._groups for c in group.columns)
        self.keys = self._read_keys()

    def _read_keys(self) -> pa.Table:
        kinds = dict.fromkeys(kind for several in self._parts.image_types.values() for kind in several)
        bound = {**self._bound, "families": list(self._parts.families), "image_types": list(kinds)}
        found = self._store.query(_sql("lines"), bound)
        if found.num_rows == 0:
            raise MatrixError(
                "the store has no values of what is asked for; run `mvi extract`, or see `mvi status`"
            )
        return found

    def _group(self, family: str) -> _Stored | _Imported:
        image_types = self._parts.image_types.get(family)
        if image_types is None and family not in self._parts.embeddings:
            return _Imported(self._store, family, self._bound)
        kinds: Sequence[str | None] = (None,) if image_types is None else image_types
        blocks = blocks_of(self._parts.phases, self._parts.regions, kinds, family)
        source = Source.of(family, has_image_types=image_types is not None)
        return _Stored(self._store, source, self._bound, blocks)

    def chunks(self, values: int) -> Iterator[Chunk]:
        """Lines in order, so many that a chunk has about this number of values."""
        step = max(1, values // max(1, len(self.columns)))
        for start in range(0, self.keys.num_rows, step):
            keys = self.keys.slice(start, step)
            patients = keys.column("patient_id").to_pylist()
            span = {"first": patients[0], "last": patients[-1]}
            read = [group.read(keys.column("line").to_pylist(), span) for group in self._groups]
            yield Chunk(
                keys,
                np.concatenate([values for values, _ in read], axis=1),
                np.concatenate([defined for _, defined in read], axis=1),
            )


class _Stored:
    """Columns of CR, DLR or a variant."""

    def __init__(self, store: Store, source: Source, bound: dict[str, Any], blocks: list[Block]) -> None:
        self._store = store
        self._blocks = blocks
        self._bound = {**bound, **source.bound}
        if source.kind == "cr":
            self._bound["image_types"] = list(dict.fromkeys(block.image_type for block in blocks))
        self._sql = _sql(f"line_{source.kind}", rows=source.rows, values=", ".join(CR_FEATURES))
        self.columns = [
            Column(name, block.family, block.phase, block.region, block.image_type)
            for block in blocks
            for name in block.columns
        ]

    def read(self, lines: Sequence[str], span: dict[str, str]) -> tuple[Values, Truths]:
        """Values of some lines, and where there are any."""
        wide = Wide(lines, self._blocks)
        with self._store.stream(self._sql, {**self._bound, **span}) as batches:
            wide.fill(batches, "line")
        return wide.values, np.repeat(wide.has, [block.width for block in self._blocks], axis=1)


class _Imported:
    """Columns of an imported family: those that have a value anywhere."""

    def __init__(self, store: Store, family: str, bound: dict[str, Any]) -> None:
        self._store = store
        self._bound = {**bound, "family": family}
        self._sql = _sql("line_imported")
        # All rows of a feature set have the same names in the same order.
        found = store.query(
            "SELECT feature_names FROM imported WHERE family = ? LIMIT 1", [family]
        ).to_pylist()
        self._names: list[str] = found[0]["feature_names"] if found else []
        named = {
            (row["phase"], row["region"], row["name"])
            for row in store.query(_sql("imported_columns"), self._bound).to_pylist()
        }
        self._places = [(p, r) for p in bound["phases"] for r in bound["regions"]]
        every = [
            Column(f"{phase}_{region}_{name}", family, phase, region, None)
            for phase, region in self._places
            for name in self._names
        ]
        # A column of the file is of one phase; in the others the name would be an empty column.
        names = (name for _ in self._places for name in self._names)
        self._kept = np.array(
            [(c.phase, c.region, name) in named for c, name in zip(every, names, strict=True)], dtype=np.bool_
        )
        self.columns = [column for column, kept in zip(every, self._kept, strict=True) if kept]

    def read(self, lines: Sequence[str], span: dict[str, str]) -> tuple[Values, Truths]:
        """Values of some lines, and where there are any."""
        width = len(self._names)
        if not width:
            return np.empty((len(lines), 0)), np.empty((len(lines), 0), dtype=np.bool_)
        shape = (len(lines), len(self._places), width)
        values, defined = np.full(shape, np.nan), np.zeros(shape, dtype=np.bool_)
        line_at = {line: at for at, line in enumerate(lines)}
        place_at = {place: at for at, place in enumerate(self._places)}
        with self._store.stream(self._sql, {**self._bound, **span}) as batches:
            for batch in batches:
                columns = (batch.column(name).to_pylist() for name in ("line", "phase", "region"))
                at = np.array(
                    [(line_at.get(line, -1), place_at[p, r]) for line, p, r in zip(*columns, strict=True)],
                    dtype=np.int64,
                ).reshape(-1, 2)
                flat = batch.column("feature_values").flatten()
                numbers = flat.to_numpy(zero_copy_only=False).reshape(-1, width)
                there = flat.is_valid().to_numpy(zero_copy_only=False).reshape(-1, width)
                # Other lines of the first and the last patient may be in another chunk.
                mine = at[:, 0] >= 0
                values[at[mine, 0], at[mine, 1]] = numbers[mine]
                defined[at[mine, 0], at[mine, 1]] = there[mine]
        flattened = len(lines), len(self._places) * width
        return values.reshape(flattened)[:, self._kept], defined.reshape(flattened)[:, self._kept]


def _sql(name: str, **parts: str) -> str:
    text = files("mvi_ray.matrix").joinpath(f"sql/{name}.sql").read_text(encoding="utf-8")
    # safe_substitute leaves $first and the like alone: DuckDB binds those.
    return Template(text).safe_substitute(line=_LINE, **parts)


def check_columns(columns: Sequence[Column]) -> None:
    """UsageError when two columns have one name."""
    counts = Counter(column.name for column in columns)
    twice = next((name for name, count in counts.items() if count > 1), None)
    if twice is not None:
        families = list(dict.fromkeys(column.family for column in columns if column.name == twice))
        raise UsageError(
            f"the column {twice} would stand twice ({' and '.join(families)}); "
            "choose families with --family, or write one row per value with --long"
        )
