"""Which features the store has: their statistics, chosen by family and pattern."""

from __future__ import annotations

import os
import re
from fnmatch import translate
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.errors import StoreBusyError, StoreError, UsageError
from mvi_ray.matrix.vois import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    import pyarrow as pa

    from mvi_ray.project.project import Project
    from mvi_ray.store.store import Store

MISSING = 0.1
"""Share of VOIs without a finite value above which a feature is flagged."""


def renew_statistics(project: Project) -> str | None:
    """Make the statistics anew when an interrupted command left them behind its rows.

    Returns:
        What a reader must know when that is not possible now, in words.
    """
    from mvi_ray.store.statistics import is_current

    if not project.store.exists or is_current(project.store):
        return None
    if not os.access(project.store.root, os.W_OK):
        return "the store may only be read: statistics are of the state before an interrupted command"
    try:
        with project.store.locked("features"):
            project.settle("features")
    except StoreBusyError:
        return "another command is writing: statistics are of the state before it"
    return None


def known_features(store: Store, patterns: Sequence[str], families: Sequence[str]) -> pa.Table:
    """Features of the study, as `sql/features.sql` lists them, sorted by name.

    Args:
        store: where the statistics are.
        patterns: shell globs over the full name, upper and lower case alike; none for all.
        families: none for all.

    Raises:
        UsageError: a pattern or a family has no feature.
        StoreError: there are no features yet.
    """
    text = files("mvi_ray.project").joinpath("sql/features.sql").read_text(encoding="utf-8")
    table = store.query(text)
    if not table.num_rows:
        raise StoreError("the store has no features of this study; run `mvi extract` first")
    there = table.column("family").to_pylist()
    by_lower = {name.lower(): name for name in there}
    for family in families:
        if family.lower() not in by_lower:
            raise UsageError(f"no feature is of family {family!r}; there are {', '.join(sorted(set(there)))}")
    if families:
        wanted = {by_lower[family.lower()] for family in families}
        table = table.filter([family in wanted for family in there])
    if not patterns:
        return table
    names = table.column("feature").to_pylist()
    chosen = np.zeros(len(names), dtype=bool)
    for pattern in patterns:
        matches = re.compile(translate(pattern.lower())).match
        found = np.array([matches(name.lower()) is not None for name in names], dtype=bool)
        if not found.any():
            raise UsageError(f"no feature matches {pattern!r}; {_near(pattern, names)}")
        chosen |= found
    return table.take(np.flatnonzero(chosen))


def _near(pattern: str, names: Sequence[str]) -> str:
    """What could have been meant."""
    from difflib import get_close_matches

    plain = pattern.strip("*").lower()
    inside = sum(plain in name.lower() for name in names)
    if plain and inside:
        return f"write '*{pattern.strip('*')}*' for the names with it inside: {inside:,}"
    by_lower = {name.lower(): name for name in names}
    # Also without phase and region, as people remember a feature.
    by_lower |= {name.lower().split("_", 2)[-1]: name for name in reversed(names)}
    near = [by_lower[word] for word in get_close_matches(plain, by_lower, n=3, cutoff=0.6)]
    if near:
        return f"near names: {', '.join(dict.fromkeys(near))}"
    return f"names look like {names[0]}"


def places(table: pa.Table) -> Iterator[tuple[Place, npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Features that are read together.

    Yields:
        Their place, their rows in the table, and the column of each in the place.
    """
    axes = ("kind", "family", "phase", "region")
    keys = list(zip(*(table.column(n).to_pylist() for n in axes), strict=True))
    kinds, names = (table.column(n).to_pylist() for n in ("image_type", "name"))
    full = table.column("feature").to_pylist()
    rows: dict[tuple[str, str, str, str], list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    for (kind, family, phase, region), inside in rows.items():
        image_types = tuple(dict.fromkeys(kinds[row] for row in inside)) if kind == "CR" else ()
        listed = None if kind in ("CR", "DLR") else tuple(names[row] for row in inside)
        place = Place(family, phase, region, image_types, listed)
        column_of = {name: at for at, name in enumerate(place.columns)}
        columns = np.array([column_of[full[row]] for row in inside], dtype=np.intp)
        yield place, np.array(inside, dtype=np.intp), columns
