"""Reading a foreign table of features: keys, values, settings, and what was left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import ManifestError
from mvi_ray.ingest.features.block import Block, Key, case_of, from_long, from_wide
from mvi_ray.ingest.features.cells import UNNAMED, Cell, open_source
from mvi_ray.ingest.features.keys import check_constants, find_keys
from mvi_ray.ingest.features.layouts import choose_layout, patient_column, sort_columns
from mvi_ray.ingest.features.settings import DIFFERS, read_settings
from mvi_ray.ingest.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mvi_ray.ingest.features.cells import Cells
    from mvi_ray.ingest.features.rules import KeyRule, KeyRules


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """What a foreign table holds, under the keys of the study.

    Args:
        keys: patient_id, session, phase, lesion, region, reader of each row, each once.
        names: of the features in the order of the file, without phase and region.
        values: rows × names, to the last bit as written; NaN where nothing is defined, where
            the tool wrote NaN, and where it wrote an infinite value.
        defined: rows × names; False where the cell was empty (NULL in the store).
        settings: how the values were computed, of JSON values: layout, software and what
            else the file tells. It names no file, patient, hash or place.
        dropped: columns that did not come in, with the reason.
        problems: rows left out, and remarks on the file.
    """

    keys: list[Key]
    names: tuple[str, ...]
    values: NDArray[np.float64]
    defined: NDArray[np.bool_]
    settings: dict[str, Any]
    dropped: dict[str, str]
    problems: tuple[Problem, ...]


def read_feature_table(
    path: Path,
    rules: KeyRules,
    *,
    layout: str = "auto",
    phases: Sequence[str],
    regions: Sequence[str],
    readers: Sequence[str] = (),
    clinical: Collection[str] = (),
) -> FeatureTable:
    """Read a table of features; nothing in it is guessed or left out silently.

    Args:
        path: a CSV, a Parquet file or an Arrow file.
        rules: where the parts of the key stand.
        layout: ``pyradiomics``, ``fae``, ``mirp``, ``wide``, ``long``, or ``auto``: by the
            names of the columns.
        phases: of the study.
        regions: of the study, the drawn one first.
        readers: of the study; none: any name is one.
        clinical: columns of the study's clinical table, which are never features.

    Raises:
        ManifestError: the file as a whole cannot be used.
        UsageError: the rules do not fit the study.
    """
    known: dict[str, Sequence[str]] = {"phase": phases, "region": regions}
    if readers:
        known["reader"] = readers
    rules.check(known)
    source = open_source(path)
    chosen = choose_layout(layout, source.columns, rules)
    resolved = rules.resolve(source.columns, phases, patient_column(chosen, source.columns, rules))
    check_constants(resolved, known)
    keys = list(dict.fromkeys(rule.column for rule in resolved.values() if rule.column is not None))
    if chosen == "long":
        feature, value = _long_columns(source.columns)
        cells = source.read([*keys, feature], [value])
        parts, problems = _parts(cells, resolved, known)
        block, dropped, more = from_long(cells, feature, parts, rules, known, clinical)
        dropped |= {c: "not read" for c in source.columns if c not in (*keys, feature, value)}
        problems += more
        settings = read_settings(chosen, {}, cells.lines, ())
    else:
        columns = sort_columns(chosen, source.columns, keys, rules, known, clinical)
        dropped = columns.dropped
        if not columns.features:
            raise ManifestError(_no_feature(chosen, rules))
        cells = source.read(list(dict.fromkeys([*keys, *columns.settings])), list(columns.features))
        parts, problems = _parts(cells, resolved, known)
        block = from_wide(cells, columns.features, parts)
        filled = np.flatnonzero((cells.states != Cell.NULL).any(axis=1)).tolist()
        texts = {name: cells.texts[name] for name in columns.settings}
        settings = read_settings(chosen, texts, cells.lines, filled)
    problems += _remarks(chosen, cells, settings, dropped, rules)
    return _judged(block, dropped, problems, settings, rules)


def _long_columns(columns: Sequence[str]) -> tuple[str, str]:
    found = [[c for c in columns if c.lower() == name] for name in ("feature", "value")]
    if any(len(names) != 1 for names in found):
        raise ManifestError("a long table has one column 'feature' and one column 'value'; rename yours")
    return found[0][0], found[1][0]


def _parts(
    cells: Cells, resolved: dict[str, KeyRule], known: dict[str, Sequence[str]]
) -> tuple[list[dict[str, str] | None], list[Problem]]:
    patients = cells.texts[str(resolved["patient_id"].column)]
    if resolved["patient_id"].column == UNNAMED and patients == [str(n) for n in range(len(patients))]:
        raise ManifestError(
            "the first column has no name and counts the rows; "
            "say which column names the patients: --key patient_id=COLUMN"
        )
    return find_keys(resolved, cells.texts, cells.lines, known)


def _no_feature(layout: str, rules: KeyRules) -> str:
    if rules.pattern is not None:
        return f"no column fits {rules.pattern}; compare it with the header and the names of the study"
    return f"the table has no column that is a feature ({layout}); name the right layout, or try wide"


def _remarks(
    layout: str, cells: Cells, settings: dict[str, Any], dropped: dict[str, str], rules: KeyRules
) -> list[Problem]:
    """What the user should know of the file as a whole."""
    found = []
    if cells.decimal_comma:
        found.append(("numbers have a decimal comma and were read so", "nothing to do if they do"))
    if layout == "pyradiomics" and "Settings" not in settings:
        found.append(
            (
                "the table does not say with which settings it was computed",
                "keep the columns diagnostics_Versions_… and diagnostics_Configuration_…",
            )
        )
    if DIFFERS in settings.get("columns", {}).values():
        found.append(
            ("the images have different voxel sizes or noise", "resample them before comparing texture")
        )
    unfit = [name for name, reason in dropped.items() if reason.startswith("does not fit")]
    if unfit:
        found.append(
            (f"{len(unfit)} columns do not fit {rules.pattern} and were left out", f"first: {unfit[0]}")
        )
    return [Problem("warning", reason, way_out, line=1) for reason, way_out in found]


def _judged(
    block: Block, dropped: dict[str, str], problems: list[Problem], settings: dict[str, Any], rules: KeyRules
) -> FeatureTable:
    """Leave out what is no feature, what has no values, what is no number, what stands twice."""
    if block.keys:
        numeric = ((block.states != Cell.NULL) & (block.states != Cell.TEXT)).any(axis=0)
        known = np.asarray(numeric, dtype=np.bool_)
        text = (block.states == Cell.TEXT).any(axis=0)
        for at in np.flatnonzero(~known):
            dropped[block.names[at]] = "text" if text[at] else "empty"
        block = block.take(names=known)
        if not block.names:
            raise ManifestError("no column of the table holds numbers; check its layout and its separator")
    good = np.ones(len(block.keys), dtype=np.bool_)
    for row in np.flatnonzero((block.states == Cell.NULL).all(axis=1)):
        good[row] = False
        problems.append(_empty(block, int(row), rules))
    for row in np.flatnonzero((block.states == Cell.TEXT).any(axis=1)):
        good[row] = False
        problems.append(_text(block, int(row)))
    block = block.take(good)
    block = block.take(_without_doubles(block, problems))
    infinite = (block.states == Cell.INFINITE).sum(axis=0)
    if infinite.any():
        first = [f"{block.names[at]} ({infinite[at]} rows)" for at in np.flatnonzero(infinite)[:10]]
        more = int((infinite > 0).sum()) - len(first)
        problems.append(
            Problem(
                "warning",
                "infinite values were taken as NaN: "
                + ", ".join(first)
                + (f" and {more} more" if more else ""),
                "see why the tool divides by zero there",
            )
        )
    return FeatureTable(
        block.keys,
        block.names,
        block.values,
        block.states != Cell.NULL,
        settings,
        dropped,
        tuple(problems),
    )


def _empty(block: Block, row: int, rules: KeyRules) -> Problem:
    # Where columns name phases, an empty group is a patient without that image.
    return Problem(
        "error" if rules.pattern is None else "warning",
        "no value of this VOI stands in the table",
        "see why its extraction failed, or delete the line",
        line=int(block.lines[row]),
        **case_of(block.keys[row]),
    )


def _text(block: Block, row: int) -> Problem:
    at = np.flatnonzero(block.states[row] == Cell.TEXT)
    return Problem(
        "error",
        f"{len(at)} cells hold text where others hold numbers (first: {block.names[at[0]]})",
        "correct them, or delete the column if it is no feature",
        line=int(block.lines[row]),
        **case_of(block.keys[row]),
    )


def _without_doubles(block: Block, problems: list[Problem]) -> NDArray[np.bool_]:
    """Rows to keep: one of several equal ones, none of several that differ."""
    kept = np.ones(len(block.keys), dtype=np.bool_)
    counts = Counter(block.keys)
    rows: dict[Key, list[int]] = {}
    for row, key in enumerate(block.keys):
        if counts[key] > 1:
            rows.setdefault(key, []).append(row)
    for key, same in rows.items():
        first = same[0]
        equal = all(
            np.array_equal(block.states[first], block.states[row])
            and np.array_equal(block.values[first], block.values[row], equal_nan=True)
            for row in same[1:]
        )
        kept[same] = False
        kept[first] = equal
        where = f"stands in lines {', '.join(str(block.lines[row]) for row in same)}"
        problems.append(
            Problem(
                "warning" if equal else "error",
                f"the same VOI {where} with {'equal' if equal else 'different'} values",
                "delete all but one" if equal else "keep one, or tell them apart by a part of the key",
                line=int(block.lines[same[1]]),
                **case_of(key),
            )
        )
    return kept
