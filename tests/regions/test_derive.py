"""All regions of a study from one drawn mask."""

from __future__ import annotations

import json

import numpy as np

from mvi_ray.regions.derive import definition_text, derive_regions
from mvi_ray.regions.facts import mask_facts
from mvi_ray.study import Ring
from mvi_ray.volume import Geometry, Mask

GRID = Geometry((7, 7, 7), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))


def drawn() -> Mask:
    """One voxel in the middle."""
    array = np.zeros((7, 7, 7), dtype=np.uint8)
    array[3, 3, 3] = 1
    return Mask(array, GRID)


def test_each_ring_becomes_a_region_with_its_facts() -> None:
    """Names, order, facts and definition are those of the study."""
    rings = {"near": Ring(kind="ring", outer_mm=1), "far": Ring(kind="ring", inner_mm=1, outer_mm=2)}
    made, failed = derive_regions(drawn(), rings)
    assert failed == {}
    assert [r.name for r in made] == ["near", "far"]
    assert [r.mask.voxels for r in made] == [6, 26]
    assert made[0].facts == mask_facts(made[0].mask)
    assert made[1].definition == definition_text("far", rings)


def test_empty_ring_does_not_cost_its_siblings() -> None:
    """What cannot be made is returned beside what could."""
    rings = {"thin": Ring(kind="ring", outer_mm=0.5), "near": Ring(kind="ring", outer_mm=1)}
    made, failed = derive_regions(drawn(), rings)
    assert [r.name for r in made] == ["near"]
    assert list(failed) == ["thin"]
    assert "0.5 mm" in failed["thin"].reason
    assert failed["thin"].way_out


def test_organ_cuts_only_rings_that_say_so() -> None:
    """Each definition decides for itself."""
    array = np.zeros((7, 7, 7), dtype=np.uint8)
    array[:, :, 3:] = 1
    rings = {
        "cut": Ring(kind="ring", outer_mm=1),
        "free": Ring(kind="ring", outer_mm=1, clip="none"),
    }
    made, _ = derive_regions(drawn(), rings, Mask(array, GRID))
    assert [(r.name, r.mask.voxels, r.clipped_organ_mm3) for r in made] == [
        ("cut", 5, 1.0),
        ("free", 6, None),
    ]


def test_no_rings_make_no_regions() -> None:
    """The drawn mask is not derived from itself."""
    assert derive_regions(drawn(), {}) == ([], {})


def test_definition_is_the_contract() -> None:
    """Golden: the text stands in the store; another text would make every ring anew."""
    text = definition_text("p", {"p": Ring(kind="ring", outer_mm=10)})
    assert text == '{"clip":"organ","inner_mm":0.0,"kind":"ring","of":"intratumoral","outer_mm":10.0}'


def test_equal_definitions_have_equal_texts() -> None:
    """Order and manner of writing do not count, values do."""
    ways = [
        {"kind": "ring", "outer_mm": 10},
        {"outer_mm": 10.0, "inner_mm": 0, "kind": "ring", "clip": "organ"},
    ]
    texts = {definition_text("p", {"p": Ring.model_validate(way)}) for way in ways}
    assert len(texts) == 1
    nine = definition_text("p", {"p": Ring(kind="ring", outer_mm=9)})
    assert nine not in texts
    assert json.loads(nine)["outer_mm"] == 9.0
