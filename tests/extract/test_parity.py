"""Values equal those of PyRadiomics used directly, to the last bit."""

from __future__ import annotations

import math
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mvi_ray.extract.cr import (
    CR_FEATURES,
    enabled_image_types,
    engine_settings,
    expected_values,
    extract_cr,
    image_type_names,
)
from mvi_ray.study import ConventionalRadiomics
from mvi_ray.volume import Geometry, Mask, Volume

if TYPE_CHECKING:
    from pathlib import Path

CASES = ("breast1", "brain2", pytest.param("brain1", marks=pytest.mark.slow))

STUDY_OF_THE_PAPER: dict[str, Any] = {
    "spacing_mm": (1, 1, 1),
    "bin_width": 5,
    "image_types": {
        **{name: {} for name in ("original", "wavelet", "square", "squareroot", "logarithm")},
        **{name: {} for name in ("exponential", "gradient", "lbp-3D")},
        "log": {"sigma_mm": [1.0]},
        "lbp-2D": {},
    },
}


@cache
def read(folder: Path, case: str) -> tuple[Any, Any]:
    """Image and label as SimpleITK reads the files."""
    import SimpleITK as sitk

    cases = folder / "pyradiomics-cases"
    return sitk.ReadImage(cases / f"{case}_image.nrrd"), sitk.ReadImage(cases / f"{case}_label.nrrd")


@cache
def canonical(folder: Path, case: str) -> tuple[Volume, Mask]:
    """The case as ingest hands it over."""
    import SimpleITK as sitk

    image, label = read(folder, case)
    inside = (sitk.GetArrayFromImage(label) == 1).astype(np.uint8)
    return (
        Volume(sitk.GetArrayFromImage(image), Geometry.of_sitk(image)).to_canonical(),
        Mask(inside, Geometry.of_sitk(label)).to_canonical(),
    )


@cache
def directly(folder: Path, case: str, orientation: str) -> dict[str, float]:
    """What a user of PyRadiomics gets, with the settings a user would write."""
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    if orientation == "source":
        image, label = read(folder, case)
    else:
        volume, mask = canonical(folder, case)
        image, label = volume.to_sitk(), mask.to_sitk()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        extractor = RadiomicsFeatureExtractor(binWidth=5, resampledPixelSpacing=[1, 1, 1])
        extractor.enableAllImageTypes()
        extractor.enableImageTypes(LoG={"sigma": [1.0]})
        found = extractor.execute(image, label)
    return {name: float(value) for name, value in found.items() if not name.startswith("diagnostics")}


def by_us(folder: Path, case: str, orientation: str) -> dict[str, float]:
    """The same by `extract_cr`, under PyRadiomics' full names."""
    cr = ConventionalRadiomics(orientation=orientation, **STUDY_OF_THE_PAPER)
    rows = extract_cr(*canonical(folder, case), cr, "AP", image_type_names(cr.image_types))
    return {
        f"{image_type}_{feature}": value
        for image_type, row in rows.items()
        for feature, value in row.items()
        if value is not None
    }


@pytest.mark.parametrize("orientation", ["source", "canonical"])
@pytest.mark.parametrize("case", CASES)
def test_all_values_of_the_reference_study_equal_those_of_stock_pyradiomics(
    real_data: Path, case: str, orientation: str
) -> None:
    """1,781 values, on the grid of the user's file and on the canonical grid."""
    stock = directly(real_data, case, orientation)
    ours = by_us(real_data, case, orientation)
    assert len(stock) == 1781
    assert ours.keys() == stock.keys()
    different = {
        name: (ours[name], value)
        for name, value in stock.items()
        if not (ours[name] == value or (math.isnan(ours[name]) and math.isnan(value)))
    }
    assert different == {}


@pytest.mark.parametrize("case", CASES[1:])
def test_the_grid_of_the_source_file_gives_other_values_than_the_canonical_one(
    real_data: Path, case: str
) -> None:
    """The brain cases are LAS: reorienting alone moves values, so both ways are really taken."""
    assert Geometry.of_sitk(read(real_data, case)[0]).orientation == "LAS"
    source, turned = (directly(real_data, case, o) for o in ("source", "canonical"))
    moved = [n for n, v in source.items() if not math.isclose(v, turned[n], rel_tol=1e-2)]
    assert len(moved) > 100


def test_settings_handed_to_a_user_rebuild_the_same_extractor(real_data: Path) -> None:
    """`engine_settings` and `enabled_image_types` are all that PyRadiomics needs."""
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    cr = ConventionalRadiomics(orientation="source", **STUDY_OF_THE_PAPER)
    names = image_type_names(cr.image_types)
    volume, mask = canonical(real_data, "breast1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        extractor = RadiomicsFeatureExtractor(**engine_settings(cr, "AP"))
        extractor.disableAllImageTypes()
        extractor.enableImageTypes(**enabled_image_types(cr.image_types, names))
        found = extractor.execute(volume.to_source().to_sitk(), mask.to_source().to_sitk())
    assert {n: float(v) for n, v in found.items()} == by_us(real_data, "breast1", "source")


def test_columns_are_the_features_that_the_engine_returns_by_default(real_data: Path) -> None:
    """No feature of the original image lacks a column, and no column stays empty."""
    stock = directly(real_data, "breast1", "source")
    original = {n.removeprefix("original_") for n in stock if n.startswith("original_")}
    assert original == set(CR_FEATURES)
    assert len(CR_FEATURES) == 107
    image_types = {name.split("_")[0] for name in stock}
    assert image_types == set(image_type_names(ConventionalRadiomics(**STUDY_OF_THE_PAPER).image_types))
    assert expected_values(image_types) == len(stock) == 1781
