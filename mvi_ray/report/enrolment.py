"""The flow chart of the enrolment: counts only, as figure and as page."""

from __future__ import annotations

import io
import textwrap
from base64 import b64encode
from typing import TYPE_CHECKING, Literal

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mvi_ray.report.figure import COLOURS
from mvi_ray.report.page import marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from mvi_ray.report.flow import Flow, Step


_TITLE = "mvi enrolment: flow chart"
_HEAD = 4096
_LETTERS = 44
_LINE_IN, _GAP_IN, _WIDE_IN, _SIDE_IN = 0.19, 0.22, 3.4, 3.4


def enrolment_figure(flow: Flow, *, kind: Literal["svg", "png"] = "svg", dpi: int = 150) -> bytes:
    """Patients from screening to the models, from top to bottom; the same flow gives the same bytes.

    Args:
        flow: what is drawn.
        kind: of the file.
        dpi: of a PNG.
    """
    # Ids in an SVG are hashes with a random salt unless one is given. Text stays text, so that it
    # can be read out, and searched.
    with mpl.rc_context(
        {"svg.hashsalt": "mvi-ray", "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 8.5}
    ):
        figure = Figure(figsize=(_WIDE_IN + _SIDE_IN + 0.6, _height(flow)))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, figure.get_figwidth()), ylim=(-_height(flow), 0))
        axes.set_axis_off()
        _draw(axes, flow)
        out = io.BytesIO()
        none = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        figure.savefig(out, format=kind, dpi=dpi, metadata={**none, "Title": _TITLE})
    return out.getvalue()


def enrolment_page(flow: Flow) -> str:
    """One HTML page with the flow chart and its numbers as a table, without any outside resource."""
    environment = Environment(
        loader=PackageLoader("mvi_ray.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    drawn = b64encode(enrolment_figure(flow)).decode("ascii")
    return environment.get_template("enrolment.html").render(
        flow=flow, title=_TITLE, chart=f"data:image/svg+xml;base64,{drawn}", cohorts=list(flow.cohorts)
    )


def is_chart(content: bytes) -> bool:
    """Whether a file was written by this module, of whatever flow, by the title within its beginning."""
    return _TITLE.encode() in content[:_HEAD]


def _side(step: Step) -> list[str]:
    """Lines of the box beside the arrow."""
    lines = [f"{step.title}: n = {step.removed}"]
    lines += [f"– {reason}: {number}" for reason, number in step.reasons]
    if step.unknown_left:
        lines.append(f"not known, removed: {step.unknown_left}")
    if step.unknown > step.unknown_left:
        lines.append(f"not known, kept: {step.unknown - step.unknown_left}")
    return [part for line in lines for part in textwrap.wrap(line, _LETTERS, subsequent_indent="  ")]


def _ends(flow: Flow) -> list[list[str]]:
    """Lines of the boxes below the enrolled patients."""
    boxes = []
    if flow.cohorts:
        lines = [f"{name}: n = {number}" for name, number in flow.cohorts.items()]
        for what, number in (
            ("outcome not known", flow.without_outcome),
            ("in no cohort", flow.without_cohort),
        ):
            if number:
                lines.append(f"{what}: n = {number}")
        boxes.append(["Cohorts", *lines])
    if flow.models:
        models = [f"{name}: {_by_cohort(counts)}" for name, counts in flow.models]
        boxes.append(["Models, patients with every feature", *models])
    return [[part for line in box for part in textwrap.wrap(line, _LETTERS)] for box in boxes]


def _by_cohort(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items())


def _box_in(lines: Sequence[str]) -> float:
    return len(lines) * _LINE_IN + 0.16


def _height(flow: Flow) -> float:
    boxes = [["screened"], *(_side(step) for step in flow.steps), ["enrolled"], *_ends(flow)]
    head = _LINE_IN * (1 + len(marks(flow.synthetic, trial_weights=False)))
    return head + sum(_box_in(box) + _GAP_IN for box in boxes) + 0.3


def _draw(axes: Axes, flow: Flow) -> None:
    middle, top = 0.2 + _WIDE_IN / 2, -0.1
    for line in marks(flow.synthetic, trial_weights=False):
        axes.text(0.2, top, line, color="#B45309", va="top")
        top -= _LINE_IN
    top = _box(axes, (0.2, top - 0.1), [f"Screened: n = {flow.screened}"], _WIDE_IN)
    start = top
    for step in flow.steps:
        lines = _side(step)
        place = top - _GAP_IN
        end = _box(axes, (0.2 + _WIDE_IN + 0.2, place), lines, _SIDE_IN, fill="#F6F8FA", centred=False)
        _arrow(axes, (middle, (place + end) / 2), (0.2 + _WIDE_IN + 0.2, (place + end) / 2))
        top = end
    below = top - _GAP_IN
    _arrow(axes, (middle, start), (middle, below))
    top = _box(axes, (0.2, below), [f"Enrolled: n = {flow.enrolled}"], _WIDE_IN)
    for lines in _ends(flow):
        below = top - _GAP_IN
        _arrow(axes, (middle, top), (middle, below))
        top = _box(axes, (0.2, below), lines, _WIDE_IN)


def _box(
    axes: Axes,
    corner: tuple[float, float],
    lines: Sequence[str],
    width: float,
    *,
    fill: str = "white",
    centred: bool = True,
) -> float:
    """A frame with lines of text, from its upper left corner; where it ends below."""
    from matplotlib.patches import Rectangle

    left, top = corner
    height = _box_in(lines)
    axes.add_patch(
        Rectangle((left, top - height), width, height, facecolor=fill, edgecolor=COLOURS[-1], linewidth=0.8)
    )
    at = left + (width / 2 if centred else 0.1)
    for number, line in enumerate(lines):
        # A dollar sign would begin a formula.
        text = line.replace("$", r"\$")
        axes.text(
            at, top - 0.08 - (number + 0.5) * _LINE_IN, text, ha="center" if centred else "left", va="center"
        )
    return top - height


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate(
        "",
        xy=end,
        xytext=start,
        arrowprops={"arrowstyle": "-|>", "color": COLOURS[-1], "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0},
    )
