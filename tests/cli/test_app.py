"""Commands: exit codes, streams, and how light they start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

_HEAVY = {"ray", "torch", "SimpleITK", "radiomics", "matplotlib", "sklearn", "scipy", "deltalake"}
_LOADED = """
import atexit, sys
def tell():
    print("LOADED", *sorted({name.split(".")[0] for name in sys.modules}), file=sys.stderr)
atexit.register(tell)
sys.argv[0] = "mvi"
from mvi_ray.cli import main
main()
"""


@pytest.fixture
def mvi(tmp_path):
    """Run the installed command in an empty directory."""

    def run(*args, script=None, cwd=tmp_path, **env):
        command = [sys.executable, "-c", script] if script else [str(Path(sys.executable).with_name("mvi"))]
        surroundings = {k: v for k, v in os.environ.items() if not k.startswith(("MVI_", "RAY_", "COLUMNS"))}
        return subprocess.run(
            [*command, *map(str, args)],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            cwd=cwd,
            env={**surroundings, **env},
        )

    return run


def _one_line(done, code):
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    return done.stderr


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["extract", "--help"]])
def test_help_loads_nothing_heavy(mvi, args):
    """It is asked for often, on laptops."""
    done = mvi(*args, script=_LOADED)
    assert done.returncode == 0
    assert not _HEAVY & set(done.stderr.split("LOADED")[1].split())


def test_a_query_loads_nothing_heavy(mvi, extracted):
    """DuckDB and Arrow are all that it needs."""
    extracted.open().refresh()
    done = mvi("-C", extracted.folder, "sql", "SELECT count(*) AS n FROM cr", "-f", "json", script=_LOADED)
    assert json.loads(done.stdout) == [{"n": 16}]
    assert not _HEAVY & set(done.stderr.split("LOADED")[1].split())


def test_cli_py_is_the_same_command():
    """For `ray job submit` from a checkout."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "--help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("init", "ingest", "extract", "status", "sql", "train", "demo"):
        assert command in done.stdout


def test_init_writes_a_study_and_refuses_to_overwrite_it(mvi_inside, tmp_path):
    """The second call is wrong usage and changes nothing."""
    assert mvi_inside("init", "liver", "--phases", "AP,HBP").returncode == 0
    study = tmp_path / "liver" / "study.yaml"
    study.write_text(study.read_text() + "# mine\n")
    assert "study.yaml is there already" in _one_line(mvi_inside("init", "liver"), 2)
    assert study.read_text().endswith("# mine\n")


def test_init_refuses_what_is_no_phase(mvi_inside, tmp_path):
    """In words of its own, and makes no directory."""
    line = _one_line(mvi_inside("init", "liver", "--phases", "1"), 2)
    assert "'1' is not a name: start with a letter" in line
    assert line.endswith("phases are names such as AP,PP,HBP\n")
    assert not (tmp_path / "liver").exists()


def test_without_a_project_the_error_says_how_to_make_one(mvi_inside):
    """One line, exit code 1, no traceback."""
    for command in (["status"], ["sql", "SELECT 1"], ["extract"], ["-C", "absent", "status"]):
        assert "run `mvi init`, or name the project with -C" in _one_line(mvi_inside(*command), 1)


def test_wrong_usage_is_exit_code_two(mvi_inside, tiny):
    """Unknown options and families, values out of range, missing arguments."""
    for args in (["status", "--nope"], ["extract", "--cpus", "0"], ["sql"], ["frobnicate"]):
        done = mvi_inside("-C", tiny.folder, *args)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
    assert "the study has no family 'MRI'" in _one_line(
        mvi_inside("-C", tiny.folder, "extract", "--family", "MRI"), 2
    )
    assert "give a manifest" in _one_line(mvi_inside("-C", tiny.folder, "ingest"), 2)


def test_the_project_is_named_by_flag_or_variable_or_found_above(mvi_inside, extracted):
    """The flag is stronger than the variable."""
    query = ["sql", "SELECT count(*) AS n FROM cr", "-f", "csv"]
    below = extracted.folder / "runs" / "one"
    below.mkdir(parents=True)
    for done in (
        mvi_inside("-C", extracted.folder, *query),
        mvi_inside(*query, MVI_PROJECT=str(extracted.folder)),
        mvi_inside("-C", extracted.folder, *query, MVI_PROJECT="/absent"),
        mvi_inside(*query, cwd=below),
    ):
        assert (done.returncode, done.stdout, done.stderr) == (0, '"n"\n16\n', "")


def test_errors_of_sql_are_ours(mvi_inside, extracted):
    """Exit code 1, and no traceback, also for a statement that writes."""
    for query in ("SELECT nope FROM cr", "DROP VIEW cr", "COPY (SELECT 1) TO 'x.csv'", "SELEC"):
        done = mvi_inside("-C", extracted.folder, "sql", query)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: ")
        assert "Traceback" not in done.stderr


def test_a_query_comes_from_standard_input_too(extracted):
    """With `-` in its place."""
    command = [
        str(Path(sys.executable).with_name("mvi")),
        "-C",
        str(extracted.folder),
        "sql",
        "-",
        "-f",
        "csv",
    ]
    done = subprocess.run(
        command, input="SELECT 7 AS n\n", capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == '"n"\n7\n'


def test_status_is_one_json_object(mvi_inside, extracted):
    """With the words of the table."""
    done = mvi_inside("-C", extracted.folder, "status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["patients"], found["synthetic"], found["trial_weights"]) == (2, True, True)


def test_ingest_with_a_problem_is_exit_code_three(mvi_inside, tiny):
    """The good case is stored, the bad one is in the one JSON object."""
    tiny.write_case("P1", "AP")
    tiny.write_case("P1", "PP", radius=0.1)
    manifest = tiny.write_manifest([("P1", "AP"), ("P1", "PP")])
    done = mvi_inside("-C", tiny.folder, "ingest", manifest, "--json")
    assert done.returncode == 3
    assert {json.loads(line)["event"] for line in done.stderr.splitlines()} == {"progress"}
    assert json.loads(done.stdout)["left_out"] == 1
    text = mvi_inside("-C", tiny.folder, "ingest", manifest)
    assert text.returncode == 3
    assert "1 left out: correct them and run the same command again." in text.stdout
    assert "mask is a single voxel" in " ".join(text.stdout.split())


def test_a_manifest_that_is_not_there_is_one_line(mvi_inside, tiny):
    """Wrong usage, as a folder that is not there; before anything is written."""
    for args in (["absent.csv"], ["--clinical", "absent.csv"], ["--dicom", "absent", "--trust-ids"]):
        _one_line(mvi_inside("-C", tiny.folder, "ingest", *args), 2)
    assert not (tiny.folder / "store").exists()


def test_nothing_to_extract_is_exit_code_zero(mvi, extracted):
    """Without starting Ray."""
    done = mvi("-C", extracted.folder, "extract", "--json", script=_LOADED)
    assert done.returncode == 0
    assert json.loads(done.stdout)["planned"] == 0
    assert "ray" not in done.stderr.split("LOADED")[1].split()
