"""Parquet and Arrow files as sources of features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import ManifestError
from mvi_ray.ingest.features.cells import Cell, Cells, check_header, parse, states_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class ArrowSource:
    """A Parquet file or an Arrow file (Feather version 2)."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.ipc
        import pyarrow.parquet as pq

        try:
            with path.open("rb") as file:
                parquet = file.read(4) == b"PAR1"
            if parquet:
                self._table = pq.ParquetFile(path).read()
            else:
                with pa.ipc.open_file(path) as reader:
                    self._table = reader.read_all()
        except (pa.ArrowInvalid, OSError):
            raise ManifestError(f"the table {path.name} is damaged; write it again") from None
        if self._table.num_rows == 0:
            raise ManifestError(f"the table {path.name} has no rows; it needs one per case")
        self.columns = tuple(self._table.column_names)
        check_header(self.columns)

    def read(self, texts: Sequence[str], numbers: Sequence[str]) -> Cells:
        """Read some columns as text and some as numbers; NaN and null stay two things."""
        rows = self._table.num_rows
        values = np.full((rows, len(numbers)), np.nan)
        states = np.full((rows, len(numbers)), Cell.TEXT, dtype=np.uint8)
        for at, name in enumerate(numbers):
            values[:, at], states[:, at] = _numbers(name, self._table[name])
        return Cells(
            # Counted as in a text file, where the header is line 1.
            np.arange(2, rows + 2, dtype=np.int64),
            {name: _text(self._table[name]) for name in texts},
            values,
            states,
        )


def _numbers(name: str, column: Any) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan), np.full(len(column), Cell.NULL, dtype=np.uint8)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        values, states, _, _ = parse([(cell or "").strip() for cell in column.to_pylist()], may_comma=False)
        return values, states
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return np.full(len(column), np.nan), np.full(len(column), Cell.TEXT, dtype=np.uint8)
    try:
        values = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy().copy()
    except pa.ArrowInvalid:
        raise ManifestError(
            f"column {name!r} holds integers that a double cannot hold exactly; leave it out, or round it"
        ) from None
    states = states_of(values)
    states[pc.is_null(column).to_numpy()] = Cell.NULL
    values[states == Cell.INFINITE] = np.nan
    return values, states


def _text(column: Any) -> list[str]:
    return ["" if cell is None or cell != cell else str(cell).strip() for cell in column.to_pylist()]  # noqa: PLR0124
