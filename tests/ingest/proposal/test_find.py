"""Files that fit a pattern, and what their paths say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvi_ray.ingest.proposal.find import Found, find
from mvi_ray.ingest.proposal.pattern import Pattern
from mvi_ray.ingest.proposal.tree import list_tree
from tests.ingest.proposal.making import make_study, nobody, touch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STUDY = make_study("AP", "PP", "MR_T1")


def found(folder: Path, pattern: str, identify: Callable[[str], str] = str) -> list[Found]:
    """What fits."""
    return find(list_tree(folder), Pattern.parse(pattern), STUDY, identify)


def test_file_and_folder_are_told_apart(tmp_path: Path) -> None:
    """A pattern that ends with a slash is for folders."""
    touch(tmp_path, "P1/AP/1.dcm", "P2/AP")
    assert [(one.patient, one.phase) for one in found(tmp_path, "{patient}/{phase}/")] == [("P1", "AP")]
    assert [(one.patient, one.phase) for one in found(tmp_path, "{patient}/{phase}")] == [("P2", "AP")]


def test_names_are_those_of_the_study_and_as_spelt(tmp_path: Path) -> None:
    """The phase in the study's letters; as it stands in the path for the search of the image."""
    touch(tmp_path, "P_1_mr_t1.nrrd")
    (one,) = found(tmp_path, "{patient}_{phase}.nrrd")
    assert (one.patient, one.phase, one.fault) == ("P_1", "MR_T1", "")
    assert one.spelt == {"patient": "P_1", "phase": "MR_T1"}
    assert one.path == tmp_path.resolve() / "P_1_mr_t1.nrrd"


def test_fault_has_a_way_out(tmp_path: Path) -> None:
    """That of the pattern, or that of whoever knows the patients."""
    touch(tmp_path, "P1_XX.nrrd")
    (one,) = found(tmp_path, "{patient}_{phase}.nrrd")
    assert one.reason == ("the study has no such phase", "correct the name of the file or the pattern")
    touch(tmp_path, "P1_AP.nii")
    (one,) = found(tmp_path, "{patient}_{phase}.nii", nobody)
    assert one.reason == ("patient identifier is not in the crosswalk", "add it")
    assert (one.patient, one.phase) == ("", "")


def test_representation_holds_no_path(tmp_path: Path) -> None:
    """It may end up in a log."""
    touch(tmp_path, "MUELLER_AP.nrrd")
    (one,) = found(tmp_path, "{patient}_{phase}.nrrd", lambda _: "P1")
    assert "MUELLER" not in repr(one)
