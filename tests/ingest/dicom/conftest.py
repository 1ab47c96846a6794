"""Reading what `writing` wrote, with a look at every text for planted identifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mvi_ray.errors import CaseError
from mvi_ray.ingest.dicom import Part, Reading, Series, parts_of, read_part, scan_folder
from tests.ingest.dicom.writing import IDENTITY

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.study.dicom import Split


class Shelf:
    """A folder of DICOM files whose names, too, must not be told.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def series(self) -> Series:
        """The only series of images there."""
        scan = scan_folder(self.path)
        for problem in scan.problems:
            self.check_text(problem.reason + problem.way_out)
        images = [one for one in scan.series if one.kind == "image"]
        assert len(images) == 1
        self.check_text(repr(scan))
        return images[0]

    def parts(self, split: Split = "auto") -> list[Part]:
        """Its parts."""
        parts = parts_of(self.series(), split)
        self.check_text(repr(parts))
        return parts

    def read(self, number: int = 1, split: Split = "auto", *, suv: bool = False) -> Reading:
        """One of its parts, read."""
        reading = read_part(self.parts(split)[number - 1], suv=suv)
        for remark in reading.remarks:
            self.check_text(remark)
        return reading

    def refusal(self, split: Split = "auto", *, suv: bool = False) -> str:
        """What is said when the only part cannot be read."""
        with pytest.raises(CaseError, match=r".+; .+") as caught:
            self.read(1, split, suv=suv)
        self.check_text(caught.value.message)
        assert str(self.path) not in caught.value.message
        return caught.value.message

    def check_text(self, text: str) -> None:
        """No planted identifier stands in a text."""
        assert not [name for name in IDENTITY if name.lower() in text.lower()], text


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """An empty folder named like a patient."""
    return Shelf(tmp_path / "MUELLER_HANS")
