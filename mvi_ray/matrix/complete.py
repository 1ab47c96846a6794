"""Which patients a model can take: the ones whose matrix line would be complete, from keys alone."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from mvi_ray.matrix.source import Source
from mvi_ray.study import DRAWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mvi_ray.matrix.cohort import Cohorts
    from mvi_ray.store.store import Store
    from mvi_ray.study import Study


def complete_patients(
    store: Store, study: Study, name: str, cohorts: Cohorts, image_types: Mapping[str, Sequence[str]]
) -> frozenset[str]:
    """The patients of `assemble`'s matrix, without reading a value.

    Args:
        store: where the rows are.
        study: names the model and its parts.
        name: of the model.
        cohorts: who takes part.
        image_types: of CR and of each variant of it.
    """
    spec = study.models.fit[name]
    patients = set(cohorts.members)
    folder = files("mvi_ray.matrix").joinpath("sql")
    chosen = folder.joinpath("chosen.sql").read_text(encoding="utf-8")
    text = folder.joinpath("complete.sql").read_text(encoding="utf-8")
    phases = [phase for phase in study.phases if not spec.phases or phase in spec.phases]
    for family in spec.families:
        like_cr = family in image_types
        kinds = len(image_types[family]) if like_cr else 1
        source = Source.of(family, has_image_types=like_cr)
        sql = Template(text).safe_substitute(
            chosen=chosen, rows=source.rows, image_type="image_type" if like_cr else "''"
        )
        bound = {
            **source.bound,
            "session": study.models.session,
            "drawn": DRAWN,
            "lesions": study.models.lesions,
            "phases": phases,
            "regions": list(spec.regions),
            "blocks": len(phases) * len(spec.regions) * kinds,
        }
        patients &= set(store.query(sql, bound).column(0).to_pylist())
    if spec.clinical:
        patients = {p for p in patients if any(cohorts.clinical[p].get(n) is not None for n in spec.clinical)}
    return frozenset(patients)
