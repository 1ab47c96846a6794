"""Problems and failures as rows of the table `quarantine`: with their reason, until solved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mvi_ray.store.tables import now
from mvi_ray.voi import VOI_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mvi_ray.ingest.problem import Problem
    from mvi_ray.store.tables import Table

_UNKNOWN = "-"

UNTRIED = 0
"""Attempts at a region whose file, or whose organ's file, is refused: nobody tried to make it."""


def record_problems(quarantine: Table, problems: Iterable[Problem], patients: set[str]) -> None:
    """Replace what was recorded at earlier ingests of these patients by what stands now."""
    if quarantine.exists:
        quarantine.delete({"stage": "ingest", "patient_id": sorted(patients)})
    add_problems(quarantine, problems)


def add_problems(quarantine: Table, problems: Iterable[Problem]) -> None:
    """Record problems beside those that are there; one case keeps its newest."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for problem in problems:
        if problem.severity != "error" or problem.patient_id is None:
            continue
        key = {name: getattr(problem, name) or _UNKNOWN for name in VOI_KEY}
        rows[tuple(key.values())] = {
            **key,
            "stage": "ingest",
            "family": _UNKNOWN,
            "reason": problem.reason,
            "way_out": problem.way_out,
            "attempts": UNTRIED if problem.of_file else 1,
            "failed_at": now(),
        }
    quarantine.write(list(rows.values()))
