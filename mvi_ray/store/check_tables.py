"""Checks of the tables: files there, keys unique, values finite or explained, origins known."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from mvi_ray.features import CR_FEATURES, DLR_VALUES, INTENSITY_FEATURES, SHAPE_FEATURES
from mvi_ray.store.clauses import reading
from mvi_ray.store.finding import Finding
from mvi_ray.store.parquet import is_parquet
from mvi_ray.store.place import placed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mvi_ray.store.store import Store
    from mvi_ray.store.tables import Table

_VALUES = ("cr", "dlr", "imported")


def check_files(store: Store) -> Iterator[Finding]:
    """Every live file is there and begins and ends as Parquet does."""
    for name, table in store.tables.items():
        broken = [path for path in map(placed, table.files()) if not is_parquet(path)]
        if broken:
            missing = sum(not path.exists() for path in broken)
            yield Finding(
                "files",
                "error",
                f"table {name}: {missing} files are missing, {len(broken) - missing} are damaged",
                "--repair takes them out of the table; then ingest and extract again what is absent",
                name,
                repair="files",
            )


def check_keys(store: Store) -> Iterator[Finding]:
    """No key stands twice."""
    for name, table in store.tables.items():
        keys = ", ".join(f'"{key}"' for key in table.spec.keys)
        twice = _rows(table, f"SELECT {keys} FROM rows GROUP BY {keys} HAVING count(*) > 1 ORDER BY ALL")  # noqa: S608
        if twice:
            yield Finding(
                "keys",
                "error",
                f"table {name}: {len(twice)} keys stand more than once",
                "--repair keeps the newest row of each",
                name,
                tuple(twice),
                "duplicates",
            )


def check_values(store: Store) -> Iterator[Finding]:
    """Values are as the engine returned them, or NULL where nothing is defined."""
    absent = " OR ".join(f"{name} IS NULL" for name in INTENSITY_FEATURES)
    shape_absent = " OR ".join(f"{name} IS NULL" for name in SHAPE_FEATURES)
    shape_there = " OR ".join(f"{name} IS NOT NULL" for name in SHAPE_FEATURES)
    finite = "list_bool_and(list_transform(embedding, lambda x: isfinite(x)))"
    wrong = (
        ("cr", f"({absent})", "lack values that are always defined"),
        ("cr", f"image_type = 'original' AND ({shape_absent})", "of the original image lack shape"),
        ("cr", f"image_type != 'original' AND ({shape_there})", "hold shape beside the original image"),
        (
            "dlr",
            f"len(embedding) IS DISTINCT FROM {DLR_VALUES} OR NOT coalesce({finite}, false)",
            "hold no finite embedding of the right length",
        ),
        (
            "imported",
            "len(feature_names) IS DISTINCT FROM len(feature_values)",
            "do not have as many values as names",
        ),
    )
    for name, condition, words in wrong:
        table = store.tables[name]
        keys = ", ".join(table.spec.keys)
        rows = _rows(table, f"SELECT {keys} FROM rows WHERE {condition} ORDER BY ALL")  # noqa: S608
        if rows:
            again = "import the table again" if name == "imported" else "run `mvi extract` then"
            yield Finding(
                "values",
                "error",
                f"table {name}: {len(rows)} rows {words}",
                f"--repair removes them; {again}",
                name,
                tuple(rows),
                "rows",
            )
    # To remove them would never end: the engine returns them again.
    for test, word, way_out in (
        ("isnan", "NaN", "the engine returned them; models impute them inside the folds"),
        (
            "isinf",
            "infinite",
            "the engine returned them; look at these images, or leave that image type out of the study",
        ),
    ):
        yield from _not_finite(store.tables["cr"], test, word, way_out)


def _not_finite(cr: Table, test: str, word: str, way_out: str) -> Iterator[Finding]:
    counts = ", ".join(f"count(*) FILTER ({test}({name})) AS {name}" for name in CR_FEATURES)
    rows = _rows(cr, f"SELECT {counts} FROM rows")  # noqa: S608
    found = {name: count for name, count in rows[0].items() if count} if rows else {}
    if found:
        most = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:3]
        shown = ", ".join(f"{name} {count}" for name, count in most)
        yield Finding(
            "values",
            "note",
            f"table cr: {sum(found.values())} values of {len(found)} features are {word} ({shown})",
            way_out,
            "cr",
        )


def check_feature_sets(store: Store) -> Iterator[Finding]:
    """Rows name a feature set that is there, and its name is the digest of its settings."""
    known = store.tables["feature_sets"].read(["feature_set_id", "settings"]).to_pylist()
    changed = [
        {"feature_set_id": row["feature_set_id"]}
        for row in known
        if hashlib.sha256((row["settings"] or "").encode()).hexdigest()[:16] != row["feature_set_id"]
    ]
    if changed:
        yield Finding(
            "feature sets",
            "error",
            f"{len(changed)} feature sets have settings that are not those of their name",
            "restore the table feature_sets from a backup, or remove the rows and extract again",
            "feature_sets",
            tuple(changed),
        )
    names = {row["feature_set_id"] for row in known}
    for name in _VALUES:
        table = store.tables[name]
        used = _rows(table, "SELECT DISTINCT feature_set_id FROM rows ORDER BY ALL")
        unknown = [row for row in used if row["feature_set_id"] not in names]
        if unknown:
            yield Finding(
                "feature sets",
                "error",
                f"table {name}: rows of {len(unknown)} feature sets that are not recorded",
                "--repair removes them, since nobody knows how they were made; run `mvi extract` then",
                name,
                tuple(unknown),
                "rows",
            )


def _rows(table: Table, sql: str) -> list[dict[str, Any]]:
    """Rows of a query over `rows`, the table as it is; none when it was never written."""
    files = table.files()
    if not files:
        return []
    with reading(table.spec.name), table.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE VIEW rows AS {table.scan(files)}")
        found: list[dict[str, Any]] = connection.sql(sql).to_arrow_table().to_pylist()
    return found
