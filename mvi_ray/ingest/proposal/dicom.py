"""A tree of DICOM files, and masks beside it, to rows."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from mvi_ray.errors import UsageError
from mvi_ray.ingest.problem import Problem
from mvi_ray.ingest.proposal.attach import attach_files, attach_series
from mvi_ray.ingest.proposal.row import Proposal, ProposedRow, carried, settled
from mvi_ray.ingest.proposal.series import by_patient, candidates, unused

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mvi_ray.ingest.dicom import Scan
    from mvi_ray.ingest.proposal.find import Found
    from mvi_ray.ingest.pseudonym import Identify
    from mvi_ray.study import Study


def propose_dicom(
    scan: Scan, study: Study, identify: Identify, masks: Sequence[Found] | None = None
) -> Proposal:
    """Say which series and time points are which phase of whom, and which masks belong to them.

    Args:
        scan: what the tree holds.
        study: phases, rules (`dicom.phases`), and whose mask serves whom.
        identify: gives the pseudonym of a PatientID.
        masks: files found by a pattern; None takes SEG and RTSTRUCT of the tree.

    Raises:
        UsageError: the tree holds no DICOM images.
    """
    if not any(one.kind == "image" for one in scan.series):
        raise UsageError(
            f"none of {scan.files} files is a DICOM image; check the folder, or use --scan for other files"
        )
    sources = carried(study)
    patients, problems = by_patient(scan.series, identify)
    problems = [*scan.problems, *problems]
    files: dict[str, list[Found]] = defaultdict(list)
    for mask in masks or ():
        files[mask.patient].append(mask)
    rows: list[ProposedRow] = []
    images = {}
    for patient, series in sorted(patients.items()):
        images[patient], faults = candidates(patient, series, study)
        if masks is None:
            made, more = attach_series(images[patient], series, sources)
        else:
            made, more = attach_files(images[patient], files[patient], sources)
        rows.extend(made)
        problems.extend((*faults, *more))
    problems.extend(_strangers(masks or (), images))
    note = unused(images, [one for series in patients.values() for one in series])
    return Proposal(settled(rows, study), tuple(problems), (note,) if note else ())


def _strangers(masks: Sequence[Found], patients: Collection[str]) -> list[Problem]:
    """Masks of patients without images; what their names hold may be an identity, so they are counted."""
    strange = [one for one in masks if one.patient not in patients]
    found = [Problem("error", *fault) for fault in sorted({one.reason for one in strange if one.fault})]
    count = sum(not one.fault for one in strange)
    if count:
        reason = "mask" if count == 1 else f"{count} masks"
        way_out = "their patients are no PatientID of the images: join them in the crosswalk"
        found.append(Problem("error", f"{reason} without images", way_out))
    return found
