"""What the dictionary says, against the engine and the IBSI."""

from __future__ import annotations

import re
import runpy
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mvi_ray.errors import StoreError
from mvi_ray.features import CR_FEATURES, DLR_VALUES, INTENSITY_FEATURES, expected_values
from mvi_ray.store.declarations import Variant
from mvi_ray.store.dictionary import COLUMNS, definitions, feature_dictionary, filtered_image

PAPER = (
    "original",
    *(f"wavelet-{x}{y}{z}" for x in "LH" for y in "LH" for z in "LH"),
    "log-sigma-1-0-mm-3D",
    "square",
    "squareroot",
    "logarithm",
    "exponential",
    "gradient",
    "lbp-2D",
    "lbp-3D-m1",
    "lbp-3D-m2",
    "lbp-3D-k",
)
"""The image types of the reference study."""

G = "grey levels"
UNITS = {
    *("1", "bits", "mm", "mm2", "mm3", "1/mm", "intensity", "intensity2", "intensity2 mm3"),
    *(G, f"{G}2", f"{G}3", f"{G}4", f"1/{G}", f"1/{G}2"),
    *("runs", "zones", "voxels", "voxels2", "1/voxels2"),
    *(f"{G}2 voxels2", f"{G}2/voxels2", f"voxels2/{G}2", f"1/({G}2 voxels2)"),
}

# Names that several classes share, or the IBSI under two families: mixed up, they would still
# look right. From the IBSI reference manual (arXiv:1612.07003), chapter "Image features".
SHARED_NAMES = {
    "glcm_Contrast": "ACUI",
    "ngtdm_Contrast": "65HE",
    "glrlm_GrayLevelNonUniformity": "R5YN",
    "glszm_GrayLevelNonUniformity": "JNSA",
    "gldm_GrayLevelNonUniformity": "FP8K",
    "glrlm_GrayLevelNonUniformityNormalized": "OVBL",
    "glszm_GrayLevelNonUniformityNormalized": "Y1RO",
    "glrlm_GrayLevelVariance": "8CE5",
    "glszm_GrayLevelVariance": "BYLV",
    "gldm_GrayLevelVariance": "1PFV",
    "firstorder_Entropy": "TLU2",
    "firstorder_Uniformity": "BJ5W",
    "firstorder_Variance": "ECT3",
    "shape_MeshVolume": "RNU0",
    "shape_VoxelVolume": "YEKZ",
}


@cache
def ibsi() -> dict[str, Any]:
    """The module that compares PyRadiomics with the consensus values."""
    return runpy.run_path(str(Path(__file__).parents[1] / "extract" / "test_ibsi.py"))


def rows(*image_types: str, embeddings: bool = False, **parameters: Any) -> dict[str, dict[str, Any]]:
    """Rows of the dictionary by name."""
    table = feature_dictionary(image_types, embeddings, {image_types[0]: parameters} if image_types else None)
    return {row["name"]: row for row in table.to_pylist()}


def test_every_feature_has_one_row_in_the_order_of_the_columns():
    """The file holds the columns of `cr`, no more and no fewer, under their class."""
    assert tuple(definitions()) == CR_FEATURES
    assert [d.group for d in definitions().values()] == [name.split("_")[0] for name in CR_FEATURES]


def test_the_file_says_no_feature_twice():
    """A second row of a feature would replace the first in silence."""
    text = (Path(__file__).parents[2] / "mvi_ray" / "store" / "dictionary.csv").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 1 + len(CR_FEATURES)


@pytest.mark.parametrize("feature", CR_FEATURES)
def test_a_definition_is_one_plain_sentence(feature):
    """It begins with a capital, ends with the only full stop, and joins nothing by a semicolon."""
    sentence = definitions()[feature].sentence
    assert re.fullmatch(r"[A-Z][^.;:!?\n]{20,250}[^ .]\.", sentence)
    assert "  " not in sentence


def test_no_two_features_have_the_same_definition():
    """Neither in the file nor among all values of a VOI."""
    assert len({d.sentence for d in definitions().values()}) == len(CR_FEATURES)
    every = rows(*PAPER, embeddings=True)
    assert len({row["definition"] for row in every.values()}) == len(every)


def test_units_come_from_a_closed_list():
    """A misspelt unit would stand alone; every unit of the list is used."""
    assert {d.unit for d in definitions().values()} == UNITS


def test_entropies_are_in_bits_and_nothing_else_is():
    """PyRadiomics takes logarithms to base 2."""
    in_bits = {name for name, d in definitions().items() if d.unit == "bits"}
    assert in_bits == {name for name in CR_FEATURES if name.endswith("Entropy")}


def test_codes_of_the_ibsi_are_four_characters_and_name_one_feature():
    """No two definitions of PyRadiomics are the same feature of the IBSI."""
    codes = [d.ibsi for d in definitions().values() if d.ibsi is not None]
    assert all(re.fullmatch(r"[A-Z0-9]{4}", code) for code in codes)
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(("feature", "code"), SHARED_NAMES.items())
def test_like_named_features_have_the_code_of_their_own_class(feature, code):
    """Contrast of GLCM and of NGTDM are two features, and so on."""
    assert definitions()[feature].ibsi == code


def test_exactly_the_features_of_the_ibsi_have_a_code():
    """Those that reach its consensus values and those that differ in a known way, no others."""
    compared = {*ibsi()["SAME"].values(), *ibsi()["AXES"].values(), "firstorder_Kurtosis"}
    assert {name for name, d in definitions().items() if d.ibsi} == compared
    assert set(CR_FEATURES) - compared == set(ibsi()["NOT_IN_THE_CONSENSUS"])


@pytest.mark.parametrize(
    ("feature", "difference"),
    [
        ("firstorder_Kurtosis", "does not subtract 3 as the IBSI does"),
        ("shape_MajorAxisLength", "divided by N where the IBSI divides by N - 1"),
        ("shape_MinorAxisLength", "divided by N where the IBSI divides by N - 1"),
        ("shape_LeastAxisLength", "divided by N where the IBSI divides by N - 1"),
    ],
)
def test_where_pyradiomics_differs_from_the_ibsi_the_definition_says_how(feature, difference):
    """These are all that `tests/extract/test_ibsi.py` has to correct before comparing."""
    assert difference in definitions()[feature].sentence


def test_the_reference_study_has_a_row_for_each_of_its_values():
    """1,781 of CR in the order of the image types, then 512 of DLR."""
    table = feature_dictionary(PAPER, embeddings=True)
    assert table.num_rows == expected_values(PAPER) + DLR_VALUES == 1781 + 512
    assert table.schema == pa.schema([(column, pa.string()) for column in COLUMNS])
    image_types = table["image_type"].to_pylist()
    assert list(dict.fromkeys(image_types)) == [*PAPER, None]
    names = table["name"].to_pylist()
    assert names[0] == "original_shape_Elongation"
    assert names[107] == "wavelet-LLL_firstorder_10Percentile"
    assert (names[-512], names[-1]) == ("dlr_000", "dlr_511")


def test_names_are_image_type_and_feature():
    """What a name is made of stands beside it, so nobody has to take it apart."""
    for name, row in rows(*PAPER).items():
        assert name == f"{row['image_type']}_{row['feature']}"
        known = definitions()[row["feature"]]
        # A filter changes what is measured on, not which feature of the IBSI it is.
        assert (row["class"], row["ibsi"]) == (known.group, known.ibsi)
        assert row["family"] == "CR"


def test_shape_is_measured_on_the_original_only():
    """A filter does not change a mask."""
    assert [row["feature"] for row in rows("square").values()] == list(INTENSITY_FEATURES)


def test_the_original_image_has_every_definition_as_it_stands():
    """Nothing is added to the sentence or to the unit."""
    stated = {row["feature"]: (row["definition"], row["unit"]) for row in rows("original").values()}
    assert stated == {name: (d.sentence, d.unit) for name, d in definitions().items()}


def test_an_image_type_that_comes_twice_counts_once():
    """As `expected_values` counts."""
    assert feature_dictionary(["square", "original", "square"], embeddings=False).num_rows == 93 + 107


def test_nothing_asked_for_is_an_empty_table_with_its_columns():
    """A study without families has a dictionary too."""
    table = feature_dictionary([], embeddings=False)
    assert (table.num_rows, table.column_names) == (0, list(COLUMNS))


def test_a_value_of_an_embedding_has_its_place_and_no_feature():
    """SQL counts positions from 1, names count from 000."""
    row = rows(embeddings=True)["dlr_016"]
    assert row == {
        "name": "dlr_016",
        "family": "DLR",
        "class": "embedding",
        "feature": None,
        "image_type": None,
        "unit": "1",
        "definition": (
            "Value 17 of 512 of the last pooling layer of the 3D ResNet-18, embedding[17] in SQL, "
            "which has no meaning alone."
        ),
        "ibsi": None,
    }


@pytest.mark.parametrize("image_type", PAPER[1:])
def test_a_filtered_image_is_named_at_the_end_of_the_sentence(image_type):
    """It stays one sentence."""
    image = filtered_image(image_type, {}).what
    for row in rows(image_type).values():
        before = definitions()[row["feature"]].sentence.removesuffix(".")
        assert row["definition"] == f"{before}, measured on {image}."
        assert ";" not in row["definition"]
    assert not image.endswith(".")


def test_a_definition_reads_as_a_sentence():
    """One as a whole, to be read."""
    row = rows("wavelet-HLL")["wavelet-HLL_firstorder_Mean"]
    assert row["definition"] == (
        "Mean intensity in the VOI, measured on the wavelet image with a low-pass filter along y "
        "and z and a high-pass filter along x."
    )


@pytest.mark.parametrize(("written", "sigma"), [("0-5", "0.5"), ("10-0", "10.0"), ("1e-05", "1e-05")])
def test_sigma_stands_in_the_sentence_as_a_number(written, sigma):
    """`image_types` writes a hyphen for the decimal point."""
    assert f"sigma {sigma} mm," in filtered_image(f"log-sigma-{written}-mm-3D", {}).what


@pytest.mark.parametrize(
    "name", ["", "Original", "wavelet-LL", "wavelet2-LLL", "lbp-3D-m0", "lbp-4D", "sharpened"]
)
def test_an_unknown_image_type_is_refused(name):
    """A unit is not guessed."""
    with pytest.raises(
        StoreError, match=f"image type '{name}' is not in the feature dictionary; use a filter"
    ):
        feature_dictionary([name], embeddings=False)


def test_every_image_that_a_study_can_enable_is_known():
    """With several sigmas and levels."""
    from mvi_ray.extract.image_types import image_type_names
    from mvi_ray.study.families import ImageTypes

    settings: dict[str, Any] = {field.alias or name: {} for name, field in ImageTypes.model_fields.items()}
    settings |= {"log": {"sigma_mm": [0.5, 12]}, "lbp-3D": {"levels": 11}}
    names = image_type_names(ImageTypes.model_validate(settings))
    assert feature_dictionary(names, embeddings=False).num_rows == expected_values(names) == 29 * 93 + 14


# The engine as referee.


def measure(
    array: np.ndarray, inside: np.ndarray, spacing: float, image_types: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """PyRadiomics' values by image type and feature: cubic voxels, eight grey levels."""
    from mvi_ray.extract.cr import extract_cr
    from mvi_ray.extract.image_types import image_type_names
    from mvi_ray.study import ConventionalRadiomics
    from mvi_ray.volume import Geometry, Mask, Volume

    axes = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    geometry = Geometry(array.shape[::-1], (spacing,) * 3, (0.0, 0.0, 0.0), axes)
    cr = ConventionalRadiomics(spacing_mm=None, bin_count=8, image_types=image_types)
    mask = Mask(inside.astype(np.uint8), geometry)
    return extract_cr(Volume(array, geometry), mask, cr, "AP", image_type_names(cr.image_types))


def power(unit: str, symbol: str) -> int:
    """Exponent of a symbol in a unit: 2 for mm in 'mm2', -1 in '1/mm'."""
    above, _, below = unit.partition("/")

    def exponent(part: str) -> int:
        found = re.search(rf"(?<![a-z]){symbol}(\d*)(?![a-z])", part)
        return int(found[1] or 1) if found else 0

    return exponent(above) - exponent(below)


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    """Noise that is smooth over a few voxels, with both signs."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(20).normal(size=(14, 14, 16))
    return gaussian_filter(noise, 1.0) * 400 + 5


@pytest.fixture(scope="module")
def ball() -> np.ndarray:
    """Inside of a ball within the texture."""
    z, y, x = np.indices((14, 14, 16))
    return (x - 7) ** 2 + (y - 6) ** 2 + (z - 6) ** 2 <= 20


@pytest.mark.parametrize("use_spacing", [True, False])
def test_values_scale_as_their_units_say(texture, ball, use_spacing):
    """Four times the intensities, voxels of twice the size: every value follows its unit.

    Not the logarithm and the exponential: they keep the largest intensity and bend the rest,
    so their values do not scale with it.
    """
    gradient = {"use_spacing": use_spacing}
    filters = ["original", "wavelet", "square", "squareroot", "lbp-2D", "lbp-3D"]
    plain = {name: {} for name in filters} | {"gradient": gradient}
    before = measure(texture, ball, 1.0, {**plain, "log": {"sigma_mm": [1.5]}})
    after = measure(texture * 4, ball, 2.0, {**plain, "log": {"sigma_mm": [3.0]}})
    after["log-sigma-1-5-mm-3D"] = after.pop("log-sigma-3-0-mm-3D")
    table = feature_dictionary(list(before), embeddings=False, parameters={"gradient": gradient})
    checked = 0
    for row in table.to_pylist():
        old, new = (values[row["image_type"]][row["feature"]] for values in (before, after))
        factor = 4.0 ** power(row["unit"], "intensity") * 2.0 ** power(row["unit"], "mm")
        # The LoG is computed in single precision.
        assert new == pytest.approx(old * factor, rel=1e-4, abs=1e-9), row["name"]
        checked += old != 0
    assert checked > 1300


def test_a_variant_has_rows_of_its_own():
    """With the same names and definitions as CR; its own parameters decide units."""
    variants = {
        "CR_V": Variant("CR", {"original": {}, "gradient": {"use_spacing": False}}),
        "DLR_V": Variant("DLR"),
    }
    rows = feature_dictionary(["original", "gradient"], True, None, variants).to_pylist()
    by_family: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows:
        by_family.setdefault(row.pop("family"), {})[row["name"]] = row
    assert list(by_family) == ["CR", "DLR", "CR_V", "DLR_V"]
    assert by_family["DLR_V"] == by_family["DLR"]
    assert by_family["CR_V"].keys() == by_family["CR"].keys()
    differing = {name for name, row in by_family["CR_V"].items() if row != by_family["CR"][name]}
    assert differing == {name for name in by_family["CR"] if name.startswith("gradient_")}
    mean = "gradient_firstorder_Mean"
    units = [by_family[family][mean]["unit"] for family in ("CR", "CR_V")]
    assert units == ["intensity/mm", "intensity/voxel"]


def test_the_variance_of_a_circle_has_the_square_of_the_unit(texture, ball):
    """The method `var` of lbp-2D gives no codes."""
    settings = {"lbp-2D": {"method": "var"}}
    before, after = (measure(texture * k, ball, 1.0, settings)["lbp-2D"] for k in (1, 4))
    table = rows("lbp-2D", method="var")
    assert table["lbp-2D_firstorder_Mean"]["unit"] == "intensity2"
    assert table["lbp-2D_firstorder_Energy"]["unit"] == "intensity4"
    assert table["lbp-2D_firstorder_TotalEnergy"]["unit"] == "intensity4 mm3"
    assert after["firstorder_Mean"] == pytest.approx(16 * before["firstorder_Mean"])
    assert after["firstorder_Energy"] == pytest.approx(256 * before["firstorder_Energy"])


def filtered(name: str, array: np.ndarray, **settings: Any) -> dict[str, np.ndarray]:
    """PyRadiomics' filtered images, [z, y, x], by image type."""
    import SimpleITK as sitk
    from radiomics import imageoperations

    image = sitk.GetImageFromArray(array)
    images = getattr(imageoperations, f"get{name}Image")(image, image, **settings)
    return {kind: sitk.GetArrayFromImage(made) for made, kind, _ in images}


@pytest.mark.parametrize(("axis", "array_axis"), [("x", 2), ("y", 1), ("z", 0)])
def test_letters_of_a_wavelet_stand_for_the_axes_that_the_sentence_names(axis, array_axis):
    """An image that changes along one axis has detail in one image only."""
    line = np.random.default_rng(0).normal(size=16)
    array = np.moveaxis(np.broadcast_to(line, (16, 16, 16)), 2, array_axis).copy()
    detail = {
        name
        for name, made in filtered("Wavelet", array).items()
        if name != "wavelet-LLL" and np.abs(made).max() > 1e-9
    }
    assert detail == {f"wavelet-{''.join('H' if a == axis else 'L' for a in 'xyz')}"}
    assert filtered_image(detail.pop(), {}).what.endswith(f"a high-pass filter along {axis}")


def test_a_dark_spot_is_positive_in_the_laplacian_of_gaussian():
    """The sign is that of the Laplacian."""
    z, y, x = np.indices((21, 21, 21)) - 10
    bright = np.exp(-(x**2 + y**2 + z**2) / 8)
    assert filtered("LoG", bright, sigma=[2.0])["log-sigma-2-0-mm-3D"][10, 10, 10] < 0
    assert filtered("LoG", -bright, sigma=[2.0])["log-sigma-2-0-mm-3D"][10, 10, 10] > 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Square", [4.0, 1.0, 0.0, 2.25]),
        ("SquareRoot", [-4.0, -np.sqrt(8), 0.0, np.sqrt(12)]),
        ("Logarithm", [-4.0, -4 * np.log(3) / np.log(5), 0.0, 4 * np.log(4) / np.log(5)]),
        ("Exponential", [1 / 4, 1 / 2, 1.0, np.sqrt(8)]),
    ],
)
def test_rescaled_images_are_what_their_sentence_says(name, expected):
    """By hand for -4, -2, 0 and 3; the documentation of PyRadiomics gives the square a sign."""
    (made,) = filtered(name, np.array([[[-4.0, -2.0, 0.0, 3.0]]])).values()
    assert made[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize(("feature", "sides"), [("Slice", (9, 3)), ("Column", (9, 5)), ("Row", (3, 5))])
def test_a_diameter_in_a_plane_lies_along_the_axes_that_the_sentence_names(feature, sides):
    """A block of 9 × 3 × 5 voxels: the mesh cuts its corners by half a voxel at either end."""
    block = np.zeros((9, 7, 13), bool)
    block[2:7, 2:5, 2:11] = True
    image = np.arange(block.size, dtype=float).reshape(block.shape)
    values = measure(image, block, 1.0, {"original": {}})["original"]
    long, short = max(sides), min(sides)
    name = f"shape_Maximum2DDiameter{feature}"
    assert values[name] == pytest.approx(np.hypot(long, short - 1))
    axes = [axis for axis, side in (("x", 9), ("y", 3), ("z", 5)) if side in sides]
    assert f"along the {axes[0]} and {axes[1]} axes" in definitions()[name].sentence
