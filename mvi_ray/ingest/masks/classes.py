"""Which label stands for which structure in a label map of TotalSegmentator.

The table beside this file holds the facts of `totalsegmentator/map_to_binary.py` of
TotalSegmentator (https://github.com/wasserth/TotalSegmentator, Apache-2.0) for its tasks `total`
(version 2) and `total_mr`. Structures whose label changed between releases are left out: the
ribs of `total`, and all above 31 of `total_mr`. A name would not tell which release was used.
"""

from __future__ import annotations

import csv
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files

TASKS = ("total", "total_mr")


@cache
def _classes() -> dict[str, dict[str, int]]:
    with (files(__package__) / "totalsegmentator.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        task: {row["name"].casefold(): int(row["label"]) for row in rows if row["task"] == task}
        for task in TASKS
    }


def split_task(pattern: str) -> tuple[str | None, str]:
    """The task that a pattern names before a colon, and the pattern of the structure."""
    before, colon, after = pattern.partition(":")
    return (before.strip(), after.strip()) if colon and before.strip() in TASKS else (None, pattern)


def labels_of(pattern: str) -> tuple[int, ...]:
    """Labels of the structures that a pattern such as ``total_mr:liver`` names; none without a task."""
    task, name = split_task(pattern)
    if task is None:
        return ()
    classes, wanted = _classes()[task], name.casefold()
    if wanted in classes:
        return (classes[wanted],)
    return tuple(label for known, label in classes.items() if fnmatchcase(known, wanted))


def is_class(name: str) -> bool:
    """Whether a task of TotalSegmentator has a structure of this name."""
    return any(name.casefold() in classes for classes in _classes().values())
