"""The synthetic cohort as files."""

from __future__ import annotations

import csv
import hashlib

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.distance import pdist

from mvi_ray.demo.cohort import make_cohort, study_text
from mvi_ray.demo.phantom import LIVER, PHASES
from mvi_ray.errors import UsageError
from mvi_ray.study import load_study, parse_study
from mvi_ray.volume import Geometry


def _digests(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A cohort of three patients: two of centre A, one of centre B."""
    folder = tmp_path_factory.mktemp("demo") / "cohort"
    make_cohort(folder, patients=3, seed=5)
    return folder


def test_same_seed_writes_the_same_bytes(cohort, tmp_path):
    """Every file agrees, compressed images included."""
    make_cohort(tmp_path / "again", patients=3, seed=5)
    assert _digests(tmp_path / "again") == _digests(cohort)


def test_a_patient_does_not_depend_on_the_size_of_the_cohort(cohort, tmp_path):
    """The first patient alone has the same files as among three."""
    make_cohort(tmp_path / "one", patients=1, seed=5)
    alone, among = _digests(tmp_path / "one"), _digests(cohort)
    images = [name for name in alone if name.endswith(".nii.gz")]
    assert len(images) == 9
    assert all(alone[name] == among[name] for name in images)
    assert _rows(tmp_path / "one" / "clinical.csv") == _rows(cohort / "clinical.csv")[:1]


def test_another_seed_draws_other_patients(cohort, tmp_path):
    """Images differ from seed to seed."""
    make_cohort(tmp_path / "other", patients=1, seed=6)
    name = "images/SYN-001/AP.nii.gz"
    assert _digests(tmp_path / "other")[name] != _digests(cohort)[name]


def test_manifest_lists_every_file_with_relative_paths(cohort):
    """One row per patient and phase; the files named are exactly those that lie there."""
    rows = _rows(cohort / "manifest.csv")
    assert [(r["patient_id"], r["phase"]) for r in rows] == [
        (f"SYN-00{n}", phase) for n in (1, 2, 3) for phase in PHASES
    ]
    named = {r[key] for r in rows for key in ("image", "mask", "organ_mask")}
    assert named == {name for name in _digests(cohort) if name.endswith(".nii.gz")}
    centres = {r["patient_id"]: r["centre"] for r in _rows(cohort / "clinical.csv")}
    assert all(r["centre"] == centres[r["patient_id"]] for r in rows)


def test_image_and_masks_share_a_grid_and_the_tumour_lies_in_the_organ(cohort):
    """Geometry agrees file by file, and the label named in the manifest holds the tumour."""
    for row in _rows(cohort / "manifest.csv"):
        image, mask, organ = (
            sitk.ReadImage(str(cohort / row[key])) for key in ("image", "mask", "organ_mask")
        )
        grid = Geometry.of_sitk(image)
        assert grid.difference(Geometry.of_sitk(mask)) is None
        assert grid.difference(Geometry.of_sitk(organ)) is None
        tumour = sitk.GetArrayViewFromImage(mask) == 1
        assert int(row["organ_label"]) == LIVER
        assert (sitk.GetArrayViewFromImage(organ)[tumour] == LIVER).all()


def test_diameter_column_agrees_with_the_drawn_tumour(cohort):
    """Farthest voxel centres lie within the diameter and fall short by less than two voxels."""
    diameters = {r["patient_id"]: 10 * float(r["diameter_cm"]) for r in _rows(cohort / "clinical.csv")}
    for row in _rows(cohort / "manifest.csv"):
        mask = sitk.ReadImage(str(cohort / row["mask"]))
        sampling = np.array(mask.GetSpacing()[::-1])
        farthest = pdist(np.argwhere(sitk.GetArrayViewFromImage(mask) == 1) * sampling).max()
        diameter = diameters[row["patient_id"]]
        assert diameter - 2 * sampling.max() <= farthest <= diameter + 1e-3


def test_everything_says_synthetic(cohort):
    """Study, README and every identifier name it."""
    study = load_study(cohort / "study.yaml")
    assert study.synthetic
    assert "synthetic" in study.name.lower()
    assert "SYNTHETIC" in (cohort / "README.txt").read_text(encoding="utf-8")
    assert all(r["patient_id"].startswith("SYN-") for r in _rows(cohort / "clinical.csv"))


def test_study_fits_the_cohort(cohort):
    """Phases are those drawn, columns those of the table, levels those that occur."""
    study = parse_study(study_text())
    rows = _rows(cohort / "clinical.csv")
    assert study.phases == PHASES
    assert set(rows[0]) == {"patient_id", *study.clinical.columns}
    for name, variable in study.clinical.variables.items():
        if variable.kind == "categorical":
            assert {r[name] for r in rows} <= set(variable.levels)
    assert len(study.models.fit) == 10


def test_study_asks_for_all_nineteen_image_types():
    """Ten filters of the published study, none of them left out."""
    cr = parse_study(study_text()).families.cr
    assert all(getattr(cr.image_types, name) is not None for name in type(cr.image_types).model_fields)


def test_progress_counts_patients(tmp_path):
    """Each patient is reported once, with the number of all."""
    seen = []
    make_cohort(tmp_path / "two", patients=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_an_existing_study_is_not_overwritten(tmp_path):
    """A folder with a study of somebody else stays as it is."""
    (tmp_path / "study.yaml").write_text("name: mine\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"holds a study\.yaml already"):
        make_cohort(tmp_path, patients=1)
    assert [p.name for p in tmp_path.iterdir()] == ["study.yaml"]


@pytest.mark.parametrize(("patients", "seed"), [(0, 0), (3, -1)])
def test_impossible_numbers_are_refused(tmp_path, patients, seed):
    """Nothing is written for a cohort that cannot be."""
    with pytest.raises(UsageError, match="patients must be 1 or more"):
        make_cohort(tmp_path / "none", patients=patients, seed=seed)
    assert not (tmp_path / "none").exists()
