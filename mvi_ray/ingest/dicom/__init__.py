"""DICOM folders to series, series to time points, time points to volumes.

Nothing of a header that may name a patient leaves this package in a message: series and
files are told by count, or by the first twelve digits of the SHA-256 of their UID.
"""

from mvi_ray.ingest.dicom.headers import Header, Instance, Pixels, read_header
from mvi_ray.ingest.dicom.parts import Part, parts_of
from mvi_ray.ingest.dicom.phases import phase_of, phases_of
from mvi_ray.ingest.dicom.read import Reading, read_part
from mvi_ray.ingest.dicom.scan import Scan, scan_folder
from mvi_ray.ingest.dicom.scanner import Scanner, scanner_facts
from mvi_ray.ingest.dicom.series import Series, series_of
from mvi_ray.ingest.dicom.stack import Stack, stack_of

__all__ = [
    "Header",
    "Instance",
    "Part",
    "Pixels",
    "Reading",
    "Scan",
    "Scanner",
    "Series",
    "Stack",
    "parts_of",
    "phase_of",
    "phases_of",
    "read_header",
    "read_part",
    "scan_folder",
    "scanner_facts",
    "series_of",
    "stack_of",
]
