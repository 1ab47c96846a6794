"""Clinical tables in Parquet."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mvi_ray.errors import ManifestError
from mvi_ray.ingest.clinical.sheet import Fault, Sheet, open_sheet

if TYPE_CHECKING:
    from pathlib import Path

DAY = dt.date(2024, 1, 31)


def sheet(folder: Path, table: pa.Table) -> Sheet:
    """A table written and read."""
    pq.write_table(table, folder / "a.parquet")
    return open_sheet(folder / "a.parquet", None)


def test_every_type_that_a_table_of_patients_has_is_read(tmp_path: Path) -> None:
    """Times of day go; the first row is line 2, as in a CSV."""
    table = pa.table(
        {
            "patient_id": [" 001 ", None],
            "age": [61, None],
            "afp": [0.1, float("nan")],
            "alt": [Decimal("1.50"), None],
            "mri": [dt.datetime(2024, 1, 31, 8, 15, tzinfo=dt.UTC), None],
            "lab": [DAY, None],
            "list": [[1], None],
        }
    )
    found = sheet(tmp_path, table)
    assert found.columns == tuple(table.column_names)
    line, cells = found.rows[0]
    assert (line, list(cells.values())[:6]) == (2, ["001", 61, 0.1, 1.5, DAY, DAY])
    assert isinstance(cells["list"], Fault)
    assert found.rows[1][1]["age"] is None


def test_parquet_that_cannot_be_used_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rows, cut short, or of more cells than patients have."""
    with pytest.raises(ManifestError, match=r"a\.parquet has no rows"):
        sheet(tmp_path, pa.table({"patient_id": pa.array([], pa.string())}))
    path = tmp_path / "a.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ManifestError, match=r"is no whole Parquet file; write it again"):
        open_sheet(path, None)
    # A million equal values take a few bytes.
    monkeypatch.setattr("mvi_ray.ingest.clinical.parquet._MOST_CELLS", 999_999)
    with pytest.raises(ManifestError, match=r"claims 1,000,000 rows and \d+ MiB; keep the rows"):
        sheet(tmp_path, pa.table({"patient_id": pa.nulls(1_000_000, pa.string())}))


def test_text_that_is_none_is_told(tmp_path: Path) -> None:
    """Other programs write bytes of another encoding, and days of the year 300000."""
    ends, text = pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xfc1")
    for column in (
        pa.Array.from_buffers(pa.string(), 1, [None, ends, text]),
        pa.array([100_000_000], pa.int32()).cast(pa.date32()),
    ):
        with pytest.raises(ManifestError, match="is no whole Parquet file"):
            sheet(tmp_path, pa.table({"patient_id": column}))
