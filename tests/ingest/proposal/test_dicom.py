"""A DICOM tree as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mvi_ray.errors import UsageError
from tests.ingest.proposal.making import make_study, touch

if TYPE_CHECKING:
    from tests.ingest.proposal.archive import Archive


def test_tree_without_images_is_wrong_usage(archive: Archive) -> None:
    """Masks alone, or other files."""
    touch(archive.path, "a.nrrd")
    archive.seg(9)
    with pytest.raises(UsageError, match="none of 2 files is a DICOM image; check the folder, or use --scan"):
        archive.propose(make_study("AP"))


def test_patients_stand_in_order(archive: Archive) -> None:
    """Whatever the order of files, the manifest is the same."""
    for patient in ("B", "A", "C"):
        archive.images(5, patient=patient)
    assert [row.patient for row in archive.propose(make_study("AP")).rows] == ["A", "B", "C"]


def test_problems_of_the_scan_are_handed_on(archive: Archive) -> None:
    """What could not be read is told by count."""
    path = archive.images(5)[0]
    path.with_name("broken.dcm").write_bytes(path.read_bytes()[:200])
    found = archive.propose(make_study("AP"))
    assert len(found.rows) == 1
    assert [p.severity for p in found.problems] == ["warning"]
