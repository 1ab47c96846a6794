"""The transform of a VOI, its feature set, and embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mvi_ray.cluster.unit import Failure
from mvi_ray.errors import ExtractionError, GeometryError, StudyError, UsageError
from mvi_ray.extract.dlr import KINETICS_MEAN, KINETICS_STD, Embedder, dlr_feature_set, prepare
from mvi_ray.extract.weights import WeightsSource, load_network, resolve
from mvi_ray.features import DLR_VALUES
from mvi_ray.study import DeepRadiomics, parse_study
from mvi_ray.volume import Geometry, Mask, Volume

SIZE = 16
DLR = DeepRadiomics(weights="random", input_size=SIZE, batch_size=4)
EYE = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
STUDY = """
schema_version: 1
phases: [AP]
preprocessing: none
families:
  dlr: {{weights: random{more}}}
"""


def grid(shape, direction=EYE, spacing=(1.0, 1.0, 2.0)) -> Geometry:
    """Geometry of an array [z, y, x]."""
    return Geometry(shape[::-1], spacing, (0.0, 0.0, 0.0), direction)


def pair(voxels, inside) -> tuple[Volume, Mask]:
    """Volume and mask on one canonical grid."""
    where = grid(np.shape(voxels))
    return Volume(np.asarray(voxels), where), Mask(np.asarray(inside, np.uint8), where)


def ball(seed: int = 0) -> tuple[Volume, Mask]:
    """A noisy volume with a ball in it."""
    z, y, x = np.ogrid[:14, :20, :24]
    inside = (z - 6) ** 2 + (y - 9) ** 2 + (x - 12) ** 2 <= 25
    return pair(np.random.default_rng(seed).normal(100, 20, inside.shape), inside)


def with_settings(**changes) -> DeepRadiomics:
    """The settings of this module, with changes."""
    return DeepRadiomics(**{**DLR.model_dump(), **changes})


# --- feature set -----------------------------------------------------------------------------


def feature_set(more: str = "", source: WeightsSource | None = None):
    """Feature set of a small study."""
    return dlr_feature_set(parse_study(STUDY.format(more=more)), source or resolve("random"))


def test_feature_set_says_everything_that_determines_an_embedding():
    """Preprocessing, transform, network and weights; this text is what is hashed."""
    found = feature_set()
    assert (found.family, found.image_type) == ("DLR", None)
    assert found.settings == {
        "preprocessing": "none",
        "transform": {
            "name": "voi-box",
            "version": 1,
            "input_size": 64,
            "percentiles": [1.0, 99.0],
            "masked": True,
            "mean": [0.43216, 0.394666, 0.37645],
            "std": [0.22803, 0.22145, 0.216989],
        },
        "network": "r3d_18",
        "weights": "random-seed-0",
    }


@pytest.mark.parametrize("more", [", input_size: 32", ", percentiles: [0, 100]", ", masked: false"])
def test_feature_set_changes_with_each_setting_of_the_transform(more):
    """Another value, another identifier."""
    assert feature_set(more).id != feature_set().id


def test_feature_set_ignores_place_of_the_weights_and_batch_size():
    """Only what the file holds counts, not where it lies; the batch is not part of the values."""
    here = WeightsSource("file", Path("/a/own.pth"), "ab" * 32)
    there = WeightsSource("kinetics400", Path("/b/r3d.pth"), "ab" * 32)
    assert feature_set(source=here).id == feature_set(", batch_size: 2", there).id
    assert feature_set(source=here).id != feature_set().id
    assert "own.pth" not in feature_set(source=here).canonical


def test_feature_set_needs_the_family():
    """A study without DLR has no such set."""
    text = """
schema_version: 1
phases: [AP]
preprocessing: none
families:
  cr: {spacing_mm: null, bin_width: 5, image_types: [original]}
"""
    with pytest.raises(StudyError, match="no family DLR"):
        dlr_feature_set(parse_study(text), resolve("random"))


# --- transform -------------------------------------------------------------------------------


def test_input_is_the_scaled_box_when_nothing_needs_resizing():
    """A box of the right size comes through: cut, scaled between the percentiles, masked."""
    rng = np.random.default_rng(1)
    voxels = rng.normal(50, 10, (SIZE + 4, SIZE + 6, SIZE + 2))
    inside = np.zeros(voxels.shape, np.uint8)
    box = (slice(1, SIZE + 1), slice(3, SIZE + 3), slice(2, SIZE + 2))
    inside[box] = rng.random((SIZE,) * 3) < 0.7
    inside[box][0, 0, 0] = inside[box][-1, -1, -1] = 1
    found = prepare(*pair(voxels, inside), DLR)
    low, high = np.percentile(voxels[inside == 1], (1, 99))
    expected = np.clip((voxels[box] - low) / (high - low), 0, 1) * inside[box]
    assert (found.shape, found.dtype) == ((1, SIZE, SIZE, SIZE), np.float32)
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


def linear_resize(values: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Linear interpolation at voxel centres, borders held: align_corners=False, by hand."""
    length = values.shape[axis]
    at = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
    left = np.floor(at).astype(int)
    right = np.minimum(left + 1, length - 1)
    weight = (at - left).reshape([-1 if a == axis else 1 for a in range(3)])
    return np.take(values, left, axis) * (1 - weight) + np.take(values, right, axis) * weight


@pytest.mark.parametrize("masked", [True, False])
def test_box_is_resized_linearly_after_masking(masked):
    """Against interpolation written axis by axis; axes stay z, y, x."""
    volume, mask = ball()
    voxels, inside = volume.array[mask.box], mask.array[mask.box] == 1
    low, high = np.percentile(voxels[inside], (1, 99))
    expected = np.clip((voxels - low) / (high - low), 0, 1) * (inside if masked else 1)
    for axis in range(3):
        expected = linear_resize(expected, SIZE, axis)
    found = prepare(volume, mask, with_settings(masked=masked))
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_outside_is_zero_only_when_masked():
    """A corner of the box lies outside the ball."""
    volume, mask = ball()
    assert prepare(volume, mask, DLR)[0, 0, 0, 0] == 0
    assert prepare(volume, mask, with_settings(masked=False))[0, 0, 0, 0] > 0


@pytest.mark.parametrize("masked", [True, False])
def test_constant_voi_becomes_zero(masked):
    """There is no contrast to scale: no division by zero, and no NaN."""
    volume, mask = ball()
    flat = Volume(np.where(mask.array == 1, 7.0, volume.array), volume.geometry)
    assert not prepare(flat, mask, with_settings(masked=masked)).any()


def test_single_voxel_is_a_constant_voi():
    """The smallest mask works."""
    voxels = np.arange(27.0).reshape(3, 3, 3)
    assert not prepare(*pair(voxels, voxels == 13), DLR).any()


def test_input_depends_only_on_the_grid_in_space():
    """A file stored in another orientation gives the same bytes."""
    volume, mask = ball()
    turned = grid(volume.array.shape[::-1], (0.0, 0.0, -1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0), (2.0, 1.0, 1.0))
    swapped = np.transpose(volume.array, (2, 1, 0))[::-1]
    swapped_mask = np.transpose(mask.array, (2, 1, 0))[::-1]
    source = prepare(Volume(swapped, turned), Mask(swapped_mask, turned), DLR)
    assert source.tobytes() == prepare(volume, mask, DLR).tobytes()


def test_mask_of_another_grid_is_refused():
    """Same shape, other spacing."""
    volume, mask = ball()
    other = Mask(mask.array, grid(mask.array.shape, spacing=(1.0, 1.0, 3.0)))
    with pytest.raises(GeometryError, match="different grids: spacing"):
        prepare(volume, other, DLR)


@settings(max_examples=40, deadline=None)
@given(
    voxels=hnp.arrays(
        st.sampled_from([np.int16, np.uint8, np.float32, np.float64]),
        hnp.array_shapes(min_dims=3, max_dims=3, max_side=6),
        elements=st.integers(0, 200),
    ),
    data=st.data(),
)
def test_input_is_finite_and_between_zero_and_one(voxels, data):
    """Whatever the type, size and content of image and mask."""
    inside = data.draw(hnp.arrays(np.uint8, voxels.shape, elements=st.integers(0, 1)))
    inside.flat[0] = 1
    found = prepare(*pair(voxels, inside), DLR)
    assert found.shape == (1, SIZE, SIZE, SIZE)
    assert found.min() >= 0
    assert found.max() <= 1 + 1e-6


@settings(max_examples=20, deadline=None)
@given(factor=st.sampled_from([0.25, 2.0, 8.0]), offset=st.integers(-1000, 1000))
def test_input_does_not_depend_on_the_scale_of_intensities(factor, offset):
    """MR intensities have no unit: a linear change leaves the input as it is."""
    volume, mask = ball()
    changed = Volume(volume.array * factor + offset, volume.geometry)
    np.testing.assert_allclose(prepare(changed, mask, DLR), prepare(volume, mask, DLR), atol=1e-6)


# --- embeddings ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cubes() -> list[np.ndarray]:
    """Six prepared VOIs."""
    return [prepare(*ball(seed), DLR) for seed in range(6)]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    """On the CPU, one VOI in each pass."""
    return Embedder(resolve("random"), DLR, "cpu")


@pytest.fixture(scope="module")
def wide() -> Embedder:
    """On the CPU, four VOIs in each pass, as a GPU would be given."""
    return Embedder(resolve("random"), DLR, "cpu", width=DLR.batch_size)


def test_embedding_is_the_network_on_three_normalised_channels(embedder, cubes):
    """One grey channel three times, minus Kinetics' mean, divided by its deviation."""
    mean, std = (np.array(v, np.float32).reshape(3, 1, 1, 1) for v in (KINETICS_MEAN, KINETICS_STD))
    colour = (np.repeat(cubes[0], 3, axis=0) - mean) / std
    with torch.inference_mode():
        expected = load_network(resolve("random")).embed(torch.from_numpy(colour)[None])
    found = embedder.embed(cubes[:1])
    assert (found.shape, found.dtype) == ((1, DLR_VALUES), np.float32)
    assert len(np.unique(found)) > 100
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)


@pytest.mark.parametrize("which", ["embedder", "wide"])
def test_embedding_is_bit_identical_whatever_the_batch(which, cubes, request):
    """Alone, in a full batch, in another place, in the rest of a longer batch: same bytes."""
    network = request.getfixturevalue(which)
    alone = network.embed(cubes[:1])[0].tobytes()
    for place in range(4):
        others = [*cubes[1:4]]
        others.insert(place, cubes[0])
        assert network.embed(others)[place].tobytes() == alone
    assert network.embed([*cubes[1:], cubes[0]])[5].tobytes() == alone


def test_embedding_does_not_depend_on_the_number_of_threads(embedder, cubes):
    """One and two threads, same bytes."""
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(embedder.embed(cubes[:2]).tobytes())
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_width_of_a_pass_moves_values_less_than_the_contract_allows(embedder, wide, cubes):
    """Within 1e-5 of each other, relative to the largest value."""
    one, four = embedder.embed(cubes), wide.embed(cubes)
    assert np.abs(one - four).max() <= 1e-5 * np.abs(one).max()


def test_order_of_results_is_the_order_of_inputs(wide, cubes):
    """Six VOIs in passes of four."""
    found = wide.embed(cubes)
    assert found.shape == (6, DLR_VALUES)
    assert np.array_equal(wide.embed(cubes[::-1])[::-1], found)
    assert len({row.tobytes() for row in found}) == 6


def test_no_voi_gives_no_row(embedder):
    """An empty batch is not an error."""
    assert embedder.embed([]).shape == (0, DLR_VALUES)


def test_read_only_inputs_are_accepted(embedder, cubes):
    """Arrays from shared memory cannot be written to."""
    frozen = cubes[0].copy()
    frozen.flags.writeable = False
    assert np.array_equal(embedder.embed([frozen]), embedder.embed(cubes[:1]))


def test_input_of_another_size_is_refused(embedder, cubes):
    """Prepared with other settings."""
    with pytest.raises(ExtractionError, match=r"input 2 of 2 has shape \(1, 8, 8, 8\)"):
        embedder.embed([cubes[0], np.zeros((1, 8, 8, 8), np.float32)])


def test_values_that_are_not_finite_name_the_voi(embedder, cubes):
    """Never a NaN in the store."""
    broken = np.full_like(cubes[0], np.nan)
    with pytest.raises(ExtractionError, match="not finite for VOI 2, 3 of 4"):
        embedder.embed([cubes[0], broken, broken, cubes[1]])


def test_width_of_a_pass_follows_the_device(embedder, wide):
    """One VOI on a CPU, unless asked otherwise."""
    assert (embedder.device, embedder.width) == ("cpu", 1)
    assert wide.width == 4


class Crowded(torch.nn.Module):
    """A network on a device that holds so many VOIs at once."""

    def __init__(self, network: torch.nn.Module, room: int) -> None:
        super().__init__()
        self.network, self.room, self.asked = network, room, []

    def embed(self, block: torch.Tensor) -> torch.Tensor:
        """Values, or what torch raises."""
        self.asked.append(len(block))
        if len(block) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.network.embed(block)


def crowded(room: int, width: int) -> Embedder:
    """Asked for blocks of so many VOIs, with room for fewer."""
    found = Embedder(resolve("random"), DLR, "cpu", width=width)
    found._network = Crowded(found._network, room)
    return found


def test_a_device_that_does_not_hold_a_batch_gets_half_of_it(embedder, cubes):
    """From then on: no VOI fails, and none waits for another failure."""
    small = crowded(room=2, width=5)
    found = small.embed(cubes)
    assert np.abs(found - embedder.embed(cubes)).max() <= 1e-5 * np.abs(found).max()
    assert (small.width, small._network.asked) == (2, [5, 2, 2, 2])
    assert np.array_equal(small.embed(cubes[:3]), found[:3])
    assert small._network.asked[4:] == [2, 2]


def test_a_device_that_does_not_hold_one_voi_is_want_of_memory(cubes):
    """Not an error of the VOI: it may be tried again."""
    full = crowded(room=0, width=4)
    with pytest.raises(
        ExtractionError, match=r"cpu has not enough memory for one VOI of 16 .*; lower"
    ) as caught:
        full.embed(cubes[:2])
    assert full._network.asked == [4, 2, 1]
    assert Failure.of(caught.value).error == "MemoryError"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_missing_gpu_is_said():
    """Asked for and not there."""
    with pytest.raises(UsageError, match="no GPU that torch can use here, got device cuda:0"):
        Embedder(resolve("random"), DLR, "cuda:0")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_is_taken_by_default_and_agrees_with_the_cpu(embedder, cubes):
    """Full batches, the same bytes twice, within 1e-5 of the CPU."""
    gpu = Embedder(resolve("random"), DLR)
    assert (gpu.device.startswith("cuda"), gpu.width) == (True, 4)
    found = gpu.embed(cubes)
    assert found.tobytes() == gpu.embed(cubes).tobytes()
    cpu = embedder.embed(cubes)
    assert np.abs(found - cpu).max() <= 1e-5 * np.abs(cpu).max()
