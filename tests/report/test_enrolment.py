"""The flow chart as figure and page."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mvi_ray.report.enrolment import enrolment_figure, enrolment_page
from mvi_ray.report.flow import Flow, Step

FLOW = Flow(
    "liver <study>",
    synthetic=True,
    screened=40,
    steps=(
        Step("no image", "", 3, 0, 0, 37),
        Step("no tumour mask", "", 1, 0, 0, 36),
        Step("include", "adult", 2, 5, 0, 34),
        Step("exclude", "prior_treatment", 4, 2, 2, 28),
        Step("by hand", "", 2, 0, 0, 26, (("cost > $5 and $6 & more", 2),)),
    ),
    enrolled=26,
    cohorts={"train": 17, "test": 6},
    without_outcome=2,
    without_cohort=1,
    models=(("CR", {"train": 16, "test": 6}),),
    notes=(),
)


def _texts(svg: bytes) -> list[str]:
    return [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg.decode())]


def test_figure_tells_every_count() -> None:
    """From top to bottom, as text that can be read out."""
    assert _texts(enrolment_figure(FLOW)) == [
        "Synthetic cohort: images made by a program.",
        "Screened: n = 40",
        "without images: n = 3",
        "without a tumour mask: n = 1",
        "adult not met: n = 2",
        "not known, kept: 5",
        "prior treatment: n = 4",
        "not known, removed: 2",
        "excluded by hand: n = 2",
        "– cost > $5 and $6 & more: 2",
        "Enrolled: n = 26",
        "Cohorts",
        "train: n = 17",
        "test: n = 6",
        "outcome not known: n = 2",
        "in no cohort: n = 1",
        "Models, patients with every feature",
        "CR: train 16, test 6",
    ]


@pytest.mark.parametrize(("kind", "mark"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_same_flow_gives_the_same_bytes(kind: str, mark: bytes) -> None:
    """Without a date or a random id."""
    drawn = [enrolment_figure(FLOW, kind=kind, dpi=50) for _ in range(2)]  # type: ignore[arg-type]
    assert drawn[0] == drawn[1]
    assert drawn[0].startswith(mark)


def test_long_reasons_are_broken_and_nothing_leaves_the_figure() -> None:
    """The figure grows with its text."""
    long = replace(FLOW.steps[-1], reasons=tuple((f"reason {n} " + "word " * 20, n) for n in range(1, 9)))
    tall = enrolment_figure(replace(FLOW, steps=(*FLOW.steps[:-1], long)))
    lines = _texts(tall)
    assert len(lines) > len(_texts(enrolment_figure(FLOW))) + 16
    assert max(map(len, lines)) <= 44
    heights = [float(re.search(rb'height="([0-9.]+)pt"', svg)[1]) for svg in (enrolment_figure(FLOW), tall)]  # type: ignore[index]
    assert heights[1] > heights[0]
    places = [float(y) for y in re.findall(rb'<text[^>]* y="([0-9.]+)"', tall)]
    assert min(places) > 0
    assert max(places) < heights[1]


def test_page_holds_the_table_and_no_outside_resource() -> None:
    """Its numbers can be copied; text of the study is escaped."""
    page = enrolment_page(replace(FLOW, notes=("cohorts are not counted: why; what to do",)))
    assert "liver &lt;study&gt;" in page
    assert "<study>" not in page
    assert "cost &gt; $5 and $6 &amp; more: 2" in page
    assert "cohorts are not counted" in page

    class Links(HTMLParser):
        found: list[str | None] = []  # noqa: RUF012

        def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [value for name, value in attrs if name in ("src", "href")]

    parser = Links()
    parser.feed(page)
    assert [str(link)[:26] for link in parser.found] == ["data:image/svg+xml;base64,"]


def test_flow_as_json_has_the_titles() -> None:
    """Plain values only."""
    content = FLOW.to_json()
    assert content["steps"][4]["reasons"] == {"cost > $5 and $6 & more": 2}
    assert content["steps"][2]["title"] == "adult not met"
    assert content["models"] == {"CR": {"train": 16, "test": 6}}
