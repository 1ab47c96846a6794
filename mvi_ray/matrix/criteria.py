"""The study's criteria of enrolment, judged patient by patient."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from mvi_ray.errors import MatrixError
from mvi_ray.store.statement import check_predicate

if TYPE_CHECKING:
    import duckdb

    from mvi_ray.study import Enrolment


@dataclass(frozen=True, slots=True)
class Verdict:
    """One patient under the criteria.

    Args:
        criterion: the first that takes the patient out; None: the patient stays.
        is_unknown: whether it does so because a value is missing.
        unknown: criteria that could not be judged and were passed over, in their order.
    """

    criterion: str | None = None
    is_unknown: bool = False
    unknown: tuple[str, ...] = ()


def judge(connection: duckdb.DuckDBPyConnection, enrolment: Enrolment) -> dict[str, Verdict]:
    """Apply the criteria to every screened patient, in their order.

    Args:
        connection: to a catalog.
        enrolment: the study's.

    Returns:
        Patient to verdict, sorted.

    Raises:
        MatrixError: a criterion names what is not there.
        QueryError: a criterion is not one SQL condition.
    """
    members = relation(connection, "screened")
    patients = sorted(members.project("patient_id").to_arrow_table().column(0).to_pylist())
    verdicts = dict.fromkeys(patients, Verdict())
    for one in enrolment.criteria:
        place = f"enrolment.{'include' if one.keeps else 'exclude'}.{one.name}"
        met, unmet = _split(members, one.predicate, place)
        out = unmet if one.keeps else met
        for patient, verdict in verdicts.items():
            if verdict.criterion is not None:
                continue
            if patient in out:
                verdicts[patient] = Verdict(one.name, unknown=verdict.unknown)
            elif patient not in met and patient not in unmet:
                removed = enrolment.missing == "remove"
                verdicts[patient] = (
                    Verdict(one.name, is_unknown=True, unknown=verdict.unknown)
                    if removed
                    else Verdict(unknown=(*verdict.unknown, one.name))
                )
    return verdicts


def unjudged(connection: duckdb.DuckDBPyConnection, enrolment: Enrolment) -> dict[str, Verdict]:
    """The verdicts of criteria of which one cannot be applied: nothing is known of anybody."""
    names = tuple(one.name for one in enrolment.criteria)
    one = Verdict(names[0], is_unknown=True) if enrolment.missing == "remove" else Verdict(unknown=names)
    members = relation(connection, "screened")
    return dict.fromkeys(sorted(members.project("patient_id").to_arrow_table().column(0).to_pylist()), one)


def relation(connection: duckdb.DuckDBPyConnection, name: str) -> duckdb.DuckDBPyRelation:
    """Patients with what a condition may name: `members`, or `screened` with those who left the study."""
    columns = connection.sql("SELECT * FROM clinical LIMIT 0").columns
    centre = "" if "centre" in [c.lower() for c in columns] else "p.centre,"
    text = files("mvi_ray.matrix").joinpath(f"sql/{name}.sql").read_text(encoding="utf-8")
    return connection.sql(Template(text).substitute(centre=centre))


def choose(members: duckdb.DuckDBPyRelation, condition: duckdb.Expression, place: str, text: str) -> set[str]:
    """Patients who meet a condition.

    Raises:
        MatrixError: it names what is not there.
    """
    import duckdb

    try:
        chosen = members.filter(condition).project("patient_id").to_arrow_table()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise MatrixError(
            f"{place} ({text}) cannot be applied: {reason}; columns: {', '.join(members.columns)}"
        ) from None
    return set(chosen.column(0).to_pylist())


def _split(members: duckdb.DuckDBPyRelation, predicate: str, place: str) -> tuple[set[str], set[str]]:
    """Patients who meet a condition, and those who do not; of the others nothing is known."""
    condition = check_predicate(predicate, place)
    met = choose(members, condition, place, predicate)
    return met, choose(members, ~condition, place, predicate)
