"""The label tables of TotalSegmentator."""

from __future__ import annotations

import pytest

from mvi_ray.ingest.masks.classes import is_class, labels_of, split_task


# From totalsegmentator/map_to_binary.py of TotalSegmentator, releases of 2023 and of 2025.
@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("total:spleen", 1),
        ("total:liver", 5),
        ("total_mr:liver", 5),
        ("total:heart", 51),
        ("total:spinal_cord", 79),
        ("total_mr:spinal_cord", 21),
        ("total:costal_cartilages", 117),
        ("total_mr:humerus_right", 31),
        ("TOTAL:liver", None),
        ("total_mr:Portal_Vein_and_splenic_vein", 25),
    ],
)
def test_structure_has_the_label_of_its_task(name: str, label: int | None) -> None:
    """Case counts for the task, not for the structure."""
    assert labels_of(name) == (() if label is None else (label,))


@pytest.mark.parametrize("name", ["total:rib_left_1", "total_mr:femur_left", "total_mr:brain"])
def test_structure_whose_label_changed_is_left_out(name: str) -> None:
    """`total_mr` had 56 structures once, and 50 later: brain was 56, and is 50."""
    assert labels_of(name) == ()


def test_pattern_names_several() -> None:
    """In the order of the table."""
    assert labels_of("total:kidney_*") == (2, 3, 23, 24)


def test_only_known_tasks_are_split_off() -> None:
    """A colon may stand in a name."""
    assert split_task("total_mr : liver") == ("total_mr", "liver")
    assert split_task("note: liver") == (None, "note: liver")
    assert is_class("Liver")
    assert not is_class("tumour")
