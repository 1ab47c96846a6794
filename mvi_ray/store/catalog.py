"""The catalog `mvi.duckdb`: views over the live files, for any DuckDB without an extension."""

from __future__ import annotations

import tempfile
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Literal

import duckdb
import pyarrow as pa

from mvi_ray.errors import StoreError
from mvi_ray.features import CR_FEATURES, DLR_VALUES
from mvi_ray.store.comments import comment_on_everything
from mvi_ray.store.dictionary import feature_dictionary
from mvi_ray.store.place import reason
from mvi_ray.store.schemas import SCHEMA_VERSION
from mvi_ray.store.tables import now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mvi_ray.store.declarations import Declarations
    from mvi_ray.store.tables import Snapshot, Table

# Files of this version open in DuckDB 1.0 and every later one.
_STORAGE_VERSION = "v1.0.0"


def publish_catalog(
    target: Path, tables: Mapping[str, Table], snapshots: Mapping[str, Snapshot], study: Declarations
) -> None:
    """Write the catalog aside and rename it: readers see the old one or the new one.

    Args:
        target: its file.
        tables: every table of the store.
        snapshots: the state of each that the catalog shows.
        study: what is current.

    Raises:
        StoreError: it cannot be written.
    """
    _write_catalog(target, tables, snapshots, study, "VIEW")


def export_catalog(
    target: Path, tables: Mapping[str, Table], snapshots: Mapping[str, Snapshot], study: Declarations
) -> None:
    """Write a catalog that holds the rows themselves: one file that any DuckDB opens, anywhere.

    Its views are those of `mvi.duckdb`; they stand on tables of the schema `raw` in place of files.
    Arguments and errors are those of `publish_catalog`.
    """
    if not target.parent.is_dir():
        raise StoreError(f"there is no directory {target.parent}; make it first")
    _write_catalog(target, tables, snapshots, study, "TABLE")


def _write_catalog(
    target: Path,
    tables: Mapping[str, Table],
    snapshots: Mapping[str, Snapshot],
    study: Declarations,
    kind: Literal["VIEW", "TABLE"],
) -> None:
    try:
        # A folder of its own: several threads and processes may publish at once.
        with tempfile.TemporaryDirectory(prefix=".publish-", dir=target.parent) as folder:
            aside = Path(folder) / target.name
            _fill(aside, tables, snapshots, study, kind)
            aside.replace(target)
    except (duckdb.Error, OSError) as error:
        raise StoreError(
            f"the catalog could not be published ({reason(error)}); "
            "check the disk's free space and permissions"
        ) from None


def _fill(
    file: Path,
    tables: Mapping[str, Table],
    snapshots: Mapping[str, Snapshot],
    study: Declarations,
    kind: Literal["VIEW", "TABLE"],
) -> None:
    # All tables lie in one place.
    with next(iter(tables.values())).connect() as connection:
        # ATTACH takes no bound values; the path is quoted by doubling.
        place = str(file).replace("'", "''")
        connection.execute(f"ATTACH '{place}' AS catalog (STORAGE_VERSION '{_STORAGE_VERSION}')")
        connection.execute("USE catalog")
        # Hundreds of statements: one flush to the disk, not one each.
        connection.execute("BEGIN")
        where = str(next(iter(tables.values())).folder.parent) if kind == "VIEW" else None
        _write_declarations(connection, where, snapshots, study)
        for name, table in tables.items():
            state = snapshots[name]
            rows = table.scan(state.files, mixed=state.mixed)
            connection.execute(f"CREATE {kind} raw.{name} AS {rows}")
        template = files("mvi_ray.store").joinpath("sql/views.sql").read_text(encoding="utf-8")
        columns = ", ".join(CR_FEATURES)
        connection.execute(Template(template).substitute(cr_features=columns, dlr_values=DLR_VALUES))
        comment_on_everything(connection)
        connection.execute("COMMIT")
        connection.execute("USE memory")
        connection.execute("DETACH catalog")


def _write_declarations(
    connection: duckdb.DuckDBPyConnection,
    folder: str | None,
    snapshots: Mapping[str, Snapshot],
    study: Declarations,
) -> None:
    connection.execute("CREATE SCHEMA raw")
    positions = {phase: position for position, phase in enumerate(study.phases)}
    content = {
        "regions": {
            "region": pa.array(study.regions, pa.string()),
            "position": pa.array(range(len(study.regions)), pa.int32()),
        },
        "readers": {"reader": pa.array(study.readers, pa.string())},
        "model_reader": {"reader": pa.array(study.readers[:1], pa.string())},
        "families": {
            "family": pa.array([f for f in study.expected for _ in study.phases], pa.string()),
            "phase": pa.array([p for _ in study.expected for p in study.phases], pa.string()),
            "expected": pa.array([n for n in study.expected.values() for _ in study.phases], pa.int32()),
            "position": pa.array([positions[p] for _ in study.expected for p in study.phases], pa.int32()),
        },
        "current_feature_sets": {
            name: pa.array([row[i] for row in study.current], pa.string())
            for i, name in enumerate(("family", "phase", "image_type", "feature_set_id"))
        },
        "table_versions": {
            "table_name": pa.array(list(snapshots), pa.string()),
            "version": pa.array([s.version for s in snapshots.values()], pa.int64()),
        },
    }
    filled = {f"raw.{name}": pa.table(columns) for name, columns in content.items()}
    filled["feature_dictionary"] = feature_dictionary(
        study.image_types.get("CR", ()), "DLR" in study.expected, study.filters, study.variants
    )
    for place, rows in filled.items():
        connection.register("declared", rows)
        connection.execute(f"CREATE TABLE {place} AS FROM declared")
        connection.unregister("declared")
    connection.execute(
        "CREATE TABLE catalog_info AS SELECT ?::VARCHAR AS study, ?::VARCHAR AS study_digest, "
        "?::BOOLEAN AS synthetic, ?::VARCHAR AS tables_folder, ?::TIMESTAMPTZ AS published_at, "
        "?::VARCHAR AS schema_version",
        [study.name, study.digest, study.synthetic, folder, now(), SCHEMA_VERSION],
    )
