"""The catalog `mvi.duckdb`: views over the live files, for any DuckDB without an extension."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Literal

import duckdb
import pyarrow as pa

from mvi_ray.errors import StoreError
from mvi_ray.features import CR_FEATURES, DLR_VALUES
from mvi_ray.store.comments import comment_on_everything
from mvi_ray.store.dictionary import definitions, feature_dictionary
from mvi_ray.store.place import reason
from mvi_ray.store.schemas import SCHEMA_VERSION, TABLES
from mvi_ray.store.tables import now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mvi_ray.store.declarations import Declarations
    from mvi_ray.store.tables import Snapshot, Table

# Files of this version open in DuckDB 1.0 and every later one.
_STORAGE_VERSION = "v1.0.0"


def publish_catalog(
    target: Path,
    tables: Mapping[str, Table],
    snapshots: Mapping[str, Snapshot],
    study: Declarations,
    like: Path | None = None,
) -> None:
    """Write the catalog aside and rename it: readers see the old one or the new one.

    Args:
        target: its file.
        tables: every table of the store.
        snapshots: the state of each that the catalog shows.
        study: what is current.
        like: a catalog that may differ in files only, which is quicker; `target` by default.

    Raises:
        StoreError: it cannot be written.
    """
    _write_catalog(target, tables, snapshots, study, like or target)


def export_catalog(
    target: Path, tables: Mapping[str, Table], snapshots: Mapping[str, Snapshot], study: Declarations
) -> None:
    """Write a catalog that holds the rows themselves: one file that any DuckDB opens, anywhere.

    Its views are those of `mvi.duckdb`; they stand on tables of the schema `raw` in place of files.
    Arguments and errors are those of `publish_catalog`.
    """
    if not target.parent.is_dir():
        raise StoreError(f"there is no directory {target.parent}; make it first")
    _write_catalog(target, tables, snapshots, study, None)


def _write_catalog(
    target: Path,
    tables: Mapping[str, Table],
    snapshots: Mapping[str, Snapshot],
    study: Declarations,
    like: Path | None,
) -> None:
    """Of views; of tables when it is like no other."""
    try:
        # A folder of its own: several threads and processes may publish at once.
        with tempfile.TemporaryDirectory(prefix=".publish-", dir=target.parent) as folder:
            aside = Path(folder) / target.name
            if like is None:
                _fill(aside, tables, snapshots, study, "TABLE")
            elif not _renew(like, aside, tables, snapshots, study):
                aside.unlink(missing_ok=True)
                _fill(aside, tables, snapshots, study, "VIEW")
            aside.replace(target)
    except (duckdb.Error, OSError) as error:
        raise StoreError(
            f"the catalog could not be published ({reason(error)}); "
            "check the disk's free space and permissions"
        ) from None


def _renew(
    like: Path,
    aside: Path,
    tables: Mapping[str, Table],
    snapshots: Mapping[str, Snapshot],
    study: Declarations,
) -> bool:
    """Copy a catalog and let it show other files; whether nothing else has changed.

    Views of `main` and the comments on their columns take four fifths of a catalog's time, and
    stand on names only.
    """
    try:
        shutil.copyfile(like, aside)
        with next(iter(tables.values())).connect() as connection:
            place = str(aside).replace("'", "''")
            connection.execute(f"ATTACH '{place}' AS catalog")
            connection.execute("USE catalog")
            made_from = connection.execute("SELECT digest FROM raw.catalog_source").fetchone()
            if made_from != (_source(snapshots, study),):
                return False
            connection.execute("BEGIN")
            _show_files(connection, tables, snapshots, study, "VIEW")
            connection.execute("COMMIT")
            connection.execute("USE memory")
            connection.execute("DETACH catalog")
    except (duckdb.Error, OSError):
        # None is there, or it is damaged or of another program.
        return False
    return True


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
        _write_declarations(connection, snapshots, study)
        _show_files(connection, tables, snapshots, study, kind)
        connection.execute(_views())
        comment_on_everything(connection)
        connection.execute("COMMIT")
        connection.execute("USE memory")
        connection.execute("DETACH catalog")


@cache
def _views() -> str:
    template = files("mvi_ray.store").joinpath("sql/views.sql").read_text(encoding="utf-8")
    return Template(template).substitute(cr_features=", ".join(CR_FEATURES), dlr_values=DLR_VALUES)


def _source(snapshots: Mapping[str, Snapshot], study: Declarations) -> str:
    """Digest of all that a catalog holds besides the scans of files.

    The columns of the clinical table are those of its version; those of the others are ours.
    """
    clinical = snapshots["clinical"].version
    # The package itself names rooms above this one, for type checkers only.
    ours = import_module("mvi_ray").__version__
    text = repr((study.to_json(), clinical, duckdb.__version__, ours, _views(), TABLES, definitions()))
    return hashlib.sha256(text.encode()).hexdigest()


def _show_files(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, Table],
    snapshots: Mapping[str, Snapshot],
    study: Declarations,
    kind: Literal["VIEW", "TABLE"],
) -> None:
    """What changes with each commit: the scans, their versions, and the time."""
    for name, table in tables.items():
        state = snapshots[name]
        rows = table.scan(state.files, mixed=state.mixed)
        connection.execute(f"CREATE OR REPLACE {kind} raw.{name} AS {rows}")
    folder = str(next(iter(tables.values())).folder.parent) if kind == "VIEW" else None
    versions = {
        "table_name": pa.array(list(snapshots), pa.string()),
        "version": pa.array([s.version for s in snapshots.values()], pa.int64()),
    }
    # Rows are replaced, not tables: those have comments.
    connection.execute("DELETE FROM raw.table_versions; DELETE FROM catalog_info")
    connection.register("declared", pa.table(versions))
    connection.execute("INSERT INTO raw.table_versions FROM declared")
    connection.unregister("declared")
    connection.execute(
        "INSERT INTO catalog_info VALUES (?, ?, ?, ?, ?, ?)",
        [study.name, study.digest, study.synthetic, folder, now(), SCHEMA_VERSION],
    )


def _write_declarations(
    connection: duckdb.DuckDBPyConnection,
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
        "catalog_source": {"digest": pa.array([_source(snapshots, study)])},
    }
    filled = {f"raw.{name}": pa.table(columns) for name, columns in content.items()}
    filled["feature_dictionary"] = feature_dictionary(
        study.image_types.get("CR", ()), "DLR" in study.expected, study.filters, study.variants
    )
    for place, rows in filled.items():
        connection.register("declared", rows)
        connection.execute(f"CREATE TABLE {place} AS FROM declared")
        connection.unregister("declared")
    connection.execute("CREATE TABLE raw.table_versions (table_name VARCHAR, version BIGINT)")
    connection.execute(
        "CREATE TABLE catalog_info (study VARCHAR, study_digest VARCHAR, synthetic BOOLEAN, "
        "tables_folder VARCHAR, published_at TIMESTAMPTZ, schema_version VARCHAR)"
    )
