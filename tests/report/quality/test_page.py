"""Tests of mvi_ray.report.quality.page: what the HTML says, and what it does not need."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from mvi_ray.report.quality.drawing import Drawn
from mvi_ray.report.quality.measure import Inside
from mvi_ray.report.quality.page import QualitySummary, millilitres, quality_page, span
from mvi_ray.report.quality.tile import Reading, Tile
from mvi_ray.report.quality.warnings import find_warnings

VOID = {"meta", "img", "input", "br"}
INSIDE = Inside(-12.0, 80.0, 340.0, False, (0.0, 0.0, 0.0), 9)
EVIL = '"><script>alert(1)</script>&'


class _Reader(HTMLParser):
    """Elements with their attributes and text; every tag must be closed."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.elements = []
        self.words = []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words += data.split()

    def all(self, name):
        return [attributes for tag, attributes in self.elements if tag == name]


def _read(summary):
    reader = _Reader()
    reader.feed(quality_page(summary))
    reader.close()
    assert reader.open == []
    return " ".join(reader.words), reader


def _tile(patient, phase, **change):
    drawn = Drawn("axial", 14, 30, (0.8, 0.9), 3.0, (0.0, 512.0), (INSIDE,))
    reading = Reading("R1", 900, 12_345.0, 31.0, {"peritumoral": 0.1}, 71, inside=INSIDE)
    tile = Tile(patient, "baseline", phase, "1", (reading,), "a.webp", drawn, ("peritumoral",), organ=True)
    return replace(tile, **change)


def _summary(tiles, **change):
    summary = QualitySummary(
        study="Liver <A & B>",
        created=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        synthetic=False,
        phases=("AP", "PP"),
        tiles=tuple(tiles),
        centres={"P1": "A", "P2": "B"},
        warnings=tuple(find_warnings(tiles)),
        binning={"AP": "bin width 5", "PP": "bin width 5"},
        images=3,
        masks=9,
        sources={"a.webp": "quality/a.webp"},
    )
    return replace(summary, **change)


@pytest.fixture
def summary():
    """Two patients; one has no image in a phase, and a tumour of 40 voxels in the other."""
    tiny = replace(_tile("P2", "AP").readings[0], voxels=40)
    missing = Tile("P2", "baseline", "PP", "1", missing="image", problem="series is <lost>")
    return _summary([_tile("P1", "AP"), _tile("P1", "PP"), _tile("P2", "AP", readings=(tiny,)), missing])


def test_the_page_says_what_a_reader_needs(summary):
    """Counts, kinds of warnings, and below each picture figures with their units."""
    text, _ = _read(summary)
    expected = [
        "Liver <A & B>",
        "as of 02 January 2026, 03:04 UTC",
        "2 patients 3 images 9 masks, derived regions included 1 reader 2 warnings on 2 of 4 pictures",
        "Image missing 1 1 Tiny tumour 1 1",
        "AP bin width 5, 2 masks",
        "P1 A AP mL Intensity Levels 12.3 −12 to 340 71 axial 14/30 · 0.9 × 0.8 × 3 mm · window 0–512",
        "P2 B 2 warnings AP tumour of 40 voxels mL",
        "PP no image: series is <lost>",
        "percentiles 1 and 99.5 of the slice",
    ]
    assert [part for part in expected if part not in text] == []


def test_every_picture_is_described_in_words(summary):
    """For who cannot see it; each has its size, so that nothing jumps, and is loaded when needed."""
    _, page = _read(summary)
    images = page.all("img")
    assert len(images) == 3
    assert images[0]["alt"] == "P1, AP: axial slice 14 of 30, tumour, peritumoral and organ outlined"
    assert {(i["loading"], i["width"], i["height"]) for i in images} == {("lazy", "400", "400")}
    charts = [a["aria-label"] for a in page.all("svg") if a.get("role") == "img"]
    assert charts[0] == "AP: 2 of 64–128"


def test_headings_do_not_jump_and_controls_have_labels(summary):
    """One h1, no level left out; every table column says what it is."""
    html = quality_page(summary)
    _, page = _read(summary)
    levels = [int(tag[1]) for tag, _ in page.elements if tag in ("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for control in ("select", "input"):
        assert html.count(f"<{control} ") == sum(html.count(f"{word} <{control} ") for word in LABELS)
    assert all("scope" in attributes for attributes in page.all("th"))
    assert page.all("html") == [{"lang": "en"}]


LABELS = ("<label>Show", "<label>Centre", "<label>Phase", "<label>Patient", "<label>Size")


def test_the_page_needs_nothing_from_outside(summary):
    """No link, font, script or picture of another place."""
    html = quality_page(summary)
    _, page = _read(summary)
    places = [a[name] for _, a in page.elements for name in ("src", "href") if name in a]
    assert {place.split("/")[0].split("=")[0] for place in places} == {"quality", "#show", "#patients"}
    assert "http" not in html.replace("http-equiv", "")
    assert "url(" not in html
    assert "@import" not in html


def test_text_from_outside_is_never_markup(summary):
    """Pseudonym, centre, reader, lesion, reason and study come from files."""
    reading = replace(_tile("P", "AP").readings[0], reader=EVIL, voxels=3)
    tiles = [
        _tile(EVIL, "AP", lesion=EVIL, session=EVIL, readings=(reading, reading), regions=(EVIL,)),
        Tile(EVIL, EVIL, "PP", EVIL, missing="mask", problem=EVIL),
    ]
    evil = _summary(tiles, study=EVIL, centres={EVIL: EVIL, "P2": "B"}, binning={"AP": EVIL, "PP": EVIL})
    clean = _summary([_tile("P1", "AP")])
    text, page = _read(evil)
    assert len(page.all("script")) == len(_read(clean)[1].all("script")) == 1
    assert EVIL in text
    assert page.all("section")[-1]["data-patient"] == EVIL
    assert "alert(1)</script>" not in quality_page(evil)


def test_lesions_and_sessions_are_told_apart_only_where_there_are_several():
    """One of each has no heading of its own."""
    assert _read(_summary([_tile("P1", "AP")]))[1].all("h4") == []
    tiles = [_tile("P1", "AP"), _tile("P1", "AP", lesion="2"), _tile("P1", "AP", session="later")]
    text, page = _read(_summary(tiles))
    assert len(page.all("h4")) == 3
    assert "baseline, lesion 1 AP" in text
    assert "later, lesion 1 AP" in text


def test_a_study_without_texture_or_with_a_fixed_number_of_levels_has_no_chart_of_them():
    """There is nothing to predict."""
    fixed = replace(_tile("P1", "AP").readings[0], levels=8, fixed_levels=True)
    none = replace(fixed, levels=None, fixed_levels=False)
    for reading in (fixed, none):
        text, _ = _read(_summary([_tile("P1", "AP", readings=(reading,))]))
        assert "Predicted grey levels" not in text


def test_an_empty_store_has_a_page():
    """Nothing was ingested but clinical values."""
    text, _ = _read(_summary([], images=0, masks=0))
    assert "0 patients 0 images 0 masks" in text


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((174.0, 592.0), "174–592"),
        ((0.00352, 5.8), "0.0–5.8"),
        ((0.1694, 7.914), "0.2–7.9"),
        ((-1024.0, 3071.0), "−1,024 to 3,071"),
        ((0.0, 7.0), "0–7"),
        ((3.5, 3.5), "3.5–3.5"),
    ],
)
def test_a_range_has_the_decimals_that_its_width_is_worth(ends, text):
    """A minus is not taken for a dash."""
    assert span(ends) == text


def test_volumes_have_three_digits():
    """In millilitres; none is a dash."""
    assert [millilitres(v) for v in (58.1, 12_345.0, 1_234_567.0, None)] == ["0.0581", "12.3", "1,235", "–"]
