"""Groups of patients: by SQL conditions, or by centre."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from mvi_ray.errors import MatrixError
from mvi_ray.store.statement import check_predicate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from mvi_ray.store.store import Store
    from mvi_ray.study import Study


def two_groups(store: Store, predicates: tuple[str, str]) -> tuple[list[str], list[str]]:
    """Patients of two SQL conditions over patients and clinical values, sorted.

    Raises:
        MatrixError: a condition names what is not there or chooses fewer than two patients, or a
            patient is in both.
        QueryError: a condition is not one SQL condition.
    """
    import duckdb

    groups: list[list[str]] = []
    with store.connect() as connection:
        members = _members(connection)
        for which, predicate in zip(("first", "second"), predicates, strict=True):
            condition = check_predicate(predicate, f"the {which} group")
            try:
                chosen = members.filter(condition).to_arrow_table()
            except duckdb.Error as error:
                reason = str(error).splitlines()[0]
                raise MatrixError(
                    f"the {which} group ({predicate}) cannot be chosen: {reason}; "
                    f"columns: {', '.join(members.columns)}"
                ) from None
            groups.append(sorted(chosen.column("patient_id").to_pylist()))
            if len(groups[-1]) < 2:
                raise MatrixError(
                    f"patients in the {which} group ({predicate}): {len(groups[-1])}; "
                    "a comparison needs two or more in each"
                )
    both = sorted(set(groups[0]) & set(groups[1]))
    if both:
        raise MatrixError(
            f"both groups hold {both[0]} (such patients: {len(both)}); make the conditions exclude each other"
        )
    return groups[0], groups[1]


def centres(store: Store, study: Study) -> dict[str, str]:
    """Patient to centre, sorted; patients whose centre is not known are absent.

    It is the clinical column that the study names, else the centre of the manifest.
    """
    named = study.clinical.centre
    with store.connect() as connection:
        members = _members(connection)
        known = {name.lower() for name in members.columns}
        found: dict[str, str] = {}
        for column in ("centre", named):
            if column is not None and column.lower() in known:
                rows = members.project(_columns(["patient_id", column])).fetchall()
                found.update({patient: str(centre) for patient, centre in rows if centre is not None})
    return dict(sorted(found.items()))


def _columns(names: Sequence[str]) -> str:
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)


def _members(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """Every patient with what a condition may name."""
    columns = connection.sql("SELECT * FROM clinical LIMIT 0").columns
    centre = "" if "centre" in [c.lower() for c in columns] else "p.centre,"
    text = files("mvi_ray.matrix").joinpath("sql/members.sql").read_text(encoding="utf-8")
    return connection.sql(Template(text).substitute(centre=centre))
