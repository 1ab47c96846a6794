"""Identifiers of feature sets: what changes them and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mvi_ray.extract import cr as cr_module
from mvi_ray.extract.cr import cr_feature_sets
from mvi_ray.extract.featureset import FeatureSet
from mvi_ray.study import Study

ALL_FILTERS: dict[str, Any] = {
    **{name: {} for name in ("original", "wavelet", "square", "squareroot", "logarithm")},
    **{name: {} for name in ("exponential", "gradient", "lbp-2D", "lbp-3D", "log")},
}


def study(**cr: Any) -> Study:
    """A study of two phases; keyword arguments replace settings of family CR."""
    settings = {"spacing_mm": [1, 1, 1], "bin_width": 5, "image_types": ALL_FILTERS, **cr}
    return Study.model_validate(
        {
            "schema_version": 1,
            "phases": ["AP", "PP"],
            "preprocessing": "none",
            "families": {"cr": settings},
        }
    )


def ids(phase: str = "AP", **cr: Any) -> dict[str, str]:
    """Image type → identifier."""
    return {name: found.id for name, found in cr_feature_sets(study(**cr), phase).items()}


def changed(**cr: Any) -> set[str]:
    """Image types of the plain study whose identifier is not among those of a changed one."""
    other = ids(**cr)
    return {name for name, one in ids().items() if other.get(name) != one}


def test_each_image_type_has_an_identifier_of_its_own() -> None:
    """19 image types of the reference study, 19 identifiers."""
    found = ids()
    assert len(found) == 19
    assert len(set(found.values())) == 19
    assert all(len(one) == 16 for one in found.values())


def test_a_new_image_type_changes_no_other_identifier() -> None:
    """A study with one filter has the identifiers that the study with all has for it."""
    found = ids()
    for name in ALL_FILTERS:
        alone = ids(image_types=[name])
        assert alone == {image: found[image] for image in alone}


def test_a_new_sigma_or_level_changes_no_other_identifier() -> None:
    """Images that come from the same filter do not know of each other."""
    more = {**ALL_FILTERS, "log": {"sigma_mm": [3, 1.0]}, "lbp-3D": {"levels": 3}}
    assert changed(image_types=more) == set()
    assert set(ids(image_types=more)) - set(ids()) == {"log-sigma-3-0-mm-3D", "lbp-3D-m3"}


@pytest.mark.parametrize(
    "change",
    [
        {"bin_width": 10},
        {"bin_width": None, "bin_count": 5},
        {"spacing_mm": [2, 2, 2]},
        {"spacing_mm": None},
        {"interpolator": "Linear"},
        {"orientation": "source"},
    ],
    ids=str,
)
def test_a_setting_that_moves_every_value_changes_every_identifier(change: dict[str, Any]) -> None:
    """Discretisation, resampling and orientation belong to all image types."""
    assert changed(**change) == set(ids())


def test_values_of_the_fast_engine_are_a_set_of_their_own() -> None:
    """However equal they are: the numbers of an engine that errs can be told from others."""
    assert changed(engine="fast") == set(ids())


def test_another_engine_changes_every_identifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parity version or the version of a package is part of every identifier."""
    before = ids()
    monkeypatch.setitem(cr_module.ENGINE_PARITY, "pyradiomics", 2)
    parity = ids()
    monkeypatch.undo()
    versions = tuple((n, "0" if n == "SimpleITK" else v) for n, v in cr_module._versions("pyradiomics"))
    monkeypatch.setattr(cr_module, "_versions", lambda _: versions)
    package = ids()
    assert all(len({before[name], parity[name], package[name]}) == 3 for name in before)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"wavelet": {"wavelet": "haar"}}, {n for n in ids() if n.startswith("wavelet")}),
        ({"gradient": {"use_spacing": False}}, {"gradient"}),
        ({"lbp-2D": {"radius": 2}}, {"lbp-2D"}),
        (
            {"lbp-3D": {"icosphere_subdivision": 2}},
            {"lbp-3D-m1", "lbp-3D-m2", "lbp-3D-k"},
        ),
    ],
    # Sets have no order, and names of tests must be the same in every process.
    ids=lambda value: "names" if isinstance(value, set) else str(value),
)
def test_a_parameter_of_a_filter_changes_the_images_of_that_filter_only(
    filters: dict[str, Any], names: set[str]
) -> None:
    """The parameters of one filter are no part of another's feature set."""
    assert changed(image_types={**ALL_FILTERS, **filters}) == names


def test_the_same_number_written_otherwise_gives_the_same_identifier() -> None:
    """5 and 5.0, and a dictionary with the same value for each phase."""
    assert ids(bin_width=5.0, spacing_mm=[1.0, 1, 1.0]) == ids()
    assert ids(bin_width={"AP": 5, "PP": 7}) == ids()
    assert ids("PP", bin_width={"AP": 7, "PP": 5}) == ids("PP") == ids()
    written = {**ALL_FILTERS, "log": {"sigma_mm": [1, 1.0]}, "lbp-2D": {"radius": 1}}
    assert ids(image_types=written) == ids()


def test_without_resampling_the_interpolator_counts_for_nothing() -> None:
    """Nothing is interpolated, so nothing is computed anew."""
    plain = ids(spacing_mm=None)
    assert ids(spacing_mm=None, interpolator="Linear") == plain


def test_each_phase_has_the_feature_sets_of_its_own_bin_width() -> None:
    """Two phases with two widths share no identifier."""
    width = {"AP": 5, "PP": 10}
    assert set(ids("AP", bin_width=width).values()).isdisjoint(ids("PP", bin_width=width).values())


def test_hashed_text_names_everything_that_determines_a_value() -> None:
    """A reader of the table `feature_sets` sees the settings, and the versions in use."""
    found = cr_feature_sets(study(), "AP")["log-sigma-1-0-mm-3D"]
    content = json.loads(found.canonical)
    versions = content.pop("versions")
    assert content == {
        "family": "CR",
        "image_type": "log-sigma-1-0-mm-3D",
        "preprocessing": "none",
        "orientation": "canonical",
        "resampling": {"spacing_mm": [1.0, 1.0, 1.0], "interpolator": "BSpline"},
        "discretisation": {"kind": "bin_width", "value": 5.0},
        "filter": {"sigma_mm": 1.0},
        "engine": {"name": "pyradiomics", "parity": 1},
    }
    assert versions["pyradiomics-bhklab"] == "3.1.4"
    assert set(versions) == {
        *("pyradiomics-bhklab", "SimpleITK", "PyWavelets", "scipy", "scikit-image", "trimesh")
    }
    assert all(versions.values())


def test_a_study_without_cr_has_no_feature_sets_of_it() -> None:
    """Nothing to compute, nothing to name."""
    families = {"dlr": {"weights": "random"}}
    other = Study.model_validate(
        {"schema_version": 1, "phases": ["AP"], "preprocessing": "none", "families": families}
    )
    assert cr_feature_sets(other, "AP") == {}


def test_a_variant_has_the_identifiers_of_what_it_does_not_change() -> None:
    """What a family is called does not determine a value, so it stands in no identifier."""
    base = study().model_dump(by_alias=True, exclude_unset=True)
    log = {"original": {}, "log": {"sigma_mm": [1.0, 3.0]}}
    variants = {
        "cr_w": {"extends": "cr", "bin_width": 10},
        "cr_s": {"extends": "cr", "image_types": log},
    }
    cr = base["families"]["cr"]
    both = Study.model_validate({**base, "families": {"cr": cr, **variants}})
    own = ids()
    found = {name: cr_feature_sets(both, "AP", name) for name in both.families.names}
    assert {name: one.id for name, one in found["CR"].items()} == own
    assert {name: one.id for name, one in found["CR_W"].items()} == ids(bin_width=10)
    sigmas = {name: one.id for name, one in found["CR_S"].items()}
    assert {name for name, one in sigmas.items() if own.get(name) != one} == {"log-sigma-3-0-mm-3D"}
    assert {one.family for several in found.values() for one in several.values()} == {"CR"}


def test_identifier_is_the_digest_of_the_canonical_text() -> None:
    """The order in which settings were written does not count; NaN has no place in them."""
    one = FeatureSet("DLR", None, {"b": 1, "a": [2.5]})
    assert one.canonical == '{"a":[2.5],"b":1,"family":"DLR","image_type":null}'
    # printf '%s' '{"a":[2.5],...}' | sha256sum
    assert one.id == FeatureSet("DLR", None, {"a": [2.5], "b": 1}).id
    with pytest.raises(ValueError, match="not JSON compliant"):
        _ = FeatureSet("DLR", None, {"a": float("nan")}).id
