"""`mvi ingest --scan` and `--dicom`: a tree of files becomes a manifest to check, and nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import CaseError, UsageError
from mvi_ray.ingest.proposal.find import find
from mvi_ray.ingest.proposal.pattern import Pattern
from mvi_ray.ingest.proposal.tree import list_tree
from mvi_ray.ingest.proposal.writing import check_target, write_manifest
from mvi_ray.ingest.pseudonym import trusted

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.ingest.problem import Problem
    from mvi_ray.ingest.proposal.row import Proposal, ProposedRow
    from mvi_ray.ingest.pseudonym import Identify
    from mvi_ray.project.progress import Progress
    from mvi_ray.project.project import Project


@dataclass(frozen=True, slots=True)
class FileSource:
    """A tree of masks and images whose names say what they are.

    Args:
        folder: the tree.
        pattern: of the masks, as ``{patient}_{phase}_{reader}.seg.nrrd``.
        images: pattern of the images; None looks beside each mask.
    """

    folder: Path
    pattern: str
    images: str | None = None


@dataclass(frozen=True, slots=True)
class DicomSource:
    """A tree of DICOM files.

    Args:
        folder: the tree.
        masks: a tree of mask files; None takes SEG and RTSTRUCT among the images.
        pattern: how those files are named.
    """

    folder: Path
    masks: Path | None = None
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class ProposeSummary:
    """What was proposed.

    Args:
        rows: of the manifest, in its order; the first is line 2.
        problems: what became no row.
        notes: what is worth knowing, in words.
        manifest: the file that was written; None when none was.
        synthetic: whether the study is synthetic.
    """

    rows: tuple[ProposedRow, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    manifest: Path | None = None
    synthetic: bool = False

    @property
    def open(self) -> int:
        """Number of rows in which a person has to fill something in."""
        return sum(not row.is_ready for row in self.rows)

    @property
    def patients(self) -> int:
        """Number of patients in the rows."""
        return len({row.patient for row in self.rows if row.patient})

    @property
    def errors(self) -> int:
        """Number of errors beside the rows."""
        return sum(p.severity == "error" for p in self.problems)

    @property
    def left_out(self) -> int:
        """Rows that wait for a person, and errors."""
        return self.open + self.errors

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`; paths stand in the manifest only."""
        return {
            "patients": self.patients,
            "rows": [_plain(row, line) for line, row in enumerate(self.rows, start=2)],
            "open": self.open,
            "left_out": self.left_out,
            "written": self.manifest is not None,
            "synthetic": self.synthetic,
            "notes": list(self.notes),
            "problems": [p.to_json() for p in self.problems],
        }


def _plain(row: ProposedRow, line: int) -> dict[str, Any]:
    names = ("session", "series", "part", "seen", "slices")
    drawn = row.drawn
    return {
        "line": line,
        "patient_id": row.patient,
        "phase": row.phase,
        **{name: getattr(row, name) for name in names},
        "mask": None if drawn is None else drawn.kind,
        "ready": row.is_ready,
        "remarks": list(row.remarks),
    }


def propose(
    project: Project,
    source: FileSource | DicomSource,
    manifest: Path | None,
    identify: Identify | None,
    progress: Progress | None,
    *,
    force: bool,
) -> ProposeSummary:
    """Scan, propose, and write the manifest.

    Args:
        project: whose study says what phases there are, and by which rules.
        source: the tree.
        manifest: file to write; None writes nothing.
        identify: gives pseudonyms; None takes the patients of file names as they are.
        progress: receives the state of the work.
        force: replace a manifest that is there.

    Raises:
        UsageError: a folder or a pattern cannot be used, DICOM comes without pseudonyms, or the
            manifest is there already.
    """
    if manifest is not None:
        # Before minutes are spent on a scan.
        check_target(manifest, force=force)
    if isinstance(source, DicomSource):
        found = _of_dicom(project, source, identify, progress)
    else:
        found = _of_files(project, source, identify or trusted)
    if manifest is not None and found.rows:
        write_manifest(found.rows, manifest, force=force)
    written = manifest if found.rows else None
    return ProposeSummary(found.rows, found.problems, found.notes, written, project.study.synthetic)


def _of_files(project: Project, source: FileSource, identify: Identify) -> Proposal:
    from mvi_ray.ingest.proposal.files import propose_files

    pattern = Pattern.parse(source.pattern)
    images = None if source.images is None else Pattern.parse(source.images)
    return propose_files(list_tree(source.folder), pattern, images, project.study, identify)


def _of_dicom(
    project: Project, source: DicomSource, identify: Identify | None, progress: Progress | None
) -> Proposal:
    from mvi_ray.ingest.dicom import scan_folder
    from mvi_ray.ingest.proposal.dicom import propose_dicom

    if identify is None:
        raise UsageError(
            "the PatientID of DICOM files is an identity; give --crosswalk FILE or --key FILE for "
            "pseudonyms, or --trust-ids where the files were pseudonymised"
        )
    if (source.masks is None) != (source.pattern is None):
        raise UsageError("masks beside DICOM need both: --masks DIR and --pattern PATTERN")
    masks = None
    if source.masks is not None and source.pattern is not None:
        pattern = Pattern.parse(source.pattern)
        masks = find(list_tree(source.masks), pattern, project.study, identify)
        if not masks:
            raise UsageError("no mask fits the pattern; it is relative to the folder of --masks")

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress("scan", done, total, f"{done} of {total} files")

    try:
        scan = scan_folder(source.folder, tell)
    except CaseError as error:
        raise UsageError(error.message) from None
    return propose_dicom(scan, project.study, identify, masks)
