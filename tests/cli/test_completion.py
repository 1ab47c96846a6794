"""What Tab offers, and where."""

from __future__ import annotations

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from mvi_ray.cli.completion import SqlCompleter
from mvi_ray.cli.names import Names

_NAMES = Names(
    views={"cr": "", "clinical": "", "features": ""},
    columns={
        "cr": {"patient_id": "VARCHAR", "glcm_Contrast": "DOUBLE"},
        "clinical": {"patient_id": "VARCHAR", "age": "DOUBLE", "AFP (ng)": "DOUBLE"},
        "features": {"feature": "VARCHAR"},
    },
    features=["AP_tumour_original_glcm_Contrast", "PP_tumour_original_glcm_Contrast", "glcm_first"],
)


def _offered(before, after=""):
    completer = SqlCompleter(
        _NAMES, {".columns": "view", ".format": "format", ".output": "file"}, ["csv", "json"]
    )
    document = Document(before + after, len(before))
    return [
        before[: len(before) + c.start_position] + c.text
        for c in completer.get_completions(document, CompleteEvent())
    ]


@pytest.mark.parametrize(
    ("before", "after", "offered"),
    [
        ("SELECT glcm", " FROM cr", ["SELECT glcm_Contrast"]),
        ("SELECT glcm", "", []),
        ("SEL", "", ["SELECT"]),
        ("sel", "", ["select"]),
        ("FROM c", "", ["FROM cr", "FROM clinical"]),
        ("SELECT * FROM ", "", ["SELECT * FROM cr", "SELECT * FROM clinical", "SELECT * FROM features"]),
        ("SELECT cr.gl", " FROM cr", ["SELECT cr.glcm_Contrast"]),
        ("SELECT c.A", " FROM clinical AS c", ["SELECT c.age", 'SELECT c."AFP (ng)"']),
        ("SELECT k.A", " FROM clinical k", ["SELECT k.age", 'SELECT k."AFP (ng)"']),
        ("SELECT x.a", " FROM clinical", []),
        ('SELECT "AF', " FROM clinical", ['SELECT "AFP (ng)"']),
        ("SELECT 1.", " FROM cr", []),
    ],
)
def test_sql_is_completed_from_the_views_it_names(before, after, offered):
    """Also by views that stand behind the cursor; a name that needs quotes gets them."""
    assert _offered(before, after) == offered


def test_features_are_found_by_any_part_of_their_name():
    """In quotes only; those that begin with it come first."""
    assert _offered("WHERE feature = 'glcm") == [
        "WHERE feature = 'glcm_first",
        "WHERE feature = 'AP_tumour_original_glcm_Contrast",
        "WHERE feature = 'PP_tumour_original_glcm_Contrast",
    ]
    assert _offered("WHERE feature IN ('x', 'pp_") == [
        "WHERE feature IN ('x', 'PP_tumour_original_glcm_Contrast"
    ]
    assert _offered("WHERE feature = 'AP_tumour' AND sel") == ["WHERE feature = 'AP_tumour' AND select"]


@pytest.mark.parametrize("before", ["SELECT 1 -- sel", "/* sel"])
def test_comments_are_left_alone(before):
    """They are prose."""
    assert _offered(before, " FROM cr") == []


def test_dot_commands_and_what_they_take(tmp_path):
    """Views, formats, files."""
    (tmp_path / "result.csv").touch()
    assert _offered(".o") == [".output"]
    assert _offered(".columns cl") == [".columns clinical"]
    assert _offered(".format ") == [".format csv", ".format json"]
    assert _offered(f".output {tmp_path}/res") == [f".output {tmp_path}/result.csv"]
    assert _offered(".nope ") == []
