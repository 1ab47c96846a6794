"""A clinical table in Parquet."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import ManifestError
from mvi_ray.ingest.clinical.sheet import WHAT, Cell, Fault, Sheet
from mvi_ray.ingest.table import LARGEST_MIB, check_header, no_rows

if TYPE_CHECKING:
    from pathlib import Path

_MOST_CELLS = 10_000_000


def read_parquet(path: Path) -> Sheet:
    """Read a Parquet file; its first row is line 2, as if the names were line 1.

    Raises:
        ManifestError: it is damaged, has no rows, or is larger than any table of patients.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            about = file.metadata
            size = sum(about.row_group(at).total_byte_size for at in range(about.num_row_groups))
            # A file of kilobytes may claim, and be unpacked to, billions of cells.
            if size > LARGEST_MIB << 20 or about.num_rows * max(about.num_columns, 1) > _MOST_CELLS:
                raise ManifestError(
                    f"the {WHAT} {path.name} claims {about.num_rows:,} rows and {size >> 20:,} MiB; "
                    "keep the rows and columns of the study"
                )
            table = file.read()
            names = table.column_names
            columns = [[_cell(value) for value in column.to_pylist()] for column in table.columns]
    except (pa.ArrowException, OSError, ValueError, OverflowError):
        raise ManifestError(f"the {WHAT} {path.name} is no whole Parquet file; write it again") from None
    check_header(names, WHAT)
    if not table.num_rows:
        raise no_rows(path, WHAT)
    rows = enumerate(zip(*columns, strict=True), start=2)
    return Sheet(tuple(names), tuple((line, dict(zip(names, cells, strict=True))) for line, cells in rows))


def _cell(value: Any) -> Cell:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, Decimal):
        return float(value)
    if value is None or isinstance(value, bool | int | float | dt.date):
        return value
    return Fault("is of a type that is not read", "write it as text, number or date")
