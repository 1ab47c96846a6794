"""Series of real scanners, against their twins in NIfTI and against another reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

from mvi_ray.ingest.dicom import parts_of, phases_of, read_part, scan_folder, scanner_facts
from mvi_ray.ingest.files import read_volume
from mvi_ray.study import Dicom, SeriesRule

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.ingest.dicom import Part


@pytest.fixture
def dynamic(real_data: Path) -> list[Part]:
    """The parts of one dynamic breast MRI of 180 slices."""
    (series,) = scan_folder(real_data / "dce-mri-seg" / "dynamic").series
    assert len(series.instances) == 180
    return parts_of(series)


def test_dynamic_series_is_three_parts_by_content_time(dynamic: list[Part]) -> None:
    """AcquisitionNumber would make 60 and 120 slices; there is no acquisition time."""
    assert [len(p.instances) for p in dynamic] == [60, 60, 60]
    assert {p.separated_by for p in dynamic} == {("content_time",)}
    # 10:25:51, 10:32:38 and 10:38:32.
    assert [p.after_s for p in dynamic] == [0, 407, 761]


def test_dynamic_series_is_read_as_simpleitk_reads_it(dynamic: list[Part]) -> None:
    """Each third of the files, voxel by voxel."""
    for part in dynamic:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames([str(i.path) for i in part.instances])
        other = sitk.DICOMOrient(reader.Execute(), "LPS")
        volume = read_part(part).volume.to_canonical()
        assert np.array_equal(volume.array, sitk.GetArrayFromImage(other))
        assert volume.geometry.spacing == pytest.approx(other.GetSpacing(), abs=1e-6)
        assert volume.geometry.origin == pytest.approx(other.GetOrigin(), abs=1e-5)


def test_field_strength_in_gauss_is_tesla(dynamic: list[Part]) -> None:
    """This header holds 15000."""
    facts = scanner_facts(dynamic[0])
    assert (facts.manufacturer, facts.field_strength_t) == ("GE MEDICAL SYSTEMS", 1.5)
    assert (facts.repetition_time_ms, facts.echo_time_ms, facts.flip_angle_deg) == (8.2, 4.2, 20.0)


def test_rules_map_the_time_points_to_phases(real_data: Path) -> None:
    """By number and by seconds; the segmentation beside it is no phase."""
    scan = scan_folder(real_data / "dce-mri-seg")
    dicom = Dicom(
        phases={
            "pre": SeriesRule(description=("*3dfgre*",), part=1),
            "early": SeriesRule(modality="MR", after_s=(300, 500)),
            "late": SeriesRule(modality="MR", after_s=(600, 900)),
        }
    )
    assert {n: [p.number for p in there] for n, there in phases_of(scan.series, dicom).items()} == {
        "pre": [1],
        "early": [2],
        "late": [3],
    }


@pytest.mark.parametrize("phase", ["MR_T1", "PET"])
@pytest.mark.parametrize("patient", ["STS_002", "STS_003"])
def test_dicom_and_nifti_of_one_image_agree(real_data: Path, patient: str, phase: str) -> None:
    """Where both have voxels; MR to its rounding to integers, PET to its 16 bits."""
    (series,) = (
        s for s in scan_folder(real_data / "sts-dicom-rtstruct" / patient / phase).series if s.kind == "image"
    )
    volume = read_part(parts_of(series)[0]).volume.to_canonical()
    twin = read_volume(
        real_data / "sts-mri-pet" / "images" / patient / f"{phase}_image.nii.gz"
    ).to_canonical()
    assert volume.geometry.spacing == pytest.approx(twin.geometry.spacing, abs=1e-4)
    mine, its = overlap(volume, twin)
    assert mine.size > 0.9 * volume.array.size
    step = 1.0 if phase == "MR_T1" else float(np.ptp(its)) / 2**15
    assert np.abs(mine - its).max() <= step


def overlap(volume: object, twin: object) -> tuple[np.ndarray, np.ndarray]:
    """Voxels of both at the same places; grids that lie a whole number of voxels apart."""
    shift = np.subtract(twin.geometry.origin, volume.geometry.origin) / volume.geometry.spacing
    steps = np.rint(shift).astype(int)
    assert np.abs(shift - steps).max() < 0.01
    spans = []
    for step, mine, its in zip(steps, volume.geometry.size, twin.geometry.size, strict=True):
        low, high = max(0, step), min(mine, its + step)
        spans.append((slice(low, high), slice(low - step, high - step)))
    a, b = ([span[k] for span in reversed(spans)] for k in (0, 1))
    return volume.array[tuple(a)].astype(float), twin.array[tuple(b)].astype(float)
