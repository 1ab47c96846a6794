"""The study file: what is accepted, and what a user is told of what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from mvi_ray.errors import StudyError
from mvi_ray.study import (
    DRAWN,
    ModelSpec,
    Readers,
    Ring,
    Study,
    Threshold,
    check_name,
    derivation_order,
    load_study,
    parse_study,
    with_sources,
)

if TYPE_CHECKING:
    from pathlib import Path

SMALL = """\
schema_version: 1
phases: [AP, PP]
regions:
  peritumoral: {kind: ring, outer_mm: 10}
readers: {model: R1, compare: [R2]}
preprocessing: none
families:
  cr: {spacing_mm: [1, 1, 1], bin_width: 25, image_types: [original]}
  dlr: {weights: random}
clinical:
  outcome: mvi
  centre: hospital
  variables:
    age: {unit: years}
    grade: {kind: categorical, levels: [low, high]}
models:
  fit:
    M: {families: [CR], regions: [intratumoral], clinical: [age]}
"""


def small(*changes: tuple[str, str]) -> Study:
    """The small study with pieces of its text replaced."""
    text = SMALL
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return parse_study(text)


def message(*changes: tuple[str, str]) -> str:
    """What the user is told about the changed study."""
    with pytest.raises(StudyError, match=r"is not a valid study|no mapping|not valid YAML") as caught:
        small(*changes)
    return caught.value.message


def test_small_study_is_read() -> None:
    """Values stand where they were written, all else is its default."""
    study = small()
    assert study.phases == ("AP", "PP")
    assert study.region_names == (DRAWN, "peritumoral")
    assert study.families.names == ("CR", "DLR")
    assert study.clinical.columns == ("mvi", "hospital", "age", "grade")
    ring = study.regions["peritumoral"]
    assert (ring.of, ring.inner_mm, ring.outer_mm, ring.clip) == (DRAWN, 0.0, 10.0, "organ")
    assert study == small()


# Keys ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("readers:", "reader:", "reader: unknown key (did you mean 'readers'?); known: schema_version"),
        ("bin_width", "bin_widht", "families.cr.bin_widht: unknown key (did you mean 'bin_width'?)"),
        ("weights: random", "weights: random, batchsize: 2", "families.dlr.batchsize: unknown key (did you"),
        ("clinical: [age]", "clinic: [age]", "models.fit.M.clinic: unknown key (did you mean 'clinical'?)"),
        ("[original]", "[wavelets]", "image_types.wavelets: unknown key (did you mean 'wavelet'?)"),
        ("[original]", "{lbp_2d: }", "image_types.lbp_2d: unknown key (did you mean 'lbp-2D'?)"),
        (
            "[original]",
            "{log: {sigma: [1]}}",
            "image_types.log.sigma: unknown key (did you mean 'sigma_mm'?)",
        ),
        (
            "outer_mm: 10",
            "outer_mm: 10, inner: 2",
            "peritumoral.inner: unknown key (did you mean 'inner_mm'?)",
        ),
        ("unit: years", "units: years", "variables.age.units: unknown key (did you mean 'unit'?)"),
        ("  fit:", "  svm: {c: 2}\n  fit:", "models.svm.c: unknown key (did you mean 'C'?); known: C"),
        (
            "  fit:",
            "  validation: {fold: 3}\n  fit:",
            "models.validation.fold: unknown key (did you mean 'folds'",
        ),
    ],
)
def test_unknown_key_is_told_with_its_place_and_a_suggestion(old: str, new: str, expected: str) -> None:
    """At any depth the message names the place, the key, and the key that was meant."""
    assert expected in message((old, new))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "  peritumoral: {kind",
            "  of: {knd: ring, kind",
            "regions.of.knd: unknown key (did you mean 'kind'?)",
        ),
        (
            "    age: {unit",
            "    unit: {knd: x, unit",
            "variables.unit.knd: unknown key (did you mean 'kind'?)",
        ),
        (
            "    M: {",
            "    phases: {familys: x, ",
            "models.fit.phases.familys: unknown key (did you mean 'families'",
        ),
    ],
)
def test_name_that_is_also_a_key_keeps_the_suggestion(old: str, new: str, expected: str) -> None:
    """A region may be called `of`: its own keys are still known."""
    assert expected in message((old, new))


def test_key_unlike_any_other_gets_no_suggestion() -> None:
    """What resembles nothing is listed against what is known."""
    text = message(("preprocessing: none", "preprocessing: none\nzzz: 1"))
    assert "zzz: unknown key; known: schema_version, name" in text


@pytest.mark.parametrize("key", ["(Ring)", "'[key]'", "dict[x]"])
def test_unknown_key_that_looks_like_a_branch_is_told(key: str) -> None:
    """What a user writes is shown, even where pydantic writes such a thing itself."""
    text = message(("preprocessing: none", f"preprocessing: none\n{key}: 1"))
    assert f"  {key.strip(chr(39))}: unknown key; known: schema_version" in text


def test_every_fault_is_listed_at_once() -> None:
    """Nobody corrects a file one message at a time."""
    text = message(("schema_version: 1", "schema_version: 2"), ("bin_width: 25", "bin_width: -1"))
    assert "schema_version: Input should be 1 (got 2)" in text
    assert "families.cr.bin_width: Input should be greater than 0 (got -1)" in text


def test_missing_keys_are_named() -> None:
    """What a study must state is required, nothing is guessed."""
    with pytest.raises(StudyError, match="is not a valid study") as caught:
        parse_study("phases: [AP]")
    for key in ("schema_version", "preprocessing", "families"):
        assert f"  {key}: is required" in caught.value.message


@pytest.mark.parametrize("gone", ["spacing_mm: [1, 1, 1], ", ", outer_mm: 10", "kind: ring, "])
def test_scientific_choice_has_no_default(gone: str) -> None:
    """Spacing and thickness are choices of the study."""
    assert f"{gone.strip(', ').partition(':')[0]}: is required" in message((gone, ""))


# YAML ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just text", "3", "# only a comment\n", "null"])
def test_yaml_that_is_no_mapping_is_told(text: str) -> None:
    """The message says how to get a file to start from."""
    with pytest.raises(StudyError, match="empty or no mapping; `mvi init` writes a commented one"):
        parse_study(text)


@pytest.mark.parametrize("text", ["a: [", "a: 'x", "a: b: c", "\tx: 1", "a: &x\n- *y"])
def test_yaml_that_is_broken_is_told(text: str) -> None:
    """A fault of the text is told with the file's name."""
    with pytest.raises(StudyError, match=r"mine\.yaml is not valid YAML"):
        parse_study(text, "mine.yaml")


def test_doubled_key_is_an_error() -> None:
    """The second value must not win in silence, and nobody is told how to let it."""
    with pytest.raises(StudyError, match='duplicate key "phases"') as caught:
        parse_study(SMALL + "phases: [AP]\n")
    assert "suppress" not in caught.value.message
    assert "line: 19" in caught.value.message


def test_doubled_model_is_an_error() -> None:
    """Also deep inside."""
    with pytest.raises(StudyError, match='duplicate key "M"'):
        parse_study(SMALL + "    M: {clinical: [age]}\n")


def test_words_that_older_yaml_took_for_truth_stay_text() -> None:
    """YAML 1.2: a phase may be called NO, a level no; 1.1 made them false."""
    study = small(("[AP, PP]", "[NO, Y]"), ("[low, high]", "[no, yes]"))
    assert study.phases == ("NO", "Y")
    assert study.clinical.variables["grade"].levels == ("no", "yes")


def test_number_in_octal_clothing_is_decimal() -> None:
    """YAML 1.2 reads 010 as ten, 1.1 as eight."""
    assert small(("outer_mm: 10", "outer_mm: 010")).regions["peritumoral"].outer_mm == 10.0


def test_tag_that_builds_an_object_is_refused() -> None:
    """A study file is data; it runs nothing."""
    with pytest.raises(StudyError, match="is not valid YAML"):
        parse_study('name: !!python/object/apply:os.system ["true"]')


# Values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "outer_mm: 10",
            "outer_mm: 0",
            "regions.peritumoral.outer_mm: Input should be greater than 0 (got 0)",
        ),
        ("outer_mm: 10", "outer_mm: .inf", "peritumoral.outer_mm: Input should be a finite number (got inf)"),
        ("outer_mm: 10", "outer_mm: .nan", "peritumoral.outer_mm: Input should be a finite number (got nan)"),
        (
            "outer_mm: 10",
            "outer_mm: 5, inner_mm: 5",
            "regions.peritumoral: inner_mm (5) must be below outer_mm (5)",
        ),
        (
            "outer_mm: 10",
            "outer_mm: 5, inner_mm: -1",
            "inner_mm: Input should be greater than or equal to 0 (got -1)",
        ),
        ("outer_mm: 10", "outer_mm: 5, clip: liver", "clip: Input should be 'organ' or 'none' (got 'liver')"),
        ("outer_mm: 10", "outer_mm: 5, of: necrosis", "peritumoral.of: the study has no 'necrosis'; it has"),
        ("peritumoral:", "intratumoral:", "'intratumoral' and 'intratumoral' are the same name"),
        ("peritumoral:", "Intratumoral:", "'Intratumoral' and 'intratumoral' are the same name"),
        ("peritumoral:", "peri tumoral:", "'peri tumoral' is not a name: start with a letter"),
        ("[AP, PP]", "[AP, ap]", "'ap' and 'AP' are the same name (upper and lower case do not count)"),
        ("[AP, PP]", "[A, A]", "'A' and 'A' are the same name"),
        ("[AP, PP]", "[AP, 2P]", "phases.1: '2P' is not a name: start with a letter"),
        ("[AP, PP]", "[]", "phases: "),
        ("[AP, PP]", "AP", "phases: "),
        ("compare: [R2]", "compare: [r1]", "readers: 'r1' and 'R1' are the same name"),
        ("preprocessing: none", "preprocessing: n4", "preprocessing: Input should be 'none' (got 'n4')"),
        ("bin_width: 25, ", "", "families.cr: give either bin_width or bin_count"),
        ("bin_width: 25", "bin_width: 25, bin_count: 32", "families.cr: give either bin_width or bin_count"),
        (
            "bin_width: 25",
            "bin_width: {AP: 25}",
            "bin_width names the phases ['AP'], the study has ['AP', 'PP']",
        ),
        (
            "bin_width: 25",
            "bin_width: {AP: 25, PP: -2}",
            "cr.bin_width.PP: Input should be greater than 0 (got -2)",
        ),
        ("bin_width: 25", "bin_width: [1, 2]", "cr.bin_width: Input should be a valid number (got [1, 2])"),
        (
            "bin_width: 25",
            "bin_width: .inf",
            "families.cr.bin_width: Input should be a finite number (got inf)",
        ),
        ("bin_width: 25", "bin_count: 2.5", "families.cr.bin_count: Input should be a valid integer"),
        ("[1, 1, 1]", "[1, 1]", "families.cr.spacing_mm"),
        ("[1, 1, 1]", "[1, 1, 0]", "families.cr.spacing_mm.2: Input should be greater than 0 (got 0)"),
        ("[original]", "[]", "image_types: name at least one image type, for example 'original'"),
        ("[original]", "{wavelet: {wavelet: coif}}", "no discrete wavelet 'coif' (did you mean 'coif"),
        ("[original]", "{log: {sigma_mm: []}}", "image_types.log.sigma_mm: "),
        (
            "[original]",
            "{lbp-3D: {levels: 1}}",
            "lbp-3D.levels: Input should be greater than or equal to 2 (got 1)",
        ),
        ("weights: random", "weights: random, percentiles: [99, 1]", "percentiles must rise within 0 to 100"),
        (
            "weights: random",
            "weights: random, percentiles: [1, 101]",
            "percentiles must rise within 0 to 100",
        ),
        (
            "weights: random",
            "weights: random, input_size: 8",
            "input_size: Input should be greater than or equal",
        ),
        ("[low, high]", "[low]", "grade: a categorical variable needs its levels, at least two"),
        ("[low, high]", "[low, low]", "grade: a categorical variable needs its levels, at least two"),
        ("kind: categorical, ", "", "grade: levels belong to a categorical variable: set kind: categorical"),
        ("outcome: mvi", "outcome: age", "clinical: 'age' and 'age' are the same name"),
        ("outcome: mvi", "outcome: Patient_ID", "'patient_id' and 'Patient_ID' are the same name"),
        (
            "models:",
            "cohorts: {trian: x}\nmodels:",
            "cohorts.trian: Input should be 'train' or 'test' (got 'trian')",
        ),
        ("    M: {", "    m: {clinical: [age]}\n    M: {", "'M' and 'm' are the same name"),
        ("    M: {", "    1M: {", "'1M' is not a name"),
        (", regions: [intratumoral]", "", "families and regions belong together: name both, or neither"),
        (
            "families: [CR], regions: [intratumoral], clinical: [age]",
            "",
            "needs families with regions, clinical",
        ),
        ("families: [CR]", "families: [CR, cr]", "'CR' and 'CR' are the same name"),
        (
            "families: [CR]",
            "families: [XR]",
            "models.fit.M.families: the study has no 'XR'; it has CR, DLR",
        ),
    ],
)
def test_value_that_cannot_be_is_told(old: str, new: str, expected: str) -> None:
    """The message names the place, the value and what would be right."""
    assert expected in message((old, new))


def test_family_is_required() -> None:
    """A study that measures nothing is none."""
    with pytest.raises(StudyError, match="families: name at least one family: cr, dlr"):
        parse_study("schema_version: 1\nphases: [AP]\npreprocessing: none\nfamilies: {}\n")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "clinical: [age]",
            "phases: [ap]",
            "M.phases: the study has no 'ap' (did you mean 'AP'?); it has AP, PP",
        ),
        (
            "regions: [intratumoral]",
            "regions: [intratumorl]",
            "M.regions: the study has no 'intratumorl' (did you mean 'intratumoral'?); it has intra",
        ),
        ("  dlr: {weights: random}\n", "", ""),
        ("clinical: [age]", "clinical: [mvi]", "M.clinical: the study has no 'mvi'; it has age, grade"),
        ("clinical: [age]", "clinical: [Age]", "M.clinical: the study has no 'Age' (did you mean 'age'?)"),
    ],
)
def test_model_names_only_what_the_study_has(old: str, new: str, expected: str) -> None:
    """Phase, region, family and variable are looked up, the near one is suggested."""
    if expected:
        assert expected in message((old, new))
    else:
        expected = "M.families: the study has no 'DLR'; it has CR"
        assert expected in message((old, new), ("families: [CR]", "families: [DLR]"))


def test_model_without_known_variables_says_none() -> None:
    """An empty list of what there is reads as such."""
    with pytest.raises(StudyError, match="the study has no 'age'; it has none"):
        small(("    age: {unit: years}\n    grade: {kind: categorical, levels: [low, high]}\n", "    {}\n"))


# Regions ------------------------------------------------------------------------------

RING = "peritumoral: {kind: ring, outer_mm: 10}"


def regions(*lines: str) -> Study:
    """The small study with other regions."""
    return small((RING, "\n  ".join(lines)))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "p: {kind: rng}",
            "regions.p: kind is none of ring, union, intersection, difference, drawn (got 'rng')",
        ),
        ("p: {kind: [1]}", "regions.p: kind is none of ring"),
        ("p: 3", "regions.p: Input should be a valid dictionary or instance of Ring (got 3)"),
        ("p: {kind: union, off: [a, b]}", "regions.p.off: unknown key (did you mean 'of'?)"),
        (
            "p: {kind: union, of: [intratumoral]}",
            "regions.p: a union of 'intratumoral' alone would be its copy",
        ),
        ("p: {kind: union, of: [a, A]}", "regions.p: 'A' and 'a' are the same name"),
        ("p: {kind: union, of: intratumoral}", "regions.p.of: Input should be a valid tuple"),
        ("p: {kind: difference, of: []}", "regions.p.of: Tuple should have at least 1 item"),
        (
            "p: {kind: difference, of: [intratumoral, q]}",
            "regions.p.of: the study has no 'q'; it has intratumoral, p",
        ),
        ("p: {kind: drawn, of: intratumoral}", "regions.p.of: unknown key; known: kind"),
        ("p: {kind: ring, outer_mm: 1, of: p}", "made from each other in a circle: p ← p; let one start"),
        (
            "p: {kind: ring, outer_mm: 1, clip: {abov: 3}}",
            "regions.p.clip.abov: unknown key (did you mean 'above'?); known: above, below",
        ),
        (
            "p: {kind: ring, outer_mm: 1, clip: [organ, {abov: 3}]}",
            "regions.p.clip.1.abov: unknown key (did you mean 'above'?)",
        ),
        ("p: {kind: ring, outer_mm: 1, clip: {}}", "regions.p.clip: a threshold needs a number: {above: 0}"),
        (
            "p: {kind: ring, outer_mm: 1, clip: {above: 3, below: 3}}",
            "regions.p.clip: above (3) must be less than below (3)",
        ),
        ("p: {kind: ring, outer_mm: 1, clip: []}", "regions.p.clip: a list of clips holds 'organ' and one"),
        (
            "p: {kind: ring, outer_mm: 1, clip: [{above: 1}, {below: 2}]}",
            "regions.p.clip: a list of clips holds 'organ' and one threshold, each once",
        ),
        (
            "p: {kind: ring, outer_mm: 1, clip: [none]}",
            "regions.p.clip.0: Input should be 'organ' (got 'none')",
        ),
        (
            "p: {kind: ring, outer_mm: 1, clip: [{above: .nan}]}",
            "clip.0.above: Input should be a finite number",
        ),
    ],
)
def test_region_that_cannot_be_is_told(line: str, expected: str) -> None:
    """The message names the place in the user's file, without the branches that were tried."""
    assert expected in message((RING, line))


def test_circle_of_regions_is_named() -> None:
    """Each region of the circle, in the order in which one needs the next."""
    text = message(
        (
            RING,
            """a: {kind: ring, outer_mm: 1, of: b}
  b: {kind: union, of: [c, intratumoral]}
  c: {kind: difference, of: [a, intratumoral]}""",
        )
    )
    assert "made from each other in a circle: a ← " in text
    assert all(f"{one} ← {other}" in text for one, other in ("ab", "bc", "ca"))


def test_regions_are_ordered_by_what_they_need() -> None:
    """Whatever their order in the file."""
    study = regions(
        "far: {kind: ring, of: whole, outer_mm: 5}",
        "whole: {kind: union, of: [intratumoral, near]}",
        "near: {kind: ring, outer_mm: 2}",
        "hand: {kind: drawn}",
    )
    order = derivation_order(study.regions)
    assert order.index("near") < order.index("whole") < order.index("far")
    assert sorted(order) == ["far", "hand", "near", "whole"]
    assert study.region_names == (DRAWN, "far", "whole", "near", "hand")
    assert list(with_sources(study.regions, ["whole"])) == ["whole", "near"]
    assert list(with_sources(study.regions, ["hand"])) == ["hand"]


def test_clip_has_one_spelling() -> None:
    """A list of one is that one, and the organ stands first: equal regions have equal texts."""
    ways = (
        ["organ", "[organ]"],
        ["{above: 3}", "[{above: 3.0}]"],
        ["[organ, {below: 1}]", "[{below: 1}, organ]"],
    )
    for one, other in ways:
        first, second = (regions(f"p: {{kind: ring, outer_mm: 1, clip: {way}}}") for way in (one, other))
        assert first == second
        assert first.model_dump_json() == second.model_dump_json()
    both = regions("p: {kind: ring, outer_mm: 1, clip: [{below: 1}, organ]}").regions["p"]
    assert isinstance(both, Ring)
    assert both.to_organ
    assert both.threshold == Threshold(below=1)
    assert Study.model_validate_json(first.model_dump_json(by_alias=True, exclude_none=True)) == first


# Masks of another phase ---------------------------------------------------------------


def masks(text: str) -> tuple[str, str]:
    """A change of the small study."""
    return ("readers:", f"masks: {text}\nreaders:")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{PP: {from: A}}", "masks.PP.from: the study has no phase 'A' (did you mean 'AP'?); it has AP, PP"),
        ("{XX: {from: AP}}", "masks.XX: the study has no phase 'XX'; it has AP, PP"),
        ("{PP: {from: PP}}", "masks.PP.from: a phase cannot take the mask from itself"),
        (
            "{PP: {from: AP}, AP: {from: PP}}",
            "masks.PP.from: 'AP' takes its own mask from 'PP'; name the phase",
        ),
        ("{PP: {form: AP}}", "masks.PP.form: unknown key (did you mean 'from'?); known: from, register"),
        ("{PP: {from: AP, register: affine}}", "masks.PP.register: Input should be 'none' or 'rigid'"),
    ],
)
def test_mask_of_another_phase_that_cannot_be_is_told(text: str, expected: str) -> None:
    """No phase that is not there, no circle and no chain."""
    assert expected in message(masks(text))


def test_mask_of_another_phase_is_read() -> None:
    """Nothing is registered unless the study says so; the study survives its dump."""
    study = small(masks("{PP: {from: AP}}"))
    assert (study.masks["PP"].source, study.masks["PP"].registration) == ("AP", "none")
    assert Study.model_validate_json(study.model_dump_json(by_alias=True, exclude_none=True)) == study
    assert small().masks == {}


# Readers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readers", "names", "drawing"),
    [
        ("model: R1, compare: [R2]", ("R1", "R2"), ("R1", "R2")),
        (
            "model: R1, compare: [R2], consensus: {method: staple}",
            ("R1", "R2", "CONS"),
            ("R1", "R2"),
        ),
        (
            "model: BOTH, compare: [R1, R2], consensus: {name: BOTH, method: majority}",
            ("BOTH", "R1", "R2"),
            ("R1", "R2"),
        ),
    ],
)
def test_consensus_is_a_reader_who_draws_nothing(
    readers: str, names: tuple[str, ...], drawing: tuple[str, ...]
) -> None:
    """It may be the modelling one; the first name is the modelling reader."""
    read = small(("model: R1, compare: [R2]", readers)).readers
    assert (read.names, read.drawing) == (names, drawing)


@pytest.mark.parametrize(
    ("readers", "expected"),
    [
        ("model: R1, consensus: {method: staple}", "readers: a consensus needs two readers who draw, got R1"),
        (
            "model: CONS, compare: [R1], consensus: {method: staple}",
            "readers: a consensus needs two readers who draw, got R1",
        ),
        ("model: R1, compare: [R2], consensus: {}", "readers.consensus.method: is required"),
        (
            "model: R1, compare: [R2], consensus: {name: r2, method: staple}",
            "'r2' and 'R2' are the same name",
        ),
        (
            "model: R1, compare: [R2], consensus: {method: staple, threshold: 1}",
            "consensus.threshold: Input should be less than 1 (got 1)",
        ),
    ],
)
def test_consensus_that_cannot_be_is_told(readers: str, expected: str) -> None:
    """Two who draw, a method, a name that is nobody's."""
    assert expected in message(("model: R1, compare: [R2]", readers))


# Names --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["AP", "a", "A_1-b", "T1w", "no"])
def test_names_are_letters_digits_underscore_and_hyphen(name: str) -> None:
    """What the contract allows is returned as it is."""
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "1A", "_a", "-a", "a b", "a.b", "ä", "AP\n", "A/B", "a'b", "Ａ"])
def test_other_names_are_refused(name: str) -> None:
    """Names become columns and folders: no blank, no path, no quote, no newline."""
    with pytest.raises(ValueError, match="is not a name: start with a letter"):
        check_name(name)


def test_the_same_object_twice_is_found() -> None:
    """Equal short texts are one object in Python: identity is no test of sameness."""
    with pytest.raises(ValidationError, match="'R1' and 'R1' are the same name"):
        Readers(model="R1", compare=("R1",))
    with pytest.raises(ValidationError, match="'AP' and 'AP' are the same name"):
        ModelSpec(clinical=("age",), phases=("AP", "AP"))


# Shorthands ---------------------------------------------------------------------------


def test_image_types_may_be_a_list_or_a_mapping() -> None:
    """A list of names, empty values and empty mappings all mean the defaults."""
    ways = ["[wavelet, square]", "{wavelet: , square: }", "{wavelet: {}, square: {}}"]
    read = [small(("[original]", way)).families.cr for way in ways]
    assert read[0] is not None
    assert read[0] == read[1] == read[2]
    assert read[0].image_types.wavelet is not None
    assert read[0].image_types.wavelet.wavelet == "coif1"
    assert read[0].image_types.original is None


def test_variables_may_be_a_list() -> None:
    """Names alone are continuous variables."""
    text = "    age: {unit: years}\n    grade: {kind: categorical, levels: [low, high]}\n"
    study = small(("  variables:\n" + text, "  variables: [age, afp]\n"))
    assert {name: v.kind for name, v in study.clinical.variables.items()} == {
        "age": "continuous",
        "afp": "continuous",
    }


def test_families_of_a_model_may_be_written_small() -> None:
    """`cr` and `CR` are one family."""
    spec = small(("families: [CR]", "families: [cr, dlr]")).models.fit["M"]
    assert spec.families == ("CR", "DLR")


def test_discretisation_may_differ_by_phase() -> None:
    """One number holds for every phase, a mapping gives each its own."""
    one = small().families.cr
    each = small(("bin_width: 25", "bin_width: {AP: 25, PP: 12.5}")).families.cr
    count = small(("bin_width: 25", "bin_count: {AP: 32, PP: 64}")).families.cr
    assert one is not None
    assert each is not None
    assert count is not None
    assert one.binning("PP") == ("bin_width", 25.0)
    assert [each.binning(p) for p in ("AP", "PP")] == [("bin_width", 25.0), ("bin_width", 12.5)]
    assert [count.binning(p) for p in ("AP", "PP")] == [("bin_count", 32), ("bin_count", 64)]


# Frozen -------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["study", "ring", "cr", "validation"])
def test_study_cannot_be_changed_in_place(place: str) -> None:
    """What was hashed stays what it was."""
    study = small()
    parts: dict[str, tuple[Any, str]] = {
        "study": (study, "name"),
        "ring": (study.regions["peritumoral"], "outer_mm"),
        "cr": (study.families.cr, "bin_width"),
        "validation": (study.models.validation, "folds"),
    }
    part, field = parts[place]
    with pytest.raises(ValidationError, match="frozen"):
        setattr(part, field, 3)


def test_reading_region_names_leaves_the_study_equal() -> None:
    """A cached property is no part of what a study is."""
    read, fresh = small(), small()
    assert read.region_names == (DRAWN, "peritumoral")
    assert read == fresh
    assert read.model_dump() == fresh.model_dump()


def test_study_survives_its_own_dump() -> None:
    """What is written into the store as JSON is read again as the same study."""
    study = small(("[original]", "{original: , lbp-2D: , log: {sigma_mm: [1, 3]}}"))
    # A filter that is named without parameters is wanted, so that absent ones must stay absent.
    again = Study.model_validate_json(study.model_dump_json(by_alias=True, exclude_none=True))
    assert again.model_dump() == study.model_dump()


# Files --------------------------------------------------------------------------------


def test_study_file_is_read_as_utf8(tmp_path: Path) -> None:
    """A title may hold any letter."""
    path = tmp_path / "study.yaml"
    path.write_bytes((SMALL + "name: Zürich 肝\n").encode())
    assert load_study(path).name == "Zürich 肝"


def test_missing_study_file_is_told_with_the_way_out(tmp_path: Path) -> None:
    """The name of the file, not the whole path, and how to get one."""
    with pytest.raises(StudyError, match="does not exist") as caught:
        load_study(tmp_path / "study.yaml")
    assert str(tmp_path) not in caught.value.message
    assert "mvi init" in caught.value.way_out


def test_study_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    """Latin-1 is not taken for UTF-8."""
    path = tmp_path / "study.yaml"
    path.write_bytes((SMALL + "name: Zürich\n").encode("latin-1"))
    with pytest.raises(StudyError, match="is not UTF-8 text; save it as UTF-8"):
        load_study(path)


def test_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    """Any fault of the file system is the user's to see, without a traceback."""
    (tmp_path / "study.yaml").mkdir()
    with pytest.raises(StudyError, match="cannot be read") as caught:
        load_study(tmp_path / "study.yaml")
    assert str(tmp_path) not in caught.value.message
