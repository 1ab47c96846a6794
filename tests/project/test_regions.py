"""Regions in the store: made anew when their definition changed, and only then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mvi_ray.project.progress import silent
from mvi_ray.project.regions import derive_again, region_row
from mvi_ray.regions.derive import GIVEN, Region
from mvi_ray.regions.facts import mask_facts
from mvi_ray.store.volumes import StoredVolume
from mvi_ray.volume import Mask

if TYPE_CHECKING:
    from tests.conftest import TinyProject

STUDY = """\
schema_version: 1
phases: [AP]
regions:
  {regions}
preprocessing: none
families: {{cr: {{spacing_mm: null, bin_count: 8, image_types: [original]}}}}
"""
NEAR = "near: {kind: ring, outer_mm: 2, clip: none}"
RIM = "rim: {kind: union, of: [intratumoral, near]}"


def write(tiny: TinyProject, *regions: str) -> None:
    """A study of one phase with these regions."""
    text = STUDY.format(regions="\n  ".join(regions))
    (tiny.folder / "study.yaml").write_text(text, encoding="utf-8")


def again(tiny: TinyProject) -> list[tuple[str | None, str]]:
    """Derive anew; region and reason of each problem."""
    return [(problem.region, problem.reason) for problem in derive_again(tiny.open(), silent)]


def rows(tiny: TinyProject) -> dict[str, dict[str, object]]:
    """Region to row."""
    return {row["region"]: row for row in tiny.open().store.tables["masks"].read().to_pylist()}


def arrays(tiny: TinyProject) -> dict[str, np.ndarray]:
    """Region to voxels."""
    root = tiny.open().store.root
    return {
        name: StoredVolume.of_row(row, "mask_digest").load_mask(root).array
        for name, row in rows(tiny).items()
    }


@pytest.fixture
def project(tiny: TinyProject) -> TinyProject:
    """One patient, a tumour, a ring and a union of both."""
    write(tiny, NEAR, RIM)
    tiny.add("P1", ["AP"])
    return tiny


def test_regions_of_ingest_are_current(project: TinyProject) -> None:
    """Nothing is derived twice: rows keep their time."""
    before = rows(project)
    assert set(before) == {"intratumoral", "near", "rim"}
    assert again(project) == []
    assert rows(project) == before


def test_change_of_a_source_makes_what_hangs_on_it_anew(project: TinyProject) -> None:
    """A wider ring makes a larger union, under the same words in the study."""
    before = rows(project)
    write(project, NEAR.replace("2", "3"), RIM)
    assert again(project) == []
    after = rows(project)
    assert after["intratumoral"] == before["intratumoral"]
    assert after["rim"]["definition"] != before["rim"]["definition"]
    found = arrays(project)
    assert np.array_equal(found["rim"], found["intratumoral"] | found["near"])
    assert after["rim"]["voxels"] > before["rim"]["voxels"]


def test_new_region_leaves_its_source_as_it_is(project: TinyProject) -> None:
    """What a new region is made from is made on the way, and not written again."""
    before = rows(project)
    write(project, NEAR, RIM, "beyond: {kind: ring, of: rim, outer_mm: 2}")
    assert again(project) == []
    after = rows(project)
    assert {name: row for name, row in after.items() if name != "beyond"} == before
    assert not (arrays(project)["beyond"] & arrays(project)["rim"]).any()


def test_threshold_reads_the_image(project: TinyProject) -> None:
    """The ring keeps what is brighter than 100; what was cut is recorded."""
    write(project, NEAR.replace("clip: none", "clip: {above: 100}"))
    assert again(project) == []
    store = project.open().store
    image = StoredVolume.of_row(store.tables["images"].read().to_pylist()[0]).load_image(store.root)
    row = rows(project)["near"]
    assert image.array[arrays(project)["near"] == 1].min() > 100
    cut = row["clipped_threshold_mm3"]
    assert isinstance(cut, float)
    assert cut > 0
    assert json.loads(str(row["definition"]))["clip"] == {"above": 100.0, "below": None}


def test_threshold_without_the_image_is_told(project: TinyProject) -> None:
    """The region does not live on under its old definition."""
    write(project, NEAR.replace("clip: none", "clip: {above: 100}"))
    project.open().store.tables["images"].delete({"patient_id": "P1", "session": "baseline", "phase": "AP"})
    assert again(project) == [("near", "the image of a mask is not in the store")]
    assert "near" not in rows(project)


def test_region_drawn_by_hand_stays_and_counts(project: TinyProject) -> None:
    """A file of the case overrides its definition, whatever the study says of it later."""
    store = project.open().store
    drawn = rows(project)["intratumoral"]
    tumour = StoredVolume.of_row(drawn, "mask_digest").load_mask(store.root)
    array = np.zeros_like(tumour.array)
    array[0, 0, :3] = 1
    hand = Mask(array, tumour.geometry, tumour.reorientation)
    region = Region("near", hand, mask_facts(hand), GIVEN)
    store.tables["masks"].write([{**drawn, **region_row(store.root, region, str(drawn["image_digest"]))}])
    kept = rows(project)["near"]
    for near in (NEAR, NEAR.replace("2", "4"), "near: {kind: drawn}"):
        write(project, near, RIM)
        assert again(project) == []
        assert rows(project)["near"] == kept
        assert np.array_equal(arrays(project)["rim"], tumour.array | array)


def test_region_that_was_not_drawn_is_told(project: TinyProject) -> None:
    """The derived one of before is no longer what the study asks for."""
    write(project, "near: {kind: drawn}", RIM)
    assert again(project) == [
        ("near", "region near is drawn by hand, and this case has no file of it"),
        ("rim", "region near, which it is made from, could not be made"),
    ]
    assert list(rows(project)) == ["intratumoral"]


def test_derived_regions_repeat_where_the_drawn_mask_came_from(project: TinyProject) -> None:
    """Phase, shift and turn of a carried mask stand in every row of its regions."""
    moved = {"carried_from": "HBP", "shift_x_mm": 1.5, "rotation_deg": 2.0, "resampled_from": "3 × 3 × 3"}
    store = project.open().store
    store.tables["masks"].write([{**rows(project)["intratumoral"], **moved}])
    write(project, NEAR.replace("2", "3"), RIM)
    assert again(project) == []
    for row in rows(project).values():
        assert {name: row[name] for name in moved} == moved
        assert row["shift_y_mm"] is None


def test_region_whose_file_was_refused_waits_for_another_ingest(tiny: TinyProject) -> None:
    """Neither the ring without its organ nor the definition of what was drawn takes its place."""
    cut = "cut: {kind: ring, outer_mm: 2, clip: organ}"
    write(tiny, cut, NEAR)
    tiny.write_case("P1", "AP")
    tiny.data.joinpath("m.csv").write_text(
        "patient_id,phase,image,mask,region,organ_mask\n"
        "P1,AP,P1-AP-image.nii.gz,P1-AP-mask-R1.nii.gz,,gone.nii.gz\n"
        "P1,AP,P1-AP-image.nii.gz,gone.nii.gz,near,\n"
    )
    manifest = tiny.data / "m.csv"
    assert tiny.open().ingest(manifest).left_out == 2
    assert list(rows(tiny)) == ["intratumoral"]
    assert again(tiny) == []
    write(tiny, cut.replace("2", "3"), NEAR, "more: {kind: ring, outer_mm: 3, clip: organ}")
    assert again(tiny) == []
    assert list(rows(tiny)) == ["intratumoral"]
    write(tiny, cut, NEAR, "other: {kind: ring, outer_mm: 3, clip: none}")
    assert again(tiny) == []
    assert set(rows(tiny)) == {"intratumoral", "other"}
    tiny.write_case("P1", "AP", reader="liver", radius=6, image=False)
    manifest.write_text(
        "patient_id,phase,image,mask,region,organ_mask\n"
        "P1,AP,P1-AP-image.nii.gz,P1-AP-mask-R1.nii.gz,,P1-AP-mask-liver.nii.gz\n"
    )
    assert tiny.open().ingest(manifest).left_out == 0
    assert set(rows(tiny)) == {"intratumoral", "cut", "near", "other"}
    assert rows(tiny)["cut"]["clipped_organ_mm3"] is not None
