"""DICOM series with masks that refer to them, with planted identifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mvi_ray.ingest.dicom import scan_folder
from mvi_ray.ingest.proposal.dicom import propose_dicom
from tests.ingest.dicom.writing import AXIAL, ORIGIN, SPACING, base, save, uid, write_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from mvi_ray.ingest.dicom import Series
    from mvi_ray.ingest.proposal.row import Proposal, ProposedRow
    from mvi_ray.study import Study


def shown(rows: Iterable[ProposedRow]) -> list[tuple[Any, ...]]:
    """Patient, phase, session, part and kind of mask of each row."""
    return [(r.patient, r.phase, r.session, r.part, r.drawn and r.drawn.kind) for r in rows]


class Archive:
    """A folder of DICOM files, filled by hand.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.mkdir()

    def images(self, number: int, *, slices: int = 4, patient: str = "PID4711", **header: Any) -> list[Path]:
        """One series of 3 × 4 pixels, in the folder of its number."""
        header = {"study": patient, "series": (patient, number), "SeriesNumber": number, **header}
        array = np.full((slices, 3, 4), number, np.int16)
        return write_series(self.path / patient / f"{number}", array, PatientID=patient, **header)

    def dynamic(self, number: int, points: int, *, patient: str = "PID4711", **header: Any) -> None:
        """One series with several time points of four slices, 60 s apart."""
        for at in range(points):
            time = f"10{at:02}00"
            more = {"AcquisitionNumber": at + 1, "ContentTime": time, "AcquisitionTime": time, **header}
            self.images(number, patient=patient, first=1 + 4 * at, **more)

    def seg(
        self, number: int, *, patient: str = "PID4711", frames: Iterable[float] = (1, 2), **header: Any
    ) -> Path:
        """A SEG on some slices of the grid of `images`; it refers to nothing unless `refer` says so."""
        study, refer = header.pop("study", patient), header.pop("refer", {})
        one = base("SEG", study, (patient, number))
        one.PatientID = patient
        one.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
        one.SOPInstanceUID = uid("instance", patient, number)
        one.PerFrameFunctionalGroupsSequence = Sequence(
            [
                _item(
                    PlanePositionSequence=[
                        _item(ImagePositionPatient=[*ORIGIN[:2], ORIGIN[2] + SPACING[2] * z])
                    ]
                )
                for z in frames
            ]
        )
        one.SharedFunctionalGroupsSequence = Sequence(
            [_item(PlaneOrientationSequence=[_item(ImageOrientationPatient=list(AXIAL))])]
        )
        return self._save_referring(one, number, refer, header)

    def contours(self, number: int, *, patient: str = "PID4711", **header: Any) -> Path:
        """An RTSTRUCT without contours."""
        study, refer = header.pop("study", patient), header.pop("refer", {})
        one = base("RTSTRUCT", study, (patient, number))
        one.PatientID = patient
        one.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
        one.SOPInstanceUID = uid("instance", patient, number)
        return self._save_referring(one, number, refer, header)

    def _save_referring(
        self, one: Dataset, number: int, refer: dict[str, Any], header: dict[str, Any]
    ) -> Path:
        if refer:
            there = [_item(ReferencedSOPInstanceUID=text) for text in refer.get("instances", ())]
            one.ReferencedSeriesSequence = Sequence(
                [_item(SeriesInstanceUID=refer["series"], ReferencedInstanceSequence=there)]
            )
        for key, value in header.items():
            setattr(one, key, value)
        return save(one, self.path / "masks" / f"MUELLER_{one.PatientID}_{number}.dcm")

    def scan(self) -> tuple[Series, ...]:
        """All series."""
        return scan_folder(self.path).series

    def propose(self, study: Study, identify: Callable[[str], str] = str, masks: Any = None) -> Proposal:
        """What is proposed, with a look at every text for planted identifiers."""
        found = propose_dicom(scan_folder(self.path), study, identify, masks)
        texts = [repr(found), *found.notes, *(str(p.to_json()) for p in found.problems)]
        for text in texts:
            assert not [n for n in ("MUELLER", "HANS", "DRWHO", "0815", "19530417", "dyn") if n in text], text
        return found


def _item(**elements: Any) -> Dataset:
    item = Dataset()
    for key, value in elements.items():
        setattr(item, key, Sequence(value) if key.endswith("Sequence") else value)
    return item
