"""Which segment is meant, and that no message repeats a name."""

from __future__ import annotations

import pytest

from mvi_ray.errors import MaskError
from mvi_ray.ingest.masks.choice import Segment, SegmentChoice, choose

NAMED = [Segment(1, "liver"), Segment(2, "Tumor_1"), Segment(3, "Zaphod Beeblebrox")]
PLAIN = [Segment(1), Segment(5), Segment(9)]


def refusal(segments: list[Segment], choice: SegmentChoice, what: str = "mask") -> str:
    """What is said, checked for names and for a way out."""
    with pytest.raises(MaskError, match=what) as caught:
        choose(segments, choice, what)
    for segment in segments:
        assert not segment.name or segment.name not in caught.value.message
    for pattern in choice.patterns:
        assert pattern not in caught.value.reason
    assert caught.value.way_out
    return caught.value.message


@pytest.mark.parametrize(
    ("patterns", "number"),
    [
        (("Tumor_1",), 2),
        (("tumor_1",), 2),
        (("TUMOR*",), 2),
        (("HCC*", "Tumor*"), 2),
        (("*_?",), 2),
        (("[st]umor*",), 2),
        (("total_mr:liver",), 1),
    ],
)
def test_name_or_pattern_finds_its_segment(patterns: tuple[str, ...], number: int) -> None:
    """Case does not count; a task of TotalSegmentator in front does not matter where there are names."""
    assert choose(NAMED, SegmentChoice(patterns=patterns)).number == number


@pytest.mark.parametrize(
    ("pattern", "number"), [("Tumor", 1), ("tumor", 2), ("TUMOR*", None), ("tumor [old]", 3), ("*old]", 3)]
)
def test_exact_name_wins_over_case_and_case_over_a_pattern(pattern: str, number: int | None) -> None:
    """Also where the name itself holds what a pattern is made of."""
    segments = [Segment(1, "Tumor"), Segment(2, "tumor"), Segment(3, "tumor [old]")]
    choice = SegmentChoice(patterns=(pattern,))
    if number is None:
        assert "3 of the 3 segments that the mask names fit; narrow" in refusal(segments, choice)
    else:
        assert choose(segments, choice).number == number


def test_names_that_differ_in_case_only_are_not_guessed() -> None:
    """Neither is written as asked for."""
    segments = [Segment(1, "Tumor"), Segment(2, "tumor")]
    assert "2 of the 2 segments" in refusal(segments, SegmentChoice(patterns=("TUMOR",)))


def test_segment_that_is_not_there_is_told_by_count() -> None:
    """How many there are, never their names."""
    assert "none of the 3 segments that the mask names is the one asked for" in refusal(
        NAMED, SegmentChoice(patterns=("metastasis",))
    )


def test_one_name_for_two_labels_is_told_with_the_labels() -> None:
    """The last one must not win in silence."""
    said = refusal(
        [Segment(1, "Ford"), Segment(2, "Ford"), Segment(3, "Trillian")], SegmentChoice(patterns=("Ford",))
    )
    assert said == "the name of the segment stands for the labels 1, 2 of the mask; give the label instead"


def test_label_255_is_told_when_1_was_asked_for() -> None:
    """The classic export of a binary mask; the message shows what is there."""
    said = refusal([Segment(255)], SegmentChoice(1))
    assert said == "label 1 does not occur in the mask, which holds 255; give one of these as its label"


def test_many_labels_are_listed_in_short() -> None:
    """The message stays readable."""
    said = refusal([Segment(n) for n in range(1, 31)], SegmentChoice(99))
    assert "which holds 1, 2, 3, 4, 5, 6, 7, 8 …; give" in said


def test_label_of_two_layers_is_not_guessed() -> None:
    """Each layer of 3D Slicer counts its labels anew."""
    segments = [Segment(1, "Ford", 0), Segment(1, "Trillian", 1)]
    said = refusal(segments, SegmentChoice(1))
    assert said == (
        "label 1 stands for 2 of the 2 segments of the mask, in different layers; name the segment instead"
    )
    assert choose(segments, SegmentChoice(patterns=("Trillian",))) == segments[1]


def test_label_with_two_names_is_one_label() -> None:
    """Two names of the same voxels."""
    assert choose([Segment(1, "a"), Segment(1, "b")], SegmentChoice(1)).number == 1


def test_nothing_named_takes_the_only_one() -> None:
    """A file with one label, whatever it is; or with one segment, whatever its name."""
    for tumour in (False, True):
        assert choose([Segment(255)], SegmentChoice(tumour=tumour)).number == 255
        assert choose([Segment(4, "anything")], SegmentChoice(tumour=tumour)).number == 4


def test_nothing_named_takes_label_1_for_a_tumour_only() -> None:
    """And only where the file does not call it something."""
    assert choose(PLAIN, SegmentChoice(tumour=True)).number == 1
    assert refusal(PLAIN, SegmentChoice(), "organ mask") == (
        "organ mask holds 3 labels (1, 5, 9); give one of them"
    )
    assert refusal(NAMED, SegmentChoice(tumour=True)) == (
        "mask holds 3 segments; name one, or give its label"
    )


def test_empty_file_is_told() -> None:
    """Nothing was drawn."""
    assert refusal([], SegmentChoice(1)) == "mask is empty; draw it, or remove it from the manifest"


def test_names_do_not_help_a_file_without_names() -> None:
    """Unless they are those of the study, which are for the files that have names."""
    assert refusal(PLAIN, SegmentChoice(patterns=("tumour",))) == "mask names no segments; give the label"
    assert choose(PLAIN, SegmentChoice.of(None, None, ["tumour"], tumour=True)).number == 1
    assert choose([Segment(7)], SegmentChoice.of(None, None, ["tumour"])).number == 7


def test_names_of_the_study_hold_where_there_are_names() -> None:
    """A tumour is never taken by its label alone then."""
    choice = SegmentChoice.of(None, None, ["hcc*"], tumour=True)
    assert "none of the 1 segments" in refusal([Segment(1, "liver")], choice)


def test_structure_of_totalsegmentator_becomes_its_label() -> None:
    """The study or the manifest says the task; nothing else would tell the tables apart."""
    assert choose(PLAIN, SegmentChoice(patterns=("total_mr:liver",))).number == 5
    assert choose(PLAIN, SegmentChoice.of(None, None, ["liver", "total:Liver"])).number == 5
    assert choose(PLAIN, SegmentChoice(patterns=("total:adrenal*left",))).number == 9


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("liver", "give the label, or the task of TotalSegmentator that made it, as in total_mr:liver"),
        ("total:livre", "the task has no such structure, or changed its label between releases: give the"),
        ("total:rib_left_1", "the task has no such structure, or changed its label between releases"),
        ("total:stomach", "the structure has the label 6 with TotalSegmentator, which does not occur in"),
        ("total:*", "3 of the 3 labels of the mask fit (1, 5, 9); narrow the pattern"),
        ("body:liver", "mask names no segments; give the label"),
    ],
)
def test_structure_that_is_not_clear_is_refused(pattern: str, message: str) -> None:
    """Each with what to do."""
    assert message in refusal(PLAIN, SegmentChoice(patterns=(pattern,)))


def test_cells_come_before_the_study() -> None:
    """Label, then segment, then the patterns of the study."""
    assert SegmentChoice.of(3, None, ["a"], tumour=True) == SegmentChoice(3)
    assert SegmentChoice.of(None, " Tumor* | HCC*|", ["a"]) == SegmentChoice(patterns=("Tumor*", "HCC*"))
    assert SegmentChoice.of(None, None, ["a"], tumour=True) == SegmentChoice(
        patterns=("a",), strict=False, tumour=True
    )
