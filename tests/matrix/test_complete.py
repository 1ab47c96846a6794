"""Who has everything that a model takes, from keys alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mvi_ray.extract.cr import image_type_names
from mvi_ray.matrix.assemble import assemble
from mvi_ray.matrix.cohort import read_cohorts
from mvi_ray.matrix.complete import complete_patients

if TYPE_CHECKING:
    from tests.conftest import WrittenProject


@pytest.mark.parametrize("lesions", ["largest", "mean"])
def test_complete_patients_are_those_of_the_matrix(written: WrittenProject, lesions: str) -> None:
    """With several lesions, other sessions, lacking phases, regions and clinical values."""
    for at in range(8):
        for phase in ("AP", "PP"):
            for region in ("intratumoral", "peritumoral"):
                name = f"P{at}"
                if (at, phase) == (1, "PP") or (at, region) == (2, "peritumoral"):
                    continue
                if at == 3:
                    written.voi(name, phase, region, session="later")
                    continue
                written.voi(name, phase, region)
                # The larger lesion lacks a phase; the smaller one has all.
                if at == 4 and phase == "AP":
                    written.voi(name, phase, region, lesion="2", volume=500.0)
    clinical: list[dict[str, object]] = [
        {
            "patient_id": f"P{at}",
            "mvi": at % 2,
            "centre": "A",
            "age": None,
            "sex": None if at == 5 else "male",
        }
        for at in range(8)
    ]
    written.clinical(clinical)
    project = written.project
    models = project.study.models.model_copy(update={"lesions": lesions})
    study = project.study.model_copy(update={"models": models, "cohorts": {"train": "true"}})
    cohorts = read_cohorts(project.store, study)
    images = {name: image_type_names(one.image_types) for name, one in study.families.cr_like.items()}
    sizes = {}
    for name in study.models.fit:
        expected = assemble(project.store, study, name, cohorts, images).matrix.patients
        found = complete_patients(project.store, study, name, cohorts, images)
        assert sorted(found) == list(expected)
        sizes[name] = len(found)
    wanted = {"CR": 5, "both": 5, "joined": 4} if lesions == "largest" else {"CR": 6, "both": 5, "joined": 5}
    assert sizes == wanted
