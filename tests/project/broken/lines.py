"""Lines of a manifest that do not fit the study or one another, and manifests that are no table."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from tests.project.broken.kind import Kinds

if TYPE_CHECKING:
    from tests.project.broken.kind import Cells, Place

LINES = Kinds()
kind = LINES.add


@kind("phase-unknown", "the study has no phase 'XX'")
def _(place: Place) -> Cells:
    return {"phase": "XX"}


@kind("reader-unknown", "the study has no reader 'R9' who draws")
def _(place: Place) -> Cells:
    return {"reader": "R9"}


@kind("region-unknown", "the study has no region 'necrosis'")
def _(place: Place) -> Cells:
    return {"region": "necrosis"}


@kind("region-without-tumour", "the region peritumoral stands without a line for the drawn tumour")
def _(place: Place) -> Cells:
    return {"region": "peritumoral"}


@kind("phase-blank", "phase is blank")
def _(place: Place) -> Cells:
    return {"phase": ""}


@kind("image-blank", "image is blank")
def _(place: Place) -> Cells:
    return {"image": ""}


@kind("mask-blank", "mask is blank")
def _(place: Place) -> Cells:
    return {"mask": ""}


@kind("patient-blank", "patient_id is blank")
def _(place: Place) -> Cells:
    return {"patient_id": ""}


@kind("label-zero", "label:", "greater than or equal to 1")
def _(place: Place) -> Cells:
    return {"label": "0"}


@kind("label-no-number", "label:", "integer")
def _(place: Place) -> Cells:
    return {"label": "one"}


@kind("label-and-segment", "label and segment are both given")
def _(place: Place) -> Cells:
    return {"label": "1", "segment": "Tumour"}


@kind("organ-label-alone", "organ_label is given without organ_mask")
def _(place: Place) -> Cells:
    return {"organ_label": "5"}


@kind("part-zero", "part:", "greater than or equal to 1")
def _(place: Place) -> Cells:
    return {"part": "0"}


@kind("series-no-key", "series is not 12 digits", "as `mvi ingest --dicom` writes them")
def _(place: Place) -> Cells:
    return {"series": "1.2.840.113619.2.5"}


@kind("patient-twice", "the same patient, session, phase, lesion, reader and region stand", keeps="case")
def _(place: Place) -> list[Cells]:
    return [{}, {}]


@kind("patient-with-two-images", "another image is given for this patient, session and phase", keeps="case")
def _(place: Place) -> list[Cells]:
    return [{}, {"image": place.cell(place.write(".nii.gz")), "lesion": "2"}]


@kind("patient-of-two-centres", "centre is 'B' here and 'A' above", keeps="case")
def _(place: Place) -> list[Cells]:
    return [{"centre": "A"}, {"centre": "B", "lesion": "2"}]


_GOOD = "patient_id,phase,image,mask\nP1,AP,good/image.nii.gz,good/mask.nii.gz\n"

ACCEPTED = {
    "byte-order mark": codecs.BOM_UTF8 + _GOOD.encode(),
    "semicolons": _GOOD.replace(",", ";").encode(),
    "tabs": _GOOD.replace(",", "\t").encode(),
    "UTF-16 with its mark": _GOOD.encode("utf-16"),
    "line ends of Windows": _GOOD.replace("\n", "\r\n").encode(),
    "line ends of old Macs": _GOOD.replace("\n", "\r").encode(),
    "blank lines": _GOOD.replace("\n", "\n\n,,,\n").encode(),
}
"""What spreadsheets write: these are manifests like any other."""

REFUSED = {
    "UTF-16 without its mark": (_GOOD.encode("utf-16-le"), "holds zero bytes, which no text has"),
    "Latin-1": (_GOOD.replace("P1", "Müller").encode("latin-1"), "is not UTF-8 text"),
    "ragged line": (_GOOD.encode() + b"P2,AP,a,b,c,d\n", "line 3: 6 cells under 4 columns"),
    "short line": (_GOOD.encode() + b"P2,AP\n", "line 3: 2 cells under 4 columns"),
    "open quote": (_GOOD.encode() + b'"P2,AP,a,b\n', "line 3: .*; check its quotes"),
    "no bytes": (b"", "has no rows"),
    "header only": (_GOOD.encode().partition(b"\n")[0], "has no rows"),
    "column missing": (_GOOD.replace(",mask", "").replace(",good/mask.nii.gz", "").encode(), "'mask' is mis"),
    "column misspelled": (_GOOD.replace(",phase", ",phse").encode(), "'phse'; did you mean 'phase'"),
    "column twice": (_GOOD.replace(",mask", ",image").encode(), "columns 3 and 4 have the same name"),
    "column without name": (_GOOD.replace(",mask", ",").encode(), "column 4 has no name|4 cells under 3"),
    "workbook": (b"PK\x03\x04" + bytes(200), "holds zero bytes|is not UTF-8"),
}
"""What is refused as a whole: bytes of the manifest and words of the message."""
