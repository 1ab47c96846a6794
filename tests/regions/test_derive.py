"""All regions of a study from one drawn mask."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from mvi_ray.errors import GeometryError
from mvi_ray.ingest.files import read_volume
from mvi_ray.ingest.masks.choice import Segment
from mvi_ray.ingest.masks.labels import read_labels
from mvi_ray.regions.derive import GIVEN, definition_text, derive_regions
from mvi_ray.regions.facts import mask_facts
from mvi_ray.study import Definition, Ring
from mvi_ray.volume import Geometry, Mask, Volume

if TYPE_CHECKING:
    from pathlib import Path

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


# Regions made from regions ------------------------------------------------------------


def definitions(**regions: dict[str, Any]) -> dict[str, Definition]:
    """Definitions as a study reads them."""
    return TypeAdapter(dict[str, Definition]).validate_python(regions)


NEAR = {"kind": "ring", "outer_mm": 1}
WHOLE = {"kind": "union", "of": ["intratumoral", "near"]}
BEYOND = {"kind": "ring", "of": "whole", "outer_mm": 1}


def test_regions_are_made_in_the_order_they_need() -> None:
    """A ring around a union of tumour and ring, written before what it is made from."""
    made, failed = derive_regions(drawn(), definitions(beyond=BEYOND, whole=WHOLE, near=NEAR))
    assert failed == {}
    # Lattice points with |p|² ≤ 1 are 7; their neighbours by one step are 18 more.
    assert [(r.name, r.mask.voxels) for r in made] == [("beyond", 18), ("whole", 7), ("near", 6)]
    assert made[0].clipped_image_mm3 == 0.0
    assert made[1].clipped_image_mm3 is None


def test_text_of_a_region_holds_that_of_its_sources() -> None:
    """A change of the inner ring is a change of all that is made from it."""
    text = definition_text("beyond", definitions(near=NEAR, whole=WHOLE, beyond=BEYOND))
    assert json.loads(text)["of"]["of"] == [
        "intratumoral",
        {"clip": "organ", "inner_mm": 0.0, "kind": "ring", "of": "intratumoral", "outer_mm": 1.0},
    ]
    wider = definitions(near={**NEAR, "outer_mm": 2}, whole=WHOLE, beyond=BEYOND)
    assert definition_text("beyond", wider) != text
    assert definition_text("beyond", wider, ["near"]) == definition_text(
        "beyond", definitions(near=NEAR, whole=WHOLE, beyond=BEYOND), ["near"]
    )


def test_region_without_its_source_names_it() -> None:
    """Of a chain the first fault is told, and what hangs on it; siblings are made."""
    thin = {"kind": "ring", "outer_mm": 0.5}
    made, failed = derive_regions(
        drawn(),
        definitions(
            near=thin, whole=WHOLE, beyond=BEYOND, other={"kind": "ring", "outer_mm": 1, "clip": "none"}
        ),
    )
    assert [r.name for r in made] == ["other"]
    assert list(failed) == ["near", "whole", "beyond"]
    assert failed["whole"].reason == "region near, which it is made from, could not be made"
    assert failed["beyond"].reason == "region whole, which it is made from, could not be made"


def test_region_drawn_by_hand_is_taken_as_it_is() -> None:
    """A file overrides the definition, and counts for what is made from the region."""
    array = np.zeros((7, 7, 7), dtype=np.uint8)
    array[3, 3, 4] = array[3, 3, 5] = 1
    hand = Mask(array, GRID)
    made, failed = derive_regions(drawn(), definitions(near=NEAR, whole=WHOLE), given={"near": hand})
    assert failed == {}
    assert made[0].mask is hand
    assert made[0].definition == GIVEN == '{"kind":"drawn"}'
    assert (made[0].clipped_organ_mm3, made[0].clipped_image_mm3) == (None, None)
    assert made[0].facts == mask_facts(hand)
    assert made[1].mask.voxels == 3
    assert json.loads(made[1].definition or "")["of"] == ["intratumoral", {"kind": "drawn"}]


def test_region_to_be_drawn_by_hand_is_missed() -> None:
    """A case without its file is told; the study may ask for no other."""
    hand = definitions(rim={"kind": "drawn"})
    made, failed = derive_regions(drawn(), hand)
    assert made == []
    assert failed["rim"].reason == "region rim is drawn by hand, and this case has no file of it"
    assert definition_text("rim", hand) == GIVEN


def test_file_on_another_grid_or_of_no_region_is_an_error() -> None:
    """Neither is used, and both are told."""
    array = np.ones((7, 7, 7), dtype=np.uint8)
    moved = Mask(array, Geometry((7, 7, 7), (1, 1, 1), (3, 0, 0), GRID.direction))
    made, failed = derive_regions(
        drawn(), definitions(near=NEAR), given={"near": moved, "rim": Mask(array, GRID)}
    )
    assert made == []
    assert isinstance(failed["near"], GeometryError)
    assert "origin (3, 0, 0) against (0, 0, 0) mm" in failed["near"].reason
    assert (
        failed["rim"].message == "the study has no region 'rim'; add it under regions: {rim: {kind: drawn}}"
    )


def test_given_region_within_the_tolerance_keeps_its_own_grid() -> None:
    """What is made from it lies on the grid of the drawn mask."""
    array = np.zeros((7, 7, 7), dtype=np.uint8)
    array[3, 3, 5] = 1
    near = Mask(array, Geometry((7, 7, 7), (1, 1, 1), (0.0004, 0, 0), GRID.direction))
    made, failed = derive_regions(drawn(), definitions(near=NEAR, whole=WHOLE), given={"near": near})
    assert failed == {}
    assert made[0].mask.geometry == near.geometry
    assert made[1].mask.geometry == GRID


def test_intensities_cut_a_ring() -> None:
    """What was cut is told in mm³."""
    values = np.zeros((7, 7, 7), dtype=np.float32)
    values[:, :, :4] = 100
    made, _ = derive_regions(
        drawn(), definitions(near={**NEAR, "clip": {"above": 50}}), image=Volume(values, GRID)
    )
    assert (made[0].mask.voxels, made[0].clipped_threshold_mm3, made[0].clipped_organ_mm3) == (5, 1.0, None)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    st.lists(st.booleans(), min_size=27, max_size=27).filter(any),
    st.tuples(*[st.integers(4, 8)] * 3),
    st.tuples(*[st.integers(-2, 2)] * 3),
)
def test_regions_move_with_the_mask(
    cells: list[bool], at: tuple[int, int, int], step: tuple[int, int, int]
) -> None:
    """Shifted by whole voxels, far from the edge, every region is the same elsewhere."""
    wanted = definitions(near={"kind": "ring", "outer_mm": 2, "clip": "none"}, whole=WHOLE)
    grid = Geometry((17, 17, 17), (1, 1, 2), (0, 0, 0), GRID.direction)
    arrays = []
    for place in (at, tuple(a + s for a, s in zip(at, step, strict=True))):
        array = np.zeros((17, 17, 17), dtype=np.uint8)
        array[tuple(slice(p, p + 3) for p in place)] = np.reshape(cells, (3, 3, 3))
        made, failed = derive_regions(Mask(array, grid), wanted)
        assert failed == {}
        assert not (made[0].mask.array & array).any()
        arrays.append([region.mask.array for region in made])
    for here, there in zip(*arrays, strict=True):
        assert np.array_equal(np.roll(here, step, (0, 1, 2)), there)


def test_ring_around_a_ball_ends_at_the_livers_edge(real_data: Path) -> None:
    """Real MRI: no voxel of the ring lies outside label 5, and what was cut is the rest of it."""
    folder = real_data / "liver-mr"
    labels = read_labels(folder / "segmentation.nii.gz")
    liver = Mask(labels.voxels(Segment(5)), labels.geometry).to_canonical()
    grid = liver.geometry
    # A ball of 9 mm whose middle is the liver's voxel nearest to its right edge.
    z, y, x = (int(v) for v in np.argwhere(liver.array)[np.argmin(np.argwhere(liver.array)[:, 2])])
    at = np.argwhere(np.ones(grid.shape)).reshape(*grid.shape, 3) - (z, y, x)
    ball = (((at * grid.sampling) ** 2).sum(axis=-1) <= 9**2).astype(np.uint8) & liver.array
    tumour = Mask(ball, grid, liver.reorientation)
    image = read_volume(folder / "image.nii.gz").to_canonical()
    middle = float(np.median(image.array[liver.array == 1]))
    wanted = definitions(
        ring={"kind": "ring", "outer_mm": 10},
        free={"kind": "ring", "outer_mm": 10, "clip": "none"},
        bright={"kind": "ring", "outer_mm": 10, "clip": ["organ", {"above": middle}]},
        both={"kind": "union", "of": ["intratumoral", "ring"]},
    )
    made, failed = derive_regions(tumour, wanted, liver, image)
    assert failed == {}
    ring, free, bright, both = made
    assert not (ring.mask.array & (1 - liver.array)).any()
    assert np.array_equal(ring.mask.array, free.mask.array & liver.array)
    # The ball touches the edge, so that much of the ring would lie outside the liver.
    assert ring.clipped_organ_mm3 == free.facts.volume_mm3 - ring.facts.volume_mm3
    assert ring.clipped_organ_mm3 > ring.facts.volume_mm3 / 2
    assert np.array_equal(bright.mask.array, ring.mask.array * (image.array > middle))
    assert 0 < bright.mask.voxels < ring.mask.voxels
    assert both.mask.voxels == tumour.voxels + ring.mask.voxels
