"""The matcher: whole tokens, however they are escaped, and values at any offset."""

from __future__ import annotations

import base64
import html
import json
import unicodedata
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.store.search.matcher import Matcher, is_text
from mvi_ray.store.search.needles import Needles, is_distinctive

_DIGEST = "0123456789abcdef" * 4
_VALUE = 0.7390851332151607


def _count(text, data, *, others=(), what="pseudonym"):
    data = data if isinstance(data, bytes) else data.encode()
    return Matcher(Needles.of([text], others=others)).in_bytes(data, is_text=is_text(data))[what]


@pytest.mark.parametrize("text", ["P10", "P1x", "xP1", "P1é", "éP1", "0P1", "p1", "P 1"])
def test_a_letter_or_digit_beside_it_makes_another_token(text):
    """P1 is not P10."""
    assert _count("P1", f"patient {text} was seen") == 0


@pytest.mark.parametrize(
    "text",
    ["P1", "P1-AP.png", "P1_AP", "(P1)", "x/P1/y", '"P1"', "é P1: mask", "P1\n", "id=P1&x", "P1.gz"],
)
def test_anything_else_ends_a_token(text):
    """Also the signs that join a pseudonym to the name of a phase."""
    assert _count("P1", text) == 1


@pytest.mark.parametrize(
    ("text", "other", "holds"),
    [
        ("P1", "P1-2", "P1-2 P1-2_AP O P1-2"),
        ("Neil", "O'Neil", "O'Neil O&#x27;Neil O''Neil O%27Neil"),
        ("P1", "é P1", '"\\u00e9 P1"'),
    ],
)
def test_a_patient_who_stays_is_not_the_one_whose_name_it_holds(text, other, holds):
    """It is only known as another one when it is named."""
    assert _count(text, holds, others=[other]) == 0
    assert _count(text, holds) > 0
    assert _count(text, f"{holds} {text}", others=[other]) == 1


def test_a_longer_unknown_token_hides_nothing():
    """P1-25 begins as P1-2 does, but is neither P1-2 nor known."""
    assert _count("P1", "P1-25", others=["P1-2"]) == 1


_NAMES = ["O'Neil", "Ä 7", "P-1", 'a"b\\c', "<A&B> 1", "Łukasz/ź", "𝔘 5", "a b c", "50%20", "ÄÖ", "((x", "-7"]


@pytest.mark.parametrize("text", _NAMES)
@pytest.mark.parametrize(
    "written",
    [
        lambda text: text,
        lambda text: json.dumps({"patient_id": text}),
        lambda text: json.dumps({"stats": json.dumps({"min": text})}),
        lambda text: json.dumps(json.dumps(json.dumps([text]))),
        lambda text: json.dumps(f"lost:\n{text}\tAP"),
        lambda text: f"patient={quote(text, safe='')}/x",
        lambda text: f"path%3D{quote(quote(text, safe=''))}",
        lambda text: f"<td>{html.escape(text)}</td>",
        lambda text: f"<td>{html.escape(text).replace('&#x27;', '&#39;')}</td>",
        lambda text: "patient_id IN ('" + text.replace("'", "''") + "')",
        lambda text: json.dumps({"predicate": "id = '" + text.replace("'", "''") + "'"}),
        lambda text: unicodedata.normalize("NFD", f"({text})"),
    ],
)
def test_a_pseudonym_is_found_however_a_text_escapes_it(text, written):
    """JSON within JSON, URL, HTML, SQL, and letters with their accents apart."""
    assert _count(text, written(text)) == 1


def test_a_text_in_an_old_encoding_is_read_as_well():
    """A clinical table saved by a spreadsheet."""
    assert _count("Ä 7", "id;age\nÄ 7;61\n".encode("latin-1")) == 1
    assert _count("P1", "Name;é\nP1;2\n".encode("latin-1")) == 1


def test_a_drawing_inside_a_page_is_searched():
    """It is packed as base64."""
    drawing = base64.b64encode(b"<svg><text>patient P1</text></svg>").decode()
    assert _count("P1", f'<img src="data:image/svg+xml;base64,{drawing}">') == 1
    assert _count("P2", f'<img src="data:image/svg+xml;base64,{drawing}">') == 0


def test_packed_letters_are_no_tokens():
    """In base64 two letters stand between two signs by chance."""
    assert _count("P1", f"data:image/png;base64,{'A' * 40}/P1+{'B' * 40}") == 0


def test_short_texts_are_not_looked_for_in_binary_bytes():
    """There four bytes stand by chance; five count."""
    assert _count("LIV1", b"\0\0LIV1\0\0") == 0
    assert _count("LIV10", b"\0\0LIV10\0\0") == 1
    assert _count("LIV10", b"\0\0LIV101\0\0") == 0
    assert _count("Ä 7-é", b"\xff\0" + "Ä 7-é".encode() + b"\0") == 1
    assert _count("é P10", b"\0\0" + "é P10".encode() + b"\0", others=["é P10"]) == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"patient_id": "17"}',
        json.dumps({"stats": json.dumps({"minValues": {"patient_id": "17", "lesion": "1"}})}),
        "patient_id = '17'",
        "patient_id IN ('3', '17')",
        "tables/patient=17/part-0",
        "patient: 17",
    ],
)
def test_a_number_is_a_pseudonym_where_a_patient_is_meant(text):
    """The key in front of it says so."""
    assert _count("17", text) == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"patient_id": "3", "lesion": "17"}',
        "17 files",
        '{"patient_mean": 3.17}',
        '{"patient_mean": 17.5}',
        '{"patient_id": "170"}',
        "<td>17</td>",
    ],
)
def test_a_number_elsewhere_is_a_number(text):
    """Counts, sizes and lesions are everywhere."""
    assert _count("17", text) == 0


def test_a_long_number_is_a_text_like_others():
    """But not a part of a number."""
    assert _count("123456789", "case 123456789") == 1
    assert _count("123456789", "0.123456789 123456789.5") == 0


def test_what_statistics_keep_of_a_very_long_pseudonym_is_found():
    """Delta cuts bounds after 64 bytes."""
    assert _count("é" * 50, json.dumps({"min": "é" * 32})) == 1
    assert _count("é" * 50, json.dumps({"min": "é" * 31})) == 0


@pytest.mark.parametrize("around", ["{}", "x{}y", "a:{}", "0{}0"])
def test_a_digest_needs_no_ends(around):
    """Strings of a column may lie side by side without a gap."""
    data = around.format(_DIGEST)
    for bytes_ in (data.encode(), b"\0" * 5 + data.encode() + b"\xff"):
        assert _count(_DIGEST, bytes_, what="digest") == 1
    assert _count(_DIGEST, around.format(_DIGEST[::-1]), what="digest") == 0


def test_a_short_digest_is_found_beside_long_ones():
    """Messages show the first twelve digits."""
    matcher = Matcher(Needles.of(["P1", _DIGEST, _DIGEST[:12]]))
    assert matcher.in_bytes(f"stored volume {_DIGEST[:12]} is missing".encode(), is_text=True)["digest"] == 1


@given(
    st.lists(st.text("0123456789abcdef", min_size=12, max_size=64), min_size=1, max_size=9, unique=True),
    st.lists(st.sampled_from(["", "0", "ab", "123", "\xff" * 7, "f" * 12]), max_size=3),
    st.data(),
)
def test_digests_are_counted_wherever_they_stand(digests, around, data):
    """One or many, short or long, at any offset, and cut off at neither end."""
    held = data.draw(st.lists(st.sampled_from([*digests, *(d[:-1] for d in digests)]), max_size=4))
    content = "".join(data.draw(st.permutations([*held, *around]))).encode("latin-1")
    found = Matcher(Needles.of(["P1", *digests])).in_bytes(content, is_text=False)["digest"]
    assert found == sum(content.count(digest.encode()) for digest in digests)


_VALUES = st.floats(allow_nan=False, allow_infinity=False).filter(is_distinctive)


@given(st.lists(_VALUES, min_size=1, max_size=4), st.binary(max_size=40), st.binary(max_size=40))
def test_a_value_is_found_at_any_offset(values, before, after):
    """Little-endian, with whatever bytes around it."""
    for value in values:
        data = before + np.float64(value).tobytes() + after
        assert Matcher(Needles.of(["P1"], values)).in_bytes(data, is_text=False)["value"] >= 1


@given(_VALUES, st.binary(max_size=200))
def test_bytes_without_the_value_hold_none(value, data):
    """Compared with a search one offset after the other."""
    found = Matcher(Needles.of(["P1"], [value])).in_bytes(data, is_text=False)["value"]
    assert found == data.count(np.float64(value).tobytes())


@given(_VALUES.filter(lambda value: 1e-30 < abs(value) < 1e30), st.integers(12, 17))
def test_a_written_value_is_found_with_twelve_digits_or_more(value, digits):
    """Rounded as a program may print it, unless that leaves it with trailing zeros."""
    matcher = Matcher(Needles.of(["P1"], [value]))
    assert matcher.in_bytes(f"x,{value!r};".encode(), is_text=True)["value"] == 1
    written = f"{value:.{digits - 1}e}"
    mantissa = written.partition("e")[0]
    if not mantissa.endswith("0"):
        assert matcher.in_bytes(f"[{written}]".encode(), is_text=True)["value"] == 1


@pytest.mark.parametrize(
    "text", ["0.73908513321", "0.739085133216", "0.73908513321517", "1.2.3.4.5.6.7.8.9", "1234567890123e999"]
)
def test_another_number_is_no_trace(text):
    """Fewer digits, or other ones."""
    assert Matcher(Needles.of(["P1"], [_VALUE])).in_bytes(text.encode(), is_text=True)["value"] == 0


def test_an_embedding_is_found_by_neighbours_only():
    """One float32 is shared by chance; two in this order are not."""
    embedding = np.random.default_rng(0).random(512, np.float32)
    matcher = Matcher(Needles.of(["P1"], floats=embedding))
    numbers = matcher.numbers
    assert matcher.in_bytes(b"\0" + embedding.tobytes(), is_text=False)["value"] == 511
    assert numbers.in_array(embedding[100:103].astype(np.float64)) == 2
    assert numbers.in_array(embedding[::2].astype(np.float64)) == 0
    assert matcher.in_bytes(embedding[::-1].tobytes(), is_text=False)["value"] == 0


def test_nothing_is_found_without_needles():
    """An empty set is a set."""
    matcher = Matcher(Needles(()))
    assert not any(matcher.in_bytes(bytes(range(256)) * 10, is_text=False).values())
    assert not any(matcher.in_bytes(b"P1 0.7390851332151607", is_text=True).values())


def test_a_pseudonym_of_many_parts_is_found_among_its_like():
    """A UID in 400 kB of numbers and dots; looking for all of its parts at once would not end."""
    rng = np.random.default_rng(1)
    parts = rng.choice(["1", "2", "840", "55", "113619", "2831868886"], 60_000)
    others = ".".join(parts)
    uid = "1.2.840.113619.2.55.3.2831868886.123.1234567890.467"
    assert _count(uid, f'{others} {{"patient": "{uid}"}} {others}') == 1
    assert _count(uid, others) == 0


def _word_count(text, data, column=""):
    matcher = Matcher(Needles(("AP",), words=("AP",)))
    if column:
        return matcher.in_cells([text], [3], column)["pseudonym"]
    return matcher.in_bytes((text if data is None else data).encode(), is_text=True)["pseudonym"]


@pytest.mark.parametrize(
    "text",
    [
        '{"patient_id": "AP", "phase": "PP"}',
        json.dumps({"add": json.dumps({"minValues": {"patient_id": "AP"}})}),
        "patient_id = 'AP' AND phase = 'PP'",
        "patient_id IN ('P1', 'AP')",
        "tables/patient_id=AP/part",
    ],
)
def test_word_of_the_study_is_found_where_it_is_a_patient(text):
    """However a program writes it."""
    assert _word_count(text, None) == 1


@pytest.mark.parametrize(
    "text",
    [
        "phases: [AP, PP]",
        '{"n_patients": 20, "AP": 5, "AP_intratumoral_x": 0.5}',
        "WHERE m.patient_id = AP.patient_id AND AP.phase = i.phase",
        "patient_id IN (AP SELECT)",
        '(m.patient_id = i.patient_id) AND (m."AP" = 1)',
        "one screened patient: AP, or another",
        "phase=AP/part",
        "AP is a phase",
    ],
)
def test_word_of_the_study_is_no_trace_elsewhere(text):
    """It stands in SQL, in names of features and in settings."""
    assert _word_count(text, None) == 0


def test_word_of_the_study_counts_in_columns_of_patients():
    """Those of phases hold it as well."""
    assert (_word_count("AP", None, "patient_id"), _word_count("AP", None, "phase")) == (3, 0)
    matcher = Matcher(Needles(("AP",), words=("AP",)))
    names = ("AP.png", "AP", "phase=AP")
    assert [matcher.in_name(name)["pseudonym"] for name in names] == [1, 0, 0]
