"""Variants of families in the study file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mvi_ray.errors import StudyError
from mvi_ray.study import Study, parse_study

_STUDY = """\
schema_version: 1
phases: [AP, PP]
preprocessing: none
families:
  cr: {{spacing_mm: [1, 1, 1], bin_width: 5, image_types: {{original: , wavelet: , lbp-2D: {{radius: 2}}}}}}
  dlr: {{weights: random}}
{variants}
models: {{fit: {{M: {{families: [{families}], regions: [intratumoral]}}}}}}
"""


def _study(*variants: str, families: str = "CR") -> Study:
    lines = "\n".join(f"  {line}" for line in variants)
    return parse_study(_STUDY.format(variants=lines, families=families))


def test_a_variant_takes_over_what_it_does_not_change() -> None:
    """Also from another variant, wherever that stands in the file."""
    found = _study(
        "cr_2mm: {extends: Cr_BW10, spacing_mm: [2, 2, 2]}", "cr_bw10: {extends: CR, bin_width: 10}"
    )
    cr, both, wide = found.families.cr_like.values()
    assert (wide.bin_width, wide.spacing_mm, wide.image_types) == (10, (1, 1, 1), cr.image_types)
    assert (both.bin_width, both.spacing_mm, both.image_types) == (10, (2, 2, 2), cr.image_types)
    assert both.image_types.lbp_2d is not None
    assert both.image_types.lbp_2d.radius == 2


def test_names_are_in_capitals_and_in_the_order_of_the_file() -> None:
    """CR and DLR come first."""
    families = _study(
        "small: {extends: dlr, input_size: 32}",
        "cr_b: {extends: cr, bin_width: 10}",
        "Cr-a: {extends: cr, bin_width: 20}",
    ).families
    assert families.names == ("CR", "DLR", "SMALL", "CR_B", "CR-A")
    assert list(families.cr_like) == ["CR", "CR_B", "CR-A"]
    assert {name: one.input_size for name, one in families.dlr_like.items()} == {"DLR": 64, "SMALL": 32}


def test_image_types_of_a_variant_are_exactly_those_it_names() -> None:
    """Mappings are replaced as a whole; a list is a mapping, too."""
    found = _study(
        "cr_a: {extends: cr, image_types: {original: }}", "cr_b: {extends: cr, image_types: [square]}"
    )
    _, first, second = found.families.cr_like.values()
    assert first.image_types.model_fields_set == {"original"}
    assert second.image_types.model_fields_set == {"square"}


def test_one_way_of_binning_replaces_the_other() -> None:
    """In both directions, and also for each phase."""
    found = _study("cr_n: {extends: cr, bin_count: {AP: 8, PP: 16}}", "cr_w: {extends: cr_n, bin_width: 3}")
    _, count, width = found.families.cr_like.values()
    assert (count.binning("PP"), width.binning("PP")) == (("bin_count", 16), ("bin_width", 3))


def test_a_study_with_variants_survives_its_own_dump() -> None:
    """They are written in full."""
    study = _study(
        "cr_n: {extends: cr, bin_count: 8, spacing_mm: null}",
        "cr_w: {extends: cr_n, bin_width: 3, image_types: [square]}",
        "small: {extends: dlr, input_size: 32}",
    )
    # Absent image types must stay absent, see `test_study_survives_its_own_dump`.
    again = Study.model_validate_json(study.model_dump_json(by_alias=True, exclude_unset=True))
    assert again.families.cr_like == study.families.cr_like
    assert again.families.dlr_like == study.families.dlr_like


def test_models_name_variants_in_any_letters() -> None:
    """And get their names in capitals."""
    study = _study("cr_bw10: {extends: cr, bin_width: 10}", families="cr, Cr_bw10")
    assert study.models.fit["M"].families == ("CR", "CR_BW10")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ["cr_x: {extends: crx, bin_width: 1}"],
            r"cr_x extends 'crx', which .* \(did you mean 'cr'\?\); it has cr",
        ),
        (["cr_x: {extends: cr_y, bin_width: 1}"], "cr_x extends 'cr_y', which the study does not have"),
        (["cr_x: {extends: [cr], bin_width: 1}"], r"cr_x extends \['cr'\], which the study does not have"),
        (
            ["cr_x: {extends: cr_x, bin_width: 1}"],
            "cr_x extends cr_x, a circle; let one of them extend cr or dlr",
        ),
        (
            [
                "a: {extends: b, bin_width: 1}",
                "b: {extends: c, bin_width: 2}",
                "c: {extends: B, bin_width: 3}",
            ],
            "b extends c extends b, a circle; let one of them extend cr or dlr",
        ),
        (
            ["drl: {weights: random}"],
            r"'drl' is no family \(did you mean 'dlr'\?\); the families are cr and dlr",
        ),
        (
            ["cr_x: "],
            r"'cr_x' is no family .*; the families are cr and dlr, and a variant names what it changes",
        ),
        (
            ["CR: {extends: cr, bin_width: 1}"],
            "'CR' and 'cr' are the same name .*; write it in small letters",
        ),
        (
            ["cr_x: {extends: cr, bin_width: 1}", "CR_X: {extends: cr, bin_width: 2}"],
            "'CR_X' and 'cr_x' are the same name .*; rename one of them",
        ),
        (["clinical: {extends: cr, bin_width: 1}"], "'clinical' means something else in the store; give"),
        (["a b: {extends: cr, bin_width: 1}"], "'a b' is not a name"),
        (["7: {extends: cr, bin_width: 1}"], "'7' is not a name"),
        (["cr_x: {extends: cr}"], "cr_x has the same settings as cr; change one of its keys, or remove it"),
        (["cr_x: {extends: cr, bin_width: 5.0, interpolator: BSpline}"], "cr_x has the same settings as cr"),
        (
            ["cr_x: {extends: cr, bin_width: 1}", "cr_y: {extends: cr, bin_width: 1}"],
            "cr_y has the same settings as cr_x; change",
        ),
        (
            ["cr_x: {extends: cr, bin_widht: 1}"],
            r"families.cr_x.bin_widht: unknown key \(did you mean 'bin_width'",
        ),
        (
            ["cr_x: {extends: dlr, bin_width: 1}"],
            "families.cr_x.bin_width: unknown key; known: network, weights",
        ),
        (
            ["cr_x: {extends: cr, bin_width: -1}"],
            r"families.cr_x.bin_width: Input should be greater .* \(got -1\)",
        ),
        (
            ["cr_x: {extends: cr, bin_width: 1, bin_count: 2}"],
            "families.cr_x: give either bin_width or bin_count",
        ),
        (
            ["cr_x: {extends: cr, bin_width: {AP: 1}}"],
            r"families.cr_x.bin_width names the phases \['AP'\], the",
        ),
        (["(variants): {cr_x: {extends: cr, bin_width: 1}}"], r"'\(variants\)' is not a name"),
    ],
)
def test_what_is_wrong_with_a_variant_is_told_with_a_way_out(lines: list[str], expected: str) -> None:
    """At the place where it stands in the file."""
    with pytest.raises(StudyError, match=expected):
        _study(*lines)


def test_a_fault_of_a_family_is_told_once() -> None:
    """Not again for each variant that takes it over."""
    text = _STUDY.format(variants="  cr_x: {extends: cr, spacing_mm: [2, 2, 2]}", families="CR")
    with pytest.raises(StudyError) as caught:
        parse_study(text.replace("bin_width: 5", "bin_width: -5"))
    assert str(caught.value).count("greater than 0") == 1


def test_a_family_that_the_study_lacks_cannot_be_extended() -> None:
    """There is nothing to take over."""
    text = _STUDY.format(variants="  cr_x: {extends: dlr, input_size: 32}", families="CR")
    with pytest.raises(StudyError, match=r"cr_x extends 'dlr', which the study does not have.*; it has cr"):
        parse_study(text.replace("  dlr: {weights: random}\n", ""))


def test_a_model_with_an_unknown_variant_is_refused() -> None:
    """With the near one."""
    with pytest.raises(
        StudyError, match=r"no 'CR_BW1' \(did you mean 'CR_BW10'\?\); it has CR, DLR, CR_BW10"
    ):
        _study("cr_bw10: {extends: cr, bin_width: 10}", families="cr_bw1")


def test_names_of_columns_stay_apart() -> None:
    """A region that is called like a region and a variant would give two features one name."""
    text = _STUDY.format(variants="  x: {extends: cr, bin_width: 9}", families="CR")
    with pytest.raises(
        StudyError, match="phases, regions and variants make the feature name 'AP_rim_X' twice"
    ):
        parse_study(text + "regions: {rim: {kind: ring, outer_mm: 5}, rim_X: {kind: ring, outer_mm: 9}}\n")


def test_the_schema_allows_variants() -> None:
    """Any name may stand beside cr and dlr; it must extend something, and no key of it is required."""
    schema = json.loads((Path(__file__).parents[2] / "schemas" / "study.schema.json").read_text("utf-8"))
    families = schema["$defs"]["Families"]
    assert set(families["properties"]) == {"cr", "dlr"}
    kinds = families["additionalProperties"]["anyOf"]
    own = [set(schema["$defs"][name]["properties"]) for name in ("ConventionalRadiomics", "DeepRadiomics")]
    assert [set(kind["properties"]) for kind in kinds] == [{"extends"} | keys for keys in own]
    assert all(kind["required"] == ["extends"] and not kind["additionalProperties"] for kind in kinds)
