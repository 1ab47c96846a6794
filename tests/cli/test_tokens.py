"""Where a statement ends, and what a text's end stands in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.cli.tokens import is_complete, open_end, statements


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1;",
        "SELECT 1 ; \n",
        "SELECT ';';",
        "SELECT 1; -- why",
        "SELECT 'é—';",
        "SELEC;",
        "SELECT $$;$$;",
    ],
)
def test_a_last_semicolon_ends_a_statement(text):
    """Also of one that is wrong, and before a comment."""
    assert is_complete(text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "SELECT 'a;",
        'SELECT "a;',
        "SELECT 1 -- ;",
        "/* ;",
        "SELECT 1; /* x",
        "SELECT $$;",
        "SELECT 1; SELECT",
    ],
)
def test_a_semicolon_in_quotes_or_comments_ends_nothing(text):
    """Nor one with something behind it."""
    assert not is_complete(text)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("SELECT 'glcm_", ("'", "glcm_")),
        ("SELECT 'ü', \"cli", ('"', "cli")),
        ("SELECT 'O''N", ("'", "O''N")),
        ("SELECT 1 -- it's", ("--", " it's")),
        ("SELECT /* 'a", ("/*", " 'a")),
        ("SELECT 'a' /* b */ -- c\n", ("", "")),
        ("", ("", "")),
    ],
)
def test_the_open_end_of_a_text(text, end):
    """Which decides what can be completed there."""
    assert open_end(text) == end


@given(st.text(st.sampled_from("aé😀'\"$-/*;. \n\x00"), max_size=12))
def test_no_text_is_too_odd(text):
    """Every key press asks."""
    assert is_complete(text) in (True, False)
    assert open_end(text)[1] in text


def test_statements_are_split_where_duckdb_splits_them():
    """A semicolon in quotes is no end; what cannot be parsed stays whole."""
    assert statements("SELECT ';'; SELECT 2;") == ["SELECT ';';", "SELECT 2;"]
    assert statements("SELEC 1; SELECT 2;") == ["SELEC 1; SELECT 2;"]
    assert statements("-- nothing") == []
