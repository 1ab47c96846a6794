"""Tests of mvi_ray.report.page, caution and method."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mvi_ray.report.caution import cautions
from mvi_ray.report.method import method
from mvi_ray.report.page import RunSummary, page
from mvi_ray.report.text import interval
from mvi_ray.stats.bootstrap import metric_estimates
from mvi_ray.study import Models

if TYPE_CHECKING:
    from mvi_ray.model.result import Evaluation

VOID = {"meta", "img", "br", "link"}


class _Reader(HTMLParser):
    """Collects visible text and attributes, and checks that every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += data.split()


def _read(html: str) -> tuple[str, _Reader]:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return " ".join(reader.words), reader


def test_page_holds_what_a_reader_needs(summary: RunSummary) -> None:
    """Study, cohorts, each metric with its interval, features, versions and warnings."""
    text, _ = _read(page(summary))
    tested = summary.evaluations[1].test
    metrics = tested.metrics
    expected = [
        "Liver <A & B>",
        "2026-01-02-abc · 02 January 2026, 03:04 UTC",
        "centre = 'A' 216 90 42 %",
        "test all patients 88 30 34 %",
        f"DLR {tested.n} {tested.events} " + " ".join(interval(metrics[name]) for name in metrics),
        "AP_intratumoral_CR_<Contrast> +0.750 40 %",
        "1 of 3,562 candidate columns; positive from a probability of 0.417 on.",
        "scikit-learn 1.9.1",
        "cr 4",
        "3 VOIs are in quarantine.",
        "candidate columns: treat every figure here as a trial.",
        "with DeLong's interval: CR " + interval(summary.evaluations[0].test.delong),
    ]
    assert [part for part in expected if part not in text] == []


def test_page_needs_nothing_from_outside(summary: RunSummary) -> None:
    """No script, no link, no font, no picture of another file."""
    html = page(summary)
    _, reader = _read(html)
    sources = [value for _, key, value in reader.attributes if key in ("src", "href")]
    assert len(sources) == 1
    assert sources[0].startswith("data:image/svg+xml;base64,")
    assert not re.search(r"<script|<link|@import|url\(|https?://", html)


def test_names_of_the_study_cannot_become_markup(summary: RunSummary) -> None:
    """Everything is escaped, rules and warnings too."""
    nasty = "<script>alert(1)</script>"
    html = page(replace(summary, study=nasty, warnings=(nasty,), package_versions={nasty: nasty}))
    assert "<script" not in html
    assert _read(html)[0].count(nasty) == 5


def test_page_names_no_patient(summary: RunSummary) -> None:
    """The evaluations hold identifiers and scores; the page must not."""
    patients = [p for e in summary.evaluations for p in (*e.cross_validation.patients, *e.test.patients)]
    assert "TRAIN000" in patients
    assert not re.search(r"TRAIN\d|TEST\d", page(summary))


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        (
            "synthetic",
            "Synthetic cohort: images made by a program. These figures say nothing about patients.",
        ),
        ("trial_weights", "Trial weights: the network's weights are random."),
    ],
)
def test_trials_carry_a_banner(summary: RunSummary, flag: str, words: str) -> None:
    """With the flag, and never without."""
    assert words in _read(page(replace(summary, **{flag: True})))[0]
    assert words not in _read(page(summary))[0]


def test_same_summary_gives_the_same_page(summary: RunSummary) -> None:
    """The date is an argument."""
    assert page(summary) == page(summary)


def test_page_without_test_cohort(summary: RunSummary, inside_only: Evaluation) -> None:
    """No empty table, and no word about DeLong."""
    text, _ = _read(page(replace(summary, evaluations=(inside_only,), warnings=())))
    assert "Test cohort" not in text
    assert "DeLong" not in text
    assert "patients" in text


def test_enough_events_need_no_caution(inside_only: Evaluation) -> None:
    """Ninety events for seven columns, and a narrow interval."""
    assert cautions((inside_only,)) == ()
    page_text = cautions((replace(inside_only, candidates=10),))
    assert page_text == ("clinical: 90 events for 10 candidate columns: treat every figure here as a trial.",)


def test_rarer_outcome_counts(inside_only: Evaluation) -> None:
    """With 3 patients without the outcome, those are what a model learns from."""
    outcome = np.repeat([1, 0], [20, 3])
    few = replace(inside_only.cross_validation, patients=("p",) * 23, outcome=tuple(outcome.tolist()))
    said = cautions((replace(inside_only, cross_validation=few),))
    assert said[0].startswith("clinical: 3 patients without the outcome for 7 candidate columns")


def test_wide_interval_and_missing_area_are_said(inside_only: Evaluation) -> None:
    """A reader must not take 0.50 (0.10 to 0.90) for a result."""
    rng = np.random.default_rng(0)

    def with_outcome(outcome: np.ndarray) -> Evaluation:
        scores = rng.normal(size=(1, outcome.size))
        metrics = metric_estimates(outcome, scores, scores > 0, resamples=200)
        return replace(inside_only, test=replace(inside_only.cross_validation, metrics=metrics))

    wide = cautions((with_outcome(np.repeat([1, 0], [4, 5])),))
    assert re.search(r"AUC in the test cohort is 0\.\d\d wide", wide[0])
    none = cautions((with_outcome(np.zeros(9, int)),))
    assert none == ("clinical: the test cohort holds only one outcome, so there is no AUC.",)


def test_a_matter_of_several_models_is_said_once(inside_only: Evaluation) -> None:
    """Ten models with the same fault make one sentence, with the range of their columns."""
    many = tuple(replace(inside_only, name=f"m{n}", candidates=n) for n in (100, 5343))
    said = "90 events for 100 to 5,343 candidate columns: treat every figure here as a trial."
    assert cautions(many) == (f"All models: {said}",)
    assert cautions((inside_only, *many)) == (f"m100, m5343: {said}",)


def test_method_is_told_from_the_settings() -> None:
    """Other settings, other words."""
    models = Models.model_validate(
        {
            "lesions": "mean",
            "selection": {"correlation": 0.85, "n_features": 1},
            "validation": {"folds": 4, "repeats": 7, "inner_folds": 2, "bootstrap": 1500, "seed": 99},
        }
    )
    text = " ".join(method(models, tested=True))
    for words in ("averaged", "0.85", "down to 1 column at most", "4 parts", "7 random ways"):
        assert words in text
    for words in ("28 fits", "2-fold", "1,500 resamples", "seed is 99", "DeLong"):
        assert words in text
    assert "DeLong" not in " ".join(method(models, tested=False))
