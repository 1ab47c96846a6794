"""Rows of the store scattered into lines × columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.features import CR_FEATURES, DLR_VALUES, features_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    import pyarrow as pa

    Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Block:
    """Columns that are stored in one row.

    Args:
        phase, region: of the VOI.
        image_type: of CR; None for an embedding.
        family: CR, DLR or a variant.
    """

    phase: str
    region: str
    image_type: str | None
    family: str

    @property
    def name(self) -> str:
        """In words."""
        what = self.image_type or "embedding"
        return " ".join([self.phase, self.region, *([self.family] * self._is_variant), what])

    @property
    def _is_variant(self) -> bool:
        return self.family not in ("CR", "DLR")

    @property
    def width(self) -> int:
        """Number of its columns."""
        return DLR_VALUES if self.image_type is None else len(features_of(self.image_type))

    @property
    def columns(self) -> list[str]:
        """Names of its columns in a matrix; those of a variant bear its name after the region."""
        place = f"{self.phase}_{self.region}" + (f"_{self.family}" if self._is_variant else "")
        if self.image_type is None:
            return [f"{place}_dlr_{number:03d}" for number in range(DLR_VALUES)]
        return [f"{place}_{self.image_type}_{feature}" for feature in features_of(self.image_type)]


def blocks_of(
    phases: Sequence[str], regions: Sequence[str], image_types: Sequence[str | None], family: str
) -> list[Block]:
    """Every combination, in the order of the columns of a matrix."""
    return [Block(p, r, i, family) for p in phases for r in regions for i in image_types]


@dataclass(slots=True, eq=False)
class Wide:
    """Lines × columns, filled batch by batch.

    Args:
        lines: what names a line, unique.
        blocks: of one family, in the order of their columns.
    """

    lines: Sequence[str]
    blocks: Sequence[Block]
    values: Values = field(init=False)
    """Shape (lines, columns), NaN where nothing is stored or a value is not defined."""
    has: npt.NDArray[np.bool_] = field(init=False)
    """Shape (lines, blocks), whether the row is there."""

    def __post_init__(self) -> None:
        self.values = np.full((len(self.lines), sum(block.width for block in self.blocks)), np.nan)
        self.has = np.zeros((len(self.lines), len(self.blocks)), dtype=bool)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return [column for block in self.blocks for column in block.columns]

    def fill(self, batches: Iterable[pa.RecordBatch], line: str = "patient_id") -> None:
        """Put each row's numbers into its line.

        Args:
            batches: with the columns phase, region, image_type, and those of `cr` or ``embedding``.
            line: column that names the line; rows of other lines are passed over.
        """
        import pyarrow as pa

        known = pa.array(self.lines, pa.string())
        starts = np.concatenate([[0], np.cumsum([block.width for block in self.blocks])])
        for batch in batches:
            at = _positions(batch.column(line), known)
            block_of = self._block_of(batch)
            numbers = _numbers(batch)
            # Rows of one block together: one copy each.
            order = np.argsort(block_of, kind="stable")
            ends = np.searchsorted(block_of[order], np.arange(len(self.blocks) + 1))
            for number, block in enumerate(self.blocks):
                rows = order[ends[number] : ends[number + 1]]
                rows = rows[at[rows] >= 0]
                if len(rows):
                    place = slice(int(starts[number]), int(starts[number + 1]))
                    self.values[at[rows], place] = numbers[_takes(block)][:, rows].T
                    self.has[at[rows], number] = True

    def _block_of(self, batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
        """Number of the block of each row; -1 for none of them."""
        import pyarrow as pa

        axes = []
        for name in ("phase", "region", "image_type"):
            present = list(dict.fromkeys(getattr(block, name) for block in self.blocks))
            axes.append((present, _positions(batch.column(name), pa.array(present, pa.string()))))
        table = np.full([len(present) + 1 for present, _ in axes], -1, dtype=np.int64)
        for number, block in enumerate(self.blocks):
            place = (block.phase, block.region, block.image_type)
            table[tuple(present.index(v) for (present, _), v in zip(axes, place, strict=True))] = number
        # Position -1 takes the last entry of an axis, which belongs to no block.
        found: npt.NDArray[np.int64] = table[tuple(position for _, position in axes)]
        return found


def _positions(column: pa.Array, known: pa.Array) -> npt.NDArray[np.int64]:
    """Where each value stands in a list; -1 for nowhere."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.cast(pa.string())
    return np.asarray(pc.fill_null(pc.index_in(column, known), -1), dtype=np.int64)


def _numbers(batch: pa.RecordBatch) -> Values:
    """Shape (columns, rows): the features of `cr`, or the values of embeddings."""
    if "embedding" in batch.schema.names:
        flat = np.asarray(batch.column("embedding").flatten(), dtype=np.float64)
        return flat.reshape(batch.num_rows, DLR_VALUES).T
    numbers = np.empty((len(CR_FEATURES), batch.num_rows))
    for at, feature in enumerate(CR_FEATURES):
        numbers[at] = batch.column(feature).to_numpy(zero_copy_only=False)
    return numbers


_PLACE = {feature: at for at, feature in enumerate(CR_FEATURES)}


def _takes(block: Block) -> slice:
    """Rows of `_numbers` that belong to a block: they stand together."""
    if block.image_type is None:
        return slice(None)
    names = features_of(block.image_type)
    return slice(_PLACE[names[0]], _PLACE[names[-1]] + 1)
