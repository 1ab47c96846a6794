"""Folders of masks and images to rows, by a pattern of their names."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from mvi_ray.errors import UsageError
from mvi_ray.ingest.problem import Problem
from mvi_ray.ingest.proposal.find import Found, find
from mvi_ray.ingest.proposal.row import BASELINE, Drawn, Proposal, ProposedRow, carried, settled
from mvi_ray.study import DRAWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mvi_ray.ingest.proposal.pattern import Pattern
    from mvi_ray.ingest.proposal.tree import Tree
    from mvi_ray.ingest.pseudonym import Identify
    from mvi_ray.study import Study

_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
_NAMES = ("{patient}_{phase}", "{patient}-{phase}", "{phase}", "{patient}", "")
_WORDS = ("image", "img")
_WAY_OUT = 'say where images are, as in --images "{patient}_{phase}.nii.gz"'


def propose_files(
    tree: Tree, pattern: Pattern, images: Pattern | None, study: Study, identify: Identify
) -> Proposal:
    """Find masks by a pattern, and the image of each.

    Without a pattern of their own, images lie beside their masks and are named by patient and
    phase, or by one of them, with or without the word image: `P1_AP.nii.gz`, `AP_image.nrrd`,
    `image.nii.gz`.

    Args:
        tree: what lies in the folder.
        pattern: of the masks.
        images: of the images; relative to the same folder.
        study: whose phases, readers and regions the names hold.
        identify: gives the pseudonym of what stands for {patient}.

    Raises:
        UsageError: a pattern fits nothing, says no patient or no phase, or no image was found at all.
    """
    masks = find(tree, pattern, study, identify)
    if not masks:
        raise UsageError(
            f"none of {len(tree.paths)} files and folders fits the pattern; "
            "fields stand in braces, * for any text, **/ for any folders"
        )
    if "phase" not in pattern.fields:
        masks = [replace(one, phase=_only_phase(one, study)) for one in masks]
    if images is None:
        beside = _Beside(tree, {one.path.relative_to(tree.root).as_posix() for one in masks})
        pairs = [(mask, beside.images_of(mask)) for mask in masks]
        if not any(found or mask.fault for mask, found in pairs):
            raise UsageError(f"no image was found beside any of the {len(masks)} masks; {_WAY_OUT}")
        unused: list[Found] = []
    else:
        there = [one for one in find(tree, images, study, identify) if not one.fault]
        taken = {one.path for one in masks}
        there = [one for one in there if one.path not in taken]
        if not there:
            raise UsageError(
                "no image fits the pattern of --images; it is relative to the scanned folder too"
            )
        of_patient: dict[str, list[Found]] = defaultdict(list)
        for one in there:
            of_patient[one.patient].append(one)
        pairs = [(mask, [one for one in of_patient[mask.patient] if _belongs(mask, one)]) for mask in masks]
        used = {one.path for _, found in pairs for one in found}
        unused = [one for one in there if one.path not in used]
    rows = [_row(mask, found) for mask, found in pairs]
    more, problems = _without_mask(unused, rows, study)
    return Proposal(settled([*rows, *more], study), (*tree.problems, *problems))


def _only_phase(found: Found, study: Study) -> str:
    if len(study.phases) > 1:
        raise UsageError(
            f"the study has the phases {', '.join(study.phases)}, and the pattern does not say where the "
            "phase stands; write {phase} into it"
        )
    return "" if found.fault else study.phases[0]


def _row(mask: Found, images: Sequence[Found]) -> ProposedRow:
    first = images[0] if images else None
    row = ProposedRow(
        patient=mask.patient,
        phase=mask.phase,
        # With none or several a person fills the cell in.
        image=images[0].path if len(images) == 1 else None,
        session=_value("session", mask, first) or BASELINE,
        centre=_value("centre", mask, first),
        drawn=drawn_of(mask),
    )
    if mask.fault:
        return row.undecided(mask.fault)
    if first is None:
        return row.undecided("no image was found")
    if len(images) > 1:
        return row.undecided(f"{len(images)} images fit: name one")
    return row


def _value(name: str, mask: Found, image: Found | None) -> str:
    return mask.values.get(name) or ("" if image is None else image.values.get(name, ""))


def drawn_of(found: Found) -> Drawn:
    """A file that a pattern found, as a mask."""
    values = found.values
    return Drawn(
        found.path,
        "file",
        values.get("lesion", "1"),
        values.get("reader", "R1"),
        values.get("region", DRAWN),
    )


def _belongs(mask: Found, image: Found) -> bool:
    """Whether what both paths tell is the same."""
    if not mask.patient or (image.phase and mask.phase != image.phase):
        return False
    return all(mask.values.get(key, value) == value for key, value in image.values.items())


def _without_mask(
    images: Iterable[Found], rows: Sequence[ProposedRow], study: Study
) -> tuple[list[ProposedRow], list[Problem]]:
    """Images that no mask was found for: a row where the study takes the mask of another phase."""
    source = carried(study)
    drawn = {(row.patient, row.session, row.phase) for row in rows}
    more, problems = [], []
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    for one in images:
        session = one.values.get("session", BASELINE)
        if (one.patient, session, source.get(one.phase, "")) in drawn:
            centre = one.values.get("centre", "")
            more.append(ProposedRow(one.patient, one.phase, one.path, session, centre, is_served=True))
        else:
            counts[one.patient, session, one.phase] += 1
    for (patient, session, phase), count in counts.items():
        problems.append(
            Problem(
                "warning",
                "image without a mask" if count == 1 else f"{count} images without a mask",
                "draw it, or correct the name of its file",
                patient_id=patient,
                session=session,
                phase=phase or None,
            )
        )
    return more, problems


class _Beside:
    """Finds images in the folder of a mask.

    Args:
        tree: what there is.
        masks: paths that are masks themselves.
    """

    def __init__(self, tree: Tree, masks: set[str]) -> None:
        self._tree = tree
        self._files: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for path in tree.paths:
            folder, _, name = path.rpartition("/")
            if name and path not in masks and name.lower().endswith(_ENDINGS):
                self._files[folder][name.lower()].append(path)

    def images_of(self, mask: Found) -> list[Found]:
        """Images of the names that come first in `_NAMES`."""
        folder = mask.path.parent.relative_to(self._tree.root).as_posix()
        there = self._files["" if folder == "." else folder]
        for name in _NAMES:
            if any(f"{{{key}}}" in name and key not in mask.spelt for key in ("patient", "phase")):
                continue
            stem = name.format(**{"patient": "", "phase": "", **mask.spelt}).lower()
            stems = [*([stem] if stem else []), *(s for w in _WORDS for s in _joined(stem, w))]
            found = [path for s in stems for e in _ENDINGS if s + e in there for path in there[s + e]]
            if found:
                return [Found(self._tree.root / path, mask.patient, mask.phase, {}, {}) for path in found]
        return []


def _joined(stem: str, word: str) -> tuple[str, ...]:
    return (f"{stem}_{word}", f"{stem}-{word}") if stem else (word,)
