"""The page `docs/querying.md`: what it prints is what DuckDB answers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mvi_ray.extract.cr import cr_feature_sets
from mvi_ray.features import CR_FEATURES
from mvi_ray.stats.icc import icc
from mvi_ray.stats.shift import shift
from tests.docs import made_up_store
from tests.docs.page import PAGE, Question, ask_command_line, catalog_of, draw, questions

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.store.store import Store

_TEXT = PAGE.read_text(encoding="utf-8")
_QUESTIONS = questions(_TEXT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project directory whose store has made-up values."""
    return tmp_path_factory.mktemp("made up")


@pytest.fixture(scope="module")
def store(folder: Path, commented: None) -> Store:
    """The store of the page."""
    return made_up_store.build(folder / "store")


def _named(title: str) -> Question:
    """The first query below a heading."""
    section = _TEXT.split(f"## {title}\n")[1]
    return questions(section)[0]


def _unrounded(sql: str) -> str:
    """The query with every digit, and all of its rows."""
    before, rounded = sql.split("round(")
    depths = accumulate({"(": 1, ")": -1}.get(letter, 0) for letter in rounded)
    end = next(at for at, depth in enumerate(depths) if depth < 0)
    value, _ = rounded[:end].rsplit(",", 1)
    return re.sub(r"^LIMIT \d+;", ";", f"{before}({value}){rounded[end + 1 :]}", flags=re.MULTILINE)


def test_every_query_of_the_page_has_an_output():
    """No query escapes the comparison because its blocks are written otherwise."""
    assert len(_QUESTIONS) == _TEXT.count("```sql") >= 12
    assert all(one.output for one in _QUESTIONS)


def test_outputs_are_not_cut():
    """Every value is printed whole, and fits on a screen."""
    for one in _QUESTIONS:
        assert "…" not in one.output
        assert max(map(len, one.output.splitlines())) <= 125


@pytest.mark.parametrize("number", range(len(_QUESTIONS)))
def test_plain_duckdb_draws_what_the_page_prints(store, folder, number):
    """In a fresh process, with no extension and nothing of this package."""
    question = _QUESTIONS[number]
    drawn = draw(catalog_of(store, question, folder), question.sql)
    assert drawn == question.output, "`python -m tests.docs.page` prints the page anew"


@pytest.mark.parametrize("number", range(len(_QUESTIONS)))
def test_another_duckdb_answers_the_same(store, folder, number):
    """An older or newer command line gives the values of the page."""
    program = os.environ.get("MVI_TEST_DUCKDB_CLI")
    if program is None:
        pytest.skip("set MVI_TEST_DUCKDB_CLI to a command line of DuckDB 1.0 or later")
    question = _QUESTIONS[number]
    assert ask_command_line(program, catalog_of(store, question, folder), question.sql) == question.cells


def test_agreement_in_sql_is_that_of_the_statistics_room(store):
    """The query's ICC of every feature equals `mvi_ray.stats.icc` to nine digits."""
    asked = store.query(_unrounded(_named("Which features do two readers reproduce best?").sql)).to_pylist()
    columns = ", ".join(f"{name} AS f{at}" for at, name in enumerate(CR_FEATURES))
    rows = store.query(
        f"SELECT patient_id, reader, {columns} FROM cr_all "  # noqa: S608 - names of this package
        "WHERE phase = 'AP' AND region = 'intratumoral' AND image_type = 'original' "
        "AND session = 'baseline' AND feature_set_id = ? ORDER BY patient_id, reader",
        [made_up_store.CR_SETS["original"].id],
    ).to_pandas()
    values = rows.iloc[:, 2:].to_numpy().reshape(12, 2, len(CR_FEATURES))
    expected = dict(zip(CR_FEATURES, icc(values).value, strict=True))
    assert {row["feature"] for row in asked} == set(CR_FEATURES)
    for row in asked:
        assert row["n"] == 12
        assert row["icc"] == pytest.approx(expected[row["feature"]], abs=1e-9)


def test_shift_in_sql_is_that_of_the_statistics_room(store):
    """The query's standardized difference of every feature equals `mvi_ray.stats.shift`."""
    asked = store.query(_unrounded(_named("Which features differ most between the centres?").sql)).to_pylist()
    rows = store.query(
        "SELECT centre, feature, list(value) AS v FROM features JOIN patients USING (patient_id) "
        "WHERE family = 'CR' AND session = 'baseline' GROUP BY ALL"
    ).to_pylist()
    groups = {(row["centre"], row["feature"]): np.array(row["v"])[:, None] for row in rows}
    # Three phases, two regions; shape belongs to one of the two image types.
    assert len(asked) == 6 * (2 * len(CR_FEATURES) - 14)
    constant = 0
    for row in asked:
        name = row["feature"]
        expected = shift(groups["A", name], groups["B", name]).standardized_difference[0]
        if row["difference"] is None:  # constant in both: no deviation to measure in
            constant += 1
            assert expected == 0
        else:
            assert row["difference"] == pytest.approx(expected, abs=1e-9)
    assert constant == 18


def test_settings_are_those_that_extraction_writes(written):
    """The made-up feature sets have the keys of real ones, so the page's JSON paths lead somewhere."""
    real = cr_feature_sets(written.project.study, "AP")["original"]
    made = made_up_store.CR_SETS["original"]
    assert set(made.settings) == set(real.settings)
    assert set(made.settings["versions"]) == set(real.settings["versions"])


def test_the_python_example_runs(store, folder):
    """As it stands on the page, in the project directory."""
    (example,) = re.findall(r"^```python\n(.*?)^```", _TEXT, re.DOTALL | re.MULTILINE)
    ran = subprocess.run(
        [sys.executable, "-c", example], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    assert re.search(r"no image +│ +4 ", ran.stdout)


def test_the_command_line_examples_run(store, folder):
    """As they stand on the page, with the command line that MVI_TEST_DUCKDB_CLI names."""
    program = os.environ.get("MVI_TEST_DUCKDB_CLI")
    if program is None:
        pytest.skip("set MVI_TEST_DUCKDB_CLI to a command line of DuckDB 1.0 or later")
    (example,) = re.findall(r"^```bash\n(.*?)^```", _TEXT, re.DOTALL | re.MULTILINE)
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "duckdb").unlink(missing_ok=True)
    (folder / "bin" / "duckdb").symlink_to(shutil.which(program) or program)
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    ran = subprocess.run(
        ["bash", "-ec", example], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert "quarantine" in ran.stdout
    assert len((folder / "P03.csv").read_text().splitlines()) > 2 * 6 * (2 * len(CR_FEATURES) - 14)
