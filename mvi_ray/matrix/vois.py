"""Values of one family, phase and region: by patient, or by VOI and reader."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.features import CR_FEATURES
from mvi_ray.matrix.blocks import Wide, blocks_of
from mvi_ray.matrix.source import Source
from mvi_ray.study import DRAWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    import pyarrow as pa

    from mvi_ray.store.store import Store
    from mvi_ray.study import Study

    Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Place:
    """Where columns of a matrix come from.

    Args:
        family: CR, DLR, a variant, or the name of an imported family.
        phase, region: of the VOIs.
        image_types: of CR or a variant of it, in the order of the columns.
        names: of an imported family, in the order of the columns; None for others.
    """

    family: str
    phase: str
    region: str
    image_types: tuple[str, ...] = ()
    names: tuple[str, ...] | None = None

    @property
    def source(self) -> Source:
        """Where the rows of a family stand that is not imported."""
        return Source.of(self.family, has_image_types=bool(self.image_types))

    @property
    def columns(self) -> list[str]:
        """Names of its columns, as in a matrix."""
        if self.names is not None:
            return [f"{self.phase}_{self.region}_{name}" for name in self.names]
        return [column for block in blocks_of(*self._axes) for column in block.columns]

    @property
    def _axes(self) -> tuple[list[str], list[str], Sequence[str | None], str]:
        return [self.phase], [self.region], self.image_types or (None,), self.family

    def scatter(self, batches: Iterable[pa.RecordBatch], lines: Sequence[str]) -> Values:
        """Rows of the place put into their lines: shape (lines, columns), NaN where there is none.

        Args:
            batches: with the column ``line``; for an imported family name and value, else what
                `Wide` wants.
            lines: unique.
        """
        if self.names is None:
            wide = Wide(lines, blocks_of(*self._axes))
            wide.fill(batches, "line")
            return wide.values
        import pyarrow as pa
        import pyarrow.compute as pc

        values = np.full((len(lines), len(self.names)), np.nan)
        known = pa.array(lines, pa.string()), pa.array(self.names, pa.string())
        for batch in batches:
            at, column = (
                np.asarray(pc.fill_null(pc.index_in(batch.column(name), of), -1), dtype=np.int64)
                for name, of in zip(("line", "name"), known, strict=True)
            )
            there = (at >= 0) & (column >= 0)
            values[at[there], column[there]] = batch.column("value").to_numpy(zero_copy_only=False)[there]
        return values


def patient_values(store: Store, study: Study, place: Place, patients: Sequence[str]) -> Values:
    """Values of patients as a model matrix has them: one session, one lesion or the mean of all.

    Args:
        store: where the rows are.
        study: says which session, and how lesions become patients.
        place: names the columns.
        patients: one line each, in this order.

    Returns:
        Shape (patients, columns), NaN where nothing is stored or a value is not defined.
    """
    mean = study.models.lesions == "mean"
    bound: dict[str, object] = {
        "session": study.models.session,
        "drawn": DRAWN,
        "lesions": study.models.lesions,
        # The largest lesion is that of all phases together: a patient has one.
        "phases": list(study.phases),
        "phase": place.phase,
    }
    chosen = _text("chosen")
    if place.names is not None:
        sql = Template(_text("listed")).safe_substitute(chosen=chosen)
        bound |= {"family": place.family, "region": place.region}
    else:
        values = ", ".join(f"avg({name} ORDER BY lesion) AS {name}" if mean else name for name in CR_FEATURES)
        rows = _text(f"{place.source.kind}{'_mean' if mean else ''}")
        rows = Template(rows).safe_substitute(chosen=chosen, rows=place.source.rows, values=values)
        sql = Template(_text("place")).safe_substitute(rows=rows)
        bound |= {**place.source.bound, "regions": [place.region], "image_types": list(place.image_types)}
    with store.stream(sql, bound) as batches:
        return place.scatter(batches, patients)


def reader_values(store: Store, place: Place, readers: Sequence[str]) -> Values:
    """Values of every VOI that all of some readers have measured.

    Args:
        store: where the rows are.
        place: names the columns.
        readers: at least one.

    Returns:
        Shape (targets, readers, columns); a target is patient × session × lesion.
    """
    bound: dict[str, object] = {
        "family": place.family,
        "phase": place.phase,
        "region": place.region,
        "readers": list(readers),
    }
    if place.image_types:
        bound["image_types"] = list(place.image_types)
    rows = _text(f"read_{place.source.kind}" if place.names is None else "read_listed")
    rows = Template(rows).safe_substitute(values=", ".join(CR_FEATURES))
    with store.stream(Template(_text("targets")).safe_substitute(rows=rows), bound) as batches:
        targets = batches.read_all().column("target").to_pylist()
    lines = [f"{target}\x1f{reader}" for target in targets for reader in readers]
    with store.stream(rows, bound) as batches:
        values = place.scatter(batches, lines)
    return values.reshape(len(targets), len(readers), values.shape[1])


def _text(name: str) -> str:
    return files("mvi_ray.matrix").joinpath(f"sql/{name}.sql").read_text(encoding="utf-8")
