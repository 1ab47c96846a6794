"""What a store can be asked for by name: views, their columns, features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

_VIEWS = """
SELECT view_name, comment FROM duckdb_views() WHERE NOT internal AND schema_name = 'main'
UNION ALL
SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal AND schema_name = 'main'
ORDER BY 1
"""
_COLUMNS = """
SELECT table_name, column_name, data_type FROM duckdb_columns()
WHERE NOT internal AND schema_name = 'main' ORDER BY table_name, column_index
"""
_CR = "SELECT DISTINCT phase, region, image_type FROM cr ORDER BY ALL"
_DLR = "SELECT DISTINCT phase, region FROM dlr ORDER BY ALL"


@dataclass(frozen=True, slots=True)
class Names:
    """Names that a query may hold.

    Args:
        views: name to its comment, empty where it has none.
        columns: name of a view to its columns, in order, each with its type.
        features: full names, such as ``AP_intratumoral_original_glcm_Contrast``.
    """

    views: Mapping[str, str]
    columns: Mapping[str, Mapping[str, str]]
    features: Sequence[str] = ()


def read_names(query: Callable[[str], pa.Table]) -> Names:
    """The names of a store, asked for in SQL; features are those that have a value.

    Raises:
        StoreError: the store is empty.
    """
    views = {row["view_name"]: row["comment"] or "" for row in query(_VIEWS).to_pylist()}
    columns: dict[str, dict[str, str]] = {view: {} for view in views}
    for row in query(_COLUMNS).to_pylist():
        if row["table_name"] in columns:
            columns[row["table_name"]][row["column_name"]] = row["data_type"]
    return Names(views, columns, tuple(_features(query)))


def _features(query: Callable[[str], pa.Table]) -> list[str]:
    from mvi_ray.features import DLR_VALUES, features_of

    # From the keys: to ask the view `features` would read every value.
    names = []
    for row in query(_CR).to_pylist():
        image_type = row["image_type"]
        names += [f"{row['phase']}_{row['region']}_{image_type}_{name}" for name in features_of(image_type)]
    for row in query(_DLR).to_pylist():
        names += [f"{row['phase']}_{row['region']}_dlr_{number:03}" for number in range(DLR_VALUES)]
    return names
