"""Rules say where the key of a VOI stands; what they do not say is not guessed."""

from __future__ import annotations

import pytest

from mvi_ray.errors import ManifestError, UsageError
from mvi_ray.ingest.features import KEY, KeyRule, KeyRules

KNOWN = {"phase": ("AP", "PP"), "region": ("intratumoral", "peritumoral"), "reader": ("R1", "R2")}


def test_rule_names_a_column_or_gives_the_value() -> None:
    """`=` names a column, `:=` is the value; the options of the command say the same."""
    assert KeyRule.parse("phase=Phase") == KeyRule("phase", column="Phase")
    assert KeyRule.parse("phase:=AP") == KeyRule("phase", constant="AP")
    assert KeyRule.parse("patient_id=a=b") == KeyRule("patient_id", column="a=b")
    found = KeyRules.of(["patient_id=Patient"], ["phase=AP"])
    assert found.rules == (KeyRule("patient_id", column="Patient"), KeyRule("phase", constant="AP"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("phase", "is no rule for a key; write PART=COLUMN or PART:=VALUE"),
        ("phse=P", "the key has no part 'phse' .did you mean 'phase'..; its parts are patient_id"),
        ("phase=", "phase needs a column or a value; write phase=NAME"),
        ("patient_id:=P01", "patient_id cannot be one value for the whole file; name its column"),
    ],
)
def test_rule_that_says_nothing_is_told(text: str, message: str) -> None:
    """With what to write instead."""
    with pytest.raises(UsageError, match=message):
        KeyRule.parse(text)
    with pytest.raises(UsageError, match="'AP' sets nothing; write PART=VALUE"):
        KeyRules.of(constants=["AP"])


@pytest.mark.parametrize(
    ("keys", "columns"),
    [(["phase=A", "phase=B"], None), (["region=A"], "{region}_{feature}")],
)
def test_two_rules_for_one_part_are_refused(keys: list[str], columns: str | None) -> None:
    """Also when one is the pattern."""
    with pytest.raises(UsageError, match="is given twice; keep one rule for it"):
        KeyRules.of(keys, columns=columns)


@pytest.mark.parametrize(
    "pattern", ["AP_{phase}", "{feature}", "{phase}_{phase}_{feature}", "{patient_id}_{feature}", "x", ""]
)
def test_pattern_needs_the_feature_and_a_part(pattern: str) -> None:
    """Anything else cannot be matched against names of the study."""
    with pytest.raises(UsageError, match=r"is no pattern for names of columns; use {feature}"):
        KeyRules.of(columns=pattern)


def test_pattern_is_matched_against_the_names_of_the_study() -> None:
    """Names with underscores are one name, and letters of other cases are another name."""
    rules = KeyRules.of(columns="{phase}_{region}_{feature}")
    known = {"phase": ("AP", "late_AP"), "region": ("intratumoral", "ring_5_mm")}
    name = "late_AP_ring_5_mm_original_glcm_Contrast"
    assert rules.readings(name, known) == [
        ({"phase": "late_AP", "region": "ring_5_mm"}, "original_glcm_Contrast")
    ]
    for other in ("HBP_intratumoral_x", "ap_intratumoral_x", "AP_intratumoral_", "AP_intratumoral", "x"):
        assert rules.readings(other, known) == []


def test_pattern_may_hold_any_text_around_its_places() -> None:
    """The feature in front, a reader at the end, characters that mean something elsewhere."""
    rules = KeyRules.of(columns="{feature}.[{phase}]({reader})")
    assert rules.readings("a.b.[PP](R2)", KNOWN) == [({"phase": "PP", "reader": "R2"}, "a.b")]
    assert rules.readings("a.b.[PP]", KNOWN) == []


def test_pattern_tells_every_reading() -> None:
    """Where one name of the study begins another, a column may be either's."""
    rules = KeyRules.of(columns="{phase}_{feature}")
    assert rules.readings("A_B_x", {"phase": ("A", "A_B")}) == [
        ({"phase": "A"}, "B_x"),
        ({"phase": "A_B"}, "x"),
    ]


def test_pattern_needs_known_readers() -> None:
    """Without names there is nothing to match."""
    with pytest.raises(UsageError, match=r"holds {reader}, of which no names are known; leave it out"):
        KeyRules.of(columns="{reader}_{feature}").check({"phase": ("AP",)})


@pytest.mark.parametrize(
    "name", ["patient_id", "PatientID", "Patient", "case", "CaseName", "CaseID", "ID", "sample_name"]
)
def test_patient_is_found_by_a_usual_name(name: str) -> None:
    """When exactly one column has one; other parts are the defaults of the manifest."""
    found = KeyRules().resolve(["x", name], ("AP",))
    assert found["patient_id"] == KeyRule("patient_id", column=name)
    assert [found[part].constant for part in KEY[1:]] == ["baseline", "AP", "1", "intratumoral", "R1"]


def test_column_with_the_name_of_a_part_is_that_part() -> None:
    """In upper or lower case."""
    found = KeyRules().resolve(["ID", "Phase", "SESSION", "Lesion", "region", "Reader"], ("AP", "PP"))
    assert [found[part].column for part in KEY] == ["ID", "SESSION", "Phase", "Lesion", "region", "Reader"]


def test_several_possible_patients_are_not_chosen_from() -> None:
    """The message lists them; a column that another rule uses is none of them."""
    with pytest.raises(
        ManifestError, match="patient_id could be any of the columns Patient, ID; say which: "
    ):
        KeyRules().resolve(["Patient", "ID"], ("AP",))
    assert KeyRules.of(["lesion=ID"]).resolve(["Patient", "ID"], ("AP",))["patient_id"].column == "Patient"
    assert KeyRules.of(["patient_id=ID"]).resolve(["Patient", "ID"], ("AP",))["patient_id"].column == "ID"


def test_table_without_patients_or_phase_is_told() -> None:
    """The options that say it stand in the message."""
    with pytest.raises(
        ManifestError, match=r"no column is named like a patient .'Pat', 'x', ….; say which it is"
    ):
        KeyRules().resolve(["Pat", "x"], ("AP",))
    with pytest.raises(
        ManifestError, match="phases AP, PP, and the table does not say which it is of; add --set"
    ):
        KeyRules().resolve(["ID"], ("AP", "PP"))
    with pytest.raises(
        ManifestError, match=r"no column 'Fase' .did you mean 'Phase'..; name the column of phase"
    ):
        KeyRules.of(["phase=Fase"]).resolve(["ID", "Phase"], ("AP", "PP"))
