"""Extraction of one VOI: names, values left undefined, refusals, and no trace left behind."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from mvi_ray.cluster.unit import Failure
from mvi_ray.errors import (
    ExtractionError,
    FeatureCountError,
    GeometryError,
    StudyError,
)
from mvi_ray.extract.cr import (
    CR_FEATURES,
    SHAPE_FEATURES,
    engine_settings,
    expected_values,
    extract_cr,
    image_type_names,
)
from mvi_ray.study import ConventionalRadiomics
from mvi_ray.volume import Geometry, Mask, Volume

PAPER = [
    "original",
    *(f"wavelet-{band}" for band in ("LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH", "LLL")),
    *("log-sigma-1-0-mm-3D", "square", "squareroot", "logarithm", "exponential", "gradient"),
    *("lbp-2D", "lbp-3D-m1", "lbp-3D-m2", "lbp-3D-k"),
]
"""Image types of the reference study (BMC Medical Imaging 2025)."""

FILTERS = ["original", "wavelet", "log", "square", "squareroot", "logarithm"]
FILTERS += ["exponential", "gradient", "lbp-2D", "lbp-3D"]


def settings(image_types: Any = ("original",), **others: Any) -> ConventionalRadiomics:
    """Settings of family CR for the phantom."""
    given_types = list(image_types) if isinstance(image_types, tuple) else image_types
    return ConventionalRadiomics(
        **{"spacing_mm": None, "bin_width": 10, "image_types": given_types, **others}
    )


def grid(shape: tuple[int, int, int], spacing: float = 1.0, code: str = "LPS") -> Geometry:
    """A grid whose axes run along those of the patient; `code` is LPS or RAS."""
    z, y, x = shape
    sign = 1.0 if code == "LPS" else -1.0
    direction = (sign, 0.0, 0.0, 0.0, sign, 0.0, 0.0, 0.0, 1.0)
    return Geometry((x, y, z), (spacing,) * 3, (0.0, 0.0, 0.0), direction)


def phantom(
    shape: tuple[int, int, int] = (14, 15, 16), spacing: float = 1.0, code: str = "LPS"
) -> tuple[Volume, Mask]:
    """Noise with a gradient, and a ball of radius 4 voxels in its middle."""
    rng = np.random.default_rng(7)
    z, y, x = np.indices(shape)
    image = (rng.normal(100, 20, shape) + 3 * x + 2 * y).astype(np.float64)
    centre = [(n - 1) / 2 for n in shape]
    ball = sum((axis - c) ** 2 for axis, c in zip((z, y, x), centre, strict=True)) <= 16
    geometry = grid(shape, spacing, code)
    return Volume(image, geometry), Mask(ball.astype(np.uint8), geometry)


def masked(voxels: list[tuple[int, int, int]], spacing: float = 1.0) -> tuple[Volume, Mask]:
    """The phantom with a mask of single voxels (z, y, x)."""
    volume, mask = phantom(spacing=spacing)
    inside = np.zeros_like(mask.array)
    for voxel in voxels:
        inside[voxel] = 1
    return volume, Mask(inside, mask.geometry)


@pytest.fixture
def engine_logger() -> logging.Logger:
    """PyRadiomics' own logger."""
    import radiomics

    return logging.getLogger(radiomics.__name__)


@pytest.mark.parametrize(
    "image_types",
    [
        {"log": {"sigma_mm": [3.75, 1, 2.5]}},
        {"lbp-3D": {"levels": 2}},
        {"lbp-3D": {"levels": 4}},
        {"wavelet": {"wavelet": "haar"}},
        dict.fromkeys(FILTERS),
    ],
    ids=str,
)
def test_names_are_those_that_the_engine_gives(image_types: dict[str, Any]) -> None:
    """Counted names: the engine would raise if one of ours were not among its own."""
    cr = settings(image_types)
    names = image_type_names(cr.image_types)
    rows = extract_cr(*phantom(), cr, "AP", names)
    assert tuple(rows) == names
    defined = sum(value is not None for row in rows.values() for value in row.values())
    assert defined == expected_values(names)


def test_engine_settings_are_pyradiomics_own_names() -> None:
    """Width or count of bins by phase, spacing and interpolator as the engine reads them."""
    cr = settings(spacing_mm=(1, 1, 3), bin_width={"AP": 5, "PP": 2.5}, interpolator="Linear")
    assert engine_settings(cr, "PP") == {
        "binWidth": 2.5,
        "resampledPixelSpacing": [1.0, 1.0, 3.0],
        "interpolator": "sitkLinear",
        "label": 1,
        "geometryTolerance": 1e-3,
        "additionalInfo": False,
    }
    counted = engine_settings(settings(bin_width=None, bin_count=32), "AP")
    assert counted["binCount"] == 32
    assert "binWidth" not in counted


def test_shape_stands_in_the_original_row_only() -> None:
    """None says not defined; every other value is a number."""
    rows = extract_cr(*phantom(), settings(("original", "square")), "AP", ["square", "original"])
    assert list(rows) == ["original", "square"]
    assert all(tuple(row) == CR_FEATURES for row in rows.values())
    assert {n for n, v in rows["square"].items() if v is None} == set(SHAPE_FEATURES)
    assert all(type(v) is float for v in rows["original"].values())


def test_a_part_of_the_image_types_gives_the_values_of_the_whole() -> None:
    """What is computed beside a row does not move it, so rows may be filled in later."""
    cr = settings(tuple(FILTERS))
    whole = extract_cr(*phantom(), cr, "AP", PAPER)
    for name in ("original", "wavelet-HHL", "log-sigma-1-0-mm-3D", "lbp-2D", "lbp-3D-k"):
        assert extract_cr(*phantom(), cr, "AP", [name]) == {name: whole[name]}


def test_another_level_or_sigma_does_not_move_its_siblings() -> None:
    """The reason why siblings of one filter are no part of a feature set."""
    few = settings({"lbp-3D": {"levels": 2}, "log": {"sigma_mm": [1]}})
    many = settings({"lbp-3D": {"levels": 4}, "log": {"sigma_mm": [2, 1]}})
    names = image_type_names(few.image_types)
    assert extract_cr(*phantom(), many, "AP", names) == extract_cr(*phantom(), few, "AP", names)


def test_nothing_is_computed_when_nothing_is_wanted() -> None:
    """No image type, no row."""
    assert extract_cr(*phantom(), settings(), "AP", []) == {}


def test_source_orientation_undoes_the_recorded_reorientation() -> None:
    """`source` gives the values of the file's grid, bit for bit; a flip moves some of them."""
    volume, mask = phantom(shape=(13, 15, 17), code="RAS")
    turned, turned_mask = volume.to_canonical(), mask.to_canonical()
    kind: dict[str, Any] = {"image_types": ("wavelet",)}
    names = ["wavelet-HHL"]
    plain = extract_cr(volume, mask, settings(**kind), "AP", names)
    source = extract_cr(turned, turned_mask, settings(orientation="source", **kind), "AP", names)
    canonical = extract_cr(turned, turned_mask, settings(**kind), "AP", names)
    assert source == plain
    assert canonical != plain


def test_a_feature_that_fails_in_the_engine_is_nan_and_the_others_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """NaN is what the engine returned, not what we could not find."""
    from radiomics.glcm import RadiomicsGLCM

    before = extract_cr(*phantom(), settings(), "AP", ["original"])["original"]

    def fail(_self: object) -> None:
        raise ValueError

    monkeypatch.setattr(RadiomicsGLCM, "getMCCFeatureValue", fail)
    row = extract_cr(*phantom(), settings(), "AP", ["original"])["original"]
    mcc = row.pop("glcm_MCC")
    assert mcc is not None
    assert math.isnan(mcc)
    assert row == {name: value for name, value in before.items() if name != "glcm_MCC"}


def test_memory_that_ran_out_inside_a_feature_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine would return NaN for it, and a larger machine a number."""
    from radiomics.glcm import RadiomicsGLCM

    def exhaust(_self: object) -> None:
        raise MemoryError

    monkeypatch.setattr(RadiomicsGLCM, "getMCCFeatureValue", exhaust)
    with pytest.raises(ExtractionError, match=r"memory ran out .*; raise `bin_width`") as caught:
        extract_cr(*phantom(), settings(), "AP", ["original"])
    assert Failure.of(caught.value).error == "MemoryError"


def test_memory_that_ran_out_in_the_engine_is_told_from_its_other_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the name under which the VOI is computed again with more memory."""
    from radiomics import imageoperations

    def exhaust(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(imageoperations, "cropToTumorMask", exhaust)
    with pytest.raises(ExtractionError, match=r"memory ran out .*; raise `bin_width`") as caught:
        extract_cr(*phantom(), settings(), "AP", ["original"])
    failure = Failure.of(caught.value)
    assert (failure.error, failure.way_out.split()[0]) == ("MemoryError", "raise")


def test_floating_point_traps_of_the_caller_change_no_value() -> None:
    """A caller that makes numeric errors exceptions would otherwise get NaN."""
    cr = settings(bin_width=1000)
    free = extract_cr(*phantom(), cr, "AP", ["original"])
    with np.errstate(all="raise"):
        assert extract_cr(*phantom(), cr, "AP", ["original"]) == free


def test_the_engine_is_quiet_and_leaves_the_process_as_it_was(
    engine_logger: logging.Logger,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """LBP-2D and a fixed bin count make PyRadiomics warn; ITK's tolerances are global."""
    import SimpleITK as sitk

    def state() -> tuple[Any, ...]:
        process = sitk.ProcessObject
        return (
            *(list(engine_logger.handlers), engine_logger.level, engine_logger.propagate),
            process.GetGlobalDefaultCoordinateTolerance(),
            process.GetGlobalDefaultDirectionTolerance(),
        )

    before = state()
    cr = settings(("lbp-2D",), bin_width=None, bin_count=16)
    extract_cr(*phantom(), cr, "AP", ["lbp-2D"])
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert state() == before
    with pytest.raises(ExtractionError, match="line"):
        extract_cr(*masked([(5, 5, 5), (5, 5, 6)]), cr, "AP", ["lbp-2D"])
    assert state() == before


def test_a_mask_that_vanishes_on_resampling_is_refused() -> None:
    """Voxels of 1 mm between the centres of voxels of 8 mm."""
    volume, mask = masked([(1, 1, 1), (1, 1, 2), (1, 2, 1)])
    text = r"mask is empty after resampling to 8 mm; lower `spacing_mm` or check the label"
    with pytest.raises(ExtractionError, match=text):
        extract_cr(volume, mask, settings(spacing_mm=(8, 8, 8)), "AP", ["original"])


@pytest.mark.parametrize(
    ("voxels", "text"),
    [
        ([(5, 5, 5)], "mask is one voxel, features need at least a surface; check the label"),
        ([(5, 5, 5), (7, 5, 5)], r"mask is a line of 1 × 1 × 3 voxels \(x, y, z\), features"),
    ],
    ids=["voxel", "line"],
)
def test_a_mask_of_too_few_dimensions_is_refused(voxels: list[tuple[int, int, int]], text: str) -> None:
    """PyRadiomics needs two dimensions."""
    with pytest.raises(ExtractionError, match=text):
        extract_cr(*masked(voxels), settings(), "AP", ["original"])


def test_a_mask_that_becomes_a_line_on_resampling_is_refused() -> None:
    """The message names the spacing, each side of it where they differ."""
    volume, mask = masked([(5, 7, x) for x in range(2, 9)] + [(5, 6, 4)])
    text = r"mask is a line of .* after resampling to 1 × 5 × 1 mm, .*; lower `spacing_mm`"
    with pytest.raises(ExtractionError, match=text):
        extract_cr(volume, mask, settings(spacing_mm=(1, 5, 1)), "AP", ["original"])


def test_a_single_slice_is_measured() -> None:
    """A surface is enough."""
    volume, mask = phantom()
    slab = mask.array.copy()
    slab[:7] = slab[8:] = 0
    row = extract_cr(volume, Mask(slab, mask.geometry), settings(), "AP", ["original"])
    assert row["original"]["shape_VoxelVolume"] == np.count_nonzero(slab)


def test_thousands_of_grey_levels_are_refused_before_the_engine_counts_them() -> None:
    """Number, range and way out; also where only a filtered image has too many."""
    volume, mask = phantom()
    fine = settings(("original", "wavelet"), bin_width=0.05)
    with pytest.raises(ExtractionError, match=r"image original has [2-9],\d{3} grey .* larger than 0.05"):
        extract_cr(volume, mask, fine, "AP", ["original"])
    _, middle = phantom((24, 24, 24))
    ramp = Volume(np.broadcast_to(110.0 * np.arange(24), (24, 24, 24)), middle.geometry)
    cr = settings(("original", "wavelet"), bin_width=1)
    with pytest.raises(ExtractionError, match=r"image wavelet-LLL has 2,1\d\d grey levels"):
        extract_cr(ramp, middle, cr, "AP", ["wavelet-LLL"])
    with pytest.raises(ExtractionError, match="lower `bin_count`"):
        extract_cr(volume, mask, settings(bin_width=None, bin_count=5000), "AP", ["original"])


def test_image_and_mask_of_different_grids_are_refused() -> None:
    """The engine would resample one of them."""
    volume, _ = phantom()
    _, mask = phantom(spacing=2.0)
    with pytest.raises(GeometryError, match=r"different grids: spacing .*; resample the mask"):
        extract_cr(volume, mask, settings(), "AP", ["original"])


def test_grids_that_differ_as_little_as_ingest_accepts_give_the_same_values() -> None:
    """ITK's tolerance lets them pass and moves nothing."""
    volume, mask = phantom()
    near = Geometry(mask.geometry.size, (1.0, 1.0, 1.00005), (5e-4, 0.0, 0.0), mask.geometry.direction)
    cr = settings(("original", "gradient"))
    names = ["original", "gradient"]
    shifted = extract_cr(volume, Mask(mask.array, near), cr, "AP", names)
    exact = extract_cr(volume, mask, cr, "AP", names)
    assert shifted["gradient"] == exact["gradient"]
    intensities = [n for n in CR_FEATURES if n not in SHAPE_FEATURES]
    assert [shifted["original"][n] for n in intensities] == [exact["original"][n] for n in intensities]


def test_an_image_type_outside_the_study_is_refused() -> None:
    """Its settings are unknown."""
    with pytest.raises(StudyError, match=r"no image type lbp-2D; name its filter under"):
        extract_cr(*phantom(), settings(), "AP", ["lbp-2D"])


@pytest.mark.parametrize(
    ("package", "filter_name", "lost"),
    [
        ("trimesh.creation", "lbp-3D", "lbp-3D-m1, lbp-3D-m2, lbp-3D-k"),
        ("skimage.feature", "lbp-2D", "lbp-2D"),
    ],
)
def test_a_missing_package_is_an_error_and_not_a_gap(
    monkeypatch: pytest.MonkeyPatch, package: str, filter_name: str, lost: str
) -> None:
    """PyRadiomics logs a warning and goes on without the filter."""
    monkeypatch.setitem(sys.modules, package, None)
    cr = settings(("original", filter_name))
    names = image_type_names(cr.image_types)
    count = expected_values(names)
    text = (
        f"returned 107 values instead of {count}: no image type {lost} "
        r".*Could not load required package.*; install scipy below 1\.17, scikit-image and trimesh"
    )
    with pytest.raises(FeatureCountError, match=text):
        extract_cr(*phantom(), cr, "AP", names)


def test_an_image_too_small_for_the_filter_is_an_error_and_not_a_gap() -> None:
    """The LoG filter skips images of fewer than four slices."""
    volume, mask = phantom()
    thin = grid((3, 15, 16))
    small = Volume(volume.array[6:9], thin), Mask(mask.array[6:9], thin)
    with pytest.raises(FeatureCountError, match=r"no image type log-sigma-1-0.*too small.*; the LoG"):
        extract_cr(*small, settings(("log",)), "AP", ["log-sigma-1-0-mm-3D"])


def test_a_feature_the_engine_no_longer_has_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of PyRadiomics would return other features."""
    from radiomics.ngtdm import RadiomicsNGTDM

    monkeypatch.delattr(RadiomicsNGTDM, "getBusynessFeatureValue")
    text = "106 values instead of 107: no original_ngtdm_Busyness; install the pinned version"
    with pytest.raises(FeatureCountError, match=text):
        extract_cr(*phantom(), settings(), "AP", ["original"])


def test_a_feature_we_do_not_know_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would have no column."""
    from radiomics.ngtdm import RadiomicsNGTDM

    monkeypatch.setattr(RadiomicsNGTDM, "getNewFeatureValue", lambda _: 1.0, raising=False)
    with pytest.raises(FeatureCountError, match="unknown original_ngtdm_New"):
        extract_cr(*phantom(), settings(), "AP", ["original"])


def test_what_stops_the_engine_is_told_with_its_own_words() -> None:
    """The exponential of an image of zeros has no scale; the cause stays chained."""
    volume, mask = phantom()
    dark = Volume(np.zeros_like(volume.array), volume.geometry)
    with pytest.raises(ExtractionError, match=r"PyRadiomics stopped: .+; check the image") as caught:
        extract_cr(dark, mask, settings(("exponential",)), "AP", ["exponential"])
    assert isinstance(caught.value.__cause__, ValueError)


def test_names_and_feature_sets_need_no_engine() -> None:
    """Light commands ask for them."""
    code = (
        "import sys, mvi_ray.extract.cr as cr; cr._versions('fast'); import mvi_ray.extract.threads; "
        "print({'radiomics', 'SimpleITK', 'torch', 'scipy', 'numba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "set()\n")
