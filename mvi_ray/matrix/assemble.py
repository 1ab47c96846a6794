"""Model matrices from the store: SQL fetches rows, a scatter puts them into columns."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import MatrixError
from mvi_ray.features import CR_FEATURES, DLR_VALUES, features_of
from mvi_ray.matrix.matrix import Matrix
from mvi_ray.study import DRAWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pyarrow as pa

    from mvi_ray.matrix.cohort import Cohorts
    from mvi_ray.store.store import Store
    from mvi_ray.study import ModelSpec, Study

    Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Assembled:
    """A matrix and who is not in it.

    Args:
        matrix: complete patients of both cohorts.
        incomplete: patients of the cohorts that lack a phase or region of this model.
    """

    matrix: Matrix
    incomplete: tuple[str, ...]


def assemble(
    store: Store, study: Study, name: str, cohorts: Cohorts, image_types: Sequence[str]
) -> Assembled:
    """Build the matrix of one model.

    Columns are ordered by family, phase, region and image type as the study lists them, then
    clinical variables; their names are built here and never parsed.

    Args:
        store: where the rows are.
        study: names the model and its parts.
        name: of the model.
        cohorts: who takes part.
        image_types: of family CR, in order.

    Raises:
        MatrixError: no patient of the training cohort is complete.
    """
    spec = study.models.fit[name]
    patients = list(cohorts.members)
    parts: list[_Part] = []
    for family in spec.families:
        if family == "CR":
            parts.append(_cr(store, study, spec, patients, image_types))
        else:
            parts.append(_dlr(store, study, spec, patients))
    if spec.clinical:
        parts.append(_clinical(study, spec, patients, cohorts))
    has = np.concatenate([part.has for part in parts], axis=1)
    complete = [all(line) for line in has.tolist()]
    incomplete = tuple(p for p, whole in zip(patients, complete, strict=True) if not whole)
    kept = [p for p, whole in zip(patients, complete, strict=True) if whole]
    if not any(cohorts.members[p] == "train" for p in kept):
        training = np.array([cohorts.members[p] == "train" for p in patients])
        blocks = [block for part in parts for block in part.blocks]
        absent = [b for b, any_has in zip(blocks, has[training].any(axis=0), strict=True) if not any_has]
        what = f" (none has {absent[0]})" if absent else ""
        raise MatrixError(
            f"{name}: no patient of the training cohort has all of its features{what}; "
            "run `mvi extract`, and see `mvi status` for what is absent"
        )
    matrix = Matrix(
        name,
        tuple(kept),
        tuple(column for part in parts for column in part.columns),
        np.concatenate([part.values[complete] for part in parts], axis=1),
        np.array([cohorts.outcome[p] for p in kept], dtype=np.int8),
        np.array([cohorts.members[p] for p in kept]),
    )
    return Assembled(matrix, incomplete)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Columns of one family, or the clinical ones.

    Args:
        columns: names.
        values: shape (patients, columns).
        blocks: what is stored together, in words.
        has: shape (patients, blocks), whether the patient has the block.
    """

    columns: list[str]
    values: Values
    blocks: list[str]
    has: npt.NDArray[np.bool_]


def _phases(study: Study, spec: ModelSpec) -> list[str]:
    return [phase for phase in study.phases if not spec.phases or phase in spec.phases]


def _regions(study: Study, spec: ModelSpec) -> list[str]:
    return [region for region in study.region_names if region in spec.regions]


def _rows(store: Store, study: Study, spec: ModelSpec, name: str, values: str = "") -> pa.Table:
    folder = files("mvi_ray.matrix").joinpath("sql")
    chosen = folder.joinpath("chosen.sql").read_text(encoding="utf-8")
    text = folder.joinpath(name).read_text(encoding="utf-8")
    # safe_substitute leaves $session and the like alone: DuckDB binds those.
    sql = Template(text).safe_substitute(chosen=chosen, values=values)
    return store.query(
        sql,
        {
            "session": study.models.session,
            "drawn": DRAWN,
            "lesions": study.models.lesions,
            "phases": _phases(study, spec),
            "regions": _regions(study, spec),
        },
    )


def _cr(
    store: Store, study: Study, spec: ModelSpec, patients: list[str], image_types: Sequence[str]
) -> _Part:
    values = ", ".join(f"avg({feature}) AS {feature}" for feature in CR_FEATURES)
    table = _rows(store, study, spec, "cr.sql", values)
    blocks = [
        ((phase, region, image), features_of(image))
        for phase in _phases(study, spec)
        for region in _regions(study, spec)
        for image in image_types
    ]
    columns = [f"{p}_{r}_{i}_{feature}" for (p, r, i), names in blocks for feature in names]
    numbers = np.stack([_numbers(table, feature) for feature in CR_FEATURES], axis=1)
    place = {feature: at for at, feature in enumerate(CR_FEATURES)}
    takes = {image: [place[f] for f in features_of(image)] for image in image_types}
    keys = list(zip(*(table.column(k).to_pylist() for k in ("phase", "region", "image_type")), strict=True))
    starts = _starts([(key, len(names)) for key, names in blocks])
    return _Part(columns, *_scatter(table, patients, keys, starts, len(columns), numbers, takes))


def _dlr(store: Store, study: Study, spec: ModelSpec, patients: list[str]) -> _Part:
    table = _rows(store, study, spec, "dlr.sql")
    blocks = [(phase, region, None) for phase in _phases(study, spec) for region in _regions(study, spec)]
    columns = [f"{p}_{r}_dlr_{i:03d}" for p, r, _ in blocks for i in range(DLR_VALUES)]
    flat = table.column("embedding").combine_chunks().flatten()
    numbers = np.asarray(flat, dtype=np.float64).reshape(table.num_rows, DLR_VALUES)
    pairs = zip(*(table.column(k).to_pylist() for k in ("phase", "region")), strict=True)
    keys = [(phase, region, None) for phase, region in pairs]
    starts = _starts([(key, DLR_VALUES) for key in blocks])
    takes = {None: slice(None)}
    return _Part(columns, *_scatter(table, patients, keys, starts, len(columns), numbers, takes))


def _numbers(table: pa.Table, column: str) -> Values:
    """A column as float64, NULL as NaN."""
    return np.asarray(table.column(column).to_numpy(zero_copy_only=False), dtype=np.float64)


def _starts(widths: list[tuple[Any, int]]) -> dict[Any, tuple[int, int]]:
    starts, at = {}, 0
    for key, width in widths:
        starts[key] = (at, at + width)
        at += width
    return starts


def _scatter(
    table: pa.Table,
    patients: list[str],
    keys: list[tuple[Any, ...]],
    starts: dict[Any, tuple[int, int]],
    width: int,
    numbers: Values,
    takes: dict[Any, Any],
) -> tuple[Values, list[str], npt.NDArray[np.bool_]]:
    """Put each row's numbers into its patient's line; say which blocks each line has."""
    line = {patient: at for at, patient in enumerate(patients)}
    values = np.full((len(patients), width), np.nan)
    block = {key: at for at, key in enumerate(starts)}
    has = np.zeros((len(patients), len(starts)), dtype=bool)
    for row, (patient, key) in enumerate(zip(table.column("patient_id").to_pylist(), keys, strict=True)):
        if patient not in line or key not in starts:
            continue
        begin, end = starts[key]
        values[line[patient], begin:end] = numbers[row, takes[key[-1]]]
        has[line[patient], block[key]] = True
    return values, [" ".join(part or "embedding" for part in key) for key in starts], has


def _clinical(study: Study, spec: ModelSpec, patients: list[str], cohorts: Cohorts) -> _Part:
    """Continuous variables as they are; a categorical one as a column for each other level."""
    columns: list[str] = []
    numbers: list[list[float]] = []
    for name in spec.clinical:
        cells = [cohorts.clinical[p].get(name) for p in patients]
        variable = study.clinical.variables[name]
        if variable.kind == "continuous":
            columns.append(f"clinical_{name}")
            numbers.append([np.nan if cell is None else float(cell) for cell in cells])
            continue
        for level in variable.levels[1:]:
            columns.append(f"clinical_{name}={level}")
            numbers.append([np.nan if cell is None else float(cell == level) for cell in cells])
    values = np.array(numbers, dtype=np.float64).T
    # A missing value is imputed inside the folds; a patient without any clinical value is not.
    has = np.array([[not all(np.isnan(line))] for line in values], dtype=bool)
    return _Part(columns, values, ["clinical values"], has)
