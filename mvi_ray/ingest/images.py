"""The image of a case, whatever it is kept in: a plain file, a DICOM file, a DICOM folder."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvi_ray.errors import CaseError
from mvi_ray.ingest.files import is_plain, read_volume

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.ingest.dicom import Part, Scanner, Series
    from mvi_ray.study import Dicom
    from mvi_ray.volume import Volume


@dataclass(frozen=True, slots=True, eq=False)
class ImageFile:
    """An image as it was read.

    Args:
        volume: its voxels, as the file has them.
        scanner: facts of the DICOM header; None for other files.
        remarks: what is worth a look.
    """

    volume: Volume
    scanner: Scanner | None
    remarks: tuple[str, ...]


def read_image(path: Path, series: str | None, part: int | None, dicom: Dicom) -> ImageFile:
    """Read the image of one line of the manifest.

    Args:
        path: NIfTI, NRRD or MetaImage by its ending, else a DICOM file, or a folder of them.
        series: which series of a folder, by its key.
        part: which time point of the series, from 1.
        dicom: settings of the study.

    Raises:
        CaseError: the path cannot be read, or it does not say which image is meant.
        GeometryError: the grid is not valid, or slices make none.
    """
    if is_plain(path):
        if series is not None or part is not None:
            raise CaseError("series and part are for DICOM, and the image is another file; clear both cells")
        return ImageFile(read_volume(path), None, ())
    from mvi_ray.ingest.dicom import parts_of, read_part, scanner_facts

    found, remarks = _series_at(path, series)
    chosen = _part_of(parts_of(found, dicom.split), part)
    reading = read_part(chosen, suv=dicom.suv)
    return ImageFile(reading.volume, scanner_facts(chosen), (*remarks, *reading.remarks))


def _series_at(path: Path, key: str | None) -> tuple[Series, tuple[str, ...]]:
    """The series meant, and remarks on its surroundings."""
    from mvi_ray.ingest.dicom import read_header, scan_folder, series_of
    from mvi_ray.ingest.silence import quiet

    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            scan = scan_folder(path)
            reasons = tuple(problem.reason for problem in scan.problems)
            remarks = tuple(f"{problem.reason}; {problem.way_out}" for problem in scan.problems)
            return _chosen(scan.series, key, reasons), remarks
        if not stat.S_ISREG(mode):
            raise CaseError("image is a pipe or device; name a file or a folder")
        with quiet():
            header = read_header(path)
    except FileNotFoundError:
        raise CaseError("image does not exist; check the path in the manifest") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise CaseError(f"image cannot be reached: {reason}; check its path") from None
    if header is None:
        raise CaseError(
            "image file is neither DICOM nor of an ending that is read; convert it to .nii.gz or .nrrd"
        )
    return _chosen(series_of([header]), key, ()), ()


def _chosen(series: tuple[Series, ...], key: str | None, reasons: tuple[str, ...]) -> Series:
    images = [one for one in series if one.kind == "image"]
    if key is not None:
        named = [one for one in series if one.key == key]
        meant = [one for one in named if one.kind == "image"]
        if len(meant) > 1:
            raise CaseError(
                f"series {key} stands under {len(meant)} patient identifiers; name a folder that holds one"
            )
        if named and not meant:
            raise CaseError(f"series {key} holds no images ({named[0].modality}); choose another series")
        if not meant:
            raise CaseError(f"series {key} is not in the folder, which holds {_listed(images)}; correct it")
        return meant[0]
    if not images:
        kinds = sorted({one.modality for one in series})
        others = f"; there are {', '.join(kinds)}" if kinds else ""
        others += f"; {reasons[0]}" if reasons else ""
        raise CaseError(
            f"no DICOM images of a kind that is read (CT, MR, PET) are there{others}; check the path"
        )
    if len(images) > 1:
        raise CaseError(
            f"the folder holds {_listed(images)}; name one in the column series, or let "
            "`mvi ingest --dicom` propose a manifest"
        )
    return images[0]


def _listed(images: list[Series]) -> str:
    if not images:
        return "no image series"
    shown = ", ".join(f"{one.key} ({one.modality}, {len(one.instances)} slices)" for one in images[:6])
    return f"{len(images)} image series: {shown}{' …' if len(images) > 6 else ''}"


def _part_of(parts: list[Part], number: int | None) -> Part:
    if number is None:
        if len(parts) > 1:
            by = " and ".join(parts[0].separated_by).replace("_", " ")
            raise CaseError(
                f"the series has {len(parts)} parts, told apart by {by}; name one in the column part"
            )
        return parts[0]
    if number > len(parts):
        raise CaseError(f"part {number} is asked for, the series has {len(parts)}; correct the column part")
    return parts[number - 1]
