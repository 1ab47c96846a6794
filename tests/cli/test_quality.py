"""`mvi features` and `mvi drift`: what they print, and their exit codes."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from mvi_ray.cli import quality
from mvi_ray.cli.app import app

_LOADED = """
import atexit, sys
def tell():
    print("LOADED", *sorted({name.split(".")[0] for name in sys.modules}), file=sys.stderr)
atexit.register(tell)
sys.argv[0] = "mvi"
from mvi_ray.cli import main
main()
"""
BETWEEN = ["--between", "centre = 'A'", "centre = 'B'"]
CONTRAST = "AP_intratumoral_original_glcm_Contrast"


def _strict(text):
    def refuse(name):
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def folder(written):
    """Eight patients of two centres; one value is NaN, one differs completely."""
    rng = np.random.default_rng(3)
    for number in range(8):
        written.voi(f"P{number}", "AP", "intratumoral")
    for row in written._rows["dlr"]:
        row["trial_weights"] = True
    for number, row in enumerate(written._rows["cr"]):
        for name, value in row.items():
            if isinstance(value, float):
                row[name] = float(rng.normal())
        row["glcm_Id"] = math.nan if number < 4 else 1.0 * number
        row["glcm_Contrast"] = 1.0 if row["patient_id"] < "P4" else 2.0
    written.clinical([{"patient_id": f"P{n}", "centre": "AAAABBBB"[n], "mvi": 0} for n in range(8)])
    written.project.settle("extract")
    return written.project.folder


@pytest.fixture
def mvi(folder, capsys):
    """Run a command in this process; returns stdout."""

    def run(*args):
        app(["-C", str(folder), *map(str, args)], standalone_mode=False)
        return capsys.readouterr().out

    return run


def test_without_a_pattern_features_are_summed_up(mvi):
    """By family and class, with what there is no ICC for, and how to see more."""
    text = mvi("features")
    lines = [line.split() for line in text.splitlines()]
    # One phase, one region, two image types; glcm_Id is missing in half of the VOIs of `original`.
    assert ["CR", "glcm", "48", "8", "0", "%"] in [line[:6] for line in lines]
    assert ["DLR", "embedding", "512", "8", "0", "%"] in [line[:6] for line in lines]
    assert "No ICC: the study compares no readers (readers.compare)." in text
    assert "centres A (4), B (4)" in text
    assert "See more: mvi features '*_glcm_*'" in text
    assert "SYNTHETIC cohort" in text
    assert "Trial weights" in text


def test_a_pattern_lists_features(mvi):
    """Numbers in columns, flags only where there are some, and how many were left out."""
    text = mvi("features", "*original_glcm*", "--limit", "2", "--sort", "missing")
    rows = [line for line in text.splitlines() if line.startswith("AP_")]
    assert len(rows) == 2
    assert "25 %" in text or "25.0 %" in text
    assert "missing" in rows[0]
    assert "… 22 more; --limit shows more, --output FILE.csv writes all." in text
    assert "No feature is flagged." in mvi("features", "*original_ngtdm*", "--flagged")


def test_one_feature_has_its_definition_and_a_histogram(mvi):
    """Bars as long as their counts."""
    text = mvi("features", CONTRAST)
    assert "Unit: grey levels2. IBSI: ACUI." in text
    assert text.count("█" * 40 + " 4") == 2


def test_json_is_valid_and_whole(mvi):
    """NaN and infinity are null; nothing is cut without --limit."""
    found = _strict(mvi("features", "*original*", "--json"))
    assert (found["synthetic"], found["centres"], len(found["features"])) == (True, {"A": 4, "B": 4}, 107)
    assert found["detail"] is None
    drift = _strict(mvi("drift", *BETWEEN, "*_original_*", "--json"))
    assert (drift["tested"], len(drift["features"])) == (107, 107)
    assert drift["groups"][0] == {"condition": "centre = 'A'", "patients": 4}
    first = drift["features"][0]
    assert (first["feature"], first["ks"], first["standardized_difference"]) == (CONTRAST, 1, None)
    assert len(_strict(mvi("drift", *BETWEEN, "--limit", "3", "--json"))["features"]) == 3


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_a_file_holds_every_feature(mvi, tmp_path, ending):
    """The terminal says where it is."""
    for command in (["features", "*_original_*"], ["drift", *BETWEEN, "*_original_*"]):
        file = tmp_path / f"{command[0]}.{ending}"
        assert f"Wrote 107 features to {file}." in mvi(*command, "--output", file)
        if ending == "parquet":
            assert pq.read_table(file).num_rows == 107
        elif ending == "json":
            assert len(_strict(file.read_text())) == 107
        else:
            assert len(file.read_text().splitlines()) == 108


def test_drift_says_what_chance_does(mvi, tmp_path):
    """The most shifted first, q beside p, and features that have flags."""
    figure = tmp_path / "drift.svg"
    text = mvi("drift", *BETWEEN, "*_original_*", "--limit", "1", "--figure", figure)
    rows = [line for line in text.splitlines() if line.startswith("AP_")]
    assert len(rows) == 1
    assert "inf" in rows[0]
    assert "about 5 have p < 0.05 by chance alone: read q, not p." in text
    assert "A: centre = 'A' (4 patients)" in text
    assert "0 constant, 1 missing in more than 10 % of the VOIs" in text
    assert b"Synthetic cohort" in figure.read_bytes()


def test_a_narrow_terminal_keeps_every_digit(mvi, monkeypatch):
    """Columns are left out rather than numbers cut."""
    monkeypatch.setattr(quality, "_width", lambda: 80)
    text = mvi("features", CONTRAST)
    assert " min " not in text
    lines = text.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("AP_"))
    name = "".join(line.split()[0] for line in lines[at:] if line.strip() and not line.startswith("No "))
    assert name.startswith(CONTRAST)
    assert "1.5" in lines[at]
    assert all(len(line) <= 80 for line in lines[: at + 3])


def _refused(folder, *args):
    """Run the installed way; returns exit code and the one line of the error."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, "-C", str(folder), *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.stdout == ""
    assert len(said) == 1
    return done.returncode, said[0]


def test_errors_are_one_line(folder, tmp_path):
    """Wrong usage ends with 2, what the store does not allow with 1."""
    code, said = _refused(folder, "features", "glcm_Contrast")
    assert (code, "write '*glcm_Contrast*'" in said) == (2, True)
    code, said = _refused(folder, "drift", *BETWEEN, "--figure", tmp_path / "x.jpg")
    assert (code, "let it end in .svg or .png" in said) == (2, True)
    code, said = _refused(folder, "drift", "--between", "true", "centre = 'B'")
    assert (code, "both groups hold P4 (such patients: 4)" in said) == (1, True)


def test_they_load_nothing_that_they_do_not_need(folder):
    """Neither the engine nor Ray nor anything that draws; without centres no SciPy either."""
    for args, more in (
        (["features", "--help"], {"scipy", "pyarrow", "duckdb"}),
        (["features", "*glcm_Contrast"], set()),
        (["drift", *BETWEEN, "*glcm_Contrast"], set()),
    ):
        done = subprocess.run(
            [sys.executable, "-c", _LOADED, "-C", str(folder), *args],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        loaded = set(done.stderr.split("LOADED")[1].split())
        assert not loaded & ({"ray", "torch", "SimpleITK", "radiomics", "matplotlib", "sklearn"} | more)
