"""The page `docs/clinical.md`: its study and tables give what it prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mvi_ray.cli.app import app
from mvi_ray.cli.console import grid
from mvi_ray.project import Project

if TYPE_CHECKING:
    from tests.conftest import WrittenProject

PAGE = Path(__file__).resolve().parents[2] / "docs" / "clinical.md"
_TEXT = PAGE.read_text(encoding="utf-8")
_BLOCKS = dict(re.findall(r"^<!-- (.+?) -->\n```\w+\n(.*?)^```", _TEXT, re.DOTALL | re.MULTILINE))


@pytest.fixture
def project(written: WrittenProject) -> Project:
    """The study of the page with its tables; everybody but P3 has images."""
    path = written.project.folder / "study.yaml"
    head = path.read_text(encoding="utf-8").partition("clinical:\n")[0]
    text = f"{head}{_BLOCKS['study']}models: {{fit: {{CR: {{families: [CR], regions: [intratumoral]}}}}}}\n"
    path.write_text(text, encoding="utf-8")
    for patient in ("P1", "P2", "P4", "P5"):
        for phase in ("AP", "PP"):
            written.voi(patient, phase, "intratumoral")
    written.write()
    for name, content in _BLOCKS.items():
        if name.startswith("file: "):
            (path.parent / name.removeprefix("file: ")).write_text(content, encoding="utf-8")
    project = Project(path.parent)
    summary = project.ingest(clinical=[project.folder / f"hospital_{one}.csv" for one in "ab"])
    assert summary.left_out == 0
    return project


def test_clinical_values_are_those_of_the_page(project: Project) -> None:
    """The query as it stands there."""
    (query,) = re.findall(r"^`(SELECT .*?)`:$", _TEXT, re.MULTILINE)
    assert grid(project.sql(query)) + "\n" == _BLOCKS["clinical"]


def test_enrolment_is_that_of_the_page(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """After the exclusion that the page makes."""
    for command in (["exclude", "P5", "--reason", "motion artefacts"], ["enrolment"]):
        app(["-C", str(project.folder), *command], standalone_mode=False)
    said = capsys.readouterr().out
    table = said[said.index("Enrolment") :].partition("SYNTHETIC")[0]
    assert [line.rstrip() for line in table.splitlines()] == _BLOCKS["enrolment"].splitlines()


def test_keys_of_the_page_are_those_of_the_study(project: Project) -> None:
    """What the text names is known to the study file."""
    schema = str(type(project.study).model_json_schema())
    for key in (
        "encoding",
        "delimiter",
        "decimal",
        "sheet",
        "allowed",
        "censored",
        "cuts",
        "measures",
        "missing",
    ):
        assert f"'{key}'" in schema
        assert f"`{key}" in _TEXT
