"""Names of image types, and the filters that make them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.errors import StudyError
from mvi_ray.extract.image_types import enabled_image_types, image_type_names
from mvi_ray.features import CR_FEATURES, SHAPE_FEATURES, expected_values
from mvi_ray.study import ImageTypes

PAPER = [
    "original",
    *(f"wavelet-{band}" for band in ("LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH", "LLL")),
    *("log-sigma-1-0-mm-3D", "square", "squareroot", "logarithm", "exponential", "gradient"),
    *("lbp-2D", "lbp-3D-m1", "lbp-3D-m2", "lbp-3D-k"),
]
"""Image types of the reference study (BMC Medical Imaging 2025)."""

FILTERS = ["original", "wavelet", "log", "square", "squareroot", "logarithm"]
FILTERS += ["exponential", "gradient", "lbp-2D", "lbp-3D"]


def test_the_reference_study_has_its_nineteen_image_types_in_a_fixed_order() -> None:
    """19 × 93 + 14 = 1,781 values, whatever the order in the study file."""
    for order in (FILTERS, FILTERS[::-1]):
        assert list(image_type_names(ImageTypes.model_validate(order))) == PAPER
    assert expected_values(PAPER) == 1781
    assert expected_values(["square"]) == 93
    assert expected_values([]) == 0
    assert len(SHAPE_FEATURES) == 14
    assert CR_FEATURES[0] == "shape_Elongation"


def test_sigmas_become_names_in_rising_order() -> None:
    """Written as PyRadiomics writes floats."""
    types = ImageTypes.model_validate({"log": {"sigma_mm": [3.75, 1, 2.5, 1.0]}})
    assert image_type_names(types) == (
        *("log-sigma-1-0-mm-3D", "log-sigma-2-5-mm-3D", "log-sigma-3-75-mm-3D"),
    )


@given(
    sigmas=st.lists(st.floats(0.01, 50), min_size=1, max_size=5),
    levels=st.integers(2, 6),
)
def test_every_image_type_has_one_name_and_can_be_asked_for_alone(sigmas: list[float], levels: int) -> None:
    """Names are unique, and each enables just its own filter."""
    filters = {**dict.fromkeys(FILTERS), "log": {"sigma_mm": sigmas}, "lbp-3D": {"levels": levels}}
    types = ImageTypes.model_validate(filters)
    names = image_type_names(types)
    assert len(set(names)) == len(names) == 19 - 3 + len(set(sigmas)) + levels
    for name in names:
        alone = enabled_image_types(types, [name])
        assert len(alone) == 1
        assert len(alone.get("LoG", {"sigma": [0]})["sigma"]) == 1
    assert enabled_image_types(types, names)["LoG"] == {"sigma": sorted(set(sigmas))}


def test_an_image_type_that_the_study_does_not_make_is_refused() -> None:
    """All unknown names are listed."""
    types = ImageTypes.model_validate({"log": {"sigma_mm": [1]}})
    with pytest.raises(StudyError, match=r"no image type log-sigma-2-0-mm-3D, original; name its"):
        enabled_image_types(types, ["original", "log-sigma-1-0-mm-3D", "log-sigma-2-0-mm-3D"])
