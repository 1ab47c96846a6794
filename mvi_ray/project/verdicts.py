"""The table `enrolment`: each patient under the study's criteria, renewed when either has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from mvi_ray.errors import MviError, StoreError
from mvi_ray.matrix.criteria import Verdict, judge, unjudged
from mvi_ray.store.schemas import ENROLMENT

if TYPE_CHECKING:
    from mvi_ray.project.project import Project


def record_verdicts(project: Project) -> bool:
    """Keep the table `enrolment` in step with clinical values and criteria; whether it had changed.

    The caller holds the store. A criterion that cannot be applied is no reason to fail here: what
    is not known is recorded as that, and `mvi enrolment` tells why.
    """
    enrolment = project.study.enrolment
    table = project.store.tables["enrolment"]
    verdicts: dict[str, Verdict] = {}
    if enrolment.criteria:
        # The catalog may be of before the command that is about to end.
        project.publish()
        with project.store.connect() as connection:
            try:
                verdicts = judge(connection, enrolment)
            except MviError:
                verdicts = unjudged(connection, enrolment)
    elif not table.exists:
        return False
    rows = [
        {
            "patient_id": patient,
            "criterion": one.criterion,
            "is_unknown": one.is_unknown,
            "unknown": list(one.unknown),
        }
        for patient, one in verdicts.items()
    ]
    if sorted(table.read().to_pylist(), key=lambda row: str(row["patient_id"])) == rows:
        return False
    table.replace_all(pa.Table.from_pylist(rows, schema=ENROLMENT.schema))
    return True


def follow_study(project: Project) -> None:
    """Judge anew after an edit of the study file, unless a command writes, which does so at its end."""
    try:
        with project.store.locked("enrolment"):
            if record_verdicts(project):
                project.publish()
    except StoreError:
        return
