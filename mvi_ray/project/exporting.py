"""`mvi export`: features as one file, for those who work with pandas, R or a feature server."""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mvi_ray.errors import UsageError
from mvi_ray.matrix.assemble import assemble
from mvi_ray.matrix.cohort import read_cohorts
from mvi_ray.matrix.lines import Lines, Parts, check_columns
from mvi_ray.project.status import has_trial_weights
from mvi_ray.study.settings import suggest
from mvi_ray.voi import VOI_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mvi_ray.matrix.lines import Chunk, Column
    from mvi_ray.project.project import Project
    from mvi_ray.store.declarations import Declarations
    from mvi_ray.store.store import Store

_ENDINGS = (".parquet", ".csv", ".arrow", ".feather")
# So many values are in memory at once: some 100 MB; texts beside each value cost more.
_WIDE, _LONG = 4_000_000, 1_000_000
_KEYS = ("patient_id", "session", "lesion")
_TIME = pa.timestamp("us", tz="UTC")
_LONG_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in VOI_KEY),
        *((name, pa.string()) for name in ("family", "image_type", "feature")),
        ("value", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is exported; nothing named: everything that the study has.

    Args:
        families: ``CR``, ``DLR``, variants, or names of imported ones.
        phases, regions: of the study.
        image_types: of family CR and its variants.
        model: the matrix of a model of the study instead, with cohort and outcome.
        long: a row for each value.
        with_clinical: also the clinical values of the patient.
        with_times: also when the values of a row were computed.
    """

    families: Sequence[str] = ()
    phases: Sequence[str] = ()
    regions: Sequence[str] = ()
    image_types: Sequence[str] = ()
    model: str | None = None
    long: bool = False
    with_clinical: bool = False
    with_times: bool = False

    def check(self) -> None:
        """UsageError for what does not go together."""
        parts = self.families or self.phases or self.regions or self.image_types
        more = self.with_clinical or self.with_times
        if self.model is not None and (parts or more or self.long):
            raise UsageError("--model writes the matrix of a model as it is; leave the other choices out")
        if self.long and more:
            raise UsageError("--with-clinical and --with-times need a row for each lesion; leave out --long")


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What was written.

    Args:
        file: where.
        rows, columns, patients: of the table.
        notes: who is not in it, in words.
        left_out: patients that the model lacks.
        synthetic, trial_weights: marks of every result.
    """

    file: Path
    rows: int
    columns: int
    patients: int
    notes: tuple[str, ...]
    left_out: int
    synthetic: bool
    trial_weights: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        names = ("rows", "columns", "patients", "left_out", "synthetic", "trial_weights")
        return {
            "file": str(self.file),
            **{name: getattr(self, name) for name in names},
            "notes": list(self.notes),
        }


def export(
    project: Project, file: Path, choice: Choice, as_of: str | None = None, *, force: bool = False
) -> ExportSummary:
    """Write features to a file; the same store gives the same bytes.

    The file appears whole: it is written aside and renamed.

    Args:
        project: whose store.
        file: ends in .parquet, .csv, .arrow or .feather.
        choice: what is written.
        as_of: export the store as it was.
        force: replace a file that is there.

    Raises:
        UsageError: the choice names what the study does not have, or the file may not be written.
        MatrixError: nothing of it is stored.
        StoreError: nothing was ingested yet, or the files of that state were removed.
    """
    _check_target(project, file, force=force)
    with _gathered(project, choice, as_of) as content:
        aside = file.with_name(f".{file.name}.{uuid.uuid4().hex[:6]}")
        try:
            rows = _write(aside, file.suffix.lower(), content)
            aside.replace(file)
        except OSError as error:
            raise UsageError(f"{file} cannot be written: {error.strerror or error}") from None
        finally:
            aside.unlink(missing_ok=True)
        return ExportSummary(
            file,
            rows,
            len(content.schema),
            content.patients,
            content.notes,
            content.left_out,
            content.synthetic,
            content.trial_weights,
        )


def wide(project: Project, choice: Choice, as_of: str | None = None) -> pa.Table:
    """What `export` writes, as an Arrow table."""
    with _gathered(project, choice, as_of) as content:
        return pa.Table.from_batches(
            [batch for table in content.tables for batch in table.to_batches()], content.schema
        )


def _check_target(project: Project, file: Path, *, force: bool) -> None:
    if file.suffix.lower() not in _ENDINGS:
        raise UsageError(f"{file.name} has no ending of {', '.join(_ENDINGS)}; give it one")
    if project.store.root in file.resolve().parents:
        raise UsageError("the store holds its own files only; export to another directory")
    if not file.parent.is_dir():
        raise UsageError(f"there is no directory {file.parent}; make it first")
    if file.is_dir() or (file.exists() and not force):
        raise UsageError(f"{file} is there already; name another file, or replace it with --force")


@dataclass(frozen=True, slots=True)
class _Content:
    """A table on its way out.

    Args:
        schema: of every part, with the marks in its metadata.
        tables: its parts, in order.
        patients, notes, left_out, synthetic, trial_weights: as in the summary.
    """

    schema: pa.Schema
    tables: Iterator[pa.Table]
    patients: int
    notes: tuple[str, ...]
    left_out: int
    synthetic: bool
    trial_weights: bool


@contextmanager
def _gathered(project: Project, choice: Choice, as_of: str | None) -> Iterator[_Content]:
    """The content, read from one state of the store whatever is committed meanwhile."""
    choice.check()
    with project.pinned(as_of) as (store, declared):
        if choice.model is None:
            yield _of_parts(store, declared, choice)
        else:
            yield _of_model(project, store, declared, choice.model)


def _of_model(project: Project, store: Store, declared: Declarations, name: str) -> _Content:
    """The matrix that `mvi train` would fit this model on."""
    study = project.study
    if name not in study.models.fit:
        known = ", ".join(study.models.fit) or "none"
        raise UsageError(f"the study has no model {name!r}{suggest(name, study.models.fit)}; it has {known}")
    cohorts = read_cohorts(store, study)
    # The model is today's; which filters it has is a matter of the state that is read.
    made = assemble(store, study, name, cohorts, declared.image_types)
    notes = list(cohorts.left_out)
    if made.incomplete:
        shown = ", ".join(made.incomplete[:5]) + (" …" if len(made.incomplete) > 5 else "")
        notes.append(
            f"patients without one of its phases or regions, left out: {len(made.incomplete)} ({shown})"
        )
    trial = has_trial_weights(store, study.models.fit[name].families)
    table = made.matrix.to_arrow()
    schema = table.schema.with_metadata({**_marks(declared, trial=trial), "model": name})
    return _Content(
        schema,
        iter([table.cast(schema)]),
        len(made.matrix.patients),
        tuple(notes),
        len(made.incomplete),
        declared.synthetic,
        trial,
    )


def _of_parts(store: Store, declared: Declarations, choice: Choice) -> _Content:
    lines = Lines(store, _parts(store, declared, choice))
    trial = has_trial_weights(store, {column.family for column in lines.columns})
    tables: Iterator[pa.Table]
    if choice.long:
        schema = _LONG_SCHEMA
        tables = (_long(chunk, lines.columns, declared.readers[0]) for chunk in lines.chunks(_LONG))
    else:
        check_columns(lines.columns)
        beside = _beside(store, lines, choice)
        schema = pa.schema([*beside.schema, *((column.name, pa.float64()) for column in lines.columns)])
        tables = _wide(lines, beside)
    schema = schema.with_metadata(_marks(declared, trial=trial))
    patients = len(lines.keys.column("patient_id").unique())
    return _Content(schema, (t.cast(schema) for t in tables), patients, (), 0, declared.synthetic, trial)


def _parts(store: Store, declared: Declarations, choice: Choice) -> Parts:
    """What the choice names, in the order of the study; everything where it names nothing."""
    imported = sorted({f for f, _, _, _ in declared.current} - {*declared.families})
    families = _chosen("family", choice.families, [*declared.families, *imported])
    image_types = {f: kinds for f, kinds in declared.image_types.items() if f in families}
    if choice.image_types:
        if not image_types:
            raise UsageError("--image-type is about family CR, which is not asked for; leave it out")
        every = list(dict.fromkeys(kind for kinds in image_types.values() for kind in kinds))
        asked = _chosen("image type", choice.image_types, every)
        image_types = {f: tuple(k for k in kinds if k in asked) for f, kinds in image_types.items()}
        families = [f for f in families if image_types.get(f, asked)]
    if not choice.families:
        # A study that only imports does not want thousands of empty columns.
        found = store.query(
            "FROM raw.cr_current SELECT DISTINCT family UNION FROM raw.dlr_current SELECT DISTINCT family"
        )
        there = {*imported, *found.column("family").to_pylist()}
        families = [f for f in families if f in there] or families
    return Parts(
        families,
        _chosen("phase", choice.phases, declared.phases),
        _chosen("region", choice.regions, declared.regions),
        image_types,
        declared.dlr_like,
    )


def _chosen(what: str, asked: Sequence[str], known: Sequence[str]) -> list[str]:
    by_lower = {name.lower(): name for name in known}
    for name in asked:
        if name.lower() not in by_lower:
            there = ", ".join(known) or "none"
            raise UsageError(f"there is no {what} {name!r}{suggest(name, known)}; there is {there}")
    wanted = {by_lower[name.lower()] for name in asked}
    return [name for name in known if not wanted or name in wanted]


def _marks(declared: Declarations, *, trial: bool) -> dict[str, str]:
    """Metadata of the file: what must not get lost on the way. No time, so that bytes stay the same."""
    return {
        "study": declared.name,
        "study_digest": declared.digest,
        "reader": declared.readers[0],
        "synthetic": str(declared.synthetic).lower(),
        "trial_weights": str(trial).lower(),
        "feature_sets": json.dumps(declared.current, ensure_ascii=False),
    }


def _beside(store: Store, lines: Lines, choice: Choice) -> pa.Table:
    """What stands before the features: the key, times, clinical values."""
    table = lines.keys.select(list(_KEYS))
    if choice.with_times:
        table = table.append_column("computed_at", lines.keys.column("computed_at").cast(_TIME))
    if choice.with_clinical:
        clinical = store.query("SELECT * FROM clinical")
        place = {patient: at for at, patient in enumerate(clinical.column("patient_id").to_pylist())}
        rows = pa.array([place.get(p) for p in lines.keys.column("patient_id").to_pylist()], pa.int64())
        for name in clinical.column_names:
            if name != "patient_id":
                table = table.append_column(f"clinical_{name}", clinical.column(name).take(rows))
    return table


def _wide(lines: Lines, beside: pa.Table) -> Iterator[pa.Table]:
    start = 0
    names = [column.name for column in lines.columns]
    for chunk in lines.chunks(_WIDE):
        values, absent = np.ascontiguousarray(chunk.values.T), np.ascontiguousarray(~chunk.defined.T)
        arrays = [pa.array(v, mask=a) for v, a in zip(values, absent, strict=True)]
        left = beside.slice(start, chunk.keys.num_rows)
        yield pa.table([*left.columns, *arrays], names=[*left.column_names, *names])
        start += chunk.keys.num_rows


def _long(chunk: Chunk, columns: Sequence[Column], reader: str) -> pa.Table:
    """A row for each value: line by line, in the order of the columns."""
    line, at = np.nonzero(chunk.defined)
    key = chunk.keys.take(pa.array(line))
    place = pa.table(
        {
            name: pa.array([getattr(column, name) for column in columns], pa.string())
            for name in ("phase", "region", "family", "image_type", "name")
        }
    ).take(pa.array(at))
    content = {
        **{name: key.column(name) for name in _KEYS},
        **{name: place.column(name) for name in ("phase", "region", "family", "image_type")},
        "feature": place.column("name"),
        "reader": pa.repeat(reader, len(line)),
        "value": pa.array(chunk.values[line, at]),
    }
    return pa.table([content[name] for name in _LONG_SCHEMA.names], schema=_LONG_SCHEMA)


def _write(path: Path, ending: str, content: _Content) -> int:
    """Write part after part; the number of rows."""
    rows = 0
    with _writer(path, ending, content.schema) as writer:
        for table in content.tables:
            writer.write_table(table)
            rows += table.num_rows
    return rows


def _writer(path: Path, ending: str, schema: pa.Schema) -> Any:
    if ending == ".csv":
        import pyarrow.csv as pacsv

        return pacsv.CSVWriter(path, schema)
    if ending == ".parquet":
        import pyarrow.parquet as pq

        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        # A dictionary of doubles only costs time: hardly any stands twice.
        return pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=texts)
    return pa.ipc.new_file(path, schema)
