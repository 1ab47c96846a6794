"""Patterns: what was put into a path comes out of it, and nothing is guessed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.errors import UsageError
from mvi_ray.ingest.proposal.pattern import FIELDS, Pattern

KNOWN = {"phase": ("AP", "PP", "MR_T1"), "reader": ("R1", "R2")}

_VALUES = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/{}*_.- \u0338"), min_size=1
)
_SEPARATORS = st.sampled_from(["_", "-", "/", ".", "/images_"])


def readings(
    pattern: str, path: str, known: dict[str, tuple[str, ...]] | None = None
) -> list[dict[str, str]]:
    """Every reading of a path."""
    return Pattern.parse(pattern).readings(path, known or {})


@given(st.data())
def test_path_that_fields_gave_is_read_back(data: st.DataObject) -> None:
    """Any fields, each once, with signs between them that the values do not hold."""
    import unicodedata

    fields = data.draw(st.lists(st.sampled_from(FIELDS), min_size=1, unique=True))
    values = {field: unicodedata.normalize("NFC", data.draw(_VALUES)) for field in fields}
    text = "{" + fields[0] + "}" + "".join(f"{data.draw(_SEPARATORS)}{{{field}}}" for field in fields[1:])
    pattern = Pattern.parse(text + ".seg.nrrd")
    assert pattern.fields == tuple(fields)
    assert pattern.readings(pattern.format(values)) == [values]


@given(
    st.text(min_size=1, alphabet="AP_R12"), st.sampled_from(KNOWN["phase"]), st.sampled_from(KNOWN["reader"])
)
def test_reading_is_among_those_found(patient: str, phase: str, reader: str) -> None:
    """Also where a value holds the separator."""
    values = {"patient": patient, "phase": phase, "reader": reader}
    pattern = Pattern.parse("{patient}_{phase}_{reader}.nrrd")
    assert values in pattern.readings(pattern.format(values), KNOWN)


def test_known_names_tell_where_a_field_ends() -> None:
    """Phases are matched against the study, not cut at a sign."""
    found = readings("{patient}_{phase}_{reader}.seg.nrrd", "STS_001_mr_t1_r1.seg.nrrd", KNOWN)
    assert found == [{"patient": "STS_001", "phase": "MR_T1", "reader": "R1"}]


def test_path_with_two_readings_has_both() -> None:
    """Whoever asks decides what to do about it."""
    found = readings("{patient}_{session}_{phase}.nrrd", "S_01_later_AP.nrrd", KNOWN)
    assert found == [
        {"patient": "S", "session": "01_later", "phase": "AP"},
        {"patient": "S_01", "session": "later", "phase": "AP"},
    ]


@pytest.mark.parametrize(
    ("pattern", "path", "patient"),
    [
        ("{patient}/*.nrrd", "P1/any thing.nrrd", "P1"),
        ("{patient}/*.nrrd", "P1/.nrrd", "P1"),
        ("{patient}/*.nrrd", "P1/sub/a.nrrd", None),
        ("**/{patient}.nrrd", "P1.nrrd", "P1"),
        ("**/{patient}.nrrd", "a/b/P1.nrrd", "P1"),
        ("{patient}/**/a.nrrd", "P1/a.nrrd", "P1"),
        ("{patient}/**/a.nrrd", "P1/x/y/a.nrrd", "P1"),
        ("{patient}/**", "P1/x/y/a.nrrd", "P1"),
        ("{patient}/{patient}.nrrd", "P1/P1.nrrd", "P1"),
        ("{patient}/{patient}.nrrd", "P1/P2.nrrd", None),
        ("./{patient}.nrrd", "P1.nrrd", "P1"),
        ("{patient}.nrrd", "P1.NRRD", None),
        ("{patient}.nrrd", ".nrrd", None),
        ("{patient}.nrrd", "P1xnrrd", None),
        ("[{patient}]+(a).nrrd", "[P1]+(a).nrrd", "P1"),
        ("{patient}/dicom/", "P1/dicom/", "P1"),
        ("{patient}.nrrd", "P\n1.nrrd", None),
        ("Mu\u0308ller/{patient}.nrrd", "M\u00fcller/P1.nrrd", "P1"),
    ],
)
def test_wildcards_and_plain_text(pattern: str, path: str, patient: str | None) -> None:
    """`*` stays within a name, `**` crosses folders, everything else is itself."""
    assert readings(pattern, path) == ([] if patient is None else [{"patient": patient}])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{patient}_{phas}.nrrd", "the field 'phas' .did you mean 'phase'.*; fields are patient, phase"),
        ("{patient", "is no pattern; write fields in braces"),
        ("patient}", "is no pattern"),
        ("{}", "the field ''"),
        ("", "is no pattern"),
        ("../{patient}.nrrd", "leaves the folder that is scanned; write it relative"),
        ("a/../../{patient}.nrrd", "leaves the folder"),
        ("/data/{patient}.nrrd", "leaves the folder"),
    ],
)
def test_text_that_is_no_pattern_is_told(pattern: str, message: str) -> None:
    """With the way out."""
    with pytest.raises(UsageError, match=message):
        Pattern.parse(pattern)


def test_many_wildcards_take_no_time() -> None:
    """A pattern that fits in a million ways is read once."""
    start = time.perf_counter()
    assert readings("*a*a*a*a*a*a*{patient}.nrrd", "a" * 80 + ".nrrd") != []
    assert readings("*a*a*a*a*a*a*{patient}.nrr", "a" * 80 + ".nrrd") == []
    assert time.perf_counter() - start < 5
