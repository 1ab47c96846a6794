"""Values of VOIs, put together from the rows of a wide or a long table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.ingest.features.cells import Cell
from mvi_ray.ingest.features.layouts import not_a_feature, read_name
from mvi_ray.ingest.features.rules import KEY
from mvi_ray.ingest.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from mvi_ray.ingest.features.cells import Cells
    from mvi_ray.ingest.features.rules import KeyRules

Key = tuple[str, str, str, str, str, str]
"""patient_id, session, phase, lesion, region, reader."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One row for each VOI, or for each time that a VOI stands in the file.

    Args:
        keys: of the rows.
        lines: where each row was found first.
        names: of the features, in the order of the file.
        values: rows × names; NaN wherever no finite number stands.
        states: rows × names, a `Cell` for each value.
    """

    keys: list[Key]
    lines: NDArray[np.int64]
    names: tuple[str, ...]
    values: NDArray[np.float64]
    states: NDArray[np.uint8]

    def take(self, rows: NDArray[np.bool_] | None = None, names: NDArray[np.bool_] | None = None) -> Block:
        """Some of the rows, and of the names."""
        rows = np.ones(len(self.keys), dtype=np.bool_) if rows is None else rows
        names = np.ones(len(self.names), dtype=np.bool_) if names is None else names
        return Block(
            [key for key, kept in zip(self.keys, rows, strict=True) if kept],
            self.lines[rows],
            tuple(name for name, kept in zip(self.names, names, strict=True) if kept),
            self.values[np.ix_(rows, names)],
            self.states[np.ix_(rows, names)],
        )


def from_wide(
    cells: Cells, features: Mapping[str, tuple[dict[str, str], str]], parts: Sequence[dict[str, str] | None]
) -> Block:
    """A row of the file is as many VOIs as its columns name phases, regions or readers.

    Args:
        cells: numbers of the feature columns.
        features: column to the parts of the key in its name, and the feature.
        parts: what the row itself says of the key; None: the row is left out.
    """
    names = {name: at for at, name in enumerate(dict.fromkeys(name for _, name in features.values()))}
    groups: dict[tuple[str, ...], tuple[dict[str, str], list[int], list[int]]] = {}
    for column, (part, name) in enumerate(features.values()):
        group = groups.setdefault(tuple(part.values()), (part, [], []))
        group[1].append(column)
        group[2].append(names[name])
    kept = [row for row, part in enumerate(parts) if part is not None]
    shape = (len(kept), len(groups), len(names))
    values = np.full(shape, np.nan)
    states = np.full(shape, Cell.NULL, dtype=np.uint8)
    for at, (_, columns, places) in enumerate(groups.values()):
        values[:, at, places] = cells.values[np.ix_(kept, columns)]
        states[:, at, places] = cells.states[np.ix_(kept, columns)]
    keys = [_key(parts[row], part) for row in kept for part, _, _ in groups.values()]
    return Block(
        keys,
        np.repeat(cells.lines[kept], len(groups)),
        tuple(names),
        values.reshape(-1, len(names)),
        states.reshape(-1, len(names)),
    )


def from_long(
    cells: Cells,
    column: str,
    parts: Sequence[dict[str, str] | None],
    rules: KeyRules,
    known: Mapping[str, Sequence[str]],
    clinical: Collection[str],
) -> tuple[Block, dict[str, str], list[Problem]]:
    """A row of the file is one value; those of one key are a VOI.

    Args:
        cells: one column of numbers, and the text columns.
        column: the one that names the feature.
        parts: what the row itself says of the key; None: the row is left out.
        rules: with the pattern of the names, where there is one.
        known: the study's names of each part that a pattern may hold.
        clinical: columns of the study's clinical table: never features.

    Returns:
        The VOIs, the names left out with the reason, and problems: a value given twice and
        differently costs its VOI.
    """
    dropped: dict[str, str] = {}
    readings: dict[str, tuple[dict[str, str], str]] = {}
    names: dict[str, int] = {}
    vois: dict[Key, int] = {}
    kept: list[int] = []
    places: list[tuple[int, int]] = []
    for row, (base, text) in enumerate(zip(parts, cells.texts[column], strict=True)):
        if base is None or text in dropped:
            continue
        if text not in readings:
            reason = not_a_feature(text, clinical) if text else "no name"
            reading = None if reason else read_name(text, rules, known)
            if reading is None:
                dropped[text] = reason or f"does not fit {rules.pattern}"
                continue
            readings[text] = reading
        part, name = readings[text]
        key = _key(base, part)
        places.append((vois.setdefault(key, len(vois)), names.setdefault(name, len(names))))
        kept.append(row)
    voi, at = np.array(places, dtype=np.int64).reshape(-1, 2).T
    values = np.full((len(vois), len(names)), np.nan)
    states = np.full(values.shape, Cell.NULL, dtype=np.uint8)
    # Written from the last to the first, so that the first of several stays.
    values[voi[::-1], at[::-1]] = cells.values[kept[::-1], 0]
    states[voi[::-1], at[::-1]] = cells.states[kept[::-1], 0]
    lines = np.zeros(len(vois), dtype=np.int64)
    lines[voi[::-1]] = cells.lines[kept[::-1]]
    block = Block(list(vois), lines, tuple(names), values, states)
    differing = _differing(cells, np.array(kept, dtype=np.int64), voi, at, block)
    good = np.ones(len(vois), dtype=np.bool_)
    good[list(differing)] = False
    problems = [
        Problem(
            "error",
            f"{block.names[name]} stands twice for this VOI with different values",
            "keep one line, or tell the two apart by a part of the key",
            line=line,
            **case_of(block.keys[row]),
        )
        for row, (name, line) in differing.items()
    ]
    return block.take(good), dropped, problems


def case_of(key: Key) -> dict[str, Any]:
    """The key as a problem names it."""
    return dict(zip(KEY, key, strict=True))


def _differing(
    cells: Cells, kept: NDArray[np.int64], voi: NDArray[np.int64], at: NDArray[np.int64], block: Block
) -> dict[int, tuple[int, int]]:
    """VOIs with a value that another line contradicts: name and line of the first such value."""
    values, states = cells.values[kept, 0], cells.states[kept, 0]
    held, held_states = block.values[voi, at], block.states[voi, at]
    other = (states != held_states) | ((values != held) & (states == Cell.NUMBER))
    found: dict[int, tuple[int, int]] = {}
    for row in np.flatnonzero(other):
        found.setdefault(int(voi[row]), (int(at[row]), int(cells.lines[kept[row]])))
    return found


def _key(base: dict[str, str] | None, parts: dict[str, str]) -> Key:
    whole = {**(base or {}), **parts}
    patient, session, phase, lesion, region, reader = (whole[part] for part in KEY)
    return patient, session, phase, lesion, region, reader
