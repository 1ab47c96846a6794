"""The figure of a comparison of two groups of patients, as bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mvi_ray.errors import ModelError
from mvi_ray.report.figure import COLOURS
from mvi_ray.report.text import count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes

    Values = npt.NDArray[np.float64]

_WIDEST = 38
"""Letters of a title or label; longer ones are cut in the middle."""


@dataclass(frozen=True, slots=True, eq=False)
class Shifted:
    """What is drawn.

    Args:
        groups: the two conditions, as labels.
        distances: family and class to the distances of its features, each 0 to 1.
        chance: distance that one feature in twenty exceeds without any difference.
        curves: name and sorted values in both groups of the most shifted features; four are drawn.
    """

    groups: tuple[str, str]
    distances: Mapping[str, Values]
    chance: float
    curves: Sequence[tuple[str, Values, Values]]


def drift_figure(
    shown: Shifted, *, kind: Literal["svg", "png"] = "svg", dpi: int = 150, marks: Sequence[str] = ()
) -> bytes:
    """Distances by family and class, and distribution functions of the most shifted features.

    A box holds the middle half of the features, its whiskers 90 %, points are the others. The
    same comparison gives the same bytes.

    Args:
        shown: what is drawn.
        kind: of the file.
        dpi: of a PNG.
        marks: sentences at the head, for a figure that travels without its page.

    Raises:
        ModelError: no feature was compared.
    """
    if not any(len(values) for values in shown.distances.values()):
        raise ModelError("no feature has values in both groups; choose groups whose features are complete")
    # Ids in an SVG are hashes with a random salt unless one is given.
    with mpl.rc_context({"svg.hashsalt": "mvi-ray", "font.family": "DejaVu Sans", "font.size": 8.5}):
        figure = Figure(figsize=(11.0, 5.2), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(2, 3, width_ratios=(1.25, 1, 1))
        _boxes(figure.add_subplot(grid[:, 0]), shown)
        for at, (name, a, b) in enumerate(shown.curves[:4]):
            axes = figure.add_subplot(grid[at // 2, 1 + at % 2])
            _functions(axes, name, (a, b), shown.groups if at == 0 else None)
        if marks:
            # Above the layout: the tight box below takes it in.
            figure.text(0.5, 1.01, "\n".join(marks), ha="center", va="bottom", color="#B45309")
        out = io.BytesIO()
        none = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        figure.savefig(out, format=kind, dpi=dpi, metadata=none, bbox_inches="tight", pad_inches=0.1)
    return out.getvalue()


def _boxes(axes: Axes, shown: Shifted) -> None:
    """One box for each family and class, the first on top."""
    there = {name: values for name, values in shown.distances.items() if len(values)}
    axes.boxplot(
        list(there.values()),
        orientation="horizontal",
        whis=(5, 95),
        widths=0.6,
        medianprops={"color": COLOURS[1], "linewidth": 1.5},
        flierprops={"marker": ".", "markersize": 2, "markeredgecolor": "0.5", "rasterized": True},
    )
    axes.axvline(shown.chance, color=COLOURS[0], linestyle="dashed", linewidth=1)
    axes.text(
        shown.chance, 1.005, "p = 0.05", transform=axes.get_xaxis_transform(), color=COLOURS[0], ha="center"
    )
    axes.set_yticks(
        range(1, len(there) + 1), [f"{name}\n{count(len(v), 'feature')}" for name, v in there.items()]
    )
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="Kolmogorov-Smirnov distance")
    axes.set_title("Distance of the groups, by family and class\n", fontsize=9.5, loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def _functions(axes: Axes, name: str, values: tuple[Values, Values], labels: tuple[str, str] | None) -> None:
    """Both distribution functions of one feature."""
    for at, group in enumerate(values):
        label = "_" if labels is None else f"{_short(labels[at])}: n = {len(group)}"
        style = ("solid", "dashed")[at]
        axes.ecdf(group, color=COLOURS[at], linestyle=style, linewidth=1.5, label=label)
    axes.set_title(_short(name), fontsize=7.5, loc="left")
    axes.set(ylim=(0, 1.02), ylabel="Share of patients")
    axes.spines[["top", "right"]].set_visible(False)
    if labels is not None:
        axes.legend(frameon=False, fontsize=7, loc="lower right")


def _short(text: str) -> str:
    """Text without its middle when it is too long."""
    # A dollar sign would begin a formula.
    text = text.replace("$", r"\$")
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST // 2 - 1]}…{text[-_WIDEST // 2 :]}"
