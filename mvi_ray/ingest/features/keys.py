"""The key of each row of a foreign table, held against the study."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import ManifestError, UsageError
from mvi_ray.ingest.features.rules import DEFAULTS, KEY
from mvi_ray.ingest.problem import Problem
from mvi_ray.study.settings import check_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from mvi_ray.ingest.features.rules import KeyRule

_CONTROL = re.compile(r"[\x00-\x1f]")
_FLOAT = re.compile(r"[0-9]+\.0+")


def check_constants(rules: Mapping[str, KeyRule], known: Mapping[str, Sequence[str]]) -> None:
    """UsageError for a value of the command line that the study does not have."""
    for part, rule in rules.items():
        value = rule.constant
        if value is not None and part in known and value not in known[part]:
            raise UsageError(f"the study has no {part} {value!r}; use one of {', '.join(known[part])}")


def find_keys(
    rules: Mapping[str, KeyRule],
    texts: Mapping[str, list[str]],
    lines: NDArray[np.int64],
    known: Mapping[str, Sequence[str]],
) -> tuple[list[dict[str, str] | None], list[Problem]]:
    """The parts of the key of each row; None where the row cannot be taken.

    Args:
        rules: of each part that the rows themselves tell.
        texts: cells of the columns that the rules name.
        lines: line of each row.
        known: the study's names of parts that have any.

    Raises:
        ManifestError: a column of the key was written as fractions: 007 has become 7.0.
    """
    parts = [part for part in KEY if part in rules]
    constants = {part: rules[part].constant for part in parts}
    columns = [part for part in parts if constants[part] is None]
    cells = [texts[str(rules[part].column)] for part in columns]
    found: list[dict[str, str] | None] = []
    seen: dict[tuple[str, ...], dict[str, str] | None] = {}
    problems: dict[tuple[str, ...], Problem] = {}
    counts: Counter[tuple[str, ...]] = Counter()
    for row, raw in enumerate(zip(*cells, strict=True)):
        if raw not in seen:
            key = dict(zip(columns, raw, strict=True))
            fault = _complete(key, known)
            seen[raw] = None
            if fault is None:
                seen[raw] = {part: constants[part] or key[part] for part in parts}
            else:
                case: dict[str, Any] = {"patient_id": key["patient_id"] or None}
                problems[raw] = Problem("error", *fault, line=int(lines[row]), **case)
        counts[raw] += seen[raw] is None
        found.append(seen[raw])
    return found, [_counted(problem, counts[raw]) for raw, problem in problems.items()]


def _complete(key: dict[str, str], known: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """Fill in what a blank cell means; reason and way out when the key is none."""
    for part, value in key.items():
        if not value:
            if part not in DEFAULTS:
                return f"{part} is blank", "fill in the cell"
            key[part] = DEFAULTS[part]
        if _FLOAT.fullmatch(value):
            raise ManifestError(
                f"{part} is written with a decimal point, as in {re.sub('[0-9]', '0', value)}: "
                "7, 07 and 007 would be one; write its column as text"
            )
        if _CONTROL.search(value):
            return f"{part} holds a line break or another control character", "correct the cell"
        # A wrong column may hold names of patients: what stands in it is not repeated.
        if part in known and key[part] not in known[part]:
            return (
                f"the study has no such {part}",
                f"use one of {', '.join(known[part])}, or name the right column with --key {part}=COLUMN",
            )
    try:
        check_name(key.get("reader", "R1"))
    except ValueError:
        return "reader is no name", "start with a letter, then letters, digits, '_' or '-'"
    return None


def _counted(problem: Problem, count: int) -> Problem:
    if count == 1:
        return problem
    return Problem(
        problem.severity,
        f"{problem.reason} (in {count} lines)",
        problem.way_out,
        line=problem.line,
        patient_id=problem.patient_id,
    )
