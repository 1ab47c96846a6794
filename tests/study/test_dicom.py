"""Rules for DICOM in the study file."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mvi_ray.errors import StudyError
from mvi_ray.study import Dicom, SeriesRule, parse_study

STUDY = """\
schema_version: 1
phases: [AP, PP]
preprocessing: none
families:
  cr: {spacing_mm: null, bin_count: 8, image_types: [original]}
"""


def test_study_without_dicom_has_the_defaults() -> None:
    """Nothing is converted, split by rule or kept unless the study says so."""
    dicom = parse_study(STUDY).dicom
    assert dicom == Dicom()
    assert (dicom.split, dicom.fractional, dicom.suv, dicom.dates, dicom.phases) == (
        *("auto", 0.5, False, "drop"),
        {},
    )


def test_rules_are_read() -> None:
    """One pattern needs no list."""
    text = """\
dicom:
  split: content_time
  suv: true
  dates: shift
  phases:
    AP: {modality: MR, description: "*dyn*", after_s: [20, 40]}
    PP: {description: ["*PV*", "*venous*"], part: 3}
"""
    dicom = parse_study(STUDY + text).dicom
    assert dicom.phases["AP"].description == ("*dyn*",)
    assert dicom.phases["AP"].after_s == (20, 40)
    assert dicom.phases["PP"].part == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dicom: {phases: {HBP: {modality: MR}}}", r"dicom.phases: the study has no phase 'HBP'"),
        ("dicom: {phases: {ap: {modality: MR}}}", r"\(did you mean 'AP'\?\)"),
        ("dicom: {phases: {AP: {}}}", "a rule without conditions fits every series"),
        ("dicom: {phases: {AP: {since: study}}}", "a rule without conditions fits every series"),
        ("dicom: {phases: {AP: {after_s: [40, 20]}}}", "after_s runs from 40 to 20: give the lower"),
        ("dicom: {phases: {AP: {part: 0}}}", "greater than or equal to 1"),
        ("dicom: {phases: {AP: {desciption: x}}}", r"unknown key \(did you mean 'description'\?\)"),
        ("dicom: {split: time}", "Input should be 'auto'"),
        ("dicom: {fractional: 0}", "greater than 0"),
        ("dicom: {fractional: 1.5}", "less than or equal to 1"),
        ("dicom: {dates: keep}", "'drop' or 'shift'"),
    ],
)
def test_faults_are_told(text: str, said: str) -> None:
    """With the place in the file, by the names the user wrote."""
    with pytest.raises(StudyError, match=said):
        parse_study(STUDY + text)


def test_rule_is_frozen() -> None:
    """Settings do not change under way."""
    rule = SeriesRule(part=1)
    with pytest.raises(ValidationError, match="frozen"):
        rule.part = 2  # type: ignore[misc]
