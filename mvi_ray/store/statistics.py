"""Statistics of each feature, kept in the store so that nobody waits for them."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from mvi_ray.features import CR_FEATURES
from mvi_ray.store.schemas import FEATURE_STATISTICS

if TYPE_CHECKING:
    from mvi_ray.store.store import Store

_READ = ("cr", "dlr", "images", "imported", "masks")


def is_current(store: Store) -> bool:
    """Whether the statistics are of the rows that are stored now."""
    known = set(store.tables["feature_statistics"].read(["state"]).column(0).to_pylist())
    if known:
        return known == {_state(store)}
    return not any(store.tables[name].exists for name in ("cr", "dlr", "imported"))


def refresh_statistics(store: Store) -> None:
    """Make them anew from the rows that the catalog shows."""
    text = files("mvi_ray.store").joinpath("sql/statistics.sql").read_text(encoding="utf-8")
    summaries = ", ".join(_summary(name, f"'{name}'") for name in CR_FEATURES)
    sql = Template(text).safe_substitute(cr_summaries=summaries, listed_summary=_summary("value", "feature"))
    with store.connect(threads=1) as connection:
        # One thread adds up in one order: the same rows give the same digits.
        found = connection.sql(sql, params={"state": _state(store)}).to_arrow_table()
    store.tables["feature_statistics"].replace_all(found.cast(FEATURE_STATISTICS.schema))


def _state(store: Store) -> str:
    """SHA-256 of the names of the files that statistics are made from; a vacuum leaves them."""
    names = [Path(path).name for table in _READ for path in store.tables[table].files()]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _summary(column: str, name: str) -> str:
    """SQL of a struct that sums up one column; `name` is SQL, too."""
    finite = f"FILTER (isfinite({column}))"
    return (
        f"{{'feature': {name}, 'vois': count(*), 'missing': count(*) - count({column}), "
        f"'not_a_number': count({column}) FILTER (NOT isfinite({column})), "
        f"'mean': avg({column}) {finite}, 'sd': stddev_samp({column}) {finite}, "
        f"'minimum': min({column}) {finite}, 'maximum': max({column}) {finite}, "
        # Hashed twice: the last argument enters a hash by XOR only, and XOR over rows takes it out.
        f"'fingerprint': format('{{:x}}', bit_xor(hash(hash({column}, patient_id, session, lesion))))}}"
    )
