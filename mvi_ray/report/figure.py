"""Figures of a report, as bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mvi_ray.errors import ModelError
from mvi_ray.report.text import interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from mvi_ray.model.result import Evaluation, Performance

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito's palette, told apart with every common kind of colour vision."""

_LINES = ("solid", "dashed", "dashdot", "dotted")
_PANEL_IN = 4.6


def roc_figure(
    evaluations: Sequence[Evaluation],
    *,
    kind: Literal["svg", "png"] = "svg",
    dpi: int = 150,
    marks: Sequence[str] = (),
) -> bytes:
    """ROC curves of all models: cross-validation, and beside it the test cohort if there is one.

    A curve of the cross-validation is the vertical average of one curve for each repeat.
    The same evaluations give the same bytes.

    Args:
        evaluations: at least one.
        kind: of the file.
        dpi: of a PNG.
        marks: sentences at the head, for a figure that travels without its page.

    Raises:
        ModelError: there is no evaluation.
    """
    if not evaluations:
        raise ModelError("there is no model to draw; name models.fit in the study")
    panels: list[tuple[str, list[tuple[str, Performance]]]] = [
        ("Cross-validation, mean over folds", [(e.name, e.cross_validation) for e in evaluations])
    ]
    tested = [(e.name, e.test) for e in evaluations if e.test]
    if tested:
        panels.append(("Test cohort", tested))
    # Ids in an SVG are hashes with a random salt unless one is given.
    with mpl.rc_context({"svg.hashsalt": "mvi-ray", "font.family": "DejaVu Sans", "font.size": 9.0}):
        legend_in = 0.19 * len(evaluations) + 0.3
        figure = Figure(figsize=(_PANEL_IN * len(panels), _PANEL_IN + legend_in), layout="constrained")
        FigureCanvasAgg(figure)
        colour_of = {e.name: index for index, e in enumerate(evaluations)}
        for place, (title, curves) in enumerate(panels, 1):
            _draw(figure.add_subplot(1, len(panels), place), title, curves, colour_of)
        if marks:
            # Above the layout: the tight box below takes it in.
            figure.text(0.5, 1.01, "\n".join(marks), ha="center", va="bottom", color="#B45309")
        out = io.BytesIO()
        none = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        # Tight: a square panel beside a long title does not fit the grid of the layout.
        figure.savefig(out, format=kind, dpi=dpi, metadata=none, bbox_inches="tight", pad_inches=0.1)
    return out.getvalue()


def _draw(axes: Axes, title: str, curves: list[tuple[str, Performance]], place: dict[str, int]) -> None:
    axes.plot([0, 1], [0, 1], color="0.75", linewidth=0.8, zorder=1)
    for name, performance in curves:
        if performance.roc is None:
            continue
        index = place[name]
        axes.plot(
            performance.roc.fpr,
            performance.roc.tpr,
            color=COLOURS[index % len(COLOURS)],
            linestyle=_LINES[index % len(_LINES)],
            linewidth=1.7,
            label=f"{name}: AUC {interval(performance.metrics['auc'])}",
        )
    n, events = curves[0][1].n, curves[0][1].events
    axes.set_title(f"{title}\n{n} patients, {events} with the outcome", fontsize=10, loc="left")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set(xlabel="1 - specificity", ylabel="Sensitivity")
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False, handlelength=3)
