"""The line that tells what went wrong with a case."""

from __future__ import annotations

import json
import pickle

from mvi_ray.errors import MaskError
from mvi_ray.ingest.problem import Problem


def test_problem_of_an_error_has_its_parts() -> None:
    """Reason, way out and the case."""
    problem = Problem.of(MaskError("mask is empty; draw it"), line=4, patient_id="001", phase="AP")
    assert (problem.severity, problem.reason, problem.way_out) == ("error", "mask is empty", "draw it")
    assert (problem.line, problem.patient_id, problem.phase, problem.reader) == (4, "001", "AP", None)


def test_case_is_told_without_defaults() -> None:
    """Baseline and lesion 1 are not worth a word; nothing known is a dash."""
    whole = Problem("error", "x", "y", 2, "P07", "follow-up", "AP", "2", "peritumoral", "R2")
    assert whole.case == "P07 follow-up AP lesion 2 peritumoral R2"
    plain = Problem("error", "x", "y", 2, "P07", "baseline", "AP", "1", None, "R1")
    assert plain.case == "P07 AP R1"
    assert Problem("warning", "x", "y").case == "-"


def test_line_is_set_on_a_copy() -> None:
    """A problem is not changed in place."""
    problem = Problem("error", "x", "y")
    assert problem.at(7).line == 7
    assert problem.line is None
    assert problem.at(7).at(8) == problem.at(8)


def test_problem_is_plain_json_and_survives_pickling() -> None:
    """It goes from a worker to `--json`."""
    problem = Problem("error", "x", "y", 2, "001")
    assert json.loads(json.dumps(problem.to_json()))["patient_id"] == "001"
    assert problem.to_json()["case"] == "001"
    assert pickle.loads(pickle.dumps(problem)) == problem  # noqa: S301
