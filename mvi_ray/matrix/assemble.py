"""Model matrices from the store: SQL fetches rows, a scatter puts them into columns."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.errors import MatrixError
from mvi_ray.features import CR_FEATURES
from mvi_ray.matrix.blocks import Wide, blocks_of
from mvi_ray.matrix.matrix import Matrix
from mvi_ray.matrix.source import Source
from mvi_ray.study import DRAWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

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
    store: Store, study: Study, name: str, cohorts: Cohorts, image_types: Mapping[str, Sequence[str]]
) -> Assembled:
    """Build the matrix of one model.

    Columns are ordered by family, phase, region and image type as the study lists them, then
    clinical variables; their names are built here and never parsed.

    Args:
        store: where the rows are.
        study: names the model and its parts.
        name: of the model.
        cohorts: who takes part.
        image_types: of CR and of each variant of it, in order.

    Raises:
        MatrixError: no patient of the training cohort is complete.
    """
    spec = study.models.fit[name]
    patients = list(cohorts.members)
    parts: list[_Part] = []
    parts.extend(_filled(store, study, spec, patients, family, image_types) for family in spec.families)
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
        _beside([part.values for part in parts], complete),
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


def _beside(parts: list[Values], complete: list[bool]) -> Values:
    """Parts next to each other, without the lines that lack something; copied only where it must be."""
    kept = parts if all(complete) else [part[complete] for part in parts]
    return kept[0] if len(kept) == 1 else np.concatenate(kept, axis=1)


def _phases(study: Study, spec: ModelSpec) -> list[str]:
    return [phase for phase in study.phases if not spec.phases or phase in spec.phases]


def _regions(study: Study, spec: ModelSpec) -> list[str]:
    return [region for region in study.region_names if region in spec.regions]


def _filled(
    store: Store,
    study: Study,
    spec: ModelSpec,
    patients: list[str],
    family: str,
    image_types: Mapping[str, Sequence[str]],
) -> _Part:
    kinds: Sequence[str | None] = image_types.get(family, (None,))
    wide = Wide(patients, blocks_of(_phases(study, spec), _regions(study, spec), kinds, family))
    source = Source.of(family, has_image_types=family in image_types)
    mean = study.models.lesions == "mean"
    folder = files("mvi_ray.matrix").joinpath("sql")
    text = folder.joinpath(f"{source.kind}{'_mean' if mean else ''}.sql").read_text(encoding="utf-8")
    values = ", ".join(f"avg({name} ORDER BY lesion) AS {name}" if mean else name for name in CR_FEATURES)
    # safe_substitute leaves $session and the like alone: DuckDB binds those.
    sql = Template(text).safe_substitute(
        chosen=folder.joinpath("chosen.sql").read_text(encoding="utf-8"), rows=source.rows, values=values
    )
    bound = {
        **source.bound,
        "session": study.models.session,
        "drawn": DRAWN,
        "lesions": study.models.lesions,
        "phases": _phases(study, spec),
        "regions": _regions(study, spec),
    }
    with store.stream(sql, bound) as batches:
        wide.fill(batches)
    return _Part(wide.columns, wide.values, [block.name for block in wide.blocks], wide.has)


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
