"""Predicted cost: grows with what is measured, and needs nothing but the row of a mask."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.extract.cost import ConventionalCost, DeepCost, VoiSize
from mvi_ray.extract.image_types import image_type_names
from mvi_ray.study import ConventionalRadiomics, DeepRadiomics

_ALL = {
    "original": {},
    "wavelet": {},
    "log": {"sigma_mm": [1.0, 3.0]},
    "square": {},
    "squareroot": {},
    "logarithm": {},
    "exponential": {},
    "gradient": {},
    "lbp-2D": {},
    "lbp-3D": {},
}


def _settings(spacing: tuple[float, float, float] | None = (1.0, 1.0, 1.0), **more: object):
    return ConventionalRadiomics.model_validate(
        {"spacing_mm": spacing, "bin_count": 32, "image_types": _ALL} | more
    )


def _cr(spacing: tuple[float, float, float] | None = (1.0, 1.0, 1.0), **more: object) -> ConventionalCost:
    return ConventionalCost(_settings(spacing, **more))


def _row(side: int = 20, spacing: float = 1.0, image: int = 100) -> dict[str, object]:
    """The row of a cube that is a mask."""
    return {
        "voxels": side**3,
        "volume_mm3": (side * spacing) ** 3,
        "largest_diameter_mm": (side - 1) * spacing * math.sqrt(3),
        **{f"size_{a}": image for a in "xyz"},
        **{f"spacing_{a}_mm": spacing for a in "xyz"},
        **{f"box_{a}_mm": side * spacing for a in "xyz"},
    }


_sizes = st.builds(
    VoiSize,
    image_voxels=st.integers(1, 10**8),
    voxels=st.floats(1, 1e7),
    volume_mm3=st.floats(1, 1e7),
    spacing_mm=st.tuples(*[st.floats(0.3, 8.0)] * 3),
    box_mm=st.tuples(*[st.floats(1, 500)] * 3),
)
_wanted = st.sets(st.sampled_from(image_type_names(_settings().image_types)), min_size=1)


@settings(derandomize=True, deadline=None)
@given(_sizes, st.floats(1, 4), _wanted, st.sampled_from([None, (1.0, 1.0, 1.0), (2.0, 1.0, 3.0)]))
def test_a_larger_voi_is_never_cheaper(size, factor, wanted, spacing) -> None:
    """In seconds and in bytes, resampled or not, of both families."""
    larger = VoiSize(
        math.ceil(size.image_voxels * factor),
        size.voxels * factor,
        size.volume_mm3 * factor,
        size.spacing_mm,
        tuple(side * factor for side in size.box_mm),
    )
    for cost in (_cr(spacing), DeepCost(DeepRadiomics(weights="random"))):
        assert cost.seconds(larger, "AP", wanted) >= cost.seconds(size, "AP", wanted) > 0
        assert cost.bytes(larger, "AP", wanted) >= cost.bytes(size, "AP", wanted) > 0


@settings(derandomize=True, deadline=None)
@given(_sizes, _wanted, _wanted)
def test_more_rows_cost_more(size, some, others) -> None:
    """Every image type that is added adds seconds, and takes no memory away."""
    cr = _cr()
    both = some | others
    assert cr.bytes(size, "AP", both) >= cr.bytes(size, "AP", some)
    if both == some:
        assert cr.seconds(size, "AP", both) == pytest.approx(cr.seconds(size, "AP", some))
    else:
        assert cr.seconds(size, "AP", both) > cr.seconds(size, "AP", some)


def test_a_filter_that_makes_all_its_images_at_once_is_paid_once() -> None:
    """The second sub-band of a wavelet costs its matrices only, the second sigma a filter, too."""
    size, cr = VoiSize.of_row(_row()), _cr()
    plain = cr.seconds(size, "AP", ["original", "square"]) - cr.seconds(size, "AP", ["original"])
    first = cr.seconds(size, "AP", ["original", "wavelet-LLH"]) - cr.seconds(size, "AP", ["original"])
    bands = ["wavelet-LLH", "wavelet-HHH"]
    second = cr.seconds(size, "AP", bands) - cr.seconds(size, "AP", ["wavelet-LLH"])
    assert second < plain < first
    sigmas = ["log-sigma-1-0-mm-3D", "log-sigma-3-0-mm-3D"]
    other = cr.seconds(size, "AP", sigmas) - cr.seconds(size, "AP", sigmas[:1])
    assert other > second


def test_finer_resampling_makes_more_voxels() -> None:
    """A cube of 20 mm has 8,000 voxels of 1 mm and 64,000 of half a millimetre; the box has a margin."""
    size = VoiSize.of_row(_row())
    assert size.inside((1.0, 1.0, 1.0)) == pytest.approx(8_000)
    assert size.inside((0.5, 0.5, 0.5)) == pytest.approx(64_000)
    assert size.filtered((1.0, 1.0, 1.0)) == pytest.approx(30**3)


def test_without_resampling_filters_run_over_the_whole_image() -> None:
    """The engine cuts the box out only when it resamples."""
    size = VoiSize.of_row(_row(spacing=2.0))
    assert (size.inside(None), size.filtered(None), size.boxed()) == (8_000, 100**3, 8_000)


def test_a_row_without_a_box_is_estimated_between_a_ball_and_a_shell() -> None:
    """An older program left the box out: at least the volume itself, at most the diameter cubed."""
    row = _row()
    for axis in "xyz":
        row[f"box_{axis}_mm"] = None
    size = VoiSize.of_row(row)
    assert row["volume_mm3"] < math.prod(size.box_mm) < row["largest_diameter_mm"] ** 3


def test_more_grey_levels_cost_more() -> None:
    """A bin count says how many there are; of a bin width it is not known."""
    size = VoiSize.of_row(_row())
    few, many = _cr(bin_count={"AP": 16, "PP": 128}), _cr(bin_count=None, bin_width=5)
    assert few.grey_levels("AP") == 16
    assert few.grey_levels("PP") == 128
    assert 16 < many.grey_levels("AP") < 128
    assert few.seconds(size, "PP", ["original"]) > few.seconds(size, "AP", ["original"])
    assert few.bytes(size, "PP", ["original"]) > few.bytes(size, "AP", ["original"])
