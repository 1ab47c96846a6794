"""The manifest: which image and which drawn mask belong to which patient and phase."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from mvi_ray.errors import CaseError, ManifestError
from mvi_ray.ingest.formulas import unmarked
from mvi_ray.ingest.problem import Problem
from mvi_ray.ingest.table import read_table
from mvi_ray.study import DRAWN, Name

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.ingest.pseudonym import Identify
    from mvi_ray.study import Study

NO_IMAGE = "no image of this phase in the manifest"

_PLAIN = {
    "patient_id": "holds a line break, a tab or another control character",
    "series": "is not 12 digits of 0 to 9 and a to f, as `mvi ingest --dicom` writes them",
}
"""What it means that a cell does not match its pattern."""

_REQUIRED = ("patient_id", "phase", "image", "mask")

_Label = Annotated[int, Field(ge=1)]


def _blank_is_none(value: Any) -> Any:
    return None if value == "" else value


class ManifestRow(BaseModel):
    """One drawn mask. Paths are relative to the manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    patient_id: str = Field(
        min_length=1, pattern=r"^[^\x00-\x1f]+$", description="pseudonym; never a name or hospital number"
    )
    phase: Name = Field(description="a phase of the study")
    image: str = Field(min_length=1, description="image file, or folder of a DICOM series")
    mask: Annotated[str | None, BeforeValidator(_blank_is_none)] = Field(
        default=None, description="mask file; blank where the study takes the mask of another phase"
    )
    series: Annotated[str | None, BeforeValidator(_blank_is_none)] = Field(
        default=None,
        pattern=r"^[0-9a-f]{12}$",
        description="which DICOM series of the folder: the first 12 digits of its UID's SHA-256",
    )
    part: Annotated[int | None, BeforeValidator(_blank_is_none)] = Field(
        default=None, ge=1, description="which time point of a dynamic DICOM series, counted from 1"
    )
    session: str = Field(default="baseline", min_length=1, description="the examination")
    lesion: str = Field(default="1", min_length=1, description="which tumour of the patient")
    reader: Name = Field(default="R1", description="who drew the mask")
    region: Name = Field(
        default=DRAWN, description="what the mask shows; another than the tumour where it was drawn by hand"
    )
    label: _Label = Field(default=1, description="value of the tumour in the mask file")
    segment: Annotated[str | None, BeforeValidator(_blank_is_none)] = Field(
        default=None,
        description="the tumour's segment, instead of its label: a name, or patterns such as Tumor*|HCC*",
    )
    organ_mask: Annotated[str | None, BeforeValidator(_blank_is_none)] = Field(
        default=None, description="mask file of the organ (liver) that clips rings"
    )
    organ_label: Annotated[_Label | None, BeforeValidator(_blank_is_none)] = Field(
        default=None, description="value of the organ in its file; not needed when there is only one"
    )
    centre: Annotated[str | None, BeforeValidator(_blank_is_none)] = Field(
        default=None, description="hospital"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.segment is not None and "label" in self.model_fields_set:
            raise ValueError("label and segment are both given: name the tumour by one of them")
        if self.organ_label is not None and self.organ_mask is None:
            raise ValueError("organ_label is given without organ_mask: add the file, or clear the label")
        return self

    @property
    def is_tumour(self) -> bool:
        """Whether the mask is the drawn tumour, and not another region."""
        return self.region == DRAWN

    @property
    def image_file(self) -> tuple[str, str | None, int | None]:
        """What the image is read from."""
        return self.image, self.series, self.part

    @property
    def drawn_key(self) -> tuple[str, str]:
        """Lesion and reader: one drawn tumour of an image."""
        return self.lesion, self.reader

    @property
    def image_key(self) -> tuple[str, str, str]:
        """Patient, session and phase: one image."""
        return self.patient_id, self.session, self.phase

    @property
    def case(self) -> dict[str, Any]:
        """The case, for a problem."""
        return {
            "patient_id": self.patient_id,
            "session": self.session,
            "phase": self.phase,
            "lesion": self.lesion,
            "reader": self.reader,
            **({} if self.region == DRAWN else {"region": self.region}),
        }


Rows = list[tuple[int, ManifestRow]]
"""Lines of one image with their numbers."""


class Manifest:
    """Rows that may be read, grouped by image, and the problems of the others.

    Args:
        groups: image key to its rows with line numbers, in order of the file.
        problems: rows left out, and remarks on the file.
        folder: what relative paths start from.
    """

    def __init__(
        self,
        groups: dict[tuple[str, str, str], Rows],
        problems: list[Problem],
        folder: Path,
    ) -> None:
        self.groups = groups
        self.problems = problems
        self.folder = folder

    def donors(self, key: tuple[str, str, str], study: Study) -> Rows:
        """Lines of the phase whose masks an image takes; none when it has masks of its own only."""
        patient, session, phase = key
        if phase not in study.masks or all(row.mask is not None for _, row in self.groups[key]):
            return []
        return self.groups.get((patient, session, study.masks[phase].source), [])


def read_manifest(path: Path, study: Study, identify: Identify | None = None) -> Manifest:
    """Read a manifest and hold it against the study.

    Args:
        path: the CSV file.
        study: whose phases and readers the rows name.
        identify: gives the pseudonym of a patient_id; None where they are pseudonyms already.

    Raises:
        ManifestError: the file as a whole cannot be used.
    """
    table = read_table(path, "manifest")
    known = list(ManifestRow.model_fields)
    missing = [name for name in _REQUIRED if name not in table.columns]
    problems: list[Problem] = []
    for column in table.columns:
        if column not in known:
            # A column that is there cannot be the one that was meant.
            absent = [name for name in known if name not in table.columns]
            near = get_close_matches(column.lower(), absent, n=1, cutoff=0.75)
            if near:
                raise ManifestError(f"manifest: unknown column {column!r}; did you mean {near[0]!r}?")
            problems.append(
                Problem("warning", f"column {column!r} is not read", f"known: {', '.join(known)}", line=1)
            )
    if missing:
        raise ManifestError(f"manifest: column {missing[0]!r} is missing; it needs {', '.join(_REQUIRED)}")

    groups: dict[tuple[str, str, str], Rows] = {}
    seen: dict[tuple[str, ...], int] = {}
    centres: dict[str, str] = {}
    for line, cells in table.rows:
        filled = {k: unmarked(v) for k, v in cells.items() if k in known and v != ""}
        row = _parse(line, filled, identify)
        if isinstance(row, Problem):
            problems.append(row)
            continue
        fault = _against_study(row, study) or _against_others(row, line, seen, groups, centres)
        if fault:
            reason, way_out = fault
            problems.append(Problem("error", reason, way_out, line=line, **row.case))
            continue
        groups.setdefault(row.image_key, []).append((line, row))
    problems.extend(_without_tumour(groups))
    problems.extend(_without_donor(groups, study))
    problems.extend(_idle_organs(groups))
    problems.extend(_missing_phases(groups, study))
    return Manifest(groups, problems, path.resolve().parent)


def _parse(line: int, cells: dict[str, str], identify: Identify | None) -> ManifestRow | Problem:
    if identify is not None and "patient_id" in cells:
        try:
            cells["patient_id"] = identify(cells["patient_id"])
        except CaseError as error:
            return Problem.of(error, line=line, phase=cells.get("phase"))
    try:
        return ManifestRow.model_validate(cells)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        column = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "missing":
            reason, way_out = f"{column} is blank", "fill in the cell"
        elif first["type"] == "string_pattern_mismatch":
            reason, way_out = f"{column} {_PLAIN[column]}", "correct the cell"
        elif not column:
            reason, _, way_out = message.partition(": ")
        else:
            reason = f"{column}: {message}"
            # Only cells that hold no identity are shown back.
            shown = column in ("phase", "reader", "label", "organ_label")
            way_out = "correct the cell" + (f" (got {first['input']!r})" if shown else "")
        return Problem(
            "error", reason, way_out, line=line, patient_id=cells.get("patient_id"), phase=cells.get("phase")
        )


def _against_study(row: ManifestRow, study: Study) -> tuple[str, str] | None:
    if row.phase not in study.phases:
        return f"the study has no phase {row.phase!r}", f"use one of {', '.join(study.phases)}"
    if row.region not in study.region_names:
        return (
            f"the study has no region {row.region!r}",
            f"use one of {', '.join(study.region_names)}, or add it under regions: {{kind: drawn}}",
        )
    if row.mask is None and (row.phase not in study.masks or row.region != DRAWN):
        return "mask is blank", "fill in the cell"
    if row.reader not in study.readers.drawing:
        return (
            f"the study has no reader {row.reader!r} who draws",
            f"use one of {', '.join(study.readers.drawing)}, or add it under readers.compare",
        )
    return None


def _against_others(
    row: ManifestRow,
    line: int,
    seen: dict[tuple[str, ...], int],
    groups: dict[tuple[str, str, str], Rows],
    centres: dict[str, str],
) -> tuple[str, str] | None:
    key = (*row.image_key, row.lesion, row.reader, row.region)
    first = seen.setdefault(key, line)
    if first != line:
        return (
            f"the same patient, session, phase, lesion, reader and region stand in line {first}",
            "number the lesions, name the readers, or delete one line",
        )
    sibling = groups.get(row.image_key, [])
    if sibling and sibling[0][1].image_file != row.image_file:
        return (
            f"another image is given for this patient, session and phase in line {sibling[0][0]}",
            "one phase has one image: correct the path, the phase or the session",
        )
    if row.centre is not None and centres.setdefault(row.patient_id, row.centre) != row.centre:
        return (
            f"centre is {row.centre!r} here and {centres[row.patient_id]!r} above",
            "one patient belongs to one centre",
        )
    return None


def _without_tumour(groups: dict[tuple[str, str, str], Rows]) -> list[Problem]:
    """Take out regions drawn by hand whose tumour nobody has drawn."""
    problems = []
    for key, rows in groups.items():
        drawn = {row.drawn_key for _, row in rows if row.is_tumour and row.mask is not None}
        alone = [(line, row) for line, row in rows if not row.is_tumour and row.drawn_key not in drawn]
        for line, row in alone:
            problems.append(
                Problem(
                    "error",
                    f"the region {row.region} stands without a line for the drawn tumour",
                    "add the line of the tumour, with the same lesion and reader",
                    line=line,
                    **row.case,
                )
            )
        groups[key] = [item for item in rows if item not in alone]
    for key in [key for key, rows in groups.items() if not rows]:
        del groups[key]
    return problems


def _without_donor(groups: dict[tuple[str, str, str], Rows], study: Study) -> list[Problem]:
    """Take out images that are to take the mask of a phase that is not there."""
    problems = []
    for key in list(groups):
        patient, session, phase = key
        rows = groups[key]
        if phase not in study.masks or all(row.mask is not None for _, row in rows):
            continue
        source = study.masks[phase].source
        if (patient, session, source) in groups:
            continue
        line, row = rows[0]
        problems.append(
            Problem(
                "error",
                f"mask is blank, and the phase {source}, whose mask it takes, is not in the manifest",
                f"add the line of {source}, or name a mask",
                line=line,
                **row.case,
            )
        )
        del groups[key]
    return problems


def _idle_organs(groups: dict[tuple[str, str, str], Rows]) -> list[Problem]:
    """Organ masks on lines that do not take them: it is the drawn tumour's line that names the organ."""
    problems = []
    for rows in groups.values():
        used = {
            row.drawn_key: (row.organ_mask, row.organ_label)
            for _, row in rows
            if row.is_tumour and row.mask is not None
        }
        for line, row in rows:
            organ = row.organ_mask, row.organ_label
            if row.organ_mask is None or used.get(row.drawn_key) == organ:
                continue
            reason, way_out = (
                ("organ_mask is not read where mask is blank", "the organ is carried with the mask")
                if row.mask is None
                else ("organ_mask is not read on the line of a region", "name it on the line of the tumour")
            )
            problems.append(Problem("warning", reason, way_out, line=line, **row.case))
    return problems


def _missing_phases(groups: dict[tuple[str, str, str], Rows], study: Study) -> list[Problem]:
    there: dict[tuple[str, str], set[str]] = {}
    for patient, session, phase in groups:
        there.setdefault((patient, session), set()).add(phase)
    return [
        Problem(
            "warning",
            NO_IMAGE,
            "models that need the phase leave the patient out",
            patient_id=patient,
            session=session,
            phase=phase,
        )
        for (patient, session), phases in there.items()
        for phase in study.phases
        if phase not in phases
    ]
