"""Files that hold a needle on purpose: they show that the search for traces sees it."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import numpy as np

from mvi_ray.errors import StoreError
from mvi_ray.store.search.needles import is_distinctive
from mvi_ray.store.search.traces import find_traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from mvi_ray.store.search.needles import Needles

_MADE_UP = 0.7390851332151607  # cos x = x
_LONGEST_NAME = 200
_NOISE = b"\x00\xff\x00plant\x00"


def plant_and_find(needles: Needles) -> tuple[str, ...]:
    """Plant a needle in a file of every kind, and find it again.

    The files lie in a temporary folder, which is removed. Without a value among the needles a
    made-up one is planted.

    Args:
        needles: those that will be looked for; the first text is planted, and the first value.

    Returns:
        What was planted and found, such as ``column of text in parquet``.

    Raises:
        StoreError: a plant was not found, so absence could not be shown.
    """
    if not needles.texts:
        raise StoreError("there is no pseudonym to look for; name the patient")
    text = needles.texts[0]
    value = next(filter(is_distinctive, needles.values.tolist()), None)
    if value is None:
        value = _MADE_UP
        needles = replace(needles, values=np.append(needles.values, value))
    with tempfile.TemporaryDirectory(prefix="mvi-plants-") as folder:
        for number, plant in enumerate(_PLANTS):
            place = Path(folder, str(number))
            place.mkdir()
            plant.write(place, text, value)
        traces = find_traces(Path(folder), needles)
    seen = {
        (int(trace.path.parts[0]), trace.kind, "value" in part)
        for trace in traces
        if len(trace.path.parts) > 1
        for part in trace.what.split(", ")
    }
    for number, plant in enumerate(_PLANTS):
        if (number, plant.kind, plant.is_value) not in seen:
            raise StoreError(
                f"the search did not find what was planted as {plant.name}, so it cannot show that a patient "
                "is absent; nothing was removed, please report this"
            )
    return tuple(plant.name for plant in _PLANTS)


def _bytes(folder: Path, _: str, value: float) -> None:
    # At an odd offset.
    (folder / "plant.bin").write_bytes(_NOISE + np.float64(value).tobytes() + _NOISE)


def _text(folder: Path, text: str, _: float) -> None:
    (folder / "plant.json").write_text(json.dumps({"patient_id": text}), encoding="utf-8")


def _percent(folder: Path, text: str, _: float) -> None:
    (folder / "plant.txt").write_text(f"/tables/patient_id={quote(text, safe='')}/part", encoding="utf-8")


def _number(folder: Path, _: str, value: float) -> None:
    (folder / "plant.csv").write_text(f"a,b\n1,{value!r}\n", encoding="utf-8")


def _strings(folder: Path, text: str, _: float) -> None:
    (folder / "plant.parquet").write_bytes(_packed({"patient_id": [text, None]}))


def _values(folder: Path, _: str, value: float) -> None:
    (folder / "plant.parquet").write_bytes(_packed({"glcm_Contrast": [1.0, value]}))


def _nested(folder: Path, text: str, _: float) -> None:
    import pyarrow as pa

    words = pa.array(["none", text]).dictionary_encode()
    lists = pa.ListArray.from_arrays([0, 2], words)
    cells = pa.StructArray.from_arrays([lists], ["patient_id"])
    (folder / "plant.parquet").write_bytes(_packed({"nested": cells}))


def _packed(columns: dict[str, Any]) -> bytes:
    """A compressed Parquet file without statistics: raw bytes do not show what is in it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = io.BytesIO()
    pq.write_table(pa.table(columns), target, compression="zstd", write_statistics=False)
    return target.getvalue()


def _gzip(folder: Path, text: str, _: float) -> None:
    (folder / "plant.gz").write_bytes(gzip.compress(json.dumps({"patient_id": text}).encode()))


def _zip(folder: Path, text: str, _: float) -> None:
    with zipfile.ZipFile(folder / "plant.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("plant.json", json.dumps({"patient_id": text}))


def _zipped_parquet(folder: Path, text: str, _: float) -> None:
    with zipfile.ZipFile(folder / "plant.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("plant.parquet", _packed({"patient_id": [text]}))


def _duckdb(folder: Path, text: str, value: float) -> None:
    import duckdb

    with duckdb.connect(folder / "plant.duckdb") as connection:
        connection.execute("CREATE TABLE plant (patient_id VARCHAR, value DOUBLE)")
        connection.execute("INSERT INTO plant VALUES (?, ?)", [text, value])


def _delta(folder: Path, text: str, _: float) -> None:
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    location = folder.absolute().as_uri()
    write_deltalake(location, pa.table({"patient_id": [text]}))
    DeltaTable(location).create_checkpoint()


def _file_name(folder: Path, text: str, _: float) -> None:
    name = quote(text, safe="")
    if len(name) <= _LONGEST_NAME:
        (folder / f"{name}.png").touch()
    else:
        (folder / "plant.png").symlink_to(name)


class _Plant(NamedTuple):
    """What is planted, who writes it, and as which kind it must be found."""

    name: str
    write: Callable[[Path, str, float], None]
    kind: str
    is_value: bool = False


_PLANTS = (
    _Plant("value in raw bytes", _bytes, "raw bytes", is_value=True),
    _Plant("text", _text, "raw bytes"),
    _Plant("text of a URL", _percent, "raw bytes"),
    _Plant("number in text", _number, "raw bytes", is_value=True),
    _Plant("column of text in parquet", _strings, "parquet"),
    _Plant("column of values in parquet", _values, "parquet", is_value=True),
    _Plant("nested dictionary in parquet", _nested, "parquet"),
    _Plant("gzip", _gzip, "gzip"),
    _Plant("zip", _zip, "zip"),
    _Plant("parquet in zip", _zipped_parquet, "zip > parquet"),
    _Plant("text in duckdb", _duckdb, "duckdb"),
    _Plant("value in duckdb", _duckdb, "duckdb", is_value=True),
    _Plant("delta log", _delta, "delta log"),
    _Plant("delta checkpoint", _delta, "delta checkpoint"),
    _Plant("file name", _file_name, "file name"),
)
